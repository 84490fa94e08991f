/* Persistent cache tasks; see persistent.h. */
#include "core/manager/rest/persistent.h"

const struct field persistent_query[] = {{.name = "scheduler_cluster_id",
                                          .kind = FIELD_NUMBER,
                                          .flags = F_FILTER | F_NEEDED,
                                          .least = 1,
                                          .most = INT64_MAX},
                                         {0}};

static int find_cluster(struct rest_call *call, struct store_db *db, int64_t *ret_id, struct dtr_error *err)
{
    struct dtr_value id;
    int64_t count = 0;
    int rc = call_query(call, "scheduler_cluster_id", &id, err);
    if (rc == DTR_OK)
        rc = store_number(db, "SELECT COUNT(*) FROM scheduler_clusters WHERE id = ?", &id, 1, &count, err);
    if (rc == DTR_OK && count == 0)
        return rest_refuse(err, 404, "there is no scheduler cluster %lld", (long long)id.number);
    *ret_id = id.number;
    return rc;
}

int persistent_list(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    struct paging paging;
    int64_t cluster_id;
    int rc = call_paging(call, &paging, err);
    if (rc == DTR_OK)
        rc = find_cluster(call, db, &cluster_id, err);
    if (rc != DTR_OK)
        return rc;
    call_link(call, &paging, 0);
    return call_answer(call, json_array(), err);
}

int persistent_find(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    int64_t cluster_id;
    int rc = find_cluster(call, db, &cluster_id, err);
    if (rc != DTR_OK)
        return rc;
    return rest_refuse(err, 404,
                       "there is no persistent cache task %s in scheduler cluster %lld: its schedulers keep "
                       "none yet",
                       call_word(call, "task"), (long long)cluster_id);
}
