/* Further streams from the origin: several ranges at once, where the origin limits each connection.
 *
 * A download begins with one stream. Where much is left and would take long, a further one is tried, and
 * stays when all together then bring clearly more bytes per second; the next is tried only after that, and
 * now and then one is left out to see whether it is still worth it. What they ask for are spans of whole
 * pieces, which nobody else brings, in the readers' order; each is a part of what is left, so that all end at
 * about the same time.
 *
 * A request names its end, the first one too: what an origin has sent behind the end that we want is lost,
 * and may be megabytes. A stream alone asks for a large span, and the next is asked for shortly before its
 * end. Only when several have shown that they are faster is the large span cut short (CUT), once, at a
 * boundary of pieces ahead of it; where the limit is per connection little is under way then.
 *
 * What two requests bring must be of one version, by a digest or by what the origin calls it: where neither
 * is known yet the first request asks for all.
 *
 * An origin that refuses a further stream, breaks one off or has another version for it has made its point:
 * from then on there are no more than the others, and the pull is none the worse.
 *
 * Not for: tries and failures of the stream that runs alone (planner_origin.c). */
#include "core/brain/planner_internal.h"

#define WINDOW_MS      500                 /* of a measurement, at least */
#define WINDOW_MOST_MS 4000                /* when few bytes come */
#define WINDOW_BYTES   ((uint64_t)2 << 20) /* of each stream: progress comes in steps of some 100 KiB */
#define LONG_MS        2000                /* a download that ends sooner gains nothing worth having */
#define LEFT_LEAST     ((uint64_t)16 << 20)
#define SPAN_LEAST     ((uint64_t)4 << 20)
#define SPAN_MOST      ((uint64_t)32 << 20) /* or so much as takes SPAN_MS: a new request costs a round trip */
#define SPAN_MS        4000
#define LEAD_LEAST     ((uint64_t)64 << 20) /* of a stream alone, or what takes SPAN_MS */
#define CUT_LEAST      ((uint64_t)1 << 30)  /* an object of which some MiB may be lost by a cut */
#define TRIAL_MS       250                  /* the spans of a first trial */
#define AHEAD_MS       20                   /* before its end the next is asked for, */
#define AHEAD_LEAST    ((uint64_t)1 << 20)  /* but not less than this */
#define AHEAD_MOST     ((uint64_t)8 << 20)
#define STEADY         1.25  /* the rate rises by less: the connection is through its slow start */
#define GAIN           0.5   /* of what a further stream brings when the limit is per connection */
#define PIECE_STALLS   2     /* stall times that a piece may take if nothing is gained */
#define AGAIN_MS       10000 /* between trials without a gain, and before one is left out */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_stream(const struct plan_transfer *t)
{
    return !t->parent && !t->cancelled && !t->probe;
}

static uint32_t running(const struct dtr_planner *p)
{
    uint32_t count = 0;
    dtr_list_each (node, &p->transfers)
        count += is_stream(dtr_container(node, struct plan_transfer, link));
    return count;
}

void dtr_plan_streams_begin(struct dtr_planner *p)
{
    p->streams = (struct plan_streams){.limit = p->config.origin_streams, .target = 1};
}

static void restart(struct dtr_planner *p)
{
    p->streams.since = p->now_ms;
    p->streams.bytes = 0;
}

void dtr_plan_streams_headed(struct dtr_planner *p)
{
    if (!p->streams.seen)
        restart(p);
    p->streams.seen = true;
}

/* --- what is worth it --------------------------------------------------------------------------------- */

static bool may_split(const struct dtr_planner *p)
{
    return p->streams.limit > 1 && p->takes_ranges && !p->no_ranges && p->source == SOURCE_OPEN &&
           !p->source_dead && p->retry_at <= p->now_ms && p->content_length != DTR_LENGTH_UNKNOWN &&
           p->origin && p->origin->headed && !p->origin->held && !dtr_plan_parents_usable(p);
}

/* Of all streams together, as far as it is known. */
static double now_rate(const struct dtr_planner *p)
{
    const struct plan_streams *s = &p->streams;
    uint64_t passed = p->now_ms - s->since;
    return passed ? (double)s->bytes * 1000 / (double)passed : s->rate;
}

static bool takes_long(const struct dtr_planner *p, double rate)
{
    uint64_t left = dtr_plan_bytes_left(p);
    return left >= LEFT_LEAST && (double)left * 1000 > rate * LONG_MS;
}

/* Peers wait for the next piece, and when it takes too long they all go to the origin. So it must come in
 * time, also when the streams only share what one had. */
static bool too_slow(const struct dtr_planner *p, double rate)
{
    double longest = (double)(PIECE_STALLS * p->config.stall_timeout_ms);
    return (double)(p->piece_length * (p->streams.target + 1)) * 1000 > rate * longest;
}

static void begin_trial(struct dtr_planner *p, enum plan_trial trial)
{
    struct plan_streams *s = &p->streams;
    s->trial = trial;
    s->target += trial == TRIAL_MORE ? 1 : (uint32_t)-1;
    s->seen = trial == TRIAL_FEWER;
    s->again = false;
    s->next_trial_at = p->now_ms + AGAIN_MS;
}

static void propose(struct dtr_planner *p, double before)
{
    struct plan_streams *s = &p->streams;
    if (!takes_long(p, s->rate))
        return;
    if (s->target < s->limit && p->now_ms >= s->refused_until && s->rate < before * STEADY &&
        !too_slow(p, s->rate))
        begin_trial(p, TRIAL_MORE);
    else if (s->target > 1 && p->now_ms >= s->next_trial_at)
        begin_trial(p, TRIAL_FEWER);
}

/* Whether `more` bytes/s of n + 1 streams are clearly more than `less` of n. */
static bool gains(double more, double less, uint32_t n)
{
    return more >= less * (1 + GAIN / n);
}

static void judge_more(struct dtr_planner *p, double rate)
{
    struct plan_streams *s = &p->streams;
    bool gain = gains(rate, s->rate, s->target - 1);
    if (!gain && !s->again) {
        s->again = true; /* the new connection may still be in its slow start */
        return;
    }
    s->trial = TRIAL_NONE;
    if (gain) {
        s->proven = true;
        s->rate = rate;
        propose(p, rate);
        return;
    }
    s->target--;
    s->refused_until = p->now_ms + AGAIN_MS;
}

static void judge_fewer(struct dtr_planner *p, double rate)
{
    struct plan_streams *s = &p->streams;
    s->trial = TRIAL_NONE;
    if (gains(s->rate, rate, s->target)) {
        s->target++;
        return;
    }
    s->rate = rate;
    s->refused_until = p->now_ms + AGAIN_MS;
}

/* One measurement has ended. */
static void judge(struct dtr_planner *p, double rate)
{
    struct plan_streams *s = &p->streams;
    double before = s->rate;
    if (s->trial == TRIAL_MORE) {
        judge_more(p, rate);
    } else if (s->trial == TRIAL_FEWER) {
        judge_fewer(p, rate);
    } else {
        s->rate = rate;
        propose(p, before);
    }
}

void dtr_plan_streams_moved(struct dtr_planner *p, uint64_t bytes)
{
    struct plan_streams *s = &p->streams;
    uint64_t passed = p->now_ms - s->since;
    s->bytes += bytes;
    if (passed < WINDOW_MS || (s->bytes < s->target * WINDOW_BYTES && passed < WINDOW_MOST_MS))
        return;
    if (may_split(p) && s->seen && running(p) == s->target)
        judge(p, (double)s->bytes * 1000 / (double)passed);
    restart(p);
}

/* --- which bytes ---------------------------------------------------------------------------------------- */

static void cut(struct dtr_planner *p, struct plan_transfer *t, uint64_t end)
{
    t->end = end;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_CUT, .id = t->id, .offset = end});
}

/* The large span of the stream that ran alone, when enough of it is left to share. */
static struct plan_transfer *divisible(const struct dtr_planner *p)
{
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        bool free = p->streams.proven || (t->open_end && p->content_length >= CUT_LEAST);
        if (is_stream(t) && t->lead && free && t->headed && t->end > t->at &&
            t->end - t->at >= larger(3 * p->piece_length, 2 * SPAN_LEAST))
            return t;
    }
    return NULL;
}

/* Pieces of the next span. */
static uint32_t span_pieces(const struct dtr_planner *p, bool first_trial)
{
    const struct plan_streams *s = &p->streams;
    double each = s->rate / (s->trial == TRIAL_MORE ? s->target - 1 : s->target);
    uint64_t part = dtr_plan_bytes_left(p) / (2 * s->target);
    uint64_t most = first_trial ? (uint64_t)(each * TRIAL_MS / 1000)
                                : larger(SPAN_MOST, (uint64_t)(each * SPAN_MS / 1000));
    uint64_t pieces = larger(SPAN_LEAST, smaller(part, most)) / p->piece_length;
    return pieces > 1 ? (uint32_t)pieces : 1;
}

/* Cuts `t` short not far ahead of it: what lies behind is free then. */
static void share(struct dtr_planner *p, struct plan_transfer *t, uint32_t pieces)
{
    uint32_t next = dtr_plan_piece_at(p, t->at) + 1;
    uint32_t last = (uint32_t)((t->end + p->piece_length - 1) / p->piece_length);
    uint32_t most = (last - next) / 2;
    if (pieces > most)
        pieces = most ? most : 1;
    cut(p, t, dtr_plan_piece_start(p, next + pieces));
}

static bool next_span(struct dtr_planner *p, struct dtr_range *ret_span)
{
    uint32_t pieces = span_pieces(p, !p->streams.proven);
    struct plan_transfer *t = divisible(p);
    if (t) {
        share(p, t, pieces);
        t->lead = false; /* once */
    }
    return dtr_plan_gap(p, pieces, ret_span);
}

uint64_t dtr_plan_streams_lead(const struct dtr_planner *p, const struct dtr_range *gap)
{
    const struct plan_streams *s = &p->streams;
    uint64_t span = larger(LEAD_LEAST, (uint64_t)(s->rate * SPAN_MS / 1000));
    bool known = p->content_length != DTR_LENGTH_UNKNOWN;
    if (!(p->takes_ranges || p->config.check) || s->limit <= 1 || p->no_ranges || p->plain ||
        gap->end - gap->start <= span + span / 4 || (known && now_rate(p) > 0 && !takes_long(p, now_rate(p))))
        return gap->end;
    uint64_t end = (gap->start / LEAD_LEAST + span / LEAD_LEAST) * LEAD_LEAST;
    return known ? dtr_plan_piece_start(p, dtr_plan_piece_at(p, end)) : end;
}

/* The stream that runs alone is about to end. What was expected to be all ends amid a piece. */
static bool ends_soon(const struct dtr_planner *p)
{
    uint64_t ahead = larger(AHEAD_LEAST, smaller(AHEAD_MOST, (uint64_t)(now_rate(p) * AHEAD_MS / 1000)));
    return p->streams.target == 1 && !p->origin->expected && p->origin->at < p->origin->end &&
           p->origin->end - p->origin->at <= ahead;
}

/* What comes behind the one that runs alone. */
static void follow(struct dtr_planner *p)
{
    struct dtr_range span;
    if (!dtr_plan_gap(p, UINT32_MAX, &span))
        return;
    span.end = dtr_plan_streams_lead(p, &span);
    dtr_plan_origin_span(p, &span, true);
}

void dtr_plan_streams_more(struct dtr_planner *p)
{
    struct dtr_range span;
    uint32_t count = running(p);
    if (!may_split(p))
        return;
    if (count == 1 && p->active < p->config.concurrent_pieces && ends_soon(p))
        follow(p);
    while (count++ < p->streams.target && p->active < p->config.concurrent_pieces && !p->broken &&
           next_span(p, &span))
        dtr_plan_origin_span(p, &span, false);
}

/* --- what becomes of one that failed -------------------------------------------------------------------- */

/* The stream that was cut short goes on over what nobody brings now. */
static void regrow(struct dtr_planner *p)
{
    dtr_list_each (node, &p->transfers) {
        struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        struct dtr_range gap;
        if (!is_stream(t) || t->end >= t->asked_end || t->at >= t->end || t->end >= p->content_length)
            continue;
        uint32_t n = dtr_plan_piece_at(p, t->end);
        while (n < p->piece_count && dtr_plan_unclaimed(p, n) &&
               dtr_ranges_gap(&p->arrived, dtr_plan_piece_start(p, n), dtr_plan_piece_end(p, n), &gap) &&
               gap.end - gap.start == dtr_plan_piece_end(p, n) - dtr_plan_piece_start(p, n))
            n++;
        uint64_t end = n < p->piece_count ? dtr_plan_piece_start(p, n) : p->content_length;
        end = smaller(end, t->asked_end);
        if (end > t->end)
            cut(p, t, end);
    }
}

void dtr_plan_stream_failed(struct dtr_planner *p)
{
    struct plan_streams *s = &p->streams;
    uint32_t left = running(p);
    s->limit = left ? left : 1;
    if (s->target >= s->limit) {
        s->target = s->limit;
        s->trial = TRIAL_NONE;
    }
    restart(p);
    regrow(p);
}
