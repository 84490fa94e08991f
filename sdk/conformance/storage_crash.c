/* The crash case of the storage conformance program: a child writes, marks and withdraws pieces and is
 * killed at a random moment; then every piece that it had marked must be there, every piece that is there
 * must have its bytes, and none that it had withdrawn may be back. */
#include "storage_conformance.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 4, PIECES = 32, LENGTH = 24 << 10, STEPS_MOST = 400 };

/* What the child says, in order; each message is one atomic write into a pipe. */
enum { MARKING, MARKED, WITHDRAWING, WITHDRAWN };
struct message {
    uint32_t what, task, piece;
};

/* What the parent knows: a piece is there, is not, or was being changed when the child died. */
enum state { ABSENT, PRESENT, EITHER };

struct outcome {
    struct bench *bench;
    enum state expected[TASKS][PIECES];
    bool found[TASKS][PIECES];
    uint32_t unknown; /* tasks or pieces nobody made */
    bool unchecked;
};

static void say(int pipe, uint32_t what, uint32_t task, uint32_t piece)
{
    struct message message = {what, task, piece};
    if (write(pipe, &message, sizeof(message)) != (ssize_t)sizeof(message))
        _exit(3);
}

/* Writes a piece in two parts and marks it, or withdraws it and spoils its bytes. */
static void child_step(struct bench *bench, struct dtr_stored *stored, uint32_t task, uint32_t number,
                       bool present, int pipe)
{
    static uint8_t bytes[LENGTH];
    struct dtr_piece piece = piece_of(number, LENGTH);
    const struct dtr_storage_ops *ops = bench->ops;
    size_t half = LENGTH / 3;

    if (present) {
        say(pipe, WITHDRAWING, task, number);
        if (ops->unmark(stored, number, 1, NULL) != DTR_OK)
            _exit(4);
        say(pipe, WITHDRAWN, task, number);
        memset(bytes, 0xEE, sizeof(bytes));
        if (ops->write(stored, piece.offset, bytes, sizeof(bytes), NULL) != DTR_OK)
            _exit(4);
        return;
    }
    fill(task, piece.offset, bytes, sizeof(bytes));
    if (ops->write(stored, piece.offset, bytes, half, NULL) != DTR_OK ||
        ops->write(stored, piece.offset + half, bytes + half, sizeof(bytes) - half, NULL) != DTR_OK)
        _exit(4);
    say(pipe, MARKING, task, number);
    if (ops->mark(stored, &piece, NULL) != DTR_OK)
        _exit(4);
    say(pipe, MARKED, task, number);
}

static void child_run(struct bench *bench, uint64_t seed, int pipe)
{
    struct dtr_stored *stored[TASKS];
    bool present[TASKS][PIECES] = {0};

    if (bench_start(bench, NULL) != DTR_OK)
        _exit(5);
    for (unsigned task = 0; task < TASKS; task++) {
        char id[DTR_TASK_ID_LENGTH + 1];
        struct dtr_task_facts facts = facts_of(task, id);
        if (bench->ops->open(bench->started.instance, &facts, &stored[task], NULL) != DTR_OK)
            _exit(5);
    }
    for (;;) {
        uint32_t task = (uint32_t)(next_random(&seed) % TASKS);
        uint32_t number = (uint32_t)(next_random(&seed) % PIECES);
        char id[DTR_TASK_ID_LENGTH + 1];
        struct dtr_task_facts facts = facts_of(task, id);
        bool *there = &present[task][number];
        if (*there && next_random(&seed) % 3 != 0)
            continue;
        child_step(bench, stored[task], task, number, *there, pipe);
        *there = !*there;
        facts.used_at += (int64_t)(next_random(&seed) % 1000);
        facts.headers = next_random(&seed) % 2 ? "A: 1\n" : "A: 1\nB: 2\n";
        if (bench->ops->update(stored[task], &facts, NULL) != DTR_OK)
            _exit(4);
    }
}

/* Reads what the child says until `steps` messages came, kills it, and reads the rest. */
static void follow(struct outcome *outcome, int pipe, pid_t child, uint64_t *seed)
{
    static const enum state after[] = {EITHER, PRESENT, EITHER, ABSENT};
    uint64_t steps = next_random(seed) % STEPS_MOST;
    uint64_t spins = next_random(seed) % 64;
    struct message message;

    for (uint64_t i = 0;; i++) {
        if (i == steps) {
            for (uint64_t spin = 0; spin < spins; spin++)
                (void)sched_yield();
            (void)kill(child, SIGKILL);
        }
        if (read(pipe, &message, sizeof(message)) != (ssize_t)sizeof(message))
            break;
        if (message.task < TASKS && message.piece < PIECES && message.what <= WITHDRAWN)
            outcome->expected[message.task][message.piece] = after[message.what];
    }
    (void)kill(child, SIGKILL);
}

static void note(void *context, const struct dtr_task_facts *facts, const struct dtr_piece *pieces,
                 uint32_t count, bool checked)
{
    struct outcome *outcome = context;
    char id[DTR_TASK_ID_LENGTH + 1];
    unsigned task = 0;

    while (task < TASKS && (facts_of(task, id), strcmp(id, facts->task_id) != 0))
        task++;
    outcome->unknown += task == TASKS;
    outcome->unchecked = outcome->unchecked || !checked;
    for (uint32_t i = 0; task < TASKS && i < count; i++) {
        if (pieces[i].number < PIECES && pieces[i].length == LENGTH)
            outcome->found[task][pieces[i].number] = true;
        else
            outcome->unknown++;
    }
}

static void verify_task(struct outcome *outcome, unsigned task)
{
    struct bench *bench = outcome->bench;
    static uint8_t bytes[LENGTH], expected[LENGTH];
    struct dtr_error err = {0};
    struct dtr_stored *stored;
    char id[DTR_TASK_ID_LENGTH + 1];
    struct dtr_task_facts facts = facts_of(task, id);

    CHECK_OK(bench, bench->ops->open(bench->started.instance, &facts, &stored, &err), err);
    for (uint32_t number = 0; number < PIECES; number++) {
        uint64_t offset = (uint64_t)number * LENGTH;
        bool found = outcome->found[task][number];
        CHECK(bench, found || outcome->expected[task][number] != PRESENT, "marked piece %u:%u is lost", task,
              number);
        CHECK(bench, !found || outcome->expected[task][number] != ABSENT, "withdrawn piece %u:%u is back",
              task, number);
        if (!found)
            continue;
        fill(task, offset, expected, sizeof(expected));
        CHECK_OK(bench, bench->ops->read(stored, offset, bytes, sizeof(bytes), &err), err);
        CHECK(bench, memcmp(bytes, expected, sizeof(bytes)) == 0, "piece %u:%u has wrong bytes", task,
              number);
    }
    bench->ops->close(stored);
    CHECK_OK(bench, bench->ops->evict(bench->started.instance, id, &err), err);
}

static void crash_once(struct bench *bench, uint64_t seed)
{
    struct outcome outcome = {.bench = bench};
    struct dtr_scan_sink sink = {.task = note, .context = &outcome};
    struct dtr_error err = {0};
    int ends[2], how = 0;
    pid_t child;

    CHECK(bench, pipe(ends) == 0, "pipe: %s", strerror(errno));
    (void)fflush(NULL);
    child = fork();
    CHECK(bench, child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        child_run(bench, seed, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    follow(&outcome, ends[0], child, &seed);
    close(ends[0]);
    (void)waitpid(child, &how, 0);
    CHECK(bench, WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "the child ended by itself, status %d", how);

    CHECK_OK(bench, bench_start(bench, &err), err);
    CHECK_OK(bench, bench->ops->scan(bench->started.instance, &sink, &err), err);
    CHECK(bench, outcome.unknown == 0, "scan() reports what nobody stored");
    CHECK(bench, !outcome.unchecked, "pieces are not `checked` in the same boot");
    for (unsigned task = 0; task < TASKS && !bench->failed; task++)
        verify_task(&outcome, task);
    bench_stop(bench);
}

void case_crash(struct bench *bench)
{
    bench_stop(bench);
    for (unsigned round = 0; round < bench->rounds && !bench->failed; round++) {
        crash_once(bench, bench->seed + round);
        if (bench->failed)
            (void)printf("# seed %llu fails\n", (unsigned long long)(bench->seed + round));
    }
}
