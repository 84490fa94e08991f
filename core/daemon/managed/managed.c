/* The daemon's schedulers as a manager names them; see managed.h. */
#include "core/daemon/managed/managed.h"

#include "core/base/str.h"
#include "core/daemon/blocklist.h"
#include "core/daemon/managed/clusters.h"
#include "core/daemon/managed/health.h"
#include "core/daemon/managed/seed.h"
#include "core/managed/last.h"
#include "core/managed/uplink.h"
#include "core/obs/build.h"
#include "core/obs/log.h"
#include "core/rpc/unpack.h"

#include <stdlib.h>

static const char file_name[] = "manager-schedulers";

struct managed {
    struct dtr_daemon *daemon;
    struct dtr_uplink *uplink;
    struct dtr_tls *tls; /* NULL: plain */
    struct dtr_last *last;
    struct seed *seed;        /* of a seed peer, or NULL */
    struct clusters clusters; /* of the last good answer; none: there was no answer */
    uint64_t bound;           /* for which it was read */
    uint64_t used;            /* id of the cluster in use */
    bool uses;                /* one is */
    char said[256];           /* the last trouble with an answer, as it was logged */
    char list_said[256];      /* the same of its block list */

    /* A walk over the clusters, in a turn. */
    size_t cluster;              /* the one that is tried */
    struct health *health;       /* of its schedulers, being asked; or NULL */
    enum dtr_uplink_end outcome; /* of the turn, when a cluster serves */

    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

static void try_cluster(struct managed *managed);

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* Once for each change of what there is to say; "": nothing. */
static void say(const struct managed *managed, char said[256], const char *what)
{
    if (strcmp(said, what) == 0)
        return;
    (void)dtr_copy_text(said, 256, what);
    if (*what)
        dtr_log(DTR_LOG_WARN, NULL, "manager %s: %s", dtr_uplink_name(managed->uplink), what);
}

/* --- the cluster in use -------------------------------------------------------------------------------- */

/* Leaving one, or the first of all, is news. */
static void say_used(const struct managed *managed, const struct cluster *cluster)
{
    const struct cluster *best = &managed->clusters.items[0];
    if (managed->uses && managed->used == cluster->id)
        return;
    if (cluster == best)
        dtr_log(DTR_LOG_INFO, NULL, "the schedulers of cluster %llu %s are used",
                (unsigned long long)cluster->id, cluster->name);
    else
        dtr_log(DTR_LOG_WARN, NULL,
                "no scheduler of cluster %llu %s serves: those of cluster %llu %s are used",
                (unsigned long long)best->id, best->name, (unsigned long long)cluster->id, cluster->name);
}

/* The lists of the cluster in use, and of no other. */
static void block(struct managed *managed, const struct cluster *cluster)
{
    struct blocklist *list = NULL;
    struct dtr_error err;
    size_t left_out = 0, before = blocklist_size(managed->daemon->blocklist);
    if (blocklist_parse(cluster->client_config, cluster->client_config_length, &list, &left_out, &err) !=
        DTR_OK) {
        say(managed, managed->list_said, err.text); /* the earlier one stays */
        return;
    }
    say(managed, managed->list_said, "");
    if (blocklist_size(list) != before)
        dtr_log(DTR_LOG_INFO, NULL, "the cluster's block list has %zu entries now, %zu are left out",
                blocklist_size(list), left_out);
    blocklist_free(managed->daemon->blocklist);
    managed->daemon->blocklist = list;
}

static void use(struct managed *managed, const struct cluster *cluster, const struct talk_place *list,
                size_t count)
{
    struct dtr_error err;
    say_used(managed, cluster);
    block(managed, cluster);
    if (talk_schedulers(managed->daemon->talk, list, count, &err) != DTR_OK) {
        dtr_log(DTR_LOG_WARN, NULL, "the schedulers stay as they are: %s", err.text);
        return;
    }
    managed->used = cluster->id;
    managed->uses = true;
}

static size_t use_healthy(struct managed *managed, const struct cluster *cluster, const bool *serves)
{
    struct talk_place list[CLUSTER_SCHEDULERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < cluster->count; i++) {
        if (serves[i])
            list[count++] = cluster->schedulers[i];
    }
    if (count > 0)
        use(managed, cluster, list, count);
    return count;
}

/* --- which cluster serves ------------------------------------------------------------------------------ */

/* Nobody serves: the first cluster's schedulers are connected to as soon as one does, unless those of one are
 * being tried already. */
static void use_none(struct managed *managed)
{
    const struct cluster *best = &managed->clusters.items[0];
    if (!managed->uses)
        use(managed, best, best->schedulers, best->count);
    dtr_uplink_end_turn(managed->uplink,
                        managed->outcome == DTR_UPLINK_LEAVE ? DTR_UPLINK_LEAVE : DTR_UPLINK_BAD);
}

static void finish(void *context)
{
    struct managed *managed = context;
    void (*closed)(void *) = managed->closed;
    void *closed_context = managed->closed_context;
    clusters_free(&managed->clusters);
    seed_free(managed->seed);
    dtr_last_close(managed->last);
    dtr_tls_drop(managed->tls);
    free(managed);
    closed(closed_context);
}

static void leave(void *context)
{
    struct managed *managed = context;
    dtr_uplink_close(managed->uplink, finish, managed);
}

static void on_health(void *context, const bool *serves)
{
    struct managed *managed = context;
    managed->health = NULL;
    if (managed->closing) {
        seed_close(managed->seed, leave, managed);
    } else if (use_healthy(managed, &managed->clusters.items[managed->cluster], serves) > 0) {
        if (managed->outcome == DTR_UPLINK_GOOD)
            seed_show(managed->seed, managed->used);
        dtr_uplink_end_turn(managed->uplink, managed->outcome);
    } else {
        managed->cluster++;
        try_cluster(managed);
    }
}

static void try_cluster(struct managed *managed)
{
    struct dtr_error err;
    for (; managed->cluster < managed->clusters.count; managed->cluster++) {
        const struct cluster *cluster = &managed->clusters.items[managed->cluster];
        if (health_ask(managed->daemon, cluster->schedulers, cluster->count, on_health, managed,
                       &managed->health, &err) == DTR_OK)
            return;
        dtr_log(DTR_LOG_WARN, NULL, "no scheduler's health can be checked: %s", err.text);
    }
    use_none(managed);
}

static void walk(struct managed *managed, enum dtr_uplink_end outcome)
{
    managed->outcome = outcome;
    managed->cluster = 0;
    if (managed->clusters.count > 0)
        try_cluster(managed);
    else
        dtr_uplink_end_turn(managed->uplink, outcome);
}

/* --- answers ------------------------------------------------------------------------------------------- */

static void say_left_out(size_t count)
{
    if (count > 0)
        dtr_log(DTR_LOG_WARN, NULL,
                "%zu of the schedulers that the manager names are left out: no address to dial, or too many",
                count);
}

static int take(struct managed *managed, const Manager__V2__ListSchedulersResponse *answer, uint64_t bound,
                struct dtr_error *err)
{
    struct clusters clusters;
    bool seed = managed->daemon->config->seed_peer.enable;
    int rc = clusters_read(answer, bound, seed, &clusters, err);
    if (rc == DTR_OK && clusters.count == 0) {
        clusters_free(&clusters);
        rc = bound ? dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME,
                                   "it knows no scheduler of cluster %llu, which this host is bound to",
                                   (unsigned long long)bound)
                   : dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME, "it knows no scheduler that serves");
    }
    if (rc != DTR_OK)
        return rc;
    if (clusters.left_out != managed->clusters.left_out)
        say_left_out(clusters.left_out);
    clusters_free(&managed->clusters);
    managed->clusters = clusters;
    managed->bound = bound;
    return DTR_OK;
}

static void on_listed(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct managed *managed = context;
    struct dtr_error err = {0};
    if (managed->closing)
        return;
    int rc = response ? take(managed, (const void *)response->message,
                             clusters_bound(managed->daemon->config), &err)
                      : dtr_rpc_status_error(status, "ListSchedulers", &err);
    say(managed, managed->said, rc == DTR_OK ? "" : err.text);
    if (rc == DTR_OK)
        dtr_last_keep(managed->last, response->bytes, response->length);
    walk(managed, rc == DTR_OK                              ? DTR_UPLINK_GOOD
                  : !response && dtr_uplink_is_away(status) ? DTR_UPLINK_LEAVE
                                                            : DTR_UPLINK_BAD);
}

static int ask(struct managed *managed, struct dtr_error *err)
{
    Manager__V2__ListSchedulersRequest request = MANAGER__V2__LIST_SCHEDULERS_REQUEST__INIT;
    const struct dtr_daemon *daemon = managed->daemon;
    const struct dtr_daemon_config *config = daemon->config;
    request.source_type = config->seed_peer.enable ? MANAGER__V2__SOURCE_TYPE__SEED_PEER_SOURCE
                                                   : MANAGER__V2__SOURCE_TYPE__PEER_SOURCE;
    request.hostname = text(daemon->hostname);
    request.ip = text(daemon->ip);
    if (config->host.idc) {
        request.has_idc_case = MANAGER__V2__LIST_SCHEDULERS_REQUEST__HAS_IDC_IDC;
        request.idc = text(config->host.idc);
    }
    if (config->host.location) {
        request.has_location_case = MANAGER__V2__LIST_SCHEDULERS_REQUEST__HAS_LOCATION_LOCATION;
        request.location = text(config->host.location);
    }
    request.version = text(DTR_VERSION);
    request.commit = text(dtr_build_commit());
    request.scheduler_cluster_id = clusters_bound(config);
    return dtr_uplink_ask(managed->uplink, &dtr_rpc_manager_list_schedulers, &request.base, on_listed,
                          managed, err);
}

/* The last answer may name clusters that the configuration does not allow any more. */
static void drop_unbound(struct managed *managed)
{
    uint64_t bound = clusters_bound(managed->daemon->config);
    if (managed->bound == bound || bound == 0)
        return;
    if (managed->clusters.count != 1 || managed->clusters.items[0].id != bound)
        clusters_free(&managed->clusters);
}

static void on_turn(void *context, const struct dtr_error *err)
{
    struct managed *managed = context;
    struct dtr_error why;
    drop_unbound(managed);
    if (!err && ask(managed, &why) == DTR_OK)
        return;
    if (!err)
        say(managed, managed->said, why.text);
    walk(managed, DTR_UPLINK_BAD);
}

/* --- life ---------------------------------------------------------------------------------------------- */

/* The answer on disk; what is wrong with it is no reason not to start. */
static void read_last(struct managed *managed)
{
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    uint8_t *bytes = NULL;
    size_t length = 0;
    struct dtr_error err;
    const char *folder = managed->daemon->config->server.cache_dir;
    int rc = dtr_last_read(folder, file_name, &bytes, &length, &err);
    if (rc == DTR_OK)
        rc = dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_manager_list_schedulers.output, bytes, length, &message,
                            &err);
    if (rc == DTR_OK)
        rc = take(managed, (const void *)message, clusters_bound(managed->daemon->config), &err);
    if (rc == DTR_OK)
        use(managed, managed->clusters.items, managed->clusters.items[0].schedulers,
            managed->clusters.items[0].count);
    else if (rc != DTR_ENOT_FOUND)
        dtr_log(DTR_LOG_WARN, NULL, "the manager's last answer is not used: %s", err.text);
    dtr_rpc_arena_free(&arena);
    free(bytes);
}

int managed_new(struct dtr_daemon *daemon, struct managed **ret_managed, struct dtr_error *err)
{
    const struct dtr_daemon_config *config = daemon->config;
    const char *const files[] = {config->manager.tls.ca_cert, config->manager.tls.cert,
                                 config->manager.tls.key};
    struct managed *managed = calloc(1, sizeof(*managed));
    if (!managed)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the manager");
    managed->daemon = daemon;
    struct dtr_uplink_options options = {.loop = daemon->parts.control,
                                         .addrs = &config->manager.addrs,
                                         .interval_ms = config->dynconfig.refresh_interval_ms,
                                         .meanwhile = "the schedulers that it named last count",
                                         .turn = on_turn,
                                         .context = managed};
    int rc = dtr_last_open(daemon->parts.control, config->server.cache_dir, file_name, &managed->last, err);
    if (rc == DTR_OK)
        rc = dtr_tls_open(daemon->parts.control, DTR_TLS_CLIENT, "manager", files, options.interval_ms,
                          &managed->tls, err);
    options.tls = managed->tls;
    if (rc == DTR_OK)
        rc = dtr_uplink_open(&options, &managed->uplink, err);
    if (rc == DTR_OK && config->seed_peer.enable)
        rc = seed_new(daemon, managed->uplink, &managed->seed, err);
    if (rc != DTR_OK) {
        dtr_last_close(managed->last);
        dtr_tls_drop(managed->tls);
        free(managed);
        return rc;
    }
    read_last(managed);
    if (!managed->uses)
        talk_expect(daemon->talk);
    *ret_managed = managed;
    return DTR_OK;
}

void managed_changed(struct managed *managed)
{
    if (!managed)
        return;
    uint64_t interval_ms = managed->daemon->config->dynconfig.refresh_interval_ms;
    dtr_uplink_interval(managed->uplink, interval_ms);
    dtr_tls_interval(managed->tls, interval_ms);
    dtr_uplink_soon(managed->uplink, 0);
}

void managed_lost(struct managed *managed)
{
    /* One that is only started again is back by then; registers still wait for it (talk_schedulers.c). */
    if (managed)
        dtr_uplink_soon(managed->uplink, managed->daemon->config->download.stall_timeout_ms / 2);
}

void managed_close(struct managed *managed, void (*closed)(void *context), void *context)
{
    if (!managed) {
        closed(context);
        return;
    }
    managed->closing = true;
    managed->closed = closed;
    managed->closed_context = context;
    if (managed->health)
        health_cancel(managed->health); /* on_health() goes on */
    else
        seed_close(managed->seed, leave, managed);
}
