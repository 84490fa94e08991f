/* See planner_fixture.h. */
#include "core/brain/planner_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void wrong(struct talk_check *check, enum dtr_plan_kind kind, const char *why)
{
    if (!check->wrong[0])
        (void)snprintf(check->wrong, sizeof(check->wrong), "%s %s (state %d)", dtr_plan_kind_text(kind), why,
                       (int)check->state);
}

static void check_report(struct talk_check *check, const struct dtr_plan_action *action)
{
    uint32_t n = action->piece;
    bool source = action->kind == DTR_PLAN_BACK_TO_SOURCE_PIECE_FINISHED;
    if (check->state != TALK_SOURCE && (source || check->state != TALK_RUNS))
        wrong(check, action->kind, "before the start");
    if (n >= sizeof(check->reported) * 8 || action->facts.number != n || !action->facts.length)
        wrong(check, action->kind, "without its facts");
    else if (check->reported[n / 8] >> n % 8 & 1)
        wrong(check, action->kind, "twice");
    else
        check->reported[n / 8] |= (uint8_t)(1u << n % 8);
    if (action->facts.traffic != (source ? DTR_TRAFFIC_BACK_TO_SOURCE : DTR_TRAFFIC_REMOTE_PEER))
        wrong(check, action->kind, "with the wrong traffic type");
}

static void check_start(struct talk_check *check, const struct dtr_plan_action *action)
{
    bool source = action->kind == DTR_PLAN_BACK_TO_SOURCE_STARTED;
    bool answered = check->state == TALK_ANSWERED && check->answer != DTR_PLAN_ANSWER_EMPTY;
    if (source ? !answered && check->state != TALK_RUNS
               : !answered || check->answer == DTR_PLAN_ANSWER_BACK_TO_SOURCE)
        wrong(check, action->kind, "does not follow an answer");
    check->state = source ? TALK_SOURCE : TALK_RUNS;
}

static void check_end(struct talk_check *check, enum dtr_plan_kind kind)
{
    bool source = kind == DTR_PLAN_BACK_TO_SOURCE_FINISHED || kind == DTR_PLAN_BACK_TO_SOURCE_FAILED;
    if (source ? check->state != TALK_SOURCE : check->state == TALK_SOURCE)
        wrong(check, kind, "is the other kind of end");
    if (kind == DTR_PLAN_FINISHED && check->state != TALK_RUNS)
        wrong(check, kind, "before the start");
    if (check->state == TALK_NONE || check->state == TALK_ENDED)
        wrong(check, kind, "without a conversation");
    check->state = TALK_ENDED;
}

static void check_ask(struct talk_check *check, enum dtr_plan_kind kind)
{
    bool anew = kind == DTR_PLAN_REGISTER;
    if (anew ? check->state != TALK_NONE && !check->lost : check->state != TALK_RUNS)
        wrong(check, kind, "at the wrong time");
    if (check->answers >= check->answers_max)
        wrong(check, kind, "after the last answer allowed");
    if (anew)
        memset(check->reported, 0, sizeof(check->reported));
    check->lost = false;
    check->state = TALK_WAITS;
}

static bool is_report(enum dtr_plan_kind kind)
{
    return kind >= DTR_PLAN_REGISTER && kind <= DTR_PLAN_BACK_TO_SOURCE_FAILED &&
           kind != DTR_PLAN_PIECE_FAILED && kind != DTR_PLAN_RESCHEDULE;
}

void talk_check_action(struct talk_check *check, const struct dtr_plan_action *action)
{
    if (check->over && !is_report(action->kind))
        wrong(check, action->kind, "after the end");
    if (check->lost && action->kind > DTR_PLAN_REGISTER && action->kind <= DTR_PLAN_BACK_TO_SOURCE_FAILED)
        wrong(check, action->kind, "to a scheduler that is gone");
    switch (action->kind) {
    case DTR_PLAN_REGISTER:
    case DTR_PLAN_RESCHEDULE:
        check_ask(check, action->kind);
        break;
    case DTR_PLAN_STARTED:
    case DTR_PLAN_BACK_TO_SOURCE_STARTED:
        check_start(check, action);
        break;
    case DTR_PLAN_PIECE_FINISHED:
    case DTR_PLAN_BACK_TO_SOURCE_PIECE_FINISHED:
        check_report(check, action);
        break;
    case DTR_PLAN_PIECE_FAILED:
        if (!action->temporary || (check->state != TALK_RUNS && check->state != TALK_SOURCE))
            wrong(check, action->kind, "at the wrong time");
        break;
    case DTR_PLAN_BACK_TO_SOURCE_PIECE_FAILED:
        if (check->state != TALK_SOURCE || !action->error || !action->error->code)
            wrong(check, action->kind, "at the wrong time or without its error");
        break;
    case DTR_PLAN_FINISHED:
    case DTR_PLAN_BACK_TO_SOURCE_FINISHED:
    case DTR_PLAN_FAILED:
    case DTR_PLAN_BACK_TO_SOURCE_FAILED:
        check_end(check, action->kind);
        break;
    default:
        check->over = check->over || action->kind == DTR_PLAN_DONE || action->kind == DTR_PLAN_FAIL;
        break;
    }
    if (action->description && !action->description[0])
        wrong(check, action->kind, "with an empty description");
}

void talk_check_answer(struct talk_check *check, enum dtr_plan_answer_kind kind)
{
    if (check->state != TALK_WAITS || check->lost)
        return;
    check->answer = kind;
    check->answers++;
    check->state = TALK_ANSWERED;
}

void scene_set(struct scene *s, uint64_t content_length)
{
    memset(s, 0, sizeof(*s));
    dtr_plan_config_default(&s->config);
    s->config.have_scheduler = true;
    s->config.seed = 1;
    s->config.origin_streams = 1; /* planner_streams_test.c is about more */
    s->now = 1000;
    s->content_length = content_length;
    s->piece_length = 4 * MIB;
}

void scene_start(struct scene *s, uint64_t offset, uint64_t length, bool known)
{
    struct dtr_plan_start start = {.reader = 1,
                                   .whole = s->whole,
                                   .offset = offset,
                                   .length = length,
                                   .content_length = known ? s->content_length : DTR_LENGTH_UNKNOWN};
    struct dtr_error err;
    s->talk.answers_max = s->config.max_schedule_count;
    assert_int_equal(dtr_planner_new(&s->config, &start, s->now, &s->planner, &err), DTR_OK);
}

void scene_end(struct scene *s)
{
    (void)scene_drain(s);
    dtr_planner_free(s->planner);
    assert_string_equal(s->talk.wrong, "");
}

static char letter(const struct scene *s, uint32_t parent)
{
    const struct dtr_plan_parent *said = dtr_planner_parent(s->planner, parent);
    return said ? said->peer_id[0] : '?';
}

static int mib(char *text, size_t size, uint64_t bytes)
{
    if (bytes == DTR_LENGTH_UNKNOWN)
        return snprintf(text, size, "rest");
    bool whole = bytes % MIB == 0 && bytes;
    return snprintf(text, size, whole ? "%lluM" : "%llu", (unsigned long long)(whole ? bytes / MIB : bytes));
}

static int render_numbers(const struct scene *s, const struct dtr_plan_action *a, char *text, size_t size)
{
    char first[24], second[24];
    switch (a->kind) {
    case DTR_PLAN_PIECE_FINISHED:
    case DTR_PLAN_PIECE_FAILED:
        return snprintf(text, size, " %u from %c", a->piece, letter(s, a->parent));
    case DTR_PLAN_BACK_TO_SOURCE_PIECE_FINISHED:
        return snprintf(text, size, " %u", a->piece);
    case DTR_PLAN_PARENT_OPEN:
    case DTR_PLAN_PARENT_CLOSE:
        return snprintf(text, size, " %c", letter(s, a->parent));
    case DTR_PLAN_FETCH:
        return snprintf(text, size, " %u: %u from %c", a->id, a->piece, letter(s, a->parent));
    case DTR_PLAN_ORIGIN:
        (void)mib(first, sizeof(first), a->offset);
        (void)mib(second, sizeof(second), a->length);
        return snprintf(text, size, " %u: %s %s%s", a->id, first, second, a->length_only ? " length" : "");
    case DTR_PLAN_CUT:
        (void)mib(first, sizeof(first), a->offset);
        return snprintf(text, size, " %u at %s", a->id, first);
    case DTR_PLAN_HOLD:
    case DTR_PLAN_RESUME:
    case DTR_PLAN_CANCEL:
        return snprintf(text, size, " %u", a->id);
    case DTR_PLAN_LENGTH:
        (void)mib(first, sizeof(first), a->content_length);
        (void)mib(second, sizeof(second), a->piece_length);
        return snprintf(text, size, " %s/%s", first, second);
    case DTR_PLAN_FAIL:
        return snprintf(text, size, ": %s %d", dtr_code_text(a->error->code), a->error->status);
    default:
        return 0;
    }
}

static void carry_out(struct scene *s, const struct dtr_plan_action *a)
{
    if (a->kind == DTR_PLAN_FETCH || a->kind == DTR_PLAN_ORIGIN) {
        assert_true(a->id == s->transfer_count + 1 && a->id < 600);
        bool rest = a->length == DTR_LENGTH_UNKNOWN;
        s->transfers[a->id] =
            (struct scene_transfer){*a, rest ? s->content_length : a->offset + a->length, true};
        s->transfer_count = a->id;
    } else if (a->kind == DTR_PLAN_CUT) {
        s->transfers[a->id].end = a->offset;
    } else if (a->kind == DTR_PLAN_CANCEL) {
        assert_true(s->transfers[a->id].open);
        s->transfers[a->id].open = false;
    }
}

static void drain_more(struct scene *s)
{
    if (s->shown)
        s->said[0] = 0;
    s->shown = false;
    size_t used = strlen(s->said);
    struct dtr_plan_action action;
    while (dtr_planner_next(s->planner, &action)) {
        size_t left = sizeof(s->said) - used;
        int length =
            snprintf(s->said + used, left, "%s%s", used ? "; " : "", dtr_plan_kind_text(action.kind));
        assert_true((size_t)length + 64 < left);
        used += (size_t)length;
        used += (size_t)render_numbers(s, &action, s->said + used, sizeof(s->said) - used);
        talk_check_action(&s->talk, &action);
        carry_out(s, &action);
    }
    assert_true(dtr_planner_wake(s->planner) > s->now);
}

const char *scene_drain(struct scene *s)
{
    drain_more(s);
    s->shown = true;
    return s->said;
}

void scene_expect(struct scene *s, const char *text, int line)
{
    const char *said = scene_drain(s);
    if (strcmp(said, text) != 0)
        fail_msg("line %d\n  expected: %s\n  said:     %s", line, text, said);
}

uint32_t scene_count(const struct scene *s, const char *kind)
{
    uint32_t count = 0;
    size_t length = strlen(kind);
    for (const char *at = s->said; at && *at; at = strstr(at, "; ") ? strstr(at, "; ") + 2 : NULL)
        count += strncmp(at, kind, length) == 0 &&
                 (at[length] == ' ' || !at[length] || at[length] == ';' || at[length] == ':');
    return count;
}

uint32_t scene_in_flight(const struct scene *s, uint32_t parent)
{
    uint32_t count = 0;
    for (uint32_t id = 1; id <= s->transfer_count; id++) {
        const struct scene_transfer *t = &s->transfers[id];
        count += t->open &&
                 (parent == UINT32_MAX || (t->action.kind == DTR_PLAN_FETCH && t->action.parent == parent));
    }
    return count;
}

void scene_pass(struct scene *s, uint64_t ms)
{
    uint64_t until = s->now + ms;
    s->said[0] = 0;
    drain_more(s);
    while (dtr_planner_wake(s->planner) <= until) {
        s->now = dtr_planner_wake(s->planner);
        dtr_planner_tick(s->planner, s->now);
        drain_more(s);
    }
    s->now = until;
    s->shown = true;
}

void scene_stat(struct scene *s, bool available, uint64_t content_length)
{
    struct dtr_plan_stat stat = {content_length != DTR_LENGTH_UNKNOWN, available, content_length, false};
    dtr_planner_stat(s->planner, s->now, &stat);
}

static void name_parents(struct scene *s, const char *names)
{
    static char ids[26][2];
    struct dtr_plan_parent parents[26];
    uint32_t count = 0;
    for (; names[count]; count++) {
        char *id = ids[names[count] - 'A'];
        id[0] = names[count];
        parents[count] = (struct dtr_plan_parent){id, id, "192.0.2.1", 4000, 0, 0};
    }
    struct dtr_plan_answer answer = {DTR_PLAN_ANSWER_NORMAL, parents, count, DTR_LENGTH_UNKNOWN};
    dtr_planner_answer(s->planner, s->now, &answer);
}

void scene_parents(struct scene *s, const char *names)
{
    drain_more(s);
    talk_check_answer(&s->talk, DTR_PLAN_ANSWER_NORMAL);
    name_parents(s, names);
}

void scene_more_parents(struct scene *s, const char *names)
{
    drain_more(s);
    name_parents(s, names);
}

void scene_with_parents(struct scene *s, uint64_t content_length, const char *names)
{
    scene_set(s, content_length);
    scene_start(s, 0, DTR_LENGTH_UNKNOWN, true);
    scene_parents(s, names);
    (void)scene_drain(s);
}

void scene_answer(struct scene *s, enum dtr_plan_answer_kind kind)
{
    struct dtr_plan_answer answer = {kind, NULL, 0, DTR_LENGTH_UNKNOWN};
    drain_more(s);
    talk_check_answer(&s->talk, kind);
    dtr_planner_answer(s->planner, s->now, &answer);
}

static void lost(struct scene *s, bool soon)
{
    struct dtr_error err;
    dtr_error_set(&err, DTR_ECLOSED, DTR_RETRY_SAME, "the scheduler went away");
    drain_more(s);
    s->talk.lost = true;
    dtr_planner_scheduler_lost(s->planner, s->now, &err, soon);
}

void scene_lost(struct scene *s)
{
    lost(s, false);
}

void scene_lost_for_now(struct scene *s)
{
    lost(s, true);
}

void scene_seen(struct scene *s, uint32_t parent, uint32_t first, uint32_t last)
{
    for (uint32_t n = first; n <= last; n++)
        dtr_planner_piece_seen(s->planner, s->now, parent, n);
}

void scene_head(struct scene *s, uint32_t id)
{
    drain_more(s);
    struct dtr_plan_head head = {s->content_length, s->transfers[id].action.offset, s->no_ranges,
                                 !s->no_ranges};
    dtr_planner_origin_head(s->planner, s->now, id, &head);
}

static void verified(struct scene *s, uint32_t id, uint32_t number)
{
    uint64_t start = number * s->piece_length, left = s->content_length - start;
    struct dtr_piece piece = {.number = number,
                              .crc32 = 77,
                              .has_crc32 = true,
                              .offset = start,
                              .length = left < s->piece_length ? left : s->piece_length,
                              .cost_ns = 1000};
    dtr_planner_piece_done(s->planner, s->now, id, &piece);
}

void scene_origin(struct scene *s, uint32_t id, uint64_t bytes)
{
    struct dtr_plan_action *t = &s->transfers[id].action;
    for (uint64_t end = t->offset + bytes; t->offset < end; t->offset += MIB) {
        uint32_t number = (uint32_t)(t->offset / s->piece_length);
        s->arrived[t->offset / MIB] = 1;
        dtr_planner_progress(s->planner, s->now, id, t->offset, MIB);
        bool whole = true;
        for (uint64_t at = number * s->piece_length; at < (number + (uint64_t)1) * s->piece_length; at += MIB)
            whole = whole && (at >= s->content_length || s->arrived[at / MIB]);
        if (whole)
            verified(s, id, number);
    }
}

void scene_piece(struct scene *s, uint32_t id)
{
    struct scene_transfer *t = &s->transfers[id];
    dtr_planner_progress(s->planner, s->now, id, t->action.offset, t->action.length);
    verified(s, id, t->action.piece);
    t->open = false;
    dtr_planner_transfer_done(s->planner, s->now, id, NULL);
}

void scene_ends(struct scene *s, uint32_t id, int code, enum dtr_retry retry, int status)
{
    struct dtr_error err;
    dtr_error_set(&err, code, retry, "transfer %u: %s", id, dtr_code_text(code));
    err.status = status;
    s->transfers[id].open = false;
    dtr_planner_transfer_done(s->planner, s->now, id, &err);
}

void scene_flow(struct scene *s, uint64_t ms)
{
    s->said[0] = 0;
    drain_more(s);
    for (uint32_t id = 1; id <= s->transfer_count; id++) {
        if (!s->transfers[id].open || s->transfers[id].action.kind != DTR_PLAN_FETCH)
            continue;
        s->now += ms;
        scene_piece(s, id);
        drain_more(s);
    }
    s->shown = true;
}
