/* Bytes given to others: pieces by daemons, as core/daemon/upload/upload.c does, and everything by the
 * origin. */
#include "core/sim/sim_internal.h"

#define WAIT_US 60000000u /* a child's question about a piece that is still arriving */

/* --- pieces ------------------------------------------------------------------------------------------- */

struct sim_question {
    struct dtr_list link; /* in copy.questions */
    struct sim_timer late;
    struct sim_end *end;
    uint32_t piece;
};

static void nothing(struct sim_end *end, void *body)
{
    (void)end;
    (void)body;
}

/* A piece on its way out; context of its end. */
struct leaving {
    uint64_t since_us;
};

static void left(struct sim_end *end)
{
    struct leaving *leaving = end->context;
    uint64_t ms = (end->host->sim->clock.now_us - leaving->since_us) / 1000;
    free(leaving);
    end->context = NULL;
    end->closed = NULL;
    syncs_room(sim_daemon_of(end->host), ms);
}

static void on_cut(struct sim_end *end, const struct dtr_error *err)
{
    (void)err;
    left(end);
}

static void on_given(struct sim_end *end, uint64_t bytes)
{
    end->host->sim->totals.peer_bytes += bytes;
    sim_daemon_of(end->host)->given += bytes;
    if (end->open && end->closed == on_cut && end->stream->counted == end->stream->flow.size)
        left(end);
}

void leaving_free(struct sim_daemon *daemon)
{
    dtr_list_each (node, &daemon->host.ends) {
        struct sim_end *end = dtr_container(node, struct sim_end, link);
        if (end->closed == on_cut)
            free(end->context);
        if (end->closed == on_cut)
            end->closed = NULL;
    }
    daemon->sending = 0;
}

static void give(struct sim_end *end, uint32_t piece)
{
    struct sim_daemon *daemon = sim_daemon_of(end->host);
    uint64_t length = sim_piece_length(daemon->host.sim, piece);
    struct leaving *leaving = sim_alloc(1, sizeof(*leaving));
    leaving->since_us = daemon->host.sim->clock.now_us;
    daemon->sent += length;
    daemon->sending++;
    end->stream->given = on_given;
    end->message = nothing;
    end->closed = on_cut;
    end->context = leaving;
    sim_send_bytes(end, length);
}

static void has_not(struct sim_end *end)
{
    struct dtr_error err;
    (void)dtr_error_set(&err, DTR_ENOT_FOUND, DTR_RETRY_ELSEWHERE, "this piece is not here");
    sim_close(end, &err);
}

static void question_free(struct sim_question *question)
{
    sim_timer_off(&question->end->host->sim->clock, &question->late);
    dtr_list_remove(&question->link);
    free(question);
}

static void on_late(struct sim_timer *timer)
{
    struct sim_question *question = dtr_container(timer, struct sim_question, late);
    has_not(question->end);
    question_free(question);
}

static void on_asker_gone(struct sim_end *end, const struct dtr_error *err)
{
    (void)err;
    question_free(end->context);
}

void questions_look(struct sim_copy *copy, bool last)
{
    dtr_list_each_safe (node, &copy->questions) {
        struct sim_question *question = dtr_container(node, struct sim_question, link);
        bool here = sim_bit(copy->verified, question->piece);
        if (!here && !last)
            continue;
        if (here)
            give(question->end, question->piece);
        else
            has_not(question->end);
        question_free(question);
    }
}

void questions_drop(struct sim_copy *copy)
{
    while (!dtr_list_empty(&copy->questions))
        question_free(dtr_container(copy->questions.next, struct sim_question, link));
}

void piece_accept(struct sim_end *end, void *body)
{
    struct sim_daemon *daemon = sim_daemon_of(end->host);
    const struct sim_request *request = body;
    struct sim_copy *copy = &daemon->copies[request->blob];
    struct sim_clock *clock = &daemon->host.sim->clock;
    if (sim_bit(copy->verified, request->piece)) {
        give(end, request->piece);
        return;
    }
    if (!copy->planner) {
        has_not(end);
        return;
    }
    struct sim_question *question = sim_alloc(1, sizeof(*question));
    *question = (struct sim_question){.end = end, .piece = request->piece, .late.run = on_late};
    dtr_list_add_tail(&copy->questions, &question->link);
    sim_timer_set(clock, &question->late, clock->now_us + WAIT_US);
    end->message = nothing;
    end->closed = on_asker_gone;
    end->context = question;
}

/* --- the origin ------------------------------------------------------------------------------------------
 */

/* A request that the origin thinks about; context of its end. */
struct origin_call {
    struct sim_timer think;
    struct sim_end *end;
    struct sim_request request;
};

static void on_origin_given(struct sim_end *end, uint64_t bytes)
{
    end->host->sim->totals.origin_bytes += bytes;
}

static void on_call_closed(struct sim_end *end, const struct dtr_error *err)
{
    struct origin_call *call = end->context;
    (void)err;
    sim_timer_off(&end->host->sim->clock, &call->think);
    free(call);
}

static bool refuse(struct sim_end *end)
{
    enum dtr_sim_origin mood = end->host->sim->mood;
    struct dtr_error err;
    if (mood == DTR_SIM_ORIGIN_GONE)
        (void)dtr_error_set(&err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "the origin refuses connections");
    else if (mood == DTR_SIM_ORIGIN_FAILS)
        (void)dtr_error_set(&err, DTR_EORIGIN, DTR_RETRY_SAME, "the origin answers 503");
    else if (mood == DTR_SIM_ORIGIN_HAS_NOT)
        (void)dtr_error_set(&err, DTR_EORIGIN, DTR_RETRY_NEVER, "the origin answers 404");
    else
        return false;
    err.status = mood == DTR_SIM_ORIGIN_FAILS ? 503 : mood == DTR_SIM_ORIGIN_HAS_NOT ? 404 : 0;
    sim_close(end, &err);
    return true;
}

/* Bytes of the answer. */
static uint64_t answer_length(struct dtr_sim *sim, const struct sim_request *request)
{
    uint64_t rest = sim->config.size - request->offset;
    uint64_t length = request->length < rest ? request->length : rest;
    uint64_t broken = (1 + sim_draw(sim, 4)) << 20;
    return sim->mood == DTR_SIM_ORIGIN_BREAKS_OFF && broken < length ? broken : length;
}

static void on_thought(struct sim_timer *timer)
{
    struct origin_call *call = dtr_container(timer, struct origin_call, think);
    struct sim_end *end = call->end;
    struct dtr_sim *sim = end->host->sim;
    struct sim_request request = call->request;
    if (sim->mood == DTR_SIM_ORIGIN_SILENT)
        return; /* until the other side gives up */
    free(call);
    end->context = NULL;
    end->closed = NULL;
    if (refuse(end))
        return;
    struct dtr_plan_head *head = sim_alloc(1, sizeof(*head));
    *head = (struct dtr_plan_head){sim->config.size, request.offset, false, true};
    sim_send(end, head);
    end->stream->given = on_origin_given;
    sim->totals.origin_requests += !request.length_only;
    sim_send_bytes(end, answer_length(sim, &request));
}

void origin_accept(struct sim_end *end, void *body)
{
    struct dtr_sim *sim = end->host->sim;
    struct origin_call *call = sim_alloc(1, sizeof(*call));
    *call = (struct origin_call){.end = end, .think.run = on_thought};
    call->request = *(const struct sim_request *)body;
    end->message = nothing;
    end->closed = on_call_closed;
    end->context = call;
    sim_timer_set(&sim->clock, &call->think,
                  sim->clock.now_us + (uint64_t)sim->config.origin_think_ms * 1000);
}

void origin_free(struct dtr_sim *sim)
{
    dtr_list_each (node, &sim->origin.ends) {
        struct sim_end *end = dtr_container(node, struct sim_end, link);
        if (end->closed != on_call_closed)
            continue;
        sim_timer_off(&sim->clock, &((struct origin_call *)end->context)->think);
        free(end->context);
    }
}
