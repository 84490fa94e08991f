/* Piece geometry of one task, which bytes its readers want, and which of them are missing.
 *
 * Two sets of bytes count as being there: verified pieces, and bytes that arrived from the origin. The
 * latter satisfy a reader at once, but a piece whose bytes all arrived counts only when verified. */
#include "core/brain/geometry.h"
#include "core/brain/planner_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t dtr_plan_piece_start(const struct dtr_planner *p, uint32_t n)
{
    return n * p->piece_length;
}

uint64_t dtr_plan_piece_end(const struct dtr_planner *p, uint32_t n)
{
    uint64_t end = (n + (uint64_t)1) * p->piece_length;
    return end < p->content_length ? end : p->content_length;
}

uint32_t dtr_plan_piece_at(const struct dtr_planner *p, uint64_t offset)
{
    uint64_t n = p->piece_length ? offset / p->piece_length : 0;
    return n < p->piece_count ? (uint32_t)n : p->piece_count;
}

bool dtr_plan_pieces_room(struct dtr_planner *p, uint64_t count)
{
    if (count <= p->piece_capacity)
        return true;
    if (count > DTR_PIECES_MAX)
        return false;
    struct plan_piece *pieces = realloc(p->pieces, count * sizeof(*pieces));
    if (!pieces) {
        p->broken = true;
        return false;
    }
    memset(pieces + p->piece_capacity, 0, (count - p->piece_capacity) * sizeof(*pieces));
    p->pieces = pieces;
    p->piece_capacity = (uint32_t)count;
    return true;
}

static bool refuse(struct dtr_planner *p, int code, int status, const char *text)
{
    struct dtr_error err;
    dtr_error_set(&err, code, DTR_RETRY_NEVER, "%s", text);
    err.status = status;
    dtr_plan_fail(p, &err);
    return false;
}

bool dtr_plan_set_length(struct dtr_planner *p, uint64_t length)
{
    if (!p->piece_length)
        p->piece_length = p->config.piece_length ? p->config.piece_length : dtr_piece_length(length);
    uint64_t count = dtr_piece_count(length, p->piece_length);
    if (count > DTR_PIECES_MAX)
        return refuse(p, DTR_EINVALID, 0, "the object is too large: more than 2^24 pieces");
    if (!dtr_plan_pieces_room(p, count))
        return false;
    p->content_length = length;
    p->piece_count = (uint32_t)count;
    dtr_plan_rewant(p);
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_LENGTH,
                                               .content_length = length,
                                               .piece_length = p->piece_length,
                                               .piece_count = p->piece_count});
    if (length && !p->wanted.count && (p->reader_count || p->base.end))
        return refuse(p, DTR_EINVALID, 416, "the range lies behind the end of the object");
    return true;
}

static void want(struct dtr_planner *p, uint64_t start, uint64_t end)
{
    if (end > p->content_length)
        end = p->content_length; /* unknown is UINT64_MAX */
    if (!dtr_ranges_add(&p->wanted, start, end))
        p->broken = true;
}

void dtr_plan_rewant(struct dtr_planner *p)
{
    dtr_ranges_free(&p->wanted);
    want(p, p->base.start, p->base.end);
    for (uint32_t i = 0; i < p->reader_count; i++)
        want(p, p->readers[i].start, p->readers[i].end);
    p->first_missing = 0;
}

/* Wanted bytes in [start, end), all or only those that did not arrive. */
static uint64_t wanted_bytes(const struct dtr_planner *p, uint64_t start, uint64_t end, bool arrived_too)
{
    uint64_t bytes = 0;
    for (uint64_t at = start; at < end;) {
        struct dtr_range gap;
        uint64_t stop = dtr_ranges_run(&p->wanted, at);
        if (stop > end)
            stop = end;
        while (at < stop && !arrived_too && dtr_ranges_gap(&p->arrived, at, stop, &gap)) {
            bytes += gap.end - gap.start;
            at = gap.end;
        }
        if (arrived_too)
            bytes += stop - at;
        if (!dtr_ranges_gap(&p->wanted, stop, end, &gap))
            break;
        at = gap.end;
    }
    return bytes;
}

bool dtr_plan_missing(const struct dtr_planner *p, uint32_t n)
{
    if (p->pieces[n].done)
        return false;
    uint64_t start = dtr_plan_piece_start(p, n), end = dtr_plan_piece_end(p, n);
    return wanted_bytes(p, start, end, dtr_ranges_has(&p->arrived, start, end)) > 0;
}

static bool claimed_by_stream(const struct dtr_planner *p, uint64_t start, uint64_t end)
{
    if (!p->origin)
        return false;
    dtr_list_each (node, &p->transfers) {
        const struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (!t->parent && !t->cancelled && !t->held && end > t->at && start < t->end)
            return true;
    }
    return false;
}

bool dtr_plan_unclaimed(const struct dtr_planner *p, uint32_t n)
{
    uint64_t start = dtr_plan_piece_start(p, n), end = dtr_plan_piece_end(p, n);
    if (p->pieces[n].in_flight || !dtr_plan_missing(p, n) || dtr_ranges_has(&p->arrived, start, end))
        return false; /* what arrived whole only waits for its verification */
    return !claimed_by_stream(p, start, end);
}

bool dtr_plan_complete(struct dtr_planner *p)
{
    if (p->content_length == DTR_LENGTH_UNKNOWN) {
        size_t last = p->wanted.count;
        if (!last || p->wanted.list[last - 1].end == UINT64_MAX)
            return false;
        return wanted_bytes(p, p->wanted.list[0].start, p->wanted.list[last - 1].end, false) == 0;
    }
    while (p->first_missing < p->piece_count && !dtr_plan_missing(p, p->first_missing))
        p->first_missing++;
    return p->first_missing == p->piece_count;
}

bool dtr_plan_whole(const struct dtr_planner *p)
{
    for (uint32_t n = 0; n < p->piece_count; n++)
        if (!p->pieces[n].done)
            return false;
    return p->content_length != DTR_LENGTH_UNKNOWN;
}

uint64_t dtr_plan_bytes_wanted(const struct dtr_planner *p)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->wanted.count; i++) {
        const struct dtr_range *range = &p->wanted.list[i];
        uint64_t end = range->end < p->content_length ? range->end : p->content_length;
        if (end > range->start)
            bytes += end - range->start;
    }
    return bytes;
}

uint64_t dtr_plan_bytes_left(const struct dtr_planner *p)
{
    uint64_t bytes = 0;
    if (p->content_length == DTR_LENGTH_UNKNOWN) {
        if (p->wanted.count && p->wanted.list[p->wanted.count - 1].end == UINT64_MAX)
            return UINT64_MAX;
        return dtr_ranges_total(&p->wanted);
    }
    for (uint32_t n = p->first_missing; n < p->piece_count; n++)
        if (dtr_plan_missing(p, n))
            bytes += wanted_bytes(p, dtr_plan_piece_start(p, n), dtr_plan_piece_end(p, n), true);
    return bytes;
}

/* Of a length that is not known: from the first reader on, then what lies before. */
static bool gap_anywhere(const struct dtr_planner *p, struct dtr_range *ret_gap)
{
    uint64_t from = p->reader_count ? p->readers[0].start : 0;
    for (int turn = 0; turn < 2; turn++, from = 0) {
        for (size_t i = 0; i < p->wanted.count; i++) {
            const struct dtr_range *range = &p->wanted.list[i];
            uint64_t start = range->start > from ? range->start : from;
            if (start < range->end && dtr_ranges_gap(&p->arrived, start, range->end, ret_gap))
                return true;
        }
    }
    return false;
}

/* The first byte that a reader waits for and nobody brings, else that one waits for; when none does, where
 * the first one is: it will read on. */
static uint64_t waited_for(const struct dtr_planner *p)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < p->reader_count; i++) {
        uint64_t at = dtr_plan_next_needed(p, p->readers[i].at, p->readers[i].end);
        if (at >= p->readers[i].end)
            continue;
        if (dtr_plan_unclaimed(p, dtr_plan_piece_at(p, at)))
            return at;
        if (first == UINT64_MAX)
            first = at;
    }
    if (first != UINT64_MAX)
        return first;
    return p->reader_count ? p->readers[0].at : 0;
}

bool dtr_plan_gap(const struct dtr_planner *p, uint32_t span, struct dtr_range *ret_gap)
{
    if (p->content_length == DTR_LENGTH_UNKNOWN)
        return gap_anywhere(p, ret_gap);
    uint32_t first = dtr_plan_piece_at(p, waited_for(p));
    for (uint32_t k = 0; k < p->piece_count; k++) {
        uint32_t n = (first + k) % p->piece_count, next = n + 1;
        if (!dtr_plan_unclaimed(p, n))
            continue;
        while (next < p->piece_count && next - n < span && dtr_plan_unclaimed(p, next))
            next++;
        uint64_t end = dtr_plan_piece_end(p, next - 1);
        return dtr_ranges_gap(&p->arrived, dtr_plan_piece_start(p, n), end, ret_gap);
    }
    return false;
}

uint64_t dtr_plan_next_needed(const struct dtr_planner *p, uint64_t at, uint64_t limit)
{
    struct dtr_range gap;
    for (uint32_t n = dtr_plan_piece_at(p, at); n < p->piece_count && dtr_plan_piece_start(p, n) < limit;
         n++) {
        uint64_t start = dtr_plan_piece_start(p, n), end = dtr_plan_piece_end(p, n);
        if (dtr_plan_missing(p, n) && dtr_ranges_gap(&p->arrived, start > at ? start : at, end, &gap))
            return gap.start < limit ? gap.start : limit;
    }
    return limit;
}

static bool stream_was_at(const struct dtr_planner *p, uint64_t from, uint64_t to)
{
    if (!p->origin)
        return false;
    dtr_list_each (node, &p->transfers) {
        const struct plan_transfer *t = dtr_container(node, struct plan_transfer, link);
        if (!t->parent && !t->cancelled && t->at >= from && t->start < to)
            return true;
    }
    return false;
}

uint32_t dtr_plan_unverify(struct dtr_planner *p, uint64_t start, uint64_t end)
{
    uint32_t count = 0;
    for (uint32_t n = dtr_plan_piece_at(p, start); n < p->piece_count; n++) {
        uint64_t from = dtr_plan_piece_start(p, n), to = dtr_plan_piece_end(p, n);
        if (from >= end)
            break;
        if (p->pieces[n].done || !dtr_ranges_has(&p->arrived, from, to))
            continue;
        if (stream_was_at(p, from, to))
            continue; /* its last bytes came just now, by another transfer */
        if (!dtr_ranges_remove(&p->arrived, from, to))
            p->broken = true;
        count++;
    }
    return count;
}
