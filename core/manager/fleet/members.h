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
/* What somebody who writes down signs of life keeps between them; zeroed at first. */
struct member_pulse {
    int64_t stamp;        /* of the last one */
    unsigned undisturbed; /* that many since another's was found in its place */
    bool disturbed;       /* one was found */
};

/* A sign of life. *ret_news: its state was another. DTR_ENOT_FOUND: it is not registered. */
int member_alive(struct store_db *db, bool seed, const struct member_name *name, struct member_pulse *pulse,
                 bool *ret_news, struct dtr_error *err);
/* There will be no more by this way. Nothing happens when it has another one, to this manager or to one that
 * shares the database: somebody else wrote a sign of life after the last one here, or did between the last
 * few. */
int member_gone(struct store_db *db, bool seed, const struct member_name *name,
                const struct member_pulse *pulse, bool *ret_news, struct dtr_error *err);
int member_delete_seed(struct store_db *db, const struct member_name *name, struct dtr_error *err);

#endif
