/* What is written of a job, and read again; see machine.h. */
#include "core/manager/jobs/machine.h"

#include <stdlib.h>
#include <string.h>

static const char *const states[] = {[PART_OPEN] = "open", [PART_DONE] = "done", [PART_FAILED] = "failed"};

/* Texts of schedulers are UTF-8; a cut one need not be. */
static json_t *text(const char *bytes)
{
    size_t length = strlen(bytes);
    json_t *made = json_stringn(bytes, length);
    while (!made && length > 0)
        made = json_stringn(bytes, --length);
    return made;
}

/* --- the result ----------------------------------------------------------------------------------------
 */

static const char *part_word(const struct part *part)
{
    if (part->state != PART_OPEN)
        return part->state == PART_DONE ? "SUCCESS" : "FAILURE";
    if (part->failing)
        return "RETRY";
    return part->sent || part->asking ? "STARTED" : "PENDING";
}

static json_t *part_results(const struct part *part)
{
    json_t *list = json_array(), *result = part->result ? json_copy(part->result) : NULL;
    if (!result)
        return list;
    (void)json_object_set_new(result, "scheduler_cluster_id", json_integer(part->cluster_id));
    (void)json_array_append_new(list, result);
    return list;
}

/* The number of a part is in the id of its task. */
static json_t *part_json(const struct machine *machine, size_t index)
{
    const struct part *part = &machine->parts[index];
    const char *group = strchr(machine->group, '_');
    char task[96];
    (void)snprintf(task, sizeof(task), "task_%s_%zu", group ? group + 1 : machine->group, index + 1);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:o, s:{s:I, s:I, s:I}}", "task_uuid", task, "task_name",
                     job_kind_text(machine->kind), "state", part_word(part), "results", part_results(part),
                     "error", text(part->error), "scheduler_cluster_id", (json_int_t)part->cluster_id,
                     "scheduler", text(part->target.name), "progress", "done", (json_int_t)part->done,
                     "failed", (json_int_t)part->failed, "waiting", (json_int_t)part->waiting);
}

char *machine_result(const struct machine *machine, uint64_t now_ms, const char *created_at,
                     const char *updated_at)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < machine->count; i++)
        (void)json_array_append_new(parts, part_json(machine, i));
    const size_t count = json_array_size(parts);
    if (machine->count == 0)
        (void)json_array_append_new(parts, json_pack("{s:s, s:s, s:s, s:[], s:o}", "task_uuid", "",
                                                     "task_name", job_kind_text(machine->kind), "state",
                                                     "FAILURE", "results", "error", text(machine->error)));
    json_t *result = json_pack("{s:s, s:s, s:s, s:s, s:o}", "group_uuid", machine->group, "state",
                               machine_state(machine, now_ms), "created_at", created_at, "updated_at",
                               updated_at, "job_states", parts);
    char *made = result && count == machine->count ? json_dumps(result, JSON_COMPACT) : NULL;
    json_decref(result);
    return made;
}

/* --- where each part is --------------------------------------------------------------------------------
 */

static uint64_t left_ms(uint64_t until_ms, uint64_t now_ms)
{
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

static json_t *saved_part(const struct part *part, uint64_t now_ms)
{
    const bool failing = part->state == PART_OPEN && part->failing;
    return json_pack("{s:I, s:I, s:I, s:o, s:s, s:i, s:s, s:b, s:b, s:b, s:b, s:i, s:i, s:I, s:I}", "cluster",
                     (json_int_t)part->cluster_id, "url", (json_int_t)part->url, "scheduler",
                     (json_int_t)part->target.id, "name", text(part->target.name), "ip", part->target.ip,
                     "port", (int)part->target.port, "state", states[part->state], "bound", part->bound,
                     "sent", part->sent, "theirs", part->theirs, "failing", failing, "tries",
                     (int)part->tries, "misses", (int)part->misses, "pause_ms",
                     (json_int_t)(failing ? left_ms(part->due_ms, now_ms) : 0), "sent_ms_ago",
                     (json_int_t)(part->sent ? left_ms(now_ms, part->sent_ms) : 0));
}

char *machine_saved(const struct machine *machine, uint64_t now_ms)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < machine->count; i++)
        (void)json_array_append_new(parts, saved_part(&machine->parts[i], now_ms));
    json_t *saved =
        json_pack("{s:I, s:o}", "left_ms", (json_int_t)left_ms(machine->deadline_ms, now_ms), "parts", parts);
    char *made = saved && json_array_size(parts) == machine->count ? json_dumps(saved, JSON_COMPACT) : NULL;
    json_decref(saved);
    return made;
}

/* --- the reverse ---------------------------------------------------------------------------------------
 */

static bool find_state(const char *word, enum part_state *ret_state)
{
    for (int i = 0; i <= PART_FAILED; i++) {
        if (strcmp(states[i], word) == 0) {
            *ret_state = (enum part_state)i;
            return true;
        }
    }
    return false;
}

static size_t number(const json_t *json, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(json, name));
    return value > 0 ? (size_t)value : 0;
}

static bool load_part(const json_t *saved, uint64_t now_ms, struct part *part)
{
    json_int_t cluster, url, scheduler, pause_ms, ago_ms;
    const char *name, *ip, *state;
    int port, bound, sent, theirs, failing, tries, misses;
    if (json_unpack((json_t *)(uintptr_t)saved,
                    "{s:I, s:I, s:I, s:s, s:s, s:i, s:s, s:b, s:b, s:b, s:b, s:i, s:i, s:I, s:I}", "cluster",
                    &cluster, "url", &url, "scheduler", &scheduler, "name", &name, "ip", &ip, "port", &port,
                    "state", &state, "bound", &bound, "sent", &sent, "theirs", &theirs, "failing", &failing,
                    "tries", &tries, "misses", &misses, "pause_ms", &pause_ms, "sent_ms_ago", &ago_ms) != 0)
        return false;
    if (cluster < 1 || url < 0 || scheduler < 0 || port < 0 || port > UINT16_MAX || tries < 0 || misses < 0 ||
        tries > MACHINE_TRIES || misses > MACHINE_TRIES || pause_ms < 0 || pause_ms > MACHINE_PAUSE_MOST_MS ||
        ago_ms < 0)
        return false;
    *part = (struct part){.cluster_id = cluster,
                          .url = (size_t)url,
                          .target = {.id = scheduler, .cluster_id = cluster, .port = (uint16_t)port},
                          .bound = bound != 0,
                          .sent = sent != 0,
                          .theirs = theirs != 0,
                          .failing = failing != 0,
                          .tries = (unsigned)tries,
                          .misses = (unsigned)misses,
                          .due_ms = now_ms + (uint64_t)pause_ms,
                          .sent_ms = left_ms(now_ms, (uint64_t)ago_ms)};
    return find_state(state, &part->state) &&
           (part->state != PART_OPEN || (tries < MACHINE_TRIES && misses < MACHINE_TRIES)) &&
           dtr_copy_text(part->target.name, sizeof(part->target.name), name) &&
           dtr_copy_text(part->target.ip, sizeof(part->target.ip), ip);
}

static void load_result(struct part *part, const json_t *state)
{
    json_t *result = json_array_get(json_object_get(state, "results"), 0);
    const json_t *progress = json_object_get(state, "progress");
    part->result = json_is_object(result) ? json_incref(result) : NULL;
    part->done = number(progress, "done");
    part->failed = number(progress, "failed");
    part->waiting = number(progress, "waiting");
    (void)snprintf(part->error, sizeof(part->error), "%.500s", arg_text(state, "error"));
}

static void forget_parts(struct machine *machine)
{
    for (size_t i = 0; i < machine->count; i++)
        json_decref(machine->parts[i].result);
    free(machine->parts);
    machine->parts = NULL;
    machine->count = 0;
}

static bool load_parts(struct machine *machine, const json_t *list, const json_t *states_json,
                       uint64_t now_ms)
{
    const size_t count = json_array_size(list);
    machine->parts = count > 0 && count <= MACHINE_PARTS_MOST ? calloc(count, sizeof(*machine->parts)) : NULL;
    if (!machine->parts)
        return count == 0;
    for (; machine->count < count; machine->count++) {
        struct part *part = &machine->parts[machine->count];
        if (!load_part(json_array_get(list, machine->count), now_ms, part) ||
            (machine->kind == JOB_PREHEAT && part->url >= args_url_count(machine->args))) {
            forget_parts(machine);
            return false;
        }
        load_result(part, json_array_get(states_json, machine->count));
    }
    return true;
}

/* Pauses are kept by their length, and a row is taken when the first of them is over. */
static void pass_first_pause(struct machine *machine, uint64_t now_ms)
{
    uint64_t first_ms = UINT64_MAX;
    for (size_t i = 0; i < machine->count; i++) {
        const struct part *part = &machine->parts[i];
        if (part->state == PART_OPEN && part->due_ms < first_ms)
            first_ms = part->due_ms;
    }
    for (size_t i = 0; i < machine->count; i++) {
        struct part *part = &machine->parts[i];
        if (part->state == PART_OPEN)
            part->due_ms -= first_ms - now_ms;
    }
}

int machine_load(struct machine *machine, const char *saved, const char *result, uint64_t now_ms,
                 struct dtr_error *err)
{
    json_t *run, *shown;
    if (!*saved)
        return DTR_OK;
    run = json_loads(saved, 0, NULL);
    shown = *result ? json_loads(result, 0, NULL) : NULL;
    const json_t *left = json_object_get(run, "left_ms");
    bool ok =
        json_is_integer(left) && json_integer_value(left) >= 0 &&
        load_parts(machine, json_object_get(run, "parts"), json_object_get(shown, "job_states"), now_ms);
    if (ok)
        pass_first_pause(machine, now_ms);
    if (ok && (uint64_t)json_integer_value(left) < machine->timeout_ms)
        machine->deadline_ms = now_ms + (uint64_t)json_integer_value(left);
    json_decref(run);
    json_decref(shown);
    return ok ? DTR_OK
              : dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                              "what is kept of the job in job_runs cannot be read");
}
