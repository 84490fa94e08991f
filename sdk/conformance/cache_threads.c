/* The cases of the cache conformance program in which several threads use one cache. */
#include "cache_conformance.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, TURNS = 25, ADDS = 100, VALUES = 100, LATE_MS = 30000 };

struct gang {
    struct bench *bench;
    void *(*work)(void *);
    atomic_int inside; /* threads that hold the lock */
    atomic_int count;  /* of what happened */
    atomic_bool wrong; /* something was seen that must not be */
    atomic_uchar seen[THREADS * (ADDS > VALUES ? ADDS : VALUES) + 1];
};

struct member {
    struct gang *gang;
    int number;
};

/* Runs the same work on all threads; false: a thread could not be made. */
static bool run_gang(struct gang *gang)
{
    struct member members[THREADS];
    pthread_t threads[THREADS];
    int count = 0;
    for (; count < THREADS; count++) {
        members[count] = (struct member){gang, count};
        if (pthread_create(&threads[count], NULL, gang->work, &members[count]) != 0)
            break;
    }
    for (int i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return count == THREADS;
}

static bool do_swap(struct gang *gang, const char *old, const char *value)
{
    struct bench *bench = gang->bench;
    struct dtr_error err = {0};
    bool done = false;
    int status = bench->cache->swap(bench->started.instance, "t", text_value(old), text_value(value), 60000,
                                    &done, &err);
    if (status != DTR_OK)
        gang->wrong = true;
    return status == DTR_OK && done;
}

/* --- a lock ----------------------------------------------------------------------------------------- */

static void *take_turns(void *context)
{
    const struct member *member = context;
    struct gang *gang = member->gang;
    uint64_t until_ms = now_ms() + LATE_MS;
    char name[16];
    (void)snprintf(name, sizeof(name), "owner %d", member->number);
    for (int turn = 0; turn < TURNS && !gang->wrong; turn++) {
        while (!do_swap(gang, NULL, name)) {
            if (gang->wrong || now_ms() > until_ms)
                return NULL;
        }
        if (atomic_fetch_add(&gang->inside, 1) != 0)
            gang->wrong = true;
        int seen = gang->count; /* in two steps: a second one inside would lose one */
        (void)now_ms();
        gang->count = seen + 1;
        atomic_fetch_sub(&gang->inside, 1);
        if (!do_swap(gang, name, NULL))
            gang->wrong = true;
    }
    return NULL;
}

void case_lock(struct bench *bench)
{
    static struct gang gang;
    gang = (struct gang){.bench = bench, .work = take_turns};
    CHECK(bench, run_gang(&gang), "no thread");
    CHECK(bench, !gang.wrong, "two owners held a lock at once, or one lost it");
    CHECK(bench, gang.count == THREADS * TURNS, "%d of %d turns were taken", gang.count, THREADS * TURNS);
}

/* --- compare and set -------------------------------------------------------------------------------- */

static void *raise_by_swap(void *context)
{
    struct gang *gang = ((struct member *)context)->gang;
    uint64_t until_ms = now_ms() + LATE_MS;
    struct dtr_error err = {0};
    struct got got = {0};
    for (int turn = 0; turn < TURNS && !gang->wrong && now_ms() < until_ms;) {
        char old[16], value[16];
        if (do_get(gang->bench, "t", &got, &err) != DTR_OK || got.length >= sizeof(old)) {
            gang->wrong = true;
            break;
        }
        (void)snprintf(old, sizeof(old), "%.*s", (int)got.length, (const char *)got.bytes);
        (void)snprintf(value, sizeof(value), "%d", atoi(old) + 1);
        turn += do_swap(gang, old, value);
    }
    got_free(&got);
    return NULL;
}

void case_compare(struct bench *bench)
{
    static struct gang gang;
    struct dtr_error err = {0};
    struct got got = {0};
    char wanted[16];
    gang = (struct gang){.bench = bench, .work = raise_by_swap};
    (void)snprintf(wanted, sizeof(wanted), "%d", THREADS * TURNS);
    CHECK_OK(bench, bench->cache->set(bench->started.instance, "t", text_value("0"), 0, &err), err);
    CHECK(bench, run_gang(&gang) && !gang.wrong, "a thread failed");
    CHECK_OK(bench, do_get(bench, "t", &got, &err), err);
    bool good = got_text(&got, wanted);
    got_free(&got);
    CHECK(bench, good, "a change got lost");
}

/* --- numbers ---------------------------------------------------------------------------------------- */

static void *add_often(void *context)
{
    struct gang *gang = ((struct member *)context)->gang;
    struct bench *bench = gang->bench;
    struct dtr_error err = {0};
    for (int i = 0; i < ADDS; i++) {
        int64_t value = 0;
        if (bench->cache->add(bench->started.instance, "t", 1, 60000, &value, &err) != DTR_OK || value < 1 ||
            value > THREADS * ADDS || atomic_fetch_add(&gang->seen[value], 1) != 0)
            gang->wrong = true;
    }
    return NULL;
}

void case_add(struct bench *bench)
{
    static struct gang gang;
    gang = (struct gang){.bench = bench, .work = add_often};
    CHECK(bench, run_gang(&gang), "no thread");
    CHECK(bench, !gang.wrong, "add() failed, or gave one number twice");
}

/* --- queues ----------------------------------------------------------------------------------------- */

static bool push_values(struct gang *gang, int first)
{
    struct bench *bench = gang->bench;
    struct dtr_error err = {0};
    char text[16];
    for (int i = 0; i < VALUES; i++) {
        (void)snprintf(text, sizeof(text), "%d", first + i);
        if (bench->cache->push(bench->started.instance, "t", text_value(text), UINT64_MAX, &err) != DTR_OK)
            return false;
    }
    return true;
}

/* Each number comes once; the thread that gets the last one tells the others, with an empty value. */
static void pop_values(struct gang *gang, int wanted)
{
    struct bench *bench = gang->bench;
    struct dtr_error err = {0};
    struct got got = {0};
    while (gang->count < wanted) {
        if (do_pop(bench, "t", LATE_MS, &got, &err) != DTR_OK || got.calls != 1 || !got.bytes) {
            gang->wrong = true;
            break;
        }
        if (got.length == 0)
            break;
        got.bytes[got.length] = '\0';
        int number = atoi((const char *)got.bytes);
        if (number < 0 || number >= wanted || atomic_fetch_add(&gang->seen[number], 1) != 0)
            gang->wrong = true;
        (void)atomic_fetch_add(&gang->count, 1);
    }
    if (bench->cache->push(bench->started.instance, "t", text_value(""), UINT64_MAX, &err) != DTR_OK)
        gang->wrong = true;
    got_free(&got);
}

static void *produce_or_consume(void *context)
{
    const struct member *member = context;
    enum { PRODUCERS = THREADS / 2 };
    if (member->number >= PRODUCERS)
        pop_values(member->gang, PRODUCERS * VALUES);
    else if (!push_values(member->gang, member->number * VALUES))
        member->gang->wrong = true;
    return NULL;
}

void case_shared_queue(struct bench *bench)
{
    static struct gang gang;
    gang = (struct gang){.bench = bench, .work = produce_or_consume};
    CHECK(bench, run_gang(&gang), "no thread");
    CHECK(bench, !gang.wrong, "a value was lost or given twice");
    CHECK(bench, gang.count == THREADS / 2 * VALUES, "%d of %d values came", gang.count,
          THREADS / 2 * VALUES);
}

static void *wait_for_one(void *context)
{
    struct gang *gang = context;
    struct dtr_error err = {0};
    struct got got = {0};
    if (do_pop(gang->bench, "t", LATE_MS, &got, &err) != DTR_OK || !got_text(&got, "wake"))
        gang->wrong = true;
    got_free(&got);
    return NULL;
}

void case_wake(struct bench *bench)
{
    static struct gang gang;
    struct dtr_error err = {0};
    struct got got = {0};
    pthread_t waiter;
    gang = (struct gang){.bench = bench};
    uint64_t begun_ms = now_ms();
    CHECK(bench, pthread_create(&waiter, NULL, wait_for_one, &gang) == 0, "no thread");
    /* The waiter is likely to wait by then; the result is the same if not. */
    int early = do_pop(bench, "t-nothing", 50, &got, &err);
    int status = bench->cache->push(bench->started.instance, "t", text_value("wake"), 1, &err);
    (void)pthread_join(waiter, NULL);
    CHECK(bench, early == DTR_ENOT_FOUND, "a value came from nowhere");
    CHECK_OK(bench, status, err);
    CHECK(bench, !gang.wrong, "pop() does not get what came while it waited");
    CHECK(bench, now_ms() - begun_ms < LATE_MS / 2, "push() does not wake pop()");
}
