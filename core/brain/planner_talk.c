/* The daemon's half of the AnnouncePeer conversation (wire page 3.2).
 *
 * REGISTER, then for every answer exactly one STARTED or BACK_TO_SOURCE_STARTED; pieces are reported after
 * one of them, each once; RESCHEDULE asks for another answer; one terminal message ends it. Dragonfly's
 * scheduler accepts neither STARTED nor a new plan after BACK_TO_SOURCE_STARTED, so that state is final.
 * It also ends the stream at a failed piece that is not temporary, so all of ours are. */
#include "core/brain/planner_internal.h"

static void say(struct dtr_planner *p, enum dtr_plan_kind kind, const char *description)
{
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = kind, .description = description});
}

bool dtr_plan_can_register(const struct dtr_planner *p)
{
    return p->config.have_scheduler && !p->refused && p->now_ms < p->schedule_until &&
           p->content_length != DTR_LENGTH_UNKNOWN && p->answers < p->config.max_schedule_count &&
           (p->talk == TALK_QUIET || p->talk == TALK_CLOSED);
}

bool dtr_plan_can_reschedule(const struct dtr_planner *p)
{
    return p->talk == TALK_PARENTS && p->answers < p->config.max_schedule_count &&
           p->now_ms < p->schedule_until;
}

void dtr_plan_register(struct dtr_planner *p)
{
    /* A new conversation is about a new peer, of which nothing is known. */
    p->unreported = 0;
    for (uint32_t n = 0; n < p->piece_count; n++) {
        p->pieces[n].reported = p->pieces[n].stored || p->metadata_only;
        p->unreported += p->pieces[n].done && !p->pieces[n].reported;
    }
    p->talk = TALK_ASKED;
    p->quiet_since = p->now_ms;
    dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_REGISTER,
                                               .content_length = p->content_length,
                                               .piece_length = p->piece_length,
                                               .piece_count = p->piece_count,
                                               .metadata_only = p->metadata_only});
}

void dtr_plan_talk_piece_failed(struct dtr_planner *p, uint32_t piece, const struct plan_parent *parent)
{
    p->pieces[piece].failed_at = 0;
    if (p->talk == TALK_PARENTS || p->talk == TALK_SOURCE)
        dtr_plan_push(p, &(struct dtr_plan_action){.kind = DTR_PLAN_PIECE_FAILED,
                                                   .piece = piece,
                                                   .parent = parent->index,
                                                   .temporary = true});
}

void dtr_plan_reschedule(struct dtr_planner *p, const char *reason)
{
    for (uint32_t n = p->first_missing; n < p->piece_count; n++)
        if (p->pieces[n].failed_at && dtr_plan_missing(p, n))
            dtr_plan_talk_piece_failed(p, n, p->parents[p->pieces[n].failed_at - 1]);
    p->talk = TALK_ASKED;
    say(p, DTR_PLAN_RESCHEDULE, reason);
}

void dtr_plan_talk_source(struct dtr_planner *p, const char *reason)
{
    if (p->talk != TALK_PARENTS)
        return;
    p->talk = TALK_SOURCE;
    say(p, DTR_PLAN_BACK_TO_SOURCE_STARTED, reason);
}

/* Ends the conversation over an answer that makes no sense here; the download goes on without it. */
static void refuse(struct dtr_planner *p, const char *why)
{
    dtr_error_set(&p->why, DTR_EPROTOCOL, DTR_RETRY_NEVER, "%s", why);
    p->refused = true;
    p->talk = TALK_CLOSED;
    say(p, DTR_PLAN_FAILED, p->why.text);
}

static void answered_normal(struct dtr_planner *p, const struct dtr_plan_answer *answer)
{
    p->talk = TALK_PARENTS;
    if (p->config.need_back_to_source) {
        dtr_plan_talk_source(p, "a seed fetches from the origin");
        return;
    }
    say(p, DTR_PLAN_STARTED, NULL);
    if (p->over || p->checking)
        return;
    if (answer->content_length != DTR_LENGTH_UNKNOWN && answer->content_length != p->content_length) {
        dtr_error_set(&p->why, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE,
                      "the peers have another version of the object: %llu bytes, not %llu",
                      (unsigned long long)answer->content_length, (unsigned long long)p->content_length);
        dtr_plan_open_source(p, "the peers have another version of the object");
        return;
    }
    if (p->source == SOURCE_OPEN && dtr_plan_bytes_left(p) <= p->config.p2p_threshold) {
        dtr_plan_talk_source(p, "the origin has almost brought it");
        return;
    }
    dtr_plan_origin_cancel(p);
    p->source = SOURCE_CLOSED;
    p->source_why = NULL;
    dtr_plan_parents_add(p, answer);
}

static void answered_source(struct dtr_planner *p)
{
    p->talk = TALK_PARENTS;
    if (p->over || p->checking)
        dtr_plan_talk_source(p, "the scheduler said so");
    else
        dtr_plan_open_source(p, "the scheduler says back to source");
}

void dtr_plan_answered(struct dtr_planner *p, const struct dtr_plan_answer *answer)
{
    p->answers++;
    p->quiet_since = p->now_ms;
    if (answer->kind == DTR_PLAN_ANSWER_METADATA_ONLY && p->metadata_only) {
        p->talk = TALK_PARENTS;
        say(p, DTR_PLAN_STARTED, NULL);
    } else if (p->metadata_only) {
        refuse(p, "the scheduler did not take the announcement of a complete task");
    } else if (answer->kind == DTR_PLAN_ANSWER_NORMAL) {
        answered_normal(p, answer);
    } else if (answer->kind == DTR_PLAN_ANSWER_BACK_TO_SOURCE) {
        answered_source(p);
    } else {
        refuse(p, "the scheduler's answer does not fit a task with content");
    }
    if (p->over && (p->talk == TALK_PARENTS || p->talk == TALK_SOURCE)) {
        dtr_plan_talk_flush(p);
        dtr_plan_talk_end(p, NULL);
    }
}

void dtr_plan_more(struct dtr_planner *p, const struct dtr_plan_answer *answer)
{
    bool same = answer->content_length == DTR_LENGTH_UNKNOWN || answer->content_length == p->content_length;
    if (p->over || p->checking || p->config.need_back_to_source)
        return;
    if (answer->kind == DTR_PLAN_ANSWER_NORMAL && same)
        dtr_plan_parents_add_new(p, answer);
    if (answer->kind == DTR_PLAN_ANSWER_BACK_TO_SOURCE && !p->config.disable_back_to_source &&
        !p->source_dead)
        dtr_plan_open_source(p, "the scheduler says back to source");
}

static void report(struct dtr_planner *p, uint32_t n)
{
    struct plan_piece *piece = &p->pieces[n];
    uint64_t start = dtr_plan_piece_start(p, n);
    piece->reported = true;
    p->unreported--;
    dtr_plan_push(p,
                  &(struct dtr_plan_action){
                      .kind = piece->from ? DTR_PLAN_PIECE_FINISHED : DTR_PLAN_BACK_TO_SOURCE_PIECE_FINISHED,
                      .piece = n,
                      .parent = piece->from ? piece->from - 1 : 0,
                      .facts = {.number = n,
                                .crc32 = piece->crc32,
                                .offset = start,
                                .length = dtr_plan_piece_end(p, n) - start,
                                .has_crc32 = piece->has_crc32,
                                .traffic = piece->from ? DTR_TRAFFIC_REMOTE_PEER : DTR_TRAFFIC_BACK_TO_SOURCE,
                                .cost_ns = piece->cost_ns}});
}

void dtr_plan_talk_flush(struct dtr_planner *p)
{
    if (p->talk != TALK_PARENTS && p->talk != TALK_SOURCE)
        return;
    for (uint32_t n = 0; n < p->piece_count && p->unreported; n++) {
        if (!p->pieces[n].done || p->pieces[n].reported)
            continue;
        if (!p->pieces[n].from)
            dtr_plan_talk_source(p, "pieces came from the origin");
        report(p, n);
    }
}

/* Everything is here, and no conversation tells the scheduler so: it is told by one of its own (wire page
 * 3.2.6). Of a triggered seed that had everything in its store, and of whoever lost the scheduler on the way:
 * the one that came in its place does not know of these pieces. */
static void announce_stored(struct dtr_planner *p)
{
    bool forgotten = p->talk == TALK_CLOSED;
    if (!(forgotten || p->config.need_back_to_source) || !p->piece_count || !dtr_plan_can_register(p))
        return;
    for (uint32_t n = 0; n < p->piece_count; n++)
        if (!(forgotten ? p->pieces[n].done : p->pieces[n].stored))
            return;
    p->metadata_only = true;
    dtr_plan_register(p);
}

void dtr_plan_talk_end(struct dtr_planner *p, const struct dtr_error *err)
{
    enum plan_talk talk = p->talk;
    if ((talk == TALK_QUIET || talk == TALK_CLOSED) && !err)
        announce_stored(p);
    if (talk == TALK_QUIET || talk == TALK_CLOSED || (talk == TALK_ASKED && !err))
        return;
    p->talk = TALK_CLOSED;
    if (!err) {
        say(p, talk == TALK_SOURCE ? DTR_PLAN_BACK_TO_SOURCE_FINISHED : DTR_PLAN_FINISHED, NULL);
        return;
    }
    if (err != &p->why)
        p->why = *err;
    if (talk == TALK_SOURCE && p->source_dead)
        dtr_plan_push(
            p, &(struct dtr_plan_action){.kind = DTR_PLAN_BACK_TO_SOURCE_PIECE_FAILED, .error = &p->why});
    say(p, talk == TALK_SOURCE ? DTR_PLAN_BACK_TO_SOURCE_FAILED : DTR_PLAN_FAILED, p->why.text);
}
