/* What the manager keeps: connections to its database, transactions, and the tables' version.
 *
 * Everything here blocks, so it is called on worker threads, several at a time. A piece of work takes a
 * connection for itself; what belongs together is one transaction. The database may be away at any time, also
 * at the start: then work ends with DTR_EUNAVAILABLE and a text for the user, and later work finds it again
 * by itself. */
#ifndef DTR_MANAGER_STORE_H
#define DTR_MANAGER_STORE_H

#include <darter/database.h>

struct store;

struct store_options {
    const struct dtr_database_ops *ops; /* a module's */
    void *instance;
    bool migrate; /* bring older tables up to date; false: refuse them */
};

/* Opens nothing yet. `options` is copied. */
int store_new(const struct store_options *options, struct store **ret_store, struct dtr_error *err);
/* When no work is under way. NULL is fine. */
void store_free(struct store *store);

/* A connection in the hands of one piece of work. */
struct store_db {
    const struct dtr_database_ops *ops;
    const struct dtr_dialect *dialect;
    struct dtr_db *db;
    struct store *store;
    bool broken; /* not to be used again */
};

/* One piece of work in one transaction, which is committed when it returns DTR_OK and rolled back when not.
 * It may run several times, for some seconds, when others were in its way, so it begins from nothing each
 * time; DTR_ELIMIT when they are in its way all the time. Blocks; from a worker thread. */
typedef int store_work(struct store_db *db, void *context, struct dtr_error *err);
int store_do(struct store *store, store_work *work, void *context, struct dtr_error *err);
/* The same without a transaction: for work that only reads one thing, or whose statements stand for
 * themselves. */
int store_read(struct store *store, store_work *work, void *context, struct dtr_error *err);
/* With the lock `name` of the whole database held. DTR_ETIMEOUT: somebody else holds it. */
int store_alone(struct store *store, const char *name, store_work *work, void *context,
                struct dtr_error *err);

/* Brings the tables up to date, once, whatever process comes first; all others above do it on their own. An
 * error that stays: DTR_EINVALID when the database is Dragonfly's, or is of a newer Darter. */
int store_ready(struct store *store, struct dtr_error *err);

/* --- statements ------------------------------------------------------------------------------------------
 */

#define STORE_NUMBER(n) ((struct dtr_value){.type = DTR_VALUE_NUMBER, .number = (int64_t)(n)})
/* `t` is a C string, or NULL for none. */
struct dtr_value store_text(const char *t);

/* A list of values, for a call's arguments. */
#define STORE_VALUES(...)                                                                                    \
    ((const struct dtr_value[]){__VA_ARGS__}),                                                               \
        (sizeof((const struct dtr_value[]){__VA_ARGS__}) / sizeof(struct dtr_value))

int store_run(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
              struct dtr_ran *ret_ran, struct dtr_error *err);
/* `row` for each row. */
int store_each(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
               int (*row)(void *context, const struct dtr_value *columns, size_t count,
                          struct dtr_error *err),
               void *context, struct dtr_error *err);
/* The first column of the only row; DTR_ENOT_FOUND without. */
int store_number(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
                 int64_t *ret_number, struct dtr_error *err);
/* That of all rows. *ret_list is the caller's (free()), also NULL when there are none, or with an error. */
int store_numbers(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
                  int64_t **ret_list, size_t *ret_count, struct dtr_error *err);
/* As store_number(); *ret_text is the caller's (free()), "" for NULL. */
int store_string(struct store_db *db, const char *sql, const struct dtr_value *values, size_t count,
                 char **ret_text, struct dtr_error *err);

/* Milliseconds since 1970, as times are kept. */
int64_t store_now_ms(void);

#endif
