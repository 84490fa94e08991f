/* The connection to a manager; see uplink.h. */
#include "core/managed/uplink.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/list.h"
#include "core/base/str.h"
#include "core/conf/manager_addr.h"
#include "core/net/lookup.h"
#include "core/net/tls.h"
#include "core/obs/log.h"
#include "proto/health.pb-c.h"

#include <stdlib.h>

enum { LOOKUP_MS = 5000, HEALTH_MS = 3000, ASK_MS = 10000, RETRY_MS = 1000, RETRY_MOST_MS = 30000 };

struct dtr_uplink {
    struct dtr_uplink_options options;
    struct dtr_tls *system_tls; /* for https without certificates: the system's authorities; or NULL */
    struct dtr_timer *timer;    /* the next turn */
    uint64_t due_ms;            /* when it fires; UINT64_MAX: it is off */
    bool in_turn;
    uint64_t soon_ms;  /* what dtr_uplink_soon() asked for during the turn; UINT64_MAX: nothing */
    unsigned failures; /* turns that were not good, in a row */

    /* Where it looks: an address of a configured place. */
    size_t place, tried; /* of options.addrs; places looked at in this turn */
    struct dtr_manager_addr at;
    struct dtr_addr addrs[DTR_LOOKUP_ADDRS];
    size_t addr_count, addr; /* the one that is dialled */
    struct dtr_lookup *lookup;
    struct dtr_error why; /* the last failure of this turn */

    struct dtr_rpc_channel *channel; /* to `addr`, or NULL */
    bool there;                      /* its manager has said that it serves */
    bool lost;                       /* since then the connection broke */
    char name[DTR_MANAGER_PLACE + DTR_ADDR_TEXT + 4];
    char said[256]; /* why nobody answers, as it was logged; "": somebody does */

    size_t open_calls;
    bool closing;
    struct dtr_msg msg; /* the end */
    void (*closed)(void *context);
    void *closed_context;
};

static void look_at_place(struct dtr_uplink *uplink);

/* --- turns --------------------------------------------------------------------------------------------- */

static void set_timer(struct dtr_uplink *uplink, uint64_t delay_ms)
{
    uplink->due_ms = dtr_now_ms() + delay_ms;
    dtr_timer_set(uplink->timer, delay_ms);
}

/* Less up to a tenth of it. */
static uint64_t cut(uint64_t pause_ms)
{
    uint32_t random;
    dtr_random(&random, sizeof(random));
    return pause_ms - pause_ms / 10 * (random % 1024) / 1024;
}

static uint64_t pause_ms(const struct dtr_uplink *uplink)
{
    uint64_t most = uplink->options.interval_ms, pause = RETRY_MS;
    if (uplink->failures == 0)
        return cut(most);
    if (most > RETRY_MOST_MS)
        most = RETRY_MOST_MS;
    for (unsigned i = 1; i < uplink->failures && pause < most; i++)
        pause *= 2;
    return cut(pause < most ? pause : most);
}

static void say_away(struct dtr_uplink *uplink)
{
    if (strcmp(uplink->said, uplink->why.text) == 0)
        return;
    (void)dtr_copy_text(uplink->said, sizeof(uplink->said), uplink->why.text);
    dtr_log(DTR_LOG_WARN, NULL, "no manager answers: %s; %s", uplink->why.text, uplink->options.meanwhile);
}

/* In a turn whose looking is over. */
static void give_turn(struct dtr_uplink *uplink)
{
    if (!uplink->there) {
        say_away(uplink);
    } else if (uplink->said[0]) {
        uplink->said[0] = '\0';
        dtr_log(DTR_LOG_INFO, NULL, "manager %s answers", uplink->name);
    }
    uplink->options.turn(uplink->options.context, uplink->there ? NULL : &uplink->why);
}

static void drop_channel(struct dtr_uplink *uplink)
{
    dtr_rpc_channel_close(uplink->channel);
    uplink->channel = NULL;
    uplink->there = uplink->lost = false;
}

static void on_timer(void *context)
{
    struct dtr_uplink *uplink = context;
    uplink->due_ms = UINT64_MAX;
    uplink->soon_ms = UINT64_MAX;
    uplink->in_turn = true;
    if (uplink->there && !uplink->lost) {
        give_turn(uplink);
        return;
    }
    drop_channel(uplink);
    uplink->tried = 0;
    look_at_place(uplink);
}

void dtr_uplink_end_turn(struct dtr_uplink *uplink, enum dtr_uplink_end end)
{
    if (uplink->closing)
        return;
    uplink->failures = end == DTR_UPLINK_GOOD ? 0 : uplink->failures + 1;
    if (end == DTR_UPLINK_LEAVE) {
        drop_channel(uplink);
        uplink->place = (uplink->place + 1) % uplink->options.addrs->count;
    }
    uplink->in_turn = false;
    set_timer(uplink, pause_ms(uplink));
    if (uplink->soon_ms != UINT64_MAX)
        dtr_uplink_soon(uplink, uplink->soon_ms);
}

void dtr_uplink_soon(struct dtr_uplink *uplink, uint64_t delay_ms)
{
    if (!uplink || uplink->closing)
        return;
    if (uplink->in_turn)
        uplink->soon_ms = delay_ms < uplink->soon_ms ? delay_ms : uplink->soon_ms;
    else if (dtr_now_ms() + delay_ms < uplink->due_ms)
        set_timer(uplink, delay_ms);
}

void dtr_uplink_interval(struct dtr_uplink *uplink, uint64_t interval_ms)
{
    if (!uplink || uplink->options.interval_ms == interval_ms)
        return;
    uplink->options.interval_ms = interval_ms;
    if (!uplink->in_turn && !uplink->closing)
        set_timer(uplink, pause_ms(uplink));
}

/* --- looking for one ----------------------------------------------------------------------------------- */

static void dial(struct dtr_uplink *uplink);

/* The next address of this name, else the next place, else nobody is there. */
static void try_next(struct dtr_uplink *uplink)
{
    drop_channel(uplink);
    if (uplink->closing)
        return;
    if (++uplink->addr < uplink->addr_count) {
        dial(uplink);
        return;
    }
    uplink->addr_count = 0;
    uplink->place = (uplink->place + 1) % uplink->options.addrs->count;
    if (++uplink->tried < uplink->options.addrs->count)
        look_at_place(uplink);
    else
        give_turn(uplink);
}

static void call_over(struct dtr_uplink *uplink)
{
    uplink->open_calls--;
    if (uplink->closing && uplink->open_calls == 0)
        dtr_loop_post(uplink->options.loop, &uplink->msg);
}

/* dtr_rpc_channel_options.state: calls hear of it themselves; the next turn looks anew. */
static void on_state(void *context, struct dtr_rpc_channel *channel, enum dtr_rpc_state state,
                     const struct dtr_error *err)
{
    struct dtr_uplink *uplink = context;
    (void)err;
    if (state == DTR_RPC_LOST && channel == uplink->channel)
        uplink->lost = true;
}

/* What is found here names the address that was dialled by itself. */
static void note_health(struct dtr_uplink *uplink, const char *text, bool remote)
{
    bool named = strchr(uplink->name, '(') != NULL;
    (void)dtr_error_set(&uplink->why, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "%.100s%s%.140s",
                        remote  ? uplink->name
                        : named ? uplink->at.place
                                : "",
                        remote || named ? ": " : "", text);
}

static void on_health(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct dtr_uplink *uplink = context;
    const Grpc__Health__V1__HealthCheckResponse *health = response ? (const void *)response->message : NULL;
    if (uplink->closing) {
        call_over(uplink);
        return;
    }
    uplink->there =
        health && health->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    if (uplink->there) {
        give_turn(uplink);
    } else {
        note_health(uplink, response ? "it says that it does not serve" : status->message, status->remote);
        try_next(uplink);
    }
    call_over(uplink);
}

static int connect_to(struct dtr_uplink *uplink, struct dtr_error *err)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct dtr_rpc_call_options limit = {.timeout_ms = HEALTH_MS};
    char host[DTR_MANAGER_PLACE];
    struct dtr_tls *tls = uplink->options.tls;
    if (!tls && uplink->at.secure)
        tls = uplink->system_tls;
    (void)dtr_copy_text(host, sizeof(host), uplink->at.place);
    *strrchr(host, ':') = '\0';
    const struct dtr_rpc_channel_options options = {
        .tls = tls, .host = host, .state = on_state, .context = uplink};
    int rc = dtr_rpc_channel_new(uplink->options.loop, &uplink->addrs[uplink->addr], &options,
                                 &uplink->channel, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_unary(uplink->channel, &dtr_rpc_health_check, &request.base, &limit, on_health, uplink,
                           NULL, err);
    if (rc == DTR_OK)
        uplink->open_calls++;
    return rc;
}

static void dial(struct dtr_uplink *uplink)
{
    char addr[DTR_ADDR_TEXT];
    dtr_addr_text(&uplink->addrs[uplink->addr], addr);
    bool named = strcmp(addr, uplink->at.place) != 0;
    (void)snprintf(uplink->name, sizeof(uplink->name), "%s%s%s%s", uplink->at.place, named ? " (" : "",
                   named ? addr : "", named ? ")" : "");
    if (connect_to(uplink, &uplink->why) != DTR_OK)
        try_next(uplink);
}

static void on_addrs(void *context, const struct dtr_addr *list, size_t count, const struct dtr_error *err)
{
    struct dtr_uplink *uplink = context;
    uplink->lookup = NULL;
    if (count == 0) {
        uplink->why = *err;
        try_next(uplink);
        return;
    }
    memcpy(uplink->addrs, list, count * sizeof(*list));
    uplink->addr_count = count;
    uplink->addr = 0;
    dial(uplink);
}

/* Addresses of the configuration have been checked, so that none is refused here. */
static void look_at_place(struct dtr_uplink *uplink)
{
    const char *text = uplink->options.addrs->items[uplink->place];
    int rc = dtr_manager_addr_read(text, &uplink->at, &uplink->why);
    uplink->addr = uplink->addr_count = 0;
    if (rc == DTR_OK)
        rc = dtr_lookup_start(uplink->options.loop, uplink->at.place, LOOKUP_MS, on_addrs, uplink,
                              &uplink->lookup, &uplink->why);
    if (rc != DTR_OK)
        try_next(uplink);
}

/* --- the owner's calls --------------------------------------------------------------------------------- */

struct question {
    struct dtr_uplink *uplink;
    void (*done)(void *context, const struct dtr_rpc_message *response, const struct dtr_rpc_status *status);
    void *context;
};

static void on_answer(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct question question = *(struct question *)context;
    free(context);
    question.done(question.context, response, status);
    call_over(question.uplink);
}

int dtr_uplink_ask(struct dtr_uplink *uplink, const struct dtr_rpc_method *method,
                   const ProtobufCMessage *request,
                   void (*done)(void *context, const struct dtr_rpc_message *response,
                                const struct dtr_rpc_status *status),
                   void *context, struct dtr_error *err)
{
    const struct dtr_rpc_call_options limit = {.timeout_ms = ASK_MS};
    if (!uplink->channel || uplink->closing)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no manager is there");
    struct question *question = malloc(sizeof(*question));
    if (!question)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a question to the manager");
    *question = (struct question){uplink, done, context};
    int rc = dtr_rpc_unary(uplink->channel, method, request, &limit, on_answer, question, NULL, err);
    if (rc == DTR_OK)
        uplink->open_calls++;
    else
        free(question);
    return rc;
}

int dtr_uplink_stream(struct dtr_uplink *uplink, const struct dtr_rpc_method *method,
                      const struct dtr_rpc_events *events, void *context, struct dtr_rpc_call **ret_call,
                      struct dtr_error *err)
{
    const struct dtr_rpc_call_options limit = {.timeout_ms = DTR_TIMER_OFF};
    if (!uplink->channel || uplink->closing)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "no manager is there");
    return dtr_rpc_call_start(uplink->channel, method, &limit, events, context, ret_call, err);
}

bool dtr_uplink_is_away(const struct dtr_rpc_status *status)
{
    return status->code == DTR_RPC_UNAVAILABLE || status->code == DTR_RPC_DEADLINE_EXCEEDED ||
           !status->remote;
}

const char *dtr_uplink_name(const struct dtr_uplink *uplink)
{
    return uplink->name[0] ? uplink->name : "that was asked last";
}

/* --- life ---------------------------------------------------------------------------------------------- */

static void on_end(struct dtr_msg *msg)
{
    struct dtr_uplink *uplink = dtr_container(msg, struct dtr_uplink, msg);
    void (*closed)(void *) = uplink->closed;
    void *context = uplink->closed_context;
    dtr_timer_close(uplink->timer);
    dtr_tls_drop(uplink->system_tls);
    free(uplink);
    closed(context);
}

/* Some address says https, and no certificates are configured. */
static int trust_system(struct dtr_uplink *uplink, struct dtr_error *err)
{
    const struct dtr_tls_options options = {.side = DTR_TLS_CLIENT, .http2 = true, .who = "manager"};
    struct dtr_manager_addr addr;
    int rc = DTR_OK;
    for (size_t i = 0; i < uplink->options.addrs->count && rc == DTR_OK; i++) {
        rc = dtr_manager_addr_read(uplink->options.addrs->items[i], &addr, err);
        if (rc == DTR_OK && addr.secure && !uplink->options.tls && !uplink->system_tls)
            rc = dtr_tls_new(&options, &uplink->system_tls, err);
    }
    return rc;
}

int dtr_uplink_open(const struct dtr_uplink_options *options, struct dtr_uplink **ret_uplink,
                    struct dtr_error *err)
{
    struct dtr_uplink *uplink = calloc(1, sizeof(*uplink));
    if (!uplink)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the manager's connection");
    *uplink = (struct dtr_uplink){.options = *options, .soon_ms = UINT64_MAX, .msg = {.run = on_end}};
    int rc = trust_system(uplink, err);
    if (rc == DTR_OK)
        rc = dtr_timer_open(options->loop, on_timer, uplink, &uplink->timer, err);
    if (rc != DTR_OK) {
        dtr_tls_drop(uplink->system_tls);
        free(uplink);
        return rc;
    }
    set_timer(uplink, 0);
    *ret_uplink = uplink;
    return DTR_OK;
}

void dtr_uplink_close(struct dtr_uplink *uplink, void (*closed)(void *context), void *context)
{
    if (!uplink) {
        closed(context);
        return;
    }
    uplink->closing = true;
    uplink->closed = closed;
    uplink->closed_context = context;
    dtr_timer_set(uplink->timer, DTR_TIMER_OFF);
    if (uplink->lookup)
        dtr_lookup_cancel(uplink->lookup);
    uplink->open_calls++; /* ours, so that nothing ends before all is set going */
    drop_channel(uplink);
    call_over(uplink);
}
