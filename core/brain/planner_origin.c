/* Transfers from the origin: a stream in order over what is missing, taken up again where it broke off a
 * bounded number of times. When further ones run beside it is decided in planner_streams.c. */
#include "core/brain/planner_internal.h"

#include "core/brain/geometry.h"

#define SHARED_SPAN 8                     /* pieces asked for at once while parents bring others */
#define PROGRESS    ((uint64_t)256 << 10) /* bytes that make a broken transfer a success so far */
#define BACKOFF_MS  500                   /* doubling */
#define NEAR_PIECES 2                     /* a stream that is so near to a reader's bytes goes on */
#define HEAD_STALLS 2                     /* patience for the head, in stall times */

static struct plan_transfer *ask(struct dtr_planner *p, uint64_t start, uint64_t end, uint64_t length)
{
    struct plan_transfer *t = dtr_plan_transfer_new(p, NULL, start, end);
    if (!t)
        return NULL;
    t->open_end = length == DTR_LENGTH_UNKNOWN;
    t->further = p->origin != NULL;
    t->asked_end = end;
    if (!p->origin)
        p->origin = t;
    return t;
}

static void say_ask(struct dtr_planner *p, const struct plan_transfer *t, uint64_t length)
{
    const char *why = t->further ? "several streams may be faster than one"
                      : p->tries ? p->origin_why.text
                                 : p->source_why;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_ORIGIN,
                                               .id = t->id,
                                               .offset = t->start,
                                               .length = length,
                                               .length_only = t->probe,
                                               .rest_too = t->rest_too,
                                               .further = t->further,
                                               .description = why});
}

void dtr_plan_origin_range(struct dtr_planner *p, uint64_t start, uint64_t end, bool probe)
{
    bool rest = end == p->content_length || end == UINT64_MAX;
    uint64_t length = probe ? 1 : rest ? DTR_LENGTH_UNKNOWN : end - start;
    struct plan_transfer *t = ask(p, start, end, length);
    if (!t)
        return;
    t->probe = probe;
    t->lead = !probe;
    t->rest_too = !rest && !probe && p->source != SOURCE_CLOSED && !dtr_plan_parents_usable(p);
    say_ask(p, t, length);
}

void dtr_plan_origin_span(struct dtr_planner *p, const struct dtr_range *span, bool lead)
{
    uint64_t length = span->end - span->start;
    struct plan_transfer *t = ask(p, span->start, span->end, length);
    if (!t)
        return;
    t->lead = lead;
    say_ask(p, t, length);
}

/* Ends a stream that brings nothing needed any more, or nothing for a long stretch. */
static void leave_useless(struct dtr_planner *p, struct plan_transfer *t)
{
    if (t->held || !t->headed || p->content_length == DTR_LENGTH_UNKNOWN || t->at >= t->end)
        return;
    uint64_t next = dtr_plan_next_needed(p, t->at, t->end);
    if (next >= t->end || (next - t->at >= p->piece_length && !p->no_ranges))
        dtr_plan_cancel(p, t);
}

/* A stream is about to bring this byte. */
static bool is_near(const struct dtr_planner *p, const struct plan_transfer *t, uint64_t at)
{
    return at >= t->at && at < t->end && at - t->at < NEAR_PIECES * p->piece_length;
}

/* Another stream than `t` brings this byte, sooner or later. */
static bool another_brings(const struct dtr_planner *p, const struct plan_transfer *t, uint64_t at)
{
    dtr_list_each (node, &p->transfers) {
        const struct plan_transfer *other = dtr_container(node, struct plan_transfer, link);
        if (other != t && !other->parent && !other->cancelled && at >= other->at && at < other->end)
            return true;
    }
    return false;
}

/* A reader waits for bytes that are not on their way, and `t` is about to bring none of those that readers
 * wait for. */
static bool passes_readers_by(const struct dtr_planner *p, const struct plan_transfer *t)
{
    bool waits = false;
    for (uint32_t i = 0; i < p->reader_count; i++) {
        uint64_t at = dtr_plan_next_needed(p, p->readers[i].at, p->readers[i].end);
        if (at >= p->readers[i].end || p->pieces[dtr_plan_piece_at(p, at)].in_flight)
            continue;
        if (is_near(p, t, at))
            return false;
        waits = waits || !another_brings(p, t, at);
    }
    return waits;
}

/* What is wanted by nobody in particular makes way for what readers wait for. */
static bool makes_way(const struct dtr_planner *p, const struct plan_transfer *t)
{
    return !t->cancelled && !t->held && t->headed && p->base.end && !p->no_ranges &&
           p->content_length != DTR_LENGTH_UNKNOWN && passes_readers_by(p, t);
}

/* Once: an origin that does not say the length is then asked for the bytes. */
static bool asks_length(struct dtr_planner *p)
{
    bool ask = p->config.ask_length && !p->asked_length && p->source == SOURCE_PROBE &&
               p->config.have_scheduler && !p->config.need_back_to_source && !p->refused &&
               p->content_length == DTR_LENGTH_UNKNOWN;
    p->asked_length = p->asked_length || ask;
    return ask;
}

static void ask_first(struct dtr_planner *p, const struct dtr_range *gap)
{
    bool ask = asks_length(p), only = p->config.disable_back_to_source;
    if (ask && !only && p->config.expected && gap->start == 0 && gap->end > p->config.expected) {
        dtr_plan_origin_range(p, 0, p->config.expected, false);
        if (p->origin)
            p->origin->expected = true;
    } else {
        dtr_plan_origin_range(p, gap->start, dtr_plan_streams_lead(p, gap), only || ask);
    }
}

/* Ends streams that bring nothing that counts. */
static void review(struct dtr_planner *p)
{
    bool made_way = false;
    if (!p->origin)
        return;
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (t->parent || t->cancelled)
            continue;
        leave_useless(p, t);
        if (made_way || !makes_way(p, t))
            continue;
        made_way = true; /* one is enough */
        dtr_plan_cancel(p, t);
    }
}

void dtr_plan_origin(struct dtr_planner *p)
{
    struct dtr_range gap;
    review(p);
    if (p->origin) {
        dtr_plan_streams_more(p);
        return;
    }
    if (p->source == SOURCE_CLOSED || p->source_dead || p->retry_at > p->now_ms ||
        p->active >= p->config.concurrent_pieces)
        return;
    if (dtr_plan_gap(p, dtr_plan_parents_usable(p) ? SHARED_SPAN : UINT32_MAX, &gap))
        ask_first(p, &gap);
}

void dtr_plan_origin_cancel(struct dtr_planner *p)
{
    while (p->origin)
        dtr_plan_cancel(p, p->origin);
}

void dtr_plan_origin_hold(struct dtr_planner *p)
{
    if (!p->origin || p->origin->held)
        return;
    p->origin->held = true;
    p->active--;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_HOLD, .id = p->origin->id});
}

void dtr_plan_origin_resume(struct dtr_planner *p)
{
    if (!p->origin || !p->origin->held)
        return;
    p->origin->held = false;
    p->origin->moved_at = p->now_ms;
    p->active++;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_RESUME, .id = p->origin->id});
}

/* Counts a failure and sets when, or whether, there is another try. */
static void failed(struct dtr_planner *p, const struct plan_transfer *t, const struct dtr_error *err)
{
    static const uint32_t tries[] = {
        [DTR_RETRY_NEVER] = 1,
        [DTR_RETRY_SAME] = 4,
        [DTR_RETRY_ELSEWHERE] = 2,
    };
    bool ours = err->code == DTR_ENO_SPACE || err->code == DTR_ENOMEM;
    if (t->further && !ours)
        dtr_plan_stream_failed(p);
    if (t->further && !ours && p->origin)
        return; /* the others bring it */
    p->origin_why = p->why = *err;
    if (ours) {
        dtr_plan_fail(p, err);
        return;
    }
    if (t->fresh >= PROGRESS)
        p->tries = 0;
    p->source_dead = ++p->tries >= tries[err->retry];
    bool at_once = t->fresh >= PROGRESS || err->code == DTR_ETIMEOUT;
    p->retry_at = p->now_ms + (at_once ? 0 : (uint64_t)BACKOFF_MS << (p->tries - 1));
    if (!t->headed)
        dtr_plan_stat_again(p);
}

static void unusable(struct dtr_planner *p, struct plan_transfer *t, const char *why)
{
    struct dtr_error err;
    dtr_error_set(&err, DTR_EPROTOCOL, DTR_RETRY_SAME, "%s", why);
    dtr_plan_cancel(p, t);
    failed(p, t, &err);
}

static void unknown_length(struct dtr_planner *p)
{
    if (p->config.disable_back_to_source) {
        dtr_error_set(&p->why, DTR_EUNSUPPORTED, DTR_RETRY_NEVER, "the origin does not say the length");
        dtr_plan_open_source(p, "peers need it");
        return;
    }
    if (p->piece_length)
        return;
    p->piece_length = p->config.piece_length ? p->config.piece_length : DTR_PIECE_LENGTH_MIN;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_LENGTH,
                                               .content_length = DTR_LENGTH_UNKNOWN,
                                               .piece_length = p->piece_length});
}

static bool take_length(struct dtr_planner *p, struct plan_transfer *t, uint64_t total)
{
    if (p->content_length == DTR_LENGTH_UNKNOWN)
        return dtr_plan_set_length(p, total);
    if (p->content_length == total)
        return true;
    struct dtr_error err;
    dtr_error_set(&err, DTR_ECORRUPT, DTR_RETRY_NEVER,
                  "the origin has another version of the object: %llu bytes, not %llu",
                  (unsigned long long)total, (unsigned long long)p->content_length);
    dtr_plan_cancel(p, t);
    failed(p, t, &err);
    return false;
}

void dtr_plan_origin_headed(struct dtr_planner *p, struct plan_transfer *t, const struct dtr_plan_head *head)
{
    bool known = head->total_length != DTR_LENGTH_UNKNOWN;
    t->headed = true;
    t->moved_at = p->quiet_since = p->now_ms;
    if (head->body_offset != t->start && !t->probe) {
        if (head->body_offset || t->further) {
            unusable(p, t, "the origin answered with another range than asked for");
            return;
        }
        p->no_ranges = true;
        t->start = t->at = 0;
    }
    if (known && !take_length(p, t, head->total_length))
        return;
    p->takes_ranges = p->takes_ranges || head->takes_ranges;
    if (head->whole && t->rest_too) {
        t->open_end = true;
        t->end = t->asked_end = UINT64_MAX;
    }
    if (known && t->end > head->total_length)
        t->end = head->total_length;
    if (p->content_length == DTR_LENGTH_UNKNOWN)
        unknown_length(p);
    if (t->probe)
        dtr_plan_uncount(p, t); /* its byte ends it, and leaves a connection for what comes now */
    else
        dtr_plan_streams_headed(p);
    if (p->over || p->source != SOURCE_PROBE)
        return;
    if (known)
        dtr_plan_decide(p);
    else
        dtr_plan_open_source(p, "the origin does not say the length");
}

void dtr_plan_origin_moved(struct dtr_planner *p, struct plan_transfer *t, uint64_t start, uint64_t end)
{
    /* CUT may have crossed with some bytes. */
    if (end > t->asked_end)
        end = t->asked_end;
    if (end > p->content_length)
        end = p->content_length;
    uint64_t had = dtr_ranges_run(&p->arrived, start);
    if (had < end)
        t->fresh += end - had;
    dtr_plan_streams_moved(p, end - t->at);
    if (!dtr_ranges_add(&p->arrived, start, end))
        p->broken = true;
    if (end > t->at)
        t->at = end;
    p->quiet_since = p->now_ms;
}

void dtr_plan_origin_ended(struct dtr_planner *p, struct plan_transfer *t, const struct dtr_error *err)
{
    struct dtr_error broken_off;
    if (!err->code && t->headed && t->at < t->end && p->content_length == DTR_LENGTH_UNKNOWN) {
        /* A whole answer that is shorter than what was asked for: the object ends here. */
        t->end = t->at;
        if (!dtr_plan_set_length(p, t->at))
            return;
    }
    uint32_t unverified = dtr_plan_unverify(p, t->start, t->at);
    if (!err->code && (t->at < t->end || unverified)) {
        dtr_error_set(&broken_off, DTR_ECLOSED, DTR_RETRY_SAME, "the origin sent %llu of %llu bytes",
                      (unsigned long long)(t->at - t->start), (unsigned long long)(t->end - t->start));
        if (unverified) {
            dtr_error_set(&broken_off, DTR_EIO, DTR_RETRY_SAME, "pieces from the origin were not stored");
            t->fresh = 0;
        }
        err = &broken_off;
    }
    /* An empty object has no first byte to ask for: its whole answer says so. */
    bool empty = (t->probe || (t->rest_too && !p->plain)) && err->status == 416 && t->start == 0 &&
                 !p->config.disable_back_to_source;
    p->plain = p->plain || empty;
    if (err->code && !empty && !dtr_plan_expected_in_vain(p, t))
        failed(p, t, err);
}

uint64_t dtr_plan_origin_patience(const struct dtr_planner *p, const struct plan_transfer *t)
{
    return p->config.stall_timeout_ms * (t->headed ? 1 : HEAD_STALLS);
}

void dtr_plan_origin_stalled(struct dtr_planner *p)
{
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (t->parent || t->cancelled || t->held || p->now_ms < t->moved_at + dtr_plan_origin_patience(p, t))
            continue;
        struct dtr_error err;
        dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_SAME, "the origin sends nothing");
        dtr_plan_cancel(p, t);
        if (!dtr_plan_expected_in_vain(p, t))
            failed(p, t, &err);
    }
}
