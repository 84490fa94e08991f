/* What jobs take from outside. The first byte says which: '0' to '5' arguments that a user gives for that
 * kind of job, '6' to '=' what a scheduler answers to that kind of question, else what the database kept of a
 * job. What is understood must keep its promises. */
#include "core/manager/jobs/answer.h"
#include "core/manager/jobs/distribution.h"
#include "core/manager/rest/jobs.h"
#include "core/rpc/unpack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 2000, NOW_MS = 1000000 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* --- arguments -------------------------------------------------------------------------------------------
 */

struct sent {
    const struct dtr_rpc_method *method;
    uint8_t *bytes;
    size_t length;
};

static int keep_packed(void *context, const struct dtr_rpc_method *method, const ProtobufCMessage *message,
                       struct dtr_error *err)
{
    struct sent *sent = context;
    (void)err;
    sent->method = method;
    sent->bytes = malloc(protobuf_c_message_get_packed_size(message) + 1);
    require(sent->bytes != NULL);
    sent->length = protobuf_c_message_pack(message, sent->bytes);
    return DTR_OK;
}

/* What is sent is what schedulers read. */
static void try_question(const struct ask *ask)
{
    struct sent sent = {0};
    const struct request_sink sink = {keep_packed, &sent};
    struct dtr_error err;
    require(request_make(ask, &sink, &err) == DTR_OK);
    require(dtr_rpc_check(sent.method->input, sent.bytes, sent.length));
    require(request_timeout_ms(ask) > 0);
    free(sent.bytes);
}

static void try_questions(enum job_kind kind, const json_t *args)
{
    static const struct job_trust nobody = {0};
    static const enum ask_kind kinds[JOB_KIND_COUNT][3] = {
        [JOB_PREHEAT] = {ASK_PREHEAT, ASK_HOLDERS, ASK_PROGRESS},
        [JOB_GET_TASK] = {ASK_FIND, ASK_FIND_URL, ASK_FIND},
        [JOB_DELETE_TASK] = {ASK_DROP, ASK_DROP, ASK_DROP},
        [JOB_IMAGE_DISTRIBUTION] = {ASK_IMAGE, ASK_IMAGE, ASK_IMAGE},
        [JOB_SYNC_PEERS] = {ASK_HOSTS, ASK_HOSTS, ASK_HOSTS},
    };
    char id[DTR_TASK_ID_SIZE] = "";
    struct dtr_error err;
    struct ask ask = {
        .args = args, .task_id = id, .preheat_id = "p", .left_ms = 1000, .trust = &nobody, .room = ROOM};
    if (kind == JOB_GC)
        return;
    if (kind == JOB_GET_TASK || kind == JOB_DELETE_TASK)
        require(args_task_id(args, id, &err) == DTR_OK && strlen(id) == DTR_TASK_ID_LENGTH);
    for (size_t i = 0; i < 3; i++) {
        ask.kind = kinds[kind][i];
        ask.url = kind == JOB_PREHEAT ? args_url(args, args_url_count(args) - 1) : NULL;
        try_question(&ask);
    }
}

/* Nothing secret is left; and what is shown is shown the same again. */
static void try_shown(const json_t *args)
{
    json_t *shown = args_shown(args), *again = shown ? args_shown(shown) : NULL, *value;
    const char *password = arg_text(shown, "password"), *name;
    require(shown && again && json_equal(shown, again));
    require(!*password || strcmp(password, "***") == 0);
    json_object_foreach(json_object_get(shown, "headers"), name, value)
        require(strcmp(json_string_value(value), "***") == 0);
    json_decref(shown);
    json_decref(again);
}

static void try_args(enum job_kind kind, const char *text, size_t length)
{
    struct rest_call call = {0};
    struct dtr_error err = {0};
    json_t *given = json_loadb(text, length, 0, NULL), *args = NULL;
    json_t *body = given ? json_pack("{s:o}", "args", given) : NULL;
    if (!body)
        return;
    if (job_check_args(&call, kind, body, &args, &err) == DTR_OK) {
        try_shown(args);
        try_questions(kind, args);
    } else {
        require(args == NULL && err.status == 422 && err.text[0]);
    }
    json_decref(args);
    json_decref(body);
    call_free(&call);
}

/* --- answers ---------------------------------------------------------------------------------------------
 */

static const struct dtr_rpc_method *asked;

static int keep_method(void *context, const struct dtr_rpc_method *method, const ProtobufCMessage *message,
                       struct dtr_error *err)
{
    (void)context;
    (void)message;
    (void)err;
    asked = method;
    return DTR_OK;
}

static void try_result(enum ask_kind kind, const struct answer *answer)
{
    char *text = answer->result ? json_dumps(answer->result, JSON_COMPACT) : NULL;
    require(!answer->error || strlen(answer->error) < ANSWER_TEXT);
    require(!answer->result || (text && strlen(text) < 4 * ROOM)); /* it fits into a column */
    if (kind == ASK_IMAGE) {
        json_t *whole = json_pack("{s:[{s:[O]}]}", "job_states", "results", answer->result);
        json_t *found = distribution_of(whole);
        require(found != NULL);
        json_decref(found);
        json_decref(whole);
    }
    free(text);
}

static void try_answer(enum ask_kind kind, const char *type, const uint8_t *data, size_t size)
{
    static const struct job_trust nobody = {0};
    const struct request_sink sink = {keep_method, NULL};
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    struct dtr_error err;
    json_t *args = json_pack("{s:s, s:s, s:s, s:i}", "type", type, "url", "http://o/f", "scope", "all_peers",
                             "percentage", 50);
    const struct ask ask = {
        .kind = kind, .args = args, .task_id = "", .preheat_id = "p", .trust = &nobody, .room = ROOM};
    struct holder_hosts hosts = {.seeds = 1, .peers = 2, .chosen = 2};
    struct answer answer;
    char text[ANSWER_TEXT];
    require(args && request_make(&ask, &sink, &err) == DTR_OK);
    if (dtr_rpc_unpack(&arena, 1 << 20, asked->output, data, size, &message, &err) == DTR_OK) {
        if (kind == ASK_HOSTS)
            answer_count_hosts(args, message, &hosts);
        require(hosts.chosen <= hosts.seeds + hosts.peers + 1);
        require(answer_read(&ask, asked, message, &hosts, text, &answer, &err) == DTR_OK);
        try_result(kind, &answer);
        json_decref(answer.result);
    }
    dtr_rpc_arena_free(&arena);
    json_decref(args);
}

/* --- what was kept ---------------------------------------------------------------------------------------
 */

static char *member(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("");
    require(text != NULL);
    return text;
}

/* Whatever it was, it goes on: to its end, when nobody can be reached. */
static void run_down(struct machine *machine)
{
    int64_t cluster = 1;
    struct job_target there = {.id = 1, .cluster_id = 1, .name = "s", .ip = "10.0.0.1", .preheats = true};
    const struct job_targets targets = {&cluster, 1, &there, 1};
    const struct answer later = {.heard = HEARD_LATER, .why = "no"};
    struct dtr_error err;
    uint64_t now_ms = NOW_MS;
    enum ask_kind kind;
    size_t part;
    for (int i = 0; !machine_is_over(machine); i++) {
        require(i < 4 * MACHINE_TRIES * (int)machine->count);
        require(machine_targets(machine, &targets, now_ms, &err) == DTR_OK);
        while (machine_next(machine, now_ms, &part, &kind))
            machine_heard(machine, part, kind, &later, now_ms);
        const uint64_t due_ms = machine_due(machine, now_ms);
        if (due_ms >= machine->deadline_ms)
            machine_stop(machine, "out of time");
        now_ms = due_ms > now_ms ? due_ms : now_ms;
    }
}

static void try_again(const struct machine *before)
{
    struct machine after;
    struct dtr_error err;
    char *saved = machine_saved(before, NOW_MS), *result = machine_result(before, NOW_MS, "", "");
    require(saved && result);
    machine_init(&after, before->kind, before->group, before->args, 60000, NOW_MS);
    require(machine_load(&after, saved, result, NOW_MS, &err) == DTR_OK && after.count == before->count);
    require(strcmp(machine_state(&after, NOW_MS), machine_state(before, NOW_MS)) == 0);
    machine_free(&after);
    free(saved);
    free(result);
}

static void try_kept(const char *text, size_t length)
{
    json_t *kept = json_loadb(text, length, 0, NULL);
    const json_int_t kind = json_integer_value(json_object_get(kept, "kind"));
    struct machine machine;
    struct dtr_error err = {0};
    if (!json_is_object(kept) || kind < 0 || kind >= JOB_GC) {
        json_decref(kept);
        return;
    }
    char *saved = member(kept, "saved"), *result = member(kept, "result");
    machine_init(&machine, (enum job_kind)kind, "group_1", json_object_get(kept, "args"), 60000, NOW_MS);
    if (machine_load(&machine, saved, result, NOW_MS, &err) == DTR_OK) {
        require(machine.count <= MACHINE_PARTS_MOST);
        try_again(&machine);
        run_down(&machine);
        try_again(&machine);
    } else {
        require(machine.count == 0 && err.text[0]);
    }
    machine_free(&machine);
    free(saved);
    free(result);
    json_decref(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { SORTS = 16, ANSWERS = JOB_KIND_COUNT, KEPT = ANSWERS + ASK_KINDS };
    if (size == 0 || size > 16384)
        return 0;
    const unsigned sort = data[0] % SORTS;
    if (sort < ANSWERS) {
        try_args((enum job_kind)sort, (const char *)data + 1, size - 1);
    } else if (sort < KEPT) {
        try_answer((enum ask_kind)(sort - ANSWERS), "file", data + 1, size - 1);
        try_answer((enum ask_kind)(sort - ANSWERS), "image", data + 1, size - 1);
    } else {
        try_kept((const char *)data + 1, size - 1);
    }
    return 0;
}
