/* Things with an id in a table of the database: making, listing, reading, changing and deleting them, as
 * their rows of fields say. What is special about one is in its hooks. */
#ifndef DTR_MANAGER_REST_RESOURCE_H
#define DTR_MANAGER_REST_RESOURCE_H

#include "core/manager/rest/call.h"

struct resource {
    const char *name;  /* of one, for texts and the OpenAPI document */
    const char *table; /* also what `changed` is told */
    const struct field *fields;
    bool newest_first; /* lists */
    /* Before a row is written, in the same transaction: what fields cannot say about `values` (which it may
     * change). `id` is 0 when it is made. */
    int (*check)(struct rest_call *call, struct store_db *db, int64_t id, json_t *values,
                 struct dtr_error *err);
    /* After it was written. */
    int (*written)(struct rest_call *call, struct store_db *db, int64_t id, const json_t *values,
                   struct dtr_error *err);
    /* Before it is deleted. */
    int (*check_delete)(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err);
    /* Adds to an answer what is not in the row itself. */
    int (*dress)(struct rest_call *call, struct store_db *db, json_t *row, struct dtr_error *err);
    /* Takes from a dressed row what is too much for a list; who asks for the row alone gets it. */
    void (*shorten)(json_t *row);
};

/* For the route's resource; `id` in the path where there is one. */
rest_handler resource_create, resource_list, resource_get, resource_update, resource_delete;

/* Answers with the row. */
int resource_answer(struct rest_call *call, struct store_db *db, int64_t id, struct dtr_error *err);
/* Reads one, dressed; 404 names it. *ret_row is the caller's. */
int resource_read(struct rest_call *call, const struct resource *resource, struct store_db *db, int64_t id,
                  json_t **ret_row, struct dtr_error *err);
/* Makes one of checked values, under this id; 0: under the next one. */
int resource_insert(const struct resource *resource, struct store_db *db, const json_t *values, int64_t id,
                    int64_t *ret_id, struct dtr_error *err);
/* Changes what `values` holds; 404 when there is none. */
int resource_change(const struct resource *resource, struct store_db *db, int64_t id, const json_t *values,
                    struct dtr_error *err);
/* An array of the rows for which `where` ("scheduler_cluster_id = ?", or "1 = 1") holds, not dressed. */
int resource_rows(const struct resource *resource, struct store_db *db, const char *where,
                  const struct dtr_value *values, size_t count, json_t **ret_rows, struct dtr_error *err);
/* 404 unless there is a row with this id; it stays as it is until the transaction ends. */
int resource_must_be(const char *table, const char *name, struct store_db *db, int64_t id,
                     struct dtr_error *err);

#endif
