/* Whom a job may ask: its parts, and the scheduler of each; see machine.h. */
#include "core/manager/jobs/machine_part.h"

#include <stdlib.h>

static bool has_cluster(const struct job_targets *targets, int64_t id)
{
    for (size_t i = 0; i < targets->cluster_count; i++) {
        if (targets->clusters[i] == id)
            return true;
    }
    return false;
}

static const struct job_target *find_target(const struct job_targets *targets, int64_t id)
{
    for (size_t i = 0; i < targets->count; i++) {
        if (targets->list[i].id == id)
            return &targets->list[i];
    }
    return NULL;
}

static const struct job_target *first_of(const struct machine *machine, const struct job_targets *targets,
                                         int64_t cluster_id)
{
    for (size_t i = 0; i < targets->count; i++) {
        const struct job_target *target = &targets->list[i];
        if (target->cluster_id == cluster_id && (machine->kind != JOB_PREHEAT || target->preheats))
            return target;
    }
    return NULL;
}

/* A scheduler that is not active any more is left for another, which knows nothing of what was begun. */
static void take_target(const struct machine *machine, struct part *part, const struct job_targets *targets)
{
    const struct job_target *target = part->target.id ? find_target(targets, part->target.id) : NULL;
    if (target && target->cluster_id != part->cluster_id)
        target = NULL;
    part->known = target != NULL;
    if (!target && !part->bound)
        target = first_of(machine, targets, part->cluster_id);
    if (!target)
        return;
    if (!part->known) {
        part->sent = part->theirs = false;
        part->misses = 0;
    }
    part->target = *target;
    part->known = true;
}

static struct part *add_part(struct machine *machine, int64_t cluster_id)
{
    struct part *parts = machine->count < MACHINE_PARTS_MOST
                             ? realloc(machine->parts, (machine->count + 1) * sizeof(*parts))
                             : NULL;
    if (!parts)
        return NULL;
    machine->parts = parts;
    parts[machine->count] = (struct part){.cluster_id = cluster_id};
    return &parts[machine->count++];
}

static bool add_everybody(struct machine *machine, const struct job_targets *targets, int64_t cluster_id)
{
    const size_t before = machine->count;
    for (size_t i = 0; i < targets->count; i++) {
        struct part *part = NULL;
        if (targets->list[i].cluster_id != cluster_id)
            continue;
        part = add_part(machine, cluster_id);
        if (!part)
            return false;
        part->target = targets->list[i];
        part->bound = part->known = true;
    }
    return machine->count > before || add_part(machine, cluster_id);
}

static bool add_parts(struct machine *machine, const struct job_targets *targets, int64_t cluster_id)
{
    if (machine_asks_all(machine))
        return add_everybody(machine, targets, cluster_id);
    for (size_t i = 0; i < args_url_count(machine->args); i++) {
        struct part *part = add_part(machine, cluster_id);
        if (!part)
            return false;
        part->url = i;
    }
    return true;
}

static bool begin_parts(struct machine *machine, const struct job_targets *targets)
{
    for (size_t i = 0; i < targets->cluster_count; i++) {
        if (!add_parts(machine, targets, targets->clusters[i]))
            return false;
    }
    return true;
}

/* Nobody is there who could be asked now. */
static void lack_target(const struct machine *machine, struct part *part, uint64_t now_ms)
{
    char why[600], who[512];
    machine_who(part, who, sizeof(who));
    (void)snprintf(why, sizeof(why), "%s %s%s", who,
                   part->target.id ? "is not active any more" : "has no active scheduler",
                   part->target.id == 0 && machine->kind == JOB_PREHEAT ? " with the feature preheat" : "");
    part_pause(machine, part, why, now_ms);
}

int machine_targets(struct machine *machine, const struct job_targets *targets, uint64_t now_ms,
                    struct dtr_error *err)
{
    if (machine->count == 0 && !begin_parts(machine, targets))
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER,
                             "the job has more than %d parts, which are clusters, URLs and schedulers "
                             "multiplied, or there is no memory for them",
                             (int)MACHINE_PARTS_MOST);
    for (size_t i = 0; i < machine->count; i++) {
        struct part *part = &machine->parts[i];
        if (part->state != PART_OPEN || part->asking)
            continue;
        take_target(machine, part, targets);
        if (!has_cluster(targets, part->cluster_id))
            part_fail(part, "cluster %lld was deleted", (long long)part->cluster_id);
        else if (!part->known && part->due_ms <= now_ms)
            lack_target(machine, part, now_ms);
    }
    if (machine->count == 0 && !machine->error[0])
        (void)snprintf(machine->error, sizeof(machine->error), "none of its clusters is left");
    machine->changed = true;
    return DTR_OK;
}

bool machine_wants_targets(const struct machine *machine, uint64_t now_ms)
{
    for (size_t i = 0; i < machine->count; i++) {
        const struct part *part = &machine->parts[i];
        if (part->state == PART_OPEN && !part->known && !part->asking && part->due_ms <= now_ms)
            return true;
    }
    return false;
}
