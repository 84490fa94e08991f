/* The scheduler under a manager; see registration.h. */
#include "core/scheduler/registration.h"

#include "core/base/str.h"
#include "core/managed/alive.h"
#include "core/managed/last.h"
#include "core/managed/uplink.h"
#include "core/net/tls.h"
#include "core/obs/log.h"
#include "core/rpc/unpack.h"
#include "core/scheduler/answers.h"

#include <stdlib.h>
#include <unistd.h>

/* An answer in memory and on disk. */
struct answer {
    struct dtr_str bytes;
    struct dtr_last *last;
};

struct registration {
    struct registration_options options;
    struct dtr_uplink *uplink;
    struct dtr_tls *tls; /* NULL: plain */
    struct answer scheduler, applications;
    char hostname[256], ip[DTR_ADDR_TEXT];
    struct dtr_alive *alive;
    char said[256]; /* the last trouble, as it was logged */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static uint64_t cluster_id(const struct registration *registration)
{
    return (uint64_t)registration->options.config->manager.scheduler_cluster_id;
}

static void say(struct registration *registration, const char *what)
{
    if (strcmp(registration->said, what) == 0)
        return;
    (void)dtr_copy_text(registration->said, sizeof(registration->said), what);
    if (*what)
        dtr_log(DTR_LOG_WARN, NULL, "manager %s: %s", dtr_uplink_name(registration->uplink), what);
}

/* --- what counts --------------------------------------------------------------------------------------- */

/* Both answers are good: the one whose bytes are kept was unpacked before. */
static int read_answers(struct registration *registration, struct dtr_rpc_arena arenas[2],
                        struct dtr_dynconfig *dynconfig, struct dtr_error *err)
{
    const ProtobufCMessage *scheduler, *applications;
    const struct dtr_str *bytes[] = {&registration->scheduler.bytes, &registration->applications.bytes};
    size_t left_out = 0;
    int rc = dtr_rpc_unpack(&arenas[0], SIZE_MAX, dtr_rpc_manager_get_scheduler.output,
                            (const uint8_t *)dtr_str_text(bytes[0]), bytes[0]->length, &scheduler, err);
    if (rc == DTR_OK)
        rc = dtr_rpc_unpack(&arenas[1], SIZE_MAX, dtr_rpc_manager_list_applications.output,
                            (const uint8_t *)dtr_str_text(bytes[1]), bytes[1]->length, &applications, err);
    if (rc == DTR_OK)
        rc = answers_limits((const void *)scheduler, dynconfig, err);
    if (rc == DTR_OK)
        rc = answers_applications((const void *)applications, dynconfig, &left_out, err);
    if (rc == DTR_OK && left_out > 0)
        rc = dtr_error_set(
            err, DTR_OK, DTR_RETRY_SAME,
            "%zu applications, or expressions of one, are left out: no name, no priority from 0 "
            "to 6, or no regular expression",
            left_out);
    return rc;
}

static void take(struct registration *registration)
{
    struct dtr_rpc_arena arenas[2] = {0};
    struct dtr_error err = {0};
    struct dtr_dynconfig dynconfig = {.candidate_parent_limit = registration->options.candidate_parent_limit,
                                      .filter_parent_limit = registration->options.filter_parent_limit};
    int rc = read_answers(registration, arenas, &dynconfig, &err);
    say(registration, err.text);
    if (rc == DTR_OK)
        registration->options.taken(registration->options.context, &dynconfig);
    answers_free(&dynconfig);
    dtr_rpc_arena_free(&arenas[0]);
    dtr_rpc_arena_free(&arenas[1]);
}

static void keep(struct answer *answer, const void *bytes, size_t length)
{
    dtr_str_clear(&answer->bytes);
    dtr_str_add(&answer->bytes, bytes, length);
    dtr_last_keep(answer->last, bytes, length);
}

/* --- questions ----------------------------------------------------------------------------------------- */

/* A question that came to nothing ends the turn. */
static void fail(struct registration *registration, const struct dtr_rpc_status *status, const char *what)
{
    struct dtr_error err = {0};
    (void)dtr_rpc_status_error(status, what, &err);
    say(registration, err.text);
    dtr_uplink_end_turn(registration->uplink, dtr_uplink_is_away(status) ? DTR_UPLINK_LEAVE : DTR_UPLINK_BAD);
}

static void
ask(struct registration *registration, const struct dtr_rpc_method *method, const ProtobufCMessage *request,
    void (*done)(void *context, const struct dtr_rpc_message *response, const struct dtr_rpc_status *status))
{
    struct dtr_error err;
    if (dtr_uplink_ask(registration->uplink, method, request, done, registration, &err) == DTR_OK)
        return;
    say(registration, err.text);
    dtr_uplink_end_turn(registration->uplink, DTR_UPLINK_BAD);
}

/* Managers that have none, or know of none, say so by these. */
static bool is_none(const struct dtr_rpc_status *status)
{
    return status->remote && (status->code == DTR_RPC_NOT_FOUND || status->code == DTR_RPC_UNIMPLEMENTED);
}

static void on_applications(void *context, const struct dtr_rpc_message *response,
                            const struct dtr_rpc_status *status)
{
    struct registration *registration = context;
    if (registration->closing)
        return;
    if (response)
        keep(&registration->applications, response->bytes, response->length);
    else if (is_none(status))
        keep(&registration->applications, "", 0);
    take(registration);
    if (response || is_none(status))
        dtr_uplink_end_turn(registration->uplink, DTR_UPLINK_GOOD);
    else
        fail(registration, status, "ListApplications");
}

static void on_scheduler(void *context, const struct dtr_rpc_message *response,
                         const struct dtr_rpc_status *status)
{
    struct registration *registration = context;
    Manager__V2__ListApplicationsRequest request = MANAGER__V2__LIST_APPLICATIONS_REQUEST__INIT;
    if (registration->closing)
        return;
    if (!response) {
        fail(registration, status, "GetScheduler");
        return;
    }
    keep(&registration->scheduler, response->bytes, response->length);
    request.hostname = registration->hostname;
    request.ip = registration->ip;
    ask(registration, &dtr_rpc_manager_list_applications, &request.base, on_applications);
}

static void refresh(struct registration *registration)
{
    Manager__V2__GetSchedulerRequest request = MANAGER__V2__GET_SCHEDULER_REQUEST__INIT;
    request.hostname = registration->hostname;
    request.scheduler_cluster_id = cluster_id(registration);
    request.ip = registration->ip;
    ask(registration, &dtr_rpc_manager_get_scheduler, &request.base, on_scheduler);
}

/* --- being known and alive ----------------------------------------------------------------------------- */

static void finish(void *context)
{
    struct registration *registration = context;
    void (*closed)(void *) = registration->closed;
    void *closed_context = registration->closed_context;
    dtr_alive_free(registration->alive);
    dtr_tls_drop(registration->tls);
    dtr_last_close(registration->scheduler.last);
    dtr_last_close(registration->applications.last);
    dtr_str_free(&registration->scheduler.bytes);
    dtr_str_free(&registration->applications.bytes);
    free(registration);
    closed(closed_context);
}

static void leave(void *context)
{
    struct registration *registration = context;
    dtr_uplink_close(registration->uplink, finish, registration);
}

static void on_ended(void *context, const char *why)
{
    say(context, why);
}

static void on_updated(void *context, const struct dtr_rpc_message *response,
                       const struct dtr_rpc_status *status)
{
    struct registration *registration = context;
    struct dtr_error err;
    if (registration->closing)
        return;
    if (!response) {
        fail(registration, status, "UpdateScheduler");
        return;
    }
    dtr_log(DTR_LOG_INFO, NULL, "known to manager %s as scheduler %s (%s) of cluster %llu",
            dtr_uplink_name(registration->uplink), registration->hostname, registration->ip,
            (unsigned long long)cluster_id(registration));
    if (dtr_alive_start(registration->alive, cluster_id(registration), &err) != DTR_OK)
        say(registration, err.text);
    refresh(registration);
}

/* A row that is there becomes active by KeepAlive alone. It is not told again what it has: that would undo
 * what the manager's users have changed in it since, as its features. */
static void resume(struct registration *registration)
{
    struct dtr_error err;
    if (dtr_alive_start(registration->alive, cluster_id(registration), &err) == DTR_OK)
        dtr_log(DTR_LOG_INFO, NULL, "alive again to manager %s", dtr_uplink_name(registration->uplink));
    else
        say(registration, err.text);
    refresh(registration);
}

static void update(struct registration *registration)
{
    Manager__V2__UpdateSchedulerRequest request = MANAGER__V2__UPDATE_SCHEDULER_REQUEST__INIT;
    const struct dtr_scheduler_config *config = registration->options.config;
    char *features[] = {text("schedule"), text("preheat")};
    char json[80];
    request.hostname = registration->hostname;
    request.scheduler_cluster_id = cluster_id(registration);
    if (config->host.idc) {
        request.has_idc_case = MANAGER__V2__UPDATE_SCHEDULER_REQUEST__HAS_IDC_IDC;
        request.idc = text(config->host.idc);
    }
    if (config->host.location) {
        request.has_location_case = MANAGER__V2__UPDATE_SCHEDULER_REQUEST__HAS_LOCATION_LOCATION;
        request.location = text(config->host.location);
    }
    request.ip = registration->ip;
    request.port = config->server.advertise_port > 0 ? (int32_t)config->server.advertise_port
                                                     : registration->options.port;
    request.features = features;
    request.n_features = registration->options.preheats ? 2 : 1;
    (void)snprintf(json, sizeof(json), "{\"manager_keep_alive_interval\":%llu}",
                   (unsigned long long)config->manager.keepalive_interval_ms * 1000000);
    request.config.data = (uint8_t *)json;
    request.config.len = strlen(json);
    ask(registration, &dtr_rpc_manager_update_scheduler, &request.base, on_updated);
}

static void on_turn(void *context, const struct dtr_error *err)
{
    struct registration *registration = context;
    if (err)
        dtr_uplink_end_turn(registration->uplink, DTR_UPLINK_BAD);
    else if (dtr_alive_goes(registration->alive))
        refresh(registration);
    else if (dtr_alive_known(registration->alive, cluster_id(registration)))
        resume(registration);
    else
        update(registration);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static int name_host(struct registration *registration, struct dtr_error *err)
{
    const struct dtr_scheduler_config *config = registration->options.config;
    struct dtr_addr addr;
    int rc = config->server.advertise_ip ? dtr_addr_ip(config->server.advertise_ip, 0, &addr, err)
                                         : dtr_addr_own(config->network.enable_ipv6, &addr, err);
    if (rc != DTR_OK)
        return rc;
    dtr_addr_ip_text(&addr, registration->ip);
    if (!config->server.host)
        (void)gethostname(registration->hostname, sizeof(registration->hostname) - 1);
    else if (!dtr_copy_text(registration->hostname, sizeof(registration->hostname), config->server.host))
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "server.host has more than %zu bytes",
                           sizeof(registration->hostname) - 1);
    return rc;
}

static int open_alive(struct registration *registration, struct dtr_error *err)
{
    const struct registration_options *options = &registration->options;
    const struct dtr_alive_options alive = {.loop = options->loop,
                                            .uplink = registration->uplink,
                                            .source = MANAGER__V2__SOURCE_TYPE__SCHEDULER_SOURCE,
                                            .hostname = registration->hostname,
                                            .ip = registration->ip,
                                            .interval_ms = options->config->manager.keepalive_interval_ms,
                                            .ended = on_ended,
                                            .context = registration};
    return dtr_alive_new(&alive, &registration->alive, err);
}

static int open_answer(struct registration *registration, struct answer *answer, const char *name,
                       bool *ret_there, struct dtr_error *err)
{
    const char *folder = registration->options.config->server.cache_dir;
    struct dtr_error why;
    uint8_t *bytes = NULL;
    size_t length = 0;
    int rc = dtr_last_read(folder, name, &bytes, &length, &why);
    if (rc == DTR_OK)
        dtr_str_add(&answer->bytes, bytes, length);
    else if (rc != DTR_ENOT_FOUND)
        dtr_log(DTR_LOG_WARN, NULL, "the manager's last answer is not used: %s", why.text);
    *ret_there = rc == DTR_OK;
    free(bytes);
    return dtr_last_open(registration->options.loop, folder, name, &answer->last, err);
}

/* What was said before a restart counts at once, if it was said to this cluster. */
static int open_answers(struct registration *registration, struct dtr_error *err)
{
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    const struct dtr_str *bytes = &registration->scheduler.bytes;
    bool there = false, others = false;
    int rc = open_answer(registration, &registration->scheduler, "manager-scheduler", &there, err);
    if (rc == DTR_OK)
        rc = open_answer(registration, &registration->applications, "manager-applications", &others, err);
    if (rc == DTR_OK && there)
        there =
            dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_manager_get_scheduler.output,
                           (const uint8_t *)dtr_str_text(bytes), bytes->length, &message, NULL) == DTR_OK &&
            ((const Manager__V2__Scheduler *)(const void *)message)->scheduler_cluster_id ==
                cluster_id(registration);
    dtr_rpc_arena_free(&arena);
    if (rc == DTR_OK && there)
        take(registration);
    return rc;
}

int registration_open(const struct registration_options *options, struct registration **ret_registration,
                      struct dtr_error *err)
{
    const struct dtr_scheduler_config *config = options->config;
    const char *const files[] = {config->manager.tls.ca_cert, config->manager.tls.cert,
                                 config->manager.tls.key};
    struct registration *registration = calloc(1, sizeof(*registration));
    if (!registration)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the manager");
    registration->options = *options;
    struct dtr_uplink_options uplink = {.loop = options->loop,
                                        .addrs = &config->manager.addrs,
                                        .interval_ms = config->dynconfig.refresh_interval_ms,
                                        .meanwhile = "what it said last counts, and peers that know this "
                                                     "scheduler are served",
                                        .turn = on_turn,
                                        .context = registration};
    int rc = name_host(registration, err);
    if (rc == DTR_OK)
        rc = dtr_tls_open(options->loop, DTR_TLS_CLIENT, "manager.tls", files, uplink.interval_ms,
                          &registration->tls, err);
    uplink.tls = registration->tls;
    if (rc == DTR_OK)
        rc = dtr_uplink_open(&uplink, &registration->uplink, err);
    if (rc == DTR_OK)
        rc = open_alive(registration, err);
    if (rc == DTR_OK)
        rc = open_answers(registration, err);
    /* On an error the process ends; what was opened goes with it. */
    *ret_registration = registration;
    return rc;
}

void registration_interval(struct registration *registration)
{
    if (!registration)
        return;
    dtr_uplink_interval(registration->uplink, registration->options.config->dynconfig.refresh_interval_ms);
    dtr_tls_interval(registration->tls, registration->options.config->dynconfig.refresh_interval_ms);
}

void registration_close(struct registration *registration, void (*closed)(void *context), void *context)
{
    if (!registration) {
        closed(context);
        return;
    }
    registration->closing = true;
    registration->closed = closed;
    registration->closed_context = context;
    dtr_alive_stop(registration->alive, leave, registration);
}
