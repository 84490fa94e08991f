/* Seed peers that register, as Dragonfly's older clients do. On worker threads; see ask.h. */
#include "core/manager/fleet/members.h"
#include "core/manager/fleet/message.h"
#include "core/manager/grpc/ask.h"
#include "proto/google.pb-c.h"

#include <stdlib.h>

/* `cluster_id` 0: the first of any seed peer cluster. */
static const struct fleet_seed *find_seed(const struct fleet *fleet, const char *hostname, const char *ip,
                                          int64_t cluster_id, const struct fleet_cluster **ret_cluster)
{
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_cluster *cluster = &fleet->clusters[i];
        if (cluster_id > 0 && cluster->seeds.id != cluster_id)
            continue;
        for (size_t j = 0; j < cluster->seed_count; j++) {
            const struct fleet_seed *seed = &cluster->seed_peers[j];
            *ret_cluster = cluster;
            if (strcmp(seed->hostname, hostname) == 0 && (!*ip || strcmp(seed->ip, ip) == 0))
                return seed;
        }
    }
    return NULL;
}

static int reply_seed(struct ask *ask, const char *hostname, const char *ip, int64_t cluster_id,
                      struct dtr_error *err)
{
    Manager__V2__SeedPeer response;
    Manager__V2__SeedPeerCluster its;
    struct message_list list = {0};
    const struct fleet_cluster *cluster = NULL;
    const struct fleet *fleet = NULL;
    int rc = fleet_get(ask->grpc->options.view, &fleet, err);
    if (rc != DTR_OK)
        return rc;
    const struct fleet_seed *seed = find_seed(fleet, hostname, ip, cluster_id, &cluster);
    if (seed) {
        message_seed(cluster, seed, &response, &its);
        for (size_t i = 0; i < cluster->scheduler_count; i++) {
            if (cluster->schedulers[i].usable)
                message_add(&list, cluster, &cluster->schedulers[i], false);
        }
        response.schedulers = list.schedulers;
        response.n_schedulers = list.count;
        rc = ask_reply(ask, &response.base, err);
    } else {
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME,
                           "seed peer %.100s is not registered in cluster %lld", hostname,
                           (long long)cluster_id);
    }
    message_free(&list);
    fleet_done(fleet);
    return rc;
}

static int check_name(const char *hostname, const char *ip, uint64_t cluster_id, struct dtr_error *err)
{
    int rc = check_hostname(hostname, err);
    if (rc == DTR_OK)
        rc = check_ip(ip, true, err);
    return rc == DTR_OK ? check_cluster("seed_peer_cluster_id", cluster_id, err) : rc;
}

int answer_get_seed_peer(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__GetSeedPeerRequest *request = (const void *)message;
    int rc = check_name(request->hostname, request->ip, request->seed_peer_cluster_id, err);
    return rc == DTR_OK
               ? reply_seed(ask, request->hostname, request->ip, (int64_t)request->seed_peer_cluster_id, err)
               : rc;
}

/* --- ListSeedPeers ---------------------------------------------------------------------------------------
 */

struct listed {
    Manager__V2__SeedPeer seed;
    Manager__V2__SeedPeerCluster cluster;
};

static size_t list_active(const struct fleet_cluster *cluster, struct listed *items,
                          Manager__V2__SeedPeer **list)
{
    size_t count = 0;
    for (size_t i = 0; i < cluster->seed_count; i++) {
        if (strcmp(cluster->seed_peers[i].state, FLEET_ACTIVE) != 0)
            continue;
        message_seed(cluster, &cluster->seed_peers[i], &items[count].seed, &items[count].cluster);
        list[count] = &items[count].seed;
        count++;
    }
    return count;
}

static int reply_list(struct ask *ask, const struct fleet_cluster *cluster, struct dtr_error *err)
{
    Manager__V2__ListSeedPeersResponse response = MANAGER__V2__LIST_SEED_PEERS_RESPONSE__INIT;
    struct listed *items = calloc(cluster->seed_count + 1, sizeof(*items));
    int rc;
    response.seed_peers = calloc(cluster->seed_count + 1, sizeof(struct Manager__V2__SeedPeer *));
    if (!items || !response.seed_peers) {
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for seed peers");
    } else {
        response.n_seed_peers = list_active(cluster, items, response.seed_peers);
        rc = response.n_seed_peers > 0 ? ask_reply(ask, &response.base, err)
                                       : dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME,
                                                       "no seed peer of seed peer cluster %lld is active",
                                                       (long long)cluster->seeds.id);
    }
    free(response.seed_peers);
    free(items);
    return rc;
}

/* A seed peer learns of those in its own seed peer cluster, and nobody else of any. */
int answer_list_seed_peers(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__ListSeedPeersRequest *request = (const void *)message;
    const struct fleet_cluster *cluster = NULL;
    const struct fleet *fleet = NULL;
    int rc = check_hostname(request->hostname, err);
    if (rc == DTR_OK)
        rc = check_ip(request->ip, false, err);
    if (rc == DTR_OK)
        rc = fleet_get(ask->grpc->options.view, &fleet, err);
    if (rc != DTR_OK)
        return rc;
    if (find_seed(fleet, request->hostname, request->ip, 0, &cluster))
        rc = reply_list(ask, cluster, err);
    else
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_SAME,
                           "no seed peer %.100s (%s) is registered; only seed peers are told of others",
                           request->hostname, request->ip);
    fleet_done(fleet);
    return rc;
}

/* --- UpdateSeedPeer, DeleteSeedPeer ----------------------------------------------------------------------
 */

static int register_seed(struct store_db *db, void *context, struct dtr_error *err)
{
    return member_register_seed(db, context, err);
}

int answer_update_seed_peer(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__UpdateSeedPeerRequest *request = (const void *)message;
    struct member member = {.hostname = request->hostname,
                            .ip = request->ip,
                            .idc = request->has_idc_case ? request->idc : "",
                            .location = request->has_location_case ? request->location : "",
                            .port = request->port,
                            .cluster_id = (int64_t)request->seed_peer_cluster_id,
                            .type = *request->type ? request->type : "super",
                            .download_port = request->download_port};
    int rc = check_name(request->hostname, request->ip, request->seed_peer_cluster_id, err);
    if (rc == DTR_OK)
        rc = check_ip(request->ip, false, err);
    if (rc == DTR_OK)
        rc = check_port("port", request->port, err);
    if (rc == DTR_OK)
        rc = fleet_do(ask->grpc->options.view, register_seed, &member, NULL, err);
    if (rc != DTR_OK)
        return rc;
    return reply_seed(ask, request->hostname, request->ip, member.cluster_id, err);
}

static int delete_seed(struct store_db *db, void *context, struct dtr_error *err)
{
    return member_delete_seed(db, context, err);
}

int answer_delete_seed_peer(struct ask *ask, const ProtobufCMessage *message, struct dtr_error *err)
{
    const Manager__V2__DeleteSeedPeerRequest *request = (const void *)message;
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    struct member_name name = {request->hostname, request->ip, (int64_t)request->seed_peer_cluster_id};
    int rc = check_name(request->hostname, request->ip, request->seed_peer_cluster_id, err);
    if (rc == DTR_OK)
        rc = fleet_do(ask->grpc->options.view, delete_seed, &name, NULL, err);
    if (rc != DTR_OK)
        return rc;
    return ask_reply(ask, &empty.base, err);
}
