/* A manager's clusters; see clusters.h. */
#include "core/daemon/managed/clusters.h"

#include "core/base/str.h"

#include <stdlib.h>

uint64_t clusters_bound(const struct dtr_daemon_config *config)
{
    if (config->host.scheduler_cluster_id > 0)
        return (uint64_t)config->host.scheduler_cluster_id;
    if (config->seed_peer.enable && config->seed_peer.cluster_id > 0)
        return (uint64_t)config->seed_peer.cluster_id;
    return 0;
}

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the manager's clusters");
}

static bool can_be_dialled(const struct dtr_addr *addr)
{
    if (addr->any.sa_family == AF_INET6)
        return !IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr) && !IN6_IS_ADDR_MULTICAST(&addr->v6.sin6_addr);
    const uint32_t ip = ntohl(addr->v4.sin_addr.s_addr);
    return ip != INADDR_ANY && !IN_MULTICAST(ip);
}

static bool read_place(const Manager__V2__Scheduler *from, struct talk_place *ret_place)
{
    if (from->port < 1 || from->port > 65535 ||
        dtr_addr_ip(from->ip, (uint16_t)from->port, &ret_place->addr, NULL) != DTR_OK ||
        !can_be_dialled(&ret_place->addr))
        return false;
    (void)dtr_copy_text(ret_place->host, sizeof(ret_place->host), from->hostname);
    return true;
}

/* The cluster with this id, or a new one; NULL: there is no room for it. */
static struct cluster *cluster_of(struct clusters *clusters, uint64_t id)
{
    for (size_t i = 0; i < clusters->count; i++) {
        if (clusters->items[i].id == id)
            return &clusters->items[i];
    }
    if (clusters->count == CLUSTERS_MAX)
        return NULL;
    struct cluster *cluster = &clusters->items[clusters->count++];
    cluster->id = id;
    return cluster;
}

static bool is_known(const struct cluster *cluster, const struct talk_place *place)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (dtr_addr_equal(&cluster->schedulers[i].addr, &place->addr))
            return true;
    }
    return false;
}

/* The first scheduler that tells of its cluster does so for all. */
static int describe(struct cluster *cluster, const Manager__V2__SchedulerCluster *from, bool seed,
                    struct dtr_error *err)
{
    if (!from || cluster->client_config)
        return DTR_OK;
    const ProtobufCBinaryData *config = seed ? &from->seed_client_config : &from->client_config;
    (void)snprintf(cluster->name, sizeof(cluster->name), "%.60s", from->name);
    cluster->client_config = malloc(config->len + 1);
    if (!cluster->client_config)
        return no_memory(err);
    if (config->len > 0)
        memcpy(cluster->client_config, config->data, config->len);
    cluster->client_config_length = config->len;
    return DTR_OK;
}

static int add(struct clusters *clusters, const Manager__V2__Scheduler *from, bool seed,
               struct dtr_error *err)
{
    struct talk_place place = {0};
    struct cluster *cluster =
        read_place(from, &place) ? cluster_of(clusters, from->scheduler_cluster_id) : NULL;
    if (!cluster || cluster->count == CLUSTER_SCHEDULERS_MAX) {
        clusters->left_out++;
        return DTR_OK;
    }
    if (describe(cluster, from->scheduler_cluster, seed, err) != DTR_OK)
        return DTR_ENOMEM;
    if (is_known(cluster, &place))
        return DTR_OK;
    struct talk_place *grown = realloc(cluster->schedulers, (cluster->count + 1) * sizeof(*grown));
    if (!grown)
        return no_memory(err);
    cluster->schedulers = grown;
    grown[cluster->count++] = place;
    return DTR_OK;
}

int clusters_read(const Manager__V2__ListSchedulersResponse *answer, uint64_t bound, bool seed,
                  struct clusters *ret_clusters, struct dtr_error *err)
{
    struct clusters clusters = {.items = calloc(CLUSTERS_MAX, sizeof(*clusters.items))};
    int rc = clusters.items ? DTR_OK : no_memory(err);
    for (size_t i = 0; i < answer->n_schedulers && rc == DTR_OK; i++) {
        const Manager__V2__Scheduler *from = answer->schedulers[i];
        if (!bound || from->scheduler_cluster_id == bound)
            rc = add(&clusters, from, seed, err);
    }
    if (rc == DTR_OK)
        *ret_clusters = clusters;
    else
        clusters_free(&clusters);
    return rc;
}

void clusters_free(struct clusters *clusters)
{
    for (size_t i = 0; i < clusters->count; i++) {
        free(clusters->items[i].schedulers);
        free(clusters->items[i].client_config);
    }
    free(clusters->items);
    *clusters = (struct clusters){0};
}
