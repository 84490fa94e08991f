/* Rows as messages; see message.h. */
#include "core/manager/fleet/message.h"

#include <stdlib.h>
#include <string.h>

enum { GROW = 16 };

struct message_cluster {
    const struct fleet_cluster *fleet;
    Manager__V2__SchedulerCluster *cluster; /* blocks of their own: messages point to them */
    Manager__V2__SeedPeerCluster *seed_cluster;
    Manager__V2__SeedPeer *seeds, **seed_list;
};

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static ProtobufCBinaryData bytes(const char *constant)
{
    return (ProtobufCBinaryData){strlen(constant), (uint8_t *)(uintptr_t)constant};
}

void message_seed(const struct fleet_cluster *cluster, const struct fleet_seed *seed,
                  Manager__V2__SeedPeer *ret_seed, Manager__V2__SeedPeerCluster *ret_cluster)
{
    manager__v2__seed_peer_cluster__init(ret_cluster);
    ret_cluster->id = (uint64_t)cluster->seeds.id;
    ret_cluster->name = text(cluster->seeds.name);
    ret_cluster->bio = text(cluster->seeds.bio);
    ret_cluster->config = bytes(cluster->seeds.config);
    manager__v2__seed_peer__init(ret_seed);
    ret_seed->id = (uint64_t)seed->id;
    ret_seed->hostname = text(seed->hostname);
    ret_seed->type = text(seed->type);
    ret_seed->has_idc_case = MANAGER__V2__SEED_PEER__HAS_IDC_IDC;
    ret_seed->idc = text(seed->idc);
    ret_seed->has_location_case = MANAGER__V2__SEED_PEER__HAS_LOCATION_LOCATION;
    ret_seed->location = text(seed->location);
    ret_seed->ip = text(seed->ip);
    ret_seed->port = (int32_t)seed->port;
    ret_seed->download_port = (int32_t)seed->download_port;
    ret_seed->state = text(seed->state);
    ret_seed->seed_peer_cluster_id = (uint64_t)seed->cluster_id;
    ret_seed->seed_peer_cluster = ret_cluster;
}

static bool make_seeds(struct message_cluster *made)
{
    const struct fleet_cluster *fleet = made->fleet;
    made->seed_cluster = calloc(1, sizeof(*made->seed_cluster));
    made->seeds = calloc(fleet->seed_count + 1, sizeof(*made->seeds));
    made->seed_list = calloc(fleet->seed_count + 1, sizeof(struct Manager__V2__SeedPeer *));
    if (!made->seed_cluster || !made->seeds || !made->seed_list)
        return false;
    for (size_t i = 0; i < fleet->seed_count; i++) {
        message_seed(fleet, &fleet->seed_peers[i], &made->seeds[i], made->seed_cluster);
        made->seed_list[i] = &made->seeds[i];
    }
    return true;
}

static bool make_cluster(struct message_cluster *made)
{
    const struct fleet_cluster *fleet = made->fleet;
    made->cluster = calloc(1, sizeof(*made->cluster));
    if (!made->cluster || !make_seeds(made))
        return false;
    manager__v2__scheduler_cluster__init(made->cluster);
    made->cluster->id = (uint64_t)fleet->id;
    made->cluster->name = text(fleet->name);
    made->cluster->bio = text(fleet->bio);
    made->cluster->config = bytes(fleet->config);
    made->cluster->client_config = bytes(fleet->client_config);
    made->cluster->scopes = bytes(fleet->scopes);
    made->cluster->seed_client_config = bytes(fleet->seeds.client_config);
    return true;
}

static const struct message_cluster *cluster_of(struct message_list *list, const struct fleet_cluster *fleet)
{
    if (list->cluster_count > 0 && list->clusters[list->cluster_count - 1].fleet == fleet)
        return &list->clusters[list->cluster_count - 1];
    struct message_cluster *grown = realloc(list->clusters, (list->cluster_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    list->clusters = grown;
    struct message_cluster *made = &grown[list->cluster_count++];
    *made = (struct message_cluster){.fleet = fleet};
    return make_cluster(made) ? made : NULL;
}

static Manager__V2__Scheduler *add(struct message_list *list)
{
    if (list->count % GROW == 0) {
        void *grown =
            realloc(list->schedulers, (list->count + GROW) * sizeof(struct Manager__V2__Scheduler *));
        if (!grown)
            return NULL;
        list->schedulers = grown;
    }
    Manager__V2__Scheduler *one = malloc(sizeof(*one));
    if (one)
        list->schedulers[list->count++] = one;
    return one;
}

void message_add(struct message_list *list, const struct fleet_cluster *cluster,
                 const struct fleet_scheduler *scheduler, bool with_seeds)
{
    const struct message_cluster *made = cluster_of(list, cluster);
    Manager__V2__Scheduler *one = made ? add(list) : NULL;
    list->failed |= !one;
    if (!one)
        return;
    manager__v2__scheduler__init(one);
    one->id = (uint64_t)scheduler->id;
    one->hostname = text(scheduler->hostname);
    one->has_idc_case = MANAGER__V2__SCHEDULER__HAS_IDC_IDC;
    one->idc = text(scheduler->idc);
    one->has_location_case = MANAGER__V2__SCHEDULER__HAS_LOCATION_LOCATION;
    one->location = text(scheduler->location);
    one->ip = text(scheduler->ip);
    one->port = (int32_t)scheduler->port;
    one->state = text(scheduler->state);
    one->scheduler_cluster_id = (uint64_t)scheduler->cluster_id;
    one->scheduler_cluster = made->cluster;
    one->features = bytes(scheduler->features);
    one->seed_peers = made->seed_list;
    one->n_seed_peers = with_seeds ? cluster->seed_count : 0;
}

void message_free(struct message_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->schedulers[i]);
    free(list->schedulers);
    for (size_t i = 0; i < list->cluster_count; i++) {
        free(list->clusters[i].cluster);
        free(list->clusters[i].seed_cluster);
        free(list->clusters[i].seeds);
        free(list->clusters[i].seed_list);
    }
    free(list->clusters);
}

int message_offer(struct fleet_cluster *cluster, struct dtr_error *err)
{
    Manager__V2__ListSchedulersResponse response = MANAGER__V2__LIST_SCHEDULERS_RESPONSE__INIT;
    struct message_list list = {0};
    for (size_t i = 0; i < cluster->scheduler_count; i++)
        cluster->usable |= cluster->schedulers[i].usable;
    for (size_t i = 0; i < cluster->scheduler_count; i++) {
        if (cluster->schedulers[i].usable || !cluster->usable)
            message_add(&list, cluster, &cluster->schedulers[i], true);
    }
    response.schedulers = list.schedulers;
    response.n_schedulers = list.count;
    if (!list.failed) {
        cluster->offer_size = protobuf_c_message_get_packed_size(&response.base);
        cluster->offer = malloc(cluster->offer_size + 1);
    }
    if (cluster->offer)
        (void)protobuf_c_message_pack(&response.base, cluster->offer);
    message_free(&list);
    return cluster->offer ? DTR_OK
                          : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for schedulers");
}
