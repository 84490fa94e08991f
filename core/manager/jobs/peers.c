/* Rows of peers; see peers.h. */
#include "core/manager/jobs/peers.h"

#include "core/rpc/methods.h"
#include "core/rpc/unpack.h"
#include "proto/scheduler.pb-c.h"

struct batch {
    const Scheduler__V2__ListHostsResponse *response;
    size_t from, to;
    int64_t cluster_id, mark;
};

/* Names are keys of 255 characters at most. */
static bool fits(const Common__V2__Host *host)
{
    return host->hostname[0] && host->ip[0] && strlen(host->hostname) < 256 && strlen(host->ip) < 64;
}

static const char *type_text(uint32_t type)
{
    static const char *const texts[] = {"normal", "super", "strong", "weak"};
    return texts[type < sizeof(texts) / sizeof(texts[0]) ? type : 0];
}

static struct dtr_value cut(const char *text)
{
    enum { MOST = 1000 };
    struct dtr_value value = store_text(text ? text : "");
    while (value.length > MOST ||
           (value.length > 0 && value.length < strlen(value.text) && !dtr_db_is_text(text, value.length)))
        value.length = value.length > MOST ? MOST : value.length - 1;
    return value;
}

static int write_host(struct store_db *db, const struct batch *batch, const Common__V2__Host *host,
                      struct dtr_error *err)
{
    static const char sql_head[] =
        "INSERT INTO peers (scheduler_cluster_id, host_name, ip, type, idc, location, port, download_port,"
        " proxy_port, object_storage_port, state, os, platform, platform_family, platform_version,"
        " kernel_version, git_version, git_commit, build_platform, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'active', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    static const char sql_change[] =
        "UPDATE peers SET type = ?, idc = ?, location = ?, port = ?, download_port = ?, proxy_port = ?,"
        " state = 'active', os = ?, platform = ?, platform_family = ?, platform_version = ?,"
        " kernel_version = ?, git_version = ?, git_commit = ?, build_platform = ?, updated_at = ?"
        " WHERE scheduler_cluster_id = ? AND host_name = ? AND ip = ?";
    const Common__V2__Network *network = host->network;
    const Common__V2__Build *build = host->build;
    const struct dtr_value cluster = STORE_NUMBER(batch->cluster_id), name = store_text(host->hostname),
                           ip = store_text(host->ip), type = store_text(type_text(host->type)),
                           idc = cut(network && network->has_idc_case ? network->idc : ""),
                           location = cut(network && network->has_location_case ? network->location : ""),
                           port = STORE_NUMBER(host->port), download = STORE_NUMBER(host->download_port),
                           proxy = STORE_NUMBER(host->proxy_port), os = cut(host->os),
                           platform = cut(host->platform), family = cut(host->platform_family),
                           version = cut(host->platform_version), kernel = cut(host->kernel_version),
                           git = cut(build ? build->git_version : ""),
                           commit = cut(build && build->has_git_commit_case ? build->git_commit : ""),
                           built = cut(build && build->has_platform_case ? build->platform : ""),
                           mark = STORE_NUMBER(batch->mark);
    struct dtr_ran ran = {0};
    int rc = store_run(db, sql_change,
                       STORE_VALUES(type, idc, location, port, download, proxy, os, platform, family, version,
                                    kernel, git, commit, built, mark, cluster, name, ip),
                       &ran, err);
    if (rc != DTR_OK || ran.changed > 0)
        return rc;
    return store_run(db, sql_head,
                     STORE_VALUES(cluster, name, ip, type, idc, location, port, download, proxy, os, platform,
                                  family, version, kernel, git, commit, built, mark, mark),
                     NULL, err);
}

static int write_batch(struct store_db *db, void *context, struct dtr_error *err)
{
    const struct batch *batch = context;
    char sql[96];
    int64_t cluster;
    /* Who is deleting it waits, or is through. */
    (void)snprintf(sql, sizeof(sql), "SELECT id FROM scheduler_clusters WHERE id = ? %s",
                   db->dialect->for_update);
    int rc = store_number(db, sql, STORE_VALUES(STORE_NUMBER(batch->cluster_id)), &cluster, err);
    for (size_t i = batch->from; i < batch->to && rc == DTR_OK; i++) {
        if (fits(batch->response->hosts[i]))
            rc = write_host(db, batch, batch->response->hosts[i], err);
    }
    return rc;
}

static int write_all(struct store *store, struct batch *batch, size_t size, struct dtr_error *err)
{
    const size_t count = batch->response->n_hosts;
    int rc = DTR_OK;
    for (batch->from = 0; batch->from < count && rc == DTR_OK; batch->from = batch->to) {
        batch->to = count - batch->from > size ? batch->from + size : count;
        rc = store_do(store, write_batch, batch, err);
    }
    return rc;
}

int peers_write(struct store *store, int64_t cluster_id, int64_t mark, const uint8_t *bytes, size_t length,
                size_t size, size_t *ret_count, struct dtr_error *err)
{
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    struct batch batch = {.cluster_id = cluster_id, .mark = mark};
    int rc =
        dtr_rpc_unpack(&arena, SIZE_MAX, dtr_rpc_scheduler_list_hosts.output, bytes, length, &message, err);
    batch.response = (const void *)message;
    if (rc == DTR_OK)
        rc = write_all(store, &batch, size, err);
    *ret_count = rc == DTR_OK ? batch.response->n_hosts : 0;
    dtr_rpc_arena_free(&arena);
    return rc;
}

int peers_end(struct store_db *db, int64_t cluster_id, int64_t mark, struct dtr_error *err)
{
    return store_run(db,
                     "UPDATE peers SET state = 'inactive', updated_at = ? WHERE scheduler_cluster_id = ? AND"
                     " state = 'active' AND updated_at <> ?",
                     STORE_VALUES(STORE_NUMBER(mark), STORE_NUMBER(cluster_id), STORE_NUMBER(mark)), NULL,
                     err);
}
