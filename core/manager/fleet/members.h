/* What schedulers and seed peers do to their rows: they register, keep alive, and go. On worker threads, in
 * the transaction or on the connection of `db`. */
#ifndef DTR_MANAGER_MEMBERS_H
#define DTR_MANAGER_MEMBERS_H

#include "core/manager/store/store.h"

#include <stdbool.h>

/* As they register. Texts are not NULL; idc and location are "" when they are not said. */
struct member {
    const char *hostname, *ip, *idc, *location;
    int64_t port, cluster_id;
    const char *features, *config; /* of a scheduler: a JSON array, a JSON object */
    const char *type;              /* of a seed peer: "super" */
    int64_t download_port;         /* of a seed peer */
};

/* By these they are known later; ip "" stands for any. */
struct member_name {
    const char *hostname, *ip;
    int64_t cluster_id;
};

/* The row that is there gets what is new, a new one begins as inactive. DTR_ENOT_FOUND: there is no such
 * cluster. In a transaction. */
int member_register_scheduler(struct store_db *db, const struct member *member, struct dtr_error *err);
int member_register_seed(struct store_db *db, const struct member *member, struct dtr_error *err);
/* A sign of life, or (false) that there will be no more. *ret_news: its state was another. DTR_ENOT_FOUND: it
 * is not registered. */
int member_alive(struct store_db *db, bool seed, const struct member_name *name, bool alive, bool *ret_news,
                 struct dtr_error *err);
int member_delete_seed(struct store_db *db, const struct member_name *name, struct dtr_error *err);
/* Those without a sign of life for three of their intervals, 15 s at least, are not there any more. */
int member_expire(struct store_db *db, bool *ret_news, struct dtr_error *err);

#endif
