/* A pull, as core/daemon/tasks/pull.c does it: the planner's actions carried out, what transfers bring given
 * back to it, pieces put into the store. */
#include "core/sim/sim_internal.h"

#include <string.h>

static struct dtr_sim *sim_of(const struct sim_copy *copy)
{
    return copy->daemon->host.sim;
}

static void set_error(struct dtr_error *err, const struct dtr_error *from, const char *text)
{
    (void)dtr_error_set(err, from->code ? from->code : DTR_ECLOSED, from->code ? from->retry : DTR_RETRY_SAME,
                        "%.200s", from->code ? from->text : text);
    err->status = from->status;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* --- the store -------------------------------------------------------------------------------------------
 */

/* The reader takes what is there in one run. */
static void read_on(struct sim_copy *copy)
{
    const struct dtr_sim *sim = sim_of(copy);
    uint32_t before = copy->prefix;
    while (copy->prefix < sim->piece_count && sim_bit(copy->verified, copy->prefix))
        copy->prefix++;
    if (copy->planner && copy->prefix != before)
        dtr_planner_reader_at(copy->planner, 0, copy->prefix * sim->piece_length);
}

static void store(struct sim_copy *copy, const struct sim_transfer *t, uint32_t n)
{
    struct dtr_sim *sim = sim_of(copy);
    struct dtr_piece piece = {.number = n,
                              .crc32 = n + 1,
                              .has_crc32 = true,
                              .offset = n * sim->piece_length,
                              .length = sim_piece_length(sim, n),
                              .cost_ns = (sim->clock.now_us - t->started_us) * 1000};
    copy->verified[n / 8] |= (uint8_t)(1u << n % 8);
    copy->have++;
    if (t->from == DTR_SIM_NOBODY)
        copy->origin_pieces++;
    else
        copy->peer_pieces++;
    read_on(copy);
    dtr_planner_piece_done(copy->planner, sim_now_ms(sim), t->id, &piece);
    syncs_piece(copy, n);
    questions_look(copy, false);
}

/* Pieces whose bytes have all come from the origin. */
static void store_origin(struct sim_copy *copy, const struct sim_transfer *t, uint64_t from, uint64_t to)
{
    const struct dtr_sim *sim = sim_of(copy);
    for (uint64_t n = from / sim->piece_length; n * sim->piece_length < to; n++) {
        uint64_t start = n * sim->piece_length, end = start + sim_piece_length(sim, (uint32_t)n);
        if (!sim_bit(copy->verified, (uint32_t)n) && dtr_ranges_has(&copy->arrived, start, end))
            store(copy, t, (uint32_t)n);
    }
}

/* --- transfers -------------------------------------------------------------------------------------------
 */

static void transfer_over(struct sim_transfer *t, const struct dtr_error *err)
{
    struct sim_copy *copy = t->copy;
    uint32_t id = t->id;
    dtr_list_remove(&t->link);
    free(t);
    dtr_planner_transfer_done(copy->planner, sim_now_ms(sim_of(copy)), id, err);
    pull_act(copy);
}

static void end_well(struct sim_transfer *t)
{
    sim_close(t->end, NULL);
    transfer_over(t, NULL);
}

static void piece_arrived(struct sim_transfer *t)
{
    struct sim_copy *copy = t->copy;
    struct dtr_error err;
    if (sim_of(copy)->daemons[t->from].lies) {
        (void)dtr_error_set(&err, DTR_ECORRUPT, DTR_RETRY_ELSEWHERE, "piece %u has a wrong checksum",
                            t->piece);
        sim_close(t->end, NULL);
        transfer_over(t, &err);
        return;
    }
    if (!sim_bit(copy->verified, t->piece))
        store(copy, t, t->piece);
    end_well(t);
}

static void on_bytes(struct sim_end *end, uint64_t total, bool all)
{
    struct sim_transfer *t = end->context;
    struct sim_copy *copy = t->copy;
    uint64_t from = t->at;
    if (total >= t->length) { /* also when it was cut short, with all that is on its way */
        total = t->length;
        all = true;
    }
    t->at = larger(t->offset + total, from);
    bool origin = t->from == DTR_SIM_NOBODY;
    if (origin && !t->length_only)
        (void)dtr_ranges_add(&copy->arrived, from, t->at);
    if (t->at > from)
        dtr_planner_progress(copy->planner, sim_now_ms(sim_of(copy)), t->id, from, t->at - from);
    if (!all) {
        if (origin && !t->length_only)
            store_origin(copy, t, from, t->at);
        pull_act(copy);
        return;
    }
    if (!origin) {
        piece_arrived(t);
        return;
    }
    if (!t->length_only)
        store_origin(copy, t, from, t->at);
    bool whole = total >= t->length;
    struct dtr_error broken = {.code = DTR_ECLOSED, .retry = DTR_RETRY_SAME, .text = "the origin broke off"};
    sim_close(t->end, NULL);
    transfer_over(t, whole ? NULL : &broken);
}

static void on_head(struct sim_end *end, void *body)
{
    struct sim_transfer *t = end->context;
    struct sim_copy *copy = t->copy;
    t->headed = true;
    copy->known = true;
    dtr_planner_origin_head(copy->planner, sim_now_ms(sim_of(copy)), t->id, body);
    pull_act(copy);
}

static void on_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct dtr_error why;
    set_error(&why, err, "the connection ended early");
    transfer_over(end->context, &why);
}

static void begin_transfer(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct dtr_sim *sim = sim_of(copy);
    struct sim_transfer *t = sim_alloc(1, sizeof(*t));
    struct sim_request *request = sim_alloc(1, sizeof(*request));
    bool origin = action->kind == DTR_PLAN_ORIGIN;
    uint64_t rest = sim->config.size - action->offset;
    *t = (struct sim_transfer){.copy = copy,
                               .id = action->id,
                               .piece = action->piece,
                               .parent = action->parent,
                               .from = DTR_SIM_NOBODY,
                               .offset = action->offset,
                               .at = action->offset,
                               .length = action->length < rest ? action->length : rest,
                               .started_us = sim->clock.now_us,
                               .length_only = action->length_only};
    *request =
        (struct sim_request){copy->blob, action->piece, action->offset, action->length, t->length_only};
    struct sim_host *to = &sim->origin;
    if (!origin) {
        t->from = (uint32_t)strtoul(dtr_planner_parent(copy->planner, action->parent)->host_id + 1, NULL, 10);
        to = &sim->daemons[t->from].host;
        sim->totals.fetches++;
    }
    dtr_list_add_tail(&copy->transfers, &t->link);
    t->end = sim_open(&copy->daemon->host, to, origin ? SERVE_ORIGIN : SERVE_PIECE, request, on_head,
                      on_closed, t);
    t->end->stream->bytes = on_bytes;
}

static struct sim_transfer *find(const struct sim_copy *copy, uint32_t id)
{
    dtr_list_each (node, &copy->transfers) {
        struct sim_transfer *t = dtr_container(node, struct sim_transfer, link);
        if (t->id == id)
            return t;
    }
    return NULL;
}

static void on_cancelled(struct sim_timer *timer)
{
    struct sim_transfer *t = dtr_container(timer, struct sim_transfer, ended);
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_NEVER, "cancelled");
    transfer_over(t, &err);
}

/* The end is reported after the planner's actions, never from inside. */
static void cancel(struct sim_copy *copy, uint32_t id)
{
    struct sim_transfer *t = find(copy, id);
    if (!t || t->cancelled)
        return;
    t->cancelled = true;
    sim_close(t->end, NULL);
    t->ended.run = on_cancelled;
    sim_timer_set(&sim_of(copy)->clock, &t->ended, sim_of(copy)->clock.now_us);
}

/* --- what the planner wants ------------------------------------------------------------------------------
 */

static void cut(const struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct sim_transfer *t = find(copy, action->id);
    if (t && !t->cancelled)
        t->length = larger(action->offset, t->at) - t->offset;
}

static void hold(const struct sim_copy *copy, const struct dtr_plan_action *action)
{
    const struct sim_transfer *t = find(copy, action->id);
    if (t && t->end->open)
        sim_hold_bytes(t->end, action->kind == DTR_PLAN_HOLD);
}

static void note_end(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct dtr_sim *sim = sim_of(copy);
    judge_end(copy, action);
    copy->done = action->kind == DTR_PLAN_DONE;
    copy->code = copy->done ? DTR_OK : action->error->code;
    (void)snprintf(copy->text, sizeof(copy->text), "%.190s", copy->done ? "" : action->error->text);
    copy->ended_us = sim->clock.now_us;
    sim->running -= copy->running;
    copy->running = false;
    sim_trace(sim, "%s ends: %s", copy->daemon->host_id, copy->done ? "done" : copy->text);
}

static void trace(const struct sim_copy *copy, const struct dtr_plan_action *a)
{
    struct dtr_sim *sim = sim_of(copy);
    const struct dtr_plan_parent *parent = dtr_planner_parent(copy->planner, a->parent);
    bool names = a->kind == DTR_PLAN_FETCH || a->kind == DTR_PLAN_PIECE_FAILED ||
                 a->kind == DTR_PLAN_PARENT_OPEN || a->kind == DTR_PLAN_PARENT_CLOSE ||
                 a->kind == DTR_PLAN_PIECE_FINISHED;
    if (sim->config.trace)
        sim_trace(sim, "%s: %s id %u piece %u at %llu length %lld %s %s", copy->daemon->host_id,
                  dtr_plan_kind_text(a->kind), a->id, a->piece, (unsigned long long)a->offset,
                  (long long)a->length, names && parent ? parent->peer_id : "",
                  a->description ? a->description : "");
}

static void carry_out(struct sim_copy *copy, const struct dtr_plan_action *action)
{
    struct dtr_sim *sim = sim_of(copy);
    trace(copy, action);
    switch (action->kind) {
    case DTR_PLAN_STAT_TASK:
        talk_stat(copy);
        break;
    case DTR_PLAN_PARENT_OPEN:
        parent_open(copy, action->parent);
        break;
    case DTR_PLAN_PARENT_CLOSE:
        parent_close(copy, action->parent);
        break;
    case DTR_PLAN_FETCH:
        judge_fetch(copy, action);
        begin_transfer(copy, action);
        break;
    case DTR_PLAN_ORIGIN:
        judge_origin(copy, action);
        begin_transfer(copy, action);
        break;
    case DTR_PLAN_HOLD:
    case DTR_PLAN_RESUME:
        hold(copy, action);
        break;
    case DTR_PLAN_CANCEL:
        cancel(copy, action->id);
        break;
    case DTR_PLAN_CUT:
        cut(copy, action);
        break;
    case DTR_PLAN_LENGTH:
        copy->known = true;
        break;
    case DTR_PLAN_CHECK:
        if (copy->have != sim->piece_count)
            sim_break(sim, "%s is asked to check what it does not have", copy->daemon->host_id);
        dtr_planner_checked(copy->planner, sim_now_ms(sim), NULL);
        break;
    case DTR_PLAN_DONE:
    case DTR_PLAN_FAIL:
        note_end(copy, action);
        break;
    default:
        talk_say(copy, action);
    }
}

static void answer_order(struct sim_copy *copy)
{
    struct dtr_error err;
    struct sim_end *order = copy->order;
    copy->order = NULL;
    if (!order)
        return;
    if (!copy->done)
        (void)dtr_error_set(&err, copy->code ? copy->code : DTR_EINTERNAL, DTR_RETRY_SAME, "%.180s",
                            copy->text);
    sim_close(order, copy->done ? NULL : &err);
}

/* Frees what the pull has, without a word. */
static void drop(struct sim_copy *copy)
{
    struct dtr_list *node;
    while ((node = dtr_list_pop(&copy->transfers))) {
        struct sim_transfer *t = dtr_container(node, struct sim_transfer, link);
        sim_timer_off(&sim_of(copy)->clock, &t->ended);
        sim_close(t->end, NULL);
        free(t);
    }
    parents_close(copy);
    sim_timer_off(&sim_of(copy)->clock, &copy->wake);
    dtr_planner_free(copy->planner);
    copy->planner = NULL;
    dtr_ranges_free(&copy->arrived);
}

/* A client waits: what is here is read, what is not is pulled. */
static void serve(struct sim_copy *copy)
{
    struct dtr_sim *sim = sim_of(copy);
    if (copy->have < sim->piece_count) {
        pull_begin(copy);
        return;
    }
    copy->done = true;
    copy->running = false;
    copy->started_us = copy->ended_us = sim->clock.now_us;
    sim->running--;
}

static void end_pull(struct sim_copy *copy)
{
    talk_leave(copy);
    drop(copy);
    syncs_last(copy);
    questions_look(copy, true);
    answer_order(copy);
    if (copy->running && !copy->planner)
        serve(copy); /* it came when the pull was over, but for its last words */
}

void pull_act(struct sim_copy *copy)
{
    struct dtr_plan_action action;
    if (copy->acting || !copy->planner)
        return; /* an event from inside: the outer loop goes on with it */
    copy->acting = true;
    while (dtr_planner_next(copy->planner, &action))
        carry_out(copy, &action);
    copy->acting = false;
    judge_drained(copy);
    /* The planner is freed only when its transfers have all ended: their reports have nowhere to go else. */
    if (dtr_planner_ended(copy->planner) && dtr_list_empty(&copy->transfers)) {
        end_pull(copy);
        return;
    }
    uint64_t wake = dtr_planner_wake(copy->planner);
    if (wake == DTR_PLAN_NEVER)
        sim_timer_off(&sim_of(copy)->clock, &copy->wake);
    else
        sim_timer_set(&sim_of(copy)->clock, &copy->wake, wake * 1000);
}

static void on_wake(struct sim_timer *timer)
{
    struct sim_copy *copy = dtr_container(timer, struct sim_copy, wake);
    if (sim_host_sleeps(&copy->daemon->host, timer))
        return;
    dtr_planner_tick(copy->planner, sim_now_ms(sim_of(copy)));
    pull_act(copy);
}

/* --- begin and end -----------------------------------------------------------------------------------------
 */

void pull_begin(struct sim_copy *copy)
{
    struct dtr_sim *sim = sim_of(copy);
    struct dtr_plan_config config = sim->config.plan;
    struct dtr_plan_start start = {.length = DTR_LENGTH_UNKNOWN,
                                   .content_length = copy->known ? sim->config.size : DTR_LENGTH_UNKNOWN,
                                   .stored = copy->verified,
                                   .stored_count = sim->piece_count};
    config.seed = sim_draw(sim, UINT64_MAX);
    config.have_scheduler = true;
    config.need_back_to_source = copy->as_seed = copy->order != NULL;
    config.piece_length = sim->piece_length;
    config.check = true;
    copy->prefix = 0;
    copy->done = false;
    copy->origin_pieces = copy->peer_pieces = 0;
    copy->started_us = sim->clock.now_us;
    copy->wake.run = on_wake;
    if (dtr_planner_new(&config, &start, sim_now_ms(sim), &copy->planner, &sim->broken) != DTR_OK)
        return;
    read_on(copy);
    pull_act(copy);
}

void pull_wanted(struct sim_copy *copy)
{
    struct dtr_sim *sim = sim_of(copy);
    copy->wanted = copy->running = true;
    if (!copy->daemon->host.alive)
        return; /* its client tries again when it is back */
    sim->running++;
    if (!copy->planner)
        serve(copy);
}

void pull_order(struct sim_copy *copy, struct sim_end *order)
{
    if (copy->order)
        sim_close(copy->order, NULL); /* of a scheduler that has forgotten it */
    copy->order = order;
    if (!copy->planner)
        pull_begin(copy);
}

void pull_drop(struct sim_copy *copy)
{
    drop(copy);
    syncs_drop(copy);
    questions_drop(copy);
    copy->order = NULL;
    copy->known = copy->have > 0;
}
