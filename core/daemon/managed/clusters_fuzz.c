/* Any bytes as a manager's answer: what is read of it can be used. */
#include "core/daemon/blocklist.h"
#include "core/daemon/managed/clusters.h"
#include "core/rpc/methods.h"
#include "core/rpc/unpack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void try_blocklist(const struct cluster *cluster)
{
    const struct dtr_read_request request = {.url = "http://h/", .tag = "a", .application = "b"};
    struct blocklist *list = NULL;
    size_t left_out;
    if (cluster->client_config && blocklist_parse(cluster->client_config, cluster->client_config_length,
                                                  &list, &left_out, NULL) == DTR_OK)
        require(blocklist_check(list, &request, NULL) == DTR_OK || list);
    blocklist_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_rpc_arena arena = {0};
    struct clusters clusters;
    const ProtobufCMessage *message;
    if (dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_manager_list_schedulers.output, data, size, &message,
                       NULL) == DTR_OK &&
        clusters_read((const void *)message, 0, size % 2, &clusters, NULL) == DTR_OK) {
        require(clusters.count <= CLUSTERS_MAX);
        for (size_t i = 0; i < clusters.count; i++) {
            const struct cluster *cluster = &clusters.items[i];
            require(cluster->count > 0 && cluster->count <= CLUSTER_SCHEDULERS_MAX);
            for (size_t j = 0; j < cluster->count; j++)
                require(dtr_addr_port(&cluster->schedulers[j].addr) > 0);
            try_blocklist(cluster);
        }
        clusters_free(&clusters);
    }
    dtr_rpc_arena_free(&arena);
    return 0;
}
