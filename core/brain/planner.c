/* The fetch planner's life, the queue of its actions, and what its readers want. What the world tells it is
 * in planner_events.c; what follows from that is decided in planner_plan.c. */
#include "core/brain/planner_internal.h"

#include "core/base/draw.h"
#include <stdlib.h>

void dtr_plan_config_default(struct dtr_plan_config *config)
{
    *config = (struct dtr_plan_config){
        .p2p_threshold = 4 << 20,
        .concurrent_pieces = 8,
        .origin_streams = 4,
        .reader_window = 2,
        .stall_timeout_ms = 5000,
        .stat_timeout_ms = 1000,
        .piece_timeout_ms = 360000,
        .schedule_timeout_ms = 3 * 3600 * 1000,
        .max_schedule_count = 5,
        .hedge_factor = 3,
        .hedge_silent_ms = 1000,
        .hedge_origin_ms = 30000,
    };
}

const char *dtr_plan_kind_text(enum dtr_plan_kind kind)
{
    static const char *const names[] = {
#define KIND_TEXT(name, text, help) text,
        DTR_PLAN_KINDS(KIND_TEXT)
#undef KIND_TEXT
    };
    return (size_t)kind < sizeof(names) / sizeof(*names) ? names[kind] : "unknown";
}

bool dtr_plan_room(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t more = *capacity ? *capacity * 2 : 4;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = more;
    return true;
}

void dtr_plan_push(struct dtr_planner *p, const struct dtr_plan_action *action)
{
    void *queue = p->queue;
    if (!dtr_plan_room(&queue, &p->queue_capacity, p->queue_count, sizeof(*p->queue))) {
        p->broken = true;
        return;
    }
    p->queue = queue;
    p->queue[p->queue_count++] = *action;
}

uint64_t dtr_plan_random(struct dtr_planner *p, uint64_t below)
{
    return dtr_draw(&p->random) % below;
}

uint64_t dtr_plan_sum(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static bool set_reader(struct dtr_planner *p, uint32_t name, uint64_t offset, uint64_t length)
{
    uint32_t i = 0;
    while (i < p->reader_count && p->readers[i].name != name)
        i++;
    void *readers = p->readers;
    if (!dtr_plan_room(&readers, &p->reader_capacity, i, sizeof(*p->readers)))
        return false;
    p->readers = readers;
    p->readers[i] = (struct plan_reader){name, offset, offset, dtr_plan_sum(offset, length)};
    if (i == p->reader_count)
        p->reader_count++;
    dtr_plan_rewant(p);
    return true;
}

/* Geometry and stored pieces, where the length is known from before. */
static void restore(struct dtr_planner *p, const struct dtr_plan_start *start)
{
    if (start->content_length == DTR_LENGTH_UNKNOWN || !dtr_plan_set_length(p, start->content_length))
        return;
    for (uint32_t n = 0; start->stored && n < start->stored_count && n < p->piece_count; n++)
        if (start->stored[n / 8] >> n % 8 & 1)
            p->pieces[n] = (struct plan_piece){.done = true, .stored = true, .reported = true};
}

/* What was asked for, without what contradicts itself or cannot be used in this pull. */
static void take_config(struct dtr_planner *p, const struct dtr_plan_config *config,
                        const struct dtr_plan_start *start)
{
    p->config = *config;
    if (!p->config.concurrent_pieces)
        p->config.concurrent_pieces = 1;
    if (p->config.need_back_to_source)
        p->config.disable_back_to_source = false;
    if (!p->config.ask_length || !p->config.have_scheduler || p->config.disable_back_to_source ||
        start->offset > 0 || start->length <= config->expected)
        p->config.expected = 0;
}

int dtr_planner_new(const struct dtr_plan_config *config, const struct dtr_plan_start *start, uint64_t now_ms,
                    struct dtr_planner **ret_planner, struct dtr_error *err)
{
    struct dtr_planner *p = calloc(1, sizeof(*p));
    if (!p)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a fetch planner");
    take_config(p, config, start);
    p->random = config->seed;
    p->now_ms = p->quiet_since = now_ms;
    p->schedule_until = dtr_plan_sum(now_ms, config->schedule_timeout_ms);
    p->content_length = DTR_LENGTH_UNKNOWN;
    p->wake = DTR_PLAN_NEVER;
    dtr_list_init(&p->transfers);
    dtr_plan_streams_begin(p);
    if (p->config.detached || p->config.need_back_to_source)
        p->base = (struct dtr_range){start->offset, dtr_plan_sum(start->offset, start->length)};
    if (start->whole)
        p->base = (struct dtr_range){0, UINT64_MAX};
    dtr_plan_rewant(p);
    if (start->length && !set_reader(p, start->reader, start->offset, start->length)) {
        dtr_planner_free(p);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a fetch planner");
    }
    restore(p, start);
    dtr_plan_begin(p);
    *ret_planner = p;
    return DTR_OK;
}

void dtr_planner_free(struct dtr_planner *p)
{
    if (!p)
        return;
    dtr_list_each_safe (node, &p->transfers)
        free(dtr_container(node, struct plan_transfer, link));
    dtr_plan_parents_free(p);
    dtr_ranges_free(&p->wanted);
    dtr_ranges_free(&p->arrived);
    free(p->readers);
    free(p->pieces);
    free(p->queue);
    free(p);
}

bool dtr_planner_next(struct dtr_planner *p, struct dtr_plan_action *ret_action)
{
    if (p->queue_head < p->queue_count) {
        *ret_action = p->queue[p->queue_head++];
        return true;
    }
    p->queue_head = p->queue_count = 0;
    if (!p->broken || p->over)
        return false;
    /* Out of memory: the queue could not take it, so the end is said from here. */
    p->over = true;
    p->talk = TALK_CLOSED;
    p->wake = DTR_PLAN_NEVER;
    dtr_error_set(&p->why, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a fetch planner");
    *ret_action = (struct dtr_plan_action){.kind = DTR_PLAN_FAIL, .error = &p->why};
    return true;
}

uint64_t dtr_planner_wake(const struct dtr_planner *p)
{
    return p->wake;
}

bool dtr_planner_over(const struct dtr_planner *p)
{
    return p->over;
}

bool dtr_planner_ended(const struct dtr_planner *p)
{
    return p->over && (p->talk == TALK_QUIET || p->talk == TALK_CLOSED) && p->queue_head == p->queue_count;
}

bool dtr_planner_checking(const struct dtr_planner *p)
{
    return p->checking && !p->over;
}

const char *dtr_planner_source_why(const struct dtr_planner *p)
{
    return p->source_why;
}

uint32_t dtr_planner_piece_count(const struct dtr_planner *p)
{
    return p->piece_count;
}

bool dtr_planner_interested(const struct dtr_planner *p, uint32_t number)
{
    return number < p->piece_count && dtr_plan_missing(p, number);
}

/* --- what readers want ------------------------------------------------------------------------------- */

/* More than `left` bytes may be wanted now. */
static void want_more(struct dtr_planner *p, uint64_t left)
{
    if (p->source == SOURCE_OPEN && p->source_small && dtr_plan_can_register(p))
        dtr_plan_decide(p);
    if (dtr_plan_bytes_left(p) > left)
        dtr_plan_parents_reopen(p, true);
    dtr_plan_run(p);
}

bool dtr_planner_want(struct dtr_planner *p, uint64_t now_ms, uint32_t reader, uint64_t offset,
                      uint64_t length)
{
    uint64_t left = dtr_plan_bytes_left(p);
    p->now_ms = now_ms;
    if (p->over)
        return false;
    if (!set_reader(p, reader, offset, length)) {
        p->broken = true;
        return false;
    }
    want_more(p, left);
    return true;
}

bool dtr_planner_whole(struct dtr_planner *p, uint64_t now_ms)
{
    uint64_t left = dtr_plan_bytes_left(p);
    p->now_ms = now_ms;
    if (p->over)
        return false;
    p->base = (struct dtr_range){0, UINT64_MAX};
    dtr_plan_rewant(p);
    want_more(p, left);
    return true;
}

void dtr_planner_reader_at(struct dtr_planner *p, uint32_t reader, uint64_t offset)
{
    for (uint32_t i = 0; i < p->reader_count; i++)
        if (p->readers[i].name == reader)
            p->readers[i].at = offset;
}

void dtr_planner_unwant(struct dtr_planner *p, uint64_t now_ms, uint32_t reader)
{
    p->now_ms = now_ms;
    for (uint32_t i = 0; i < p->reader_count; i++) {
        if (p->readers[i].name != reader)
            continue;
        p->readers[i] = p->readers[--p->reader_count];
        if (!p->over)
            dtr_plan_rewant(p);
        break;
    }
    dtr_plan_run(p);
}
