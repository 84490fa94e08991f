/* Parts of a job and their questions; see machine.h. Whom it may ask is in machine_targets.c, what is written
 * of it in machine_text.c. */
#include "core/manager/jobs/machine_part.h"

#include <stdlib.h>
#include <string.h>

/* What is asked first, of whom. */
static const struct {
    enum ask_kind first;
    bool everybody; /* all schedulers of a cluster, not the first that can */
} plans[JOB_KIND_COUNT] = {
    [JOB_PREHEAT] = {ASK_PREHEAT, false}, [JOB_GET_TASK] = {ASK_FIND, true},
    [JOB_DELETE_TASK] = {ASK_DROP, true}, [JOB_IMAGE_DISTRIBUTION] = {ASK_IMAGE, true},
    [JOB_SYNC_PEERS] = {ASK_HOSTS, true},
};

bool machine_asks_all(const struct machine *machine)
{
    return plans[machine->kind].everybody;
}

void machine_init(struct machine *machine, enum job_kind kind, const char *group, const json_t *args,
                  uint64_t timeout_ms, uint64_t now_ms)
{
    *machine = (struct machine){.kind = kind,
                                .args = args,
                                .pause_ms = MACHINE_PAUSE_MS,
                                .poll_ms = MACHINE_POLL_MS,
                                .timeout_ms = timeout_ms,
                                .deadline_ms = now_ms + timeout_ms};
    (void)snprintf(machine->group, sizeof(machine->group), "%.63s", group);
}

void machine_free(struct machine *machine)
{
    for (size_t i = 0; i < machine->count; i++)
        json_decref(machine->parts[i].result);
    free(machine->parts);
    *machine = (struct machine){0};
}

void machine_who(const struct part *part, char *text, size_t size)
{
    if (part->target.id == 0)
        (void)snprintf(text, size, "cluster %lld", (long long)part->cluster_id);
    else
        (void)snprintf(text, size,
                       strchr(part->target.ip, ':') ? "scheduler %.100s ([%s]:%u) of cluster %lld"
                                                    : "scheduler %.100s (%s:%u) of cluster %lld",
                       part->target.name, part->target.ip, part->target.port, (long long)part->cluster_id);
}

void machine_preheat_id(const struct machine *machine, size_t part, char id[MACHINE_PREHEAT_ID])
{
    (void)snprintf(id, MACHINE_PREHEAT_ID, "%s-%lld-%zu", machine->group,
                   (long long)machine->parts[part].cluster_id, machine->parts[part].url);
}

/* --- the end of a part ---------------------------------------------------------------------------------
 */

void part_fail(struct part *part, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(part->error, sizeof(part->error), format, list);
    va_end(list);
    part->state = PART_FAILED;
    part->failing = part->busy = part->asking = false;
}

void part_pause(const struct machine *machine, struct part *part, const char *why, uint64_t now_ms)
{
    unsigned *count = part->sent ? &part->misses : &part->tries;
    uint64_t pause_ms = machine->pause_ms;
    (void)snprintf(part->error, sizeof(part->error), "%s", why);
    if (++*count >= MACHINE_TRIES) {
        part->state = PART_FAILED;
        part->failing = false;
        return;
    }
    for (unsigned i = 1; i < *count && pause_ms < MACHINE_PAUSE_MOST_MS; i++)
        pause_ms *= 2;
    part->failing = true;
    part->busy = part->known = false;
    part->due_ms = now_ms + (pause_ms < MACHINE_PAUSE_MOST_MS ? pause_ms : MACHINE_PAUSE_MOST_MS);
}

/* Its turn comes: that is no failure, as long as there is time. */
static void part_wait(struct part *part, const char *why, uint64_t now_ms)
{
    (void)snprintf(part->error, sizeof(part->error), "%.500s", why);
    part->failing = part->busy = true;
    part->known = false;
    part->due_ms = now_ms + MACHINE_BUSY_MS;
}

void machine_stop(struct machine *machine, const char *why)
{
    char who[512];
    (void)snprintf(machine->error, sizeof(machine->error), "%s", why);
    for (size_t i = 0; i < machine->count; i++) {
        struct part *part = &machine->parts[i];
        if (part->state != PART_OPEN)
            continue;
        machine_who(part, who, sizeof(who));
        part_fail(part, "%s: %s", who, why);
    }
    machine->changed = true;
}

bool machine_is_late(const struct machine *machine, uint64_t now_ms)
{
    return now_ms >= machine->deadline_ms;
}

/* --- questions -----------------------------------------------------------------------------------------
 */

static enum ask_kind question(const struct machine *machine, const struct part *part)
{
    if (machine->kind == JOB_PREHEAT && part->sent)
        return part->theirs ? ASK_HOLDERS : ASK_PROGRESS;
    if (machine->kind == JOB_GET_TASK && part->theirs)
        return ASK_FIND_URL;
    return plans[machine->kind].first;
}

/* Whether it would begin a preheat. */
static bool begins(const struct machine *machine, const struct part *part)
{
    return machine->kind == JOB_PREHEAT && !part->sent;
}

/* How many more of its parts the cluster of this one may begin, which is the first of that cluster. */
static size_t room_from(const struct machine *machine, size_t first)
{
    size_t room = MACHINE_AT_ONCE;
    for (size_t i = first; i < machine->count && room > 0; i++) {
        const struct part *part = &machine->parts[i];
        if (part->cluster_id != machine->parts[first].cluster_id)
            break;
        room -= part->state == PART_OPEN && (part->sent || part->asking || part->busy);
    }
    return room;
}

static bool is_first_of_cluster(const struct machine *machine, size_t index)
{
    return index == 0 || machine->parts[index].cluster_id != machine->parts[index - 1].cluster_id;
}

bool machine_next(struct machine *machine, uint64_t now_ms, size_t *ret_part, enum ask_kind *ret_kind)
{
    size_t room = 0;
    for (size_t i = 0; i < machine->count; i++) {
        struct part *part = &machine->parts[i];
        if (is_first_of_cluster(machine, i))
            room = room_from(machine, i);
        if (part->state != PART_OPEN || part->asking || !part->known || part->due_ms > now_ms)
            continue;
        if (begins(machine, part) && !part->busy && room == 0)
            continue;
        part->asking = true;
        *ret_part = i;
        *ret_kind = question(machine, part);
        return true;
    }
    return false;
}

uint64_t machine_due(const struct machine *machine, uint64_t now_ms)
{
    uint64_t due_ms = UINT64_MAX;
    size_t room = 0;
    for (size_t i = 0; i < machine->count; i++) {
        const struct part *part = &machine->parts[i];
        const bool wants = !part->known && part->due_ms <= now_ms;
        if (is_first_of_cluster(machine, i))
            room = room_from(machine, i);
        const bool waits = begins(machine, part) && !part->busy && room == 0; /* for another to end */
        if (part->state == PART_OPEN && !part->asking && !wants && !waits && part->due_ms < due_ms)
            due_ms = part->due_ms;
    }
    if (!machine_is_over(machine) && machine->deadline_ms < due_ms)
        due_ms = machine->deadline_ms;
    return due_ms;
}

/* --- answers -------------------------------------------------------------------------------------------
 */

static void keep_result(struct part *part, const struct answer *answer)
{
    if (answer->result) {
        json_decref(part->result);
        part->result = json_incref(answer->result);
    }
    part->done = answer->done;
    part->failed = answer->failed;
    part->waiting = answer->waiting;
}

static void look_again(const struct machine *machine, struct part *part, uint64_t now_ms)
{
    uint64_t pause_ms = machine->poll_ms + (now_ms - part->sent_ms) / 10;
    if (part->theirs)
        pause_ms = MACHINE_HOLDERS_MS;
    part->due_ms =
        now_ms + (pause_ms < MACHINE_POLL_MOST_MS || part->theirs ? pause_ms : MACHINE_POLL_MOST_MS);
}

static void hear_good(const struct machine *machine, struct part *part, enum ask_kind kind,
                      const struct answer *answer, uint64_t now_ms)
{
    part->failing = part->busy = false;
    part->misses = 0;
    part->error[0] = 0;
    if (kind == ASK_PREHEAT) {
        part->sent = true;
        part->sent_ms = now_ms;
        part->due_ms = now_ms + machine->poll_ms;
        return;
    }
    keep_result(part, answer);
    if (answer->ended && answer->error)
        part_fail(part, "%s", answer->error);
    else if (kind == ASK_PROGRESS || kind == ASK_HOLDERS)
        part->state = answer->ended ? PART_DONE : PART_OPEN;
    else
        part->state = PART_DONE;
    if (part->state == PART_OPEN)
        look_again(machine, part, now_ms);
}

/* A scheduler of Dragonfly's has not all of our calls. */
static bool has_other_way(const struct machine *machine, struct part *part, enum ask_kind kind)
{
    const bool way = kind == ASK_PROGRESS || (kind == ASK_FIND && *arg_text(machine->args, "url"));
    part->theirs |= way;
    return way;
}

static void hear_bad(const struct machine *machine, struct part *part, enum ask_kind kind,
                     const struct answer *answer, uint64_t now_ms)
{
    char who[400], why[832];
    machine_who(part, who, sizeof(who));
    (void)snprintf(why, sizeof(why), "%s: %.400s", who, answer->why);
    if (answer->heard == HEARD_UNKNOWN && has_other_way(machine, part, kind)) {
        part->due_ms = now_ms;
    } else if (answer->heard == HEARD_UNKNOWN) {
        part_fail(part, "%s: %s", who,
                  kind == ASK_FIND   ? "a scheduler of Dragonfly's finds tasks by their URL only: give `url`"
                  : kind == ASK_DROP ? "a scheduler of Dragonfly's deletes no tasks by gRPC"
                                     : answer->why);
    } else if (answer->heard == HEARD_NOTHING && kind == ASK_PROGRESS) {
        part->sent = part->theirs = false;
        part->misses = 0;
        (void)snprintf(why, sizeof(why), "%s was started again while it preheated", who);
        part_pause(machine, part, why, now_ms);
    } else if (answer->heard == HEARD_BUSY) {
        part_wait(part, why, now_ms);
    } else if (answer->heard == HEARD_LATER) {
        part_pause(machine, part, why, now_ms);
    } else {
        part_fail(part, "%s", why);
    }
}

void machine_heard(struct machine *machine, size_t index, enum ask_kind kind, const struct answer *answer,
                   uint64_t now_ms)
{
    struct part *part = &machine->parts[index];
    if (part->state != PART_OPEN || !part->asking)
        return; /* out of time meanwhile */
    part->asking = false;
    machine->changed = true;
    if (answer->heard == HEARD_OK)
        hear_good(machine, part, kind, answer, now_ms);
    else
        hear_bad(machine, part, kind, answer, now_ms);
}

/* --- all parts -----------------------------------------------------------------------------------------
 */

bool machine_is_over(const struct machine *machine)
{
    for (size_t i = 0; i < machine->count; i++) {
        if (machine->parts[i].state == PART_OPEN)
            return false;
    }
    return true;
}

bool machine_pauses(const struct machine *machine, uint64_t now_ms, uint64_t *ret_due_ms)
{
    *ret_due_ms = UINT64_MAX;
    for (size_t i = 0; i < machine->count; i++) {
        const struct part *part = &machine->parts[i];
        if (part->state != PART_OPEN)
            continue;
        if (part->asking || !part->failing || part->due_ms <= now_ms)
            return false;
        if (part->due_ms < *ret_due_ms)
            *ret_due_ms = part->due_ms;
    }
    return *ret_due_ms != UINT64_MAX;
}

const char *machine_state(const struct machine *machine, uint64_t now_ms)
{
    uint64_t due_ms;
    bool failed = machine->count == 0;
    for (size_t i = 0; i < machine->count; i++)
        failed |= machine->parts[i].state == PART_FAILED;
    if (machine_is_over(machine))
        return failed ? "FAILURE" : "SUCCESS";
    return machine_pauses(machine, now_ms, &due_ms) ? "RETRY" : "STARTED";
}

const char *machine_error(const struct machine *machine)
{
    for (size_t i = 0; i < machine->count; i++) {
        if (machine->parts[i].state == PART_FAILED)
            return machine->parts[i].error;
    }
    return machine->count == 0 ? machine->error : "";
}
