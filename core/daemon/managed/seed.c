/* The seed peer's registration; see seed.h. */
#include "core/daemon/managed/seed.h"

#include "core/base/str.h"
#include "core/managed/alive.h"
#include "core/obs/log.h"

#include <stdlib.h>

enum { BEAT_MOST_MS = 15000 }; /* managers hold one for gone that is silent for longer than three of these */

struct seed {
    struct dtr_daemon *daemon;
    struct dtr_uplink *uplink;
    struct dtr_alive *alive;
    uint64_t cluster_id; /* in which it is known, or is asking to be */
    bool asking, closing;
    char said[256]; /* the last trouble, as it was logged */
};

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* Once for each change of what there is to say. */
static void say(struct seed *seed, const char *what)
{
    if (strcmp(seed->said, what) == 0)
        return;
    (void)dtr_copy_text(seed->said, sizeof(seed->said), what);
    if (*what)
        dtr_log(DTR_LOG_WARN, NULL, "manager %s: %s", dtr_uplink_name(seed->uplink), what);
}

static void on_ended(void *context, const char *why)
{
    say(context, why);
}

static void begin(struct seed *seed)
{
    struct dtr_error err;
    say(seed, dtr_alive_start(seed->alive, seed->cluster_id, &err) == DTR_OK ? "" : err.text);
}

static void on_updated(void *context, const struct dtr_rpc_message *response,
                       const struct dtr_rpc_status *status)
{
    struct seed *seed = context;
    struct dtr_error err = {0};
    seed->asking = false;
    if (seed->closing)
        return;
    if (response)
        begin(seed);
    else if (dtr_rpc_status_error(status, "UpdateSeedPeer", &err) != DTR_OK)
        say(seed, err.text);
    if (dtr_alive_goes(seed->alive))
        dtr_log(DTR_LOG_INFO, NULL, "known to manager %s as seed peer %s (%s) of seed peer cluster %llu",
                dtr_uplink_name(seed->uplink), seed->daemon->hostname, seed->daemon->ip,
                (unsigned long long)seed->cluster_id);
}

static void update(struct seed *seed)
{
    Manager__V2__UpdateSeedPeerRequest request = MANAGER__V2__UPDATE_SEED_PEER_REQUEST__INIT;
    const struct dtr_daemon *daemon = seed->daemon;
    const struct dtr_daemon_config *config = daemon->config;
    struct dtr_error err;
    request.source_type = MANAGER__V2__SOURCE_TYPE__SEED_PEER_SOURCE;
    request.hostname = text(daemon->hostname);
    request.ip = text(daemon->ip);
    request.type = text(config->seed_peer.type);
    request.port = request.download_port = daemon->ports.peers;
    request.seed_peer_cluster_id = seed->cluster_id;
    if (config->host.idc) {
        request.has_idc_case = MANAGER__V2__UPDATE_SEED_PEER_REQUEST__HAS_IDC_IDC;
        request.idc = text(config->host.idc);
    }
    if (config->host.location) {
        request.has_location_case = MANAGER__V2__UPDATE_SEED_PEER_REQUEST__HAS_LOCATION_LOCATION;
        request.location = text(config->host.location);
    }
    seed->asking = dtr_uplink_ask(seed->uplink, &dtr_rpc_manager_update_seed_peer, &request.base, on_updated,
                                  seed, &err) == DTR_OK;
    if (!seed->asking)
        say(seed, err.text);
}

/* Where it was known it is inactive now; elsewhere it is to be known. */
static void on_moved(void *context)
{
    struct seed *seed = context;
    if (!seed->closing)
        update(seed);
}

void seed_show(struct seed *seed, uint64_t cluster_id)
{
    if (!seed || seed->asking || seed->closing)
        return;
    const int64_t bound = seed->daemon->config->seed_peer.cluster_id;
    const uint64_t wanted = bound > 0 ? (uint64_t)bound : cluster_id;
    if (dtr_alive_goes(seed->alive) && seed->cluster_id == wanted)
        return;
    seed->cluster_id = wanted;
    if (dtr_alive_known(seed->alive, wanted))
        begin(seed);
    else
        dtr_alive_stop(seed->alive, on_moved, seed);
}

int seed_new(struct dtr_daemon *daemon, struct dtr_uplink *uplink, struct seed **ret_seed,
             struct dtr_error *err)
{
    struct seed *seed = calloc(1, sizeof(*seed));
    if (!seed)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the seed peer");
    *seed = (struct seed){.daemon = daemon, .uplink = uplink};
    const uint64_t interval_ms = daemon->config->seed_peer.keepalive_interval_ms;
    const struct dtr_alive_options options = {.loop = daemon->parts.control,
                                              .uplink = uplink,
                                              .source = MANAGER__V2__SOURCE_TYPE__SEED_PEER_SOURCE,
                                              .hostname = daemon->hostname,
                                              .ip = daemon->ip,
                                              .interval_ms =
                                                  interval_ms < BEAT_MOST_MS ? interval_ms : BEAT_MOST_MS,
                                              .ended = on_ended,
                                              .context = seed};
    int rc = dtr_alive_new(&options, &seed->alive, err);
    if (rc == DTR_OK)
        *ret_seed = seed;
    else
        free(seed);
    return rc;
}

void seed_close(struct seed *seed, void (*closed)(void *context), void *context)
{
    if (seed)
        seed->closing = true;
    dtr_alive_stop(seed ? seed->alive : NULL, closed, context);
}

void seed_free(struct seed *seed)
{
    if (!seed)
        return;
    dtr_alive_free(seed->alive);
    free(seed);
}
