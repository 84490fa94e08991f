/* Locks by name: GET_LOCK(), which the server gives up when the connection ends. Its names hold for all
 * databases of a server, so ours begin with that of the database. */
#include "database_mysql.h"

#include <poll.h>

enum {
    PAUSE_MS = 20,
    NAME_MOST = 64,      /* MySQL's limit */
    AT_ONCE_MOST = 10000 /* ms that one statement waits, less than io_timeout allows too */
};

static void full_name(const struct dtr_db *db, const char *name, char full[NAME_MOST + 1])
{
    const char *database = db->server->options->dbname;
    if (snprintf(full, NAME_MOST + 1, "%s.%s", database, name) <= NAME_MOST)
        return;
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a, of what does not fit */
    for (const char *at = database; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3u;
    hash *= 0x100000001B3u; /* a NUL between the two */
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3u;
    (void)snprintf(full, NAME_MOST + 1, "darter-%016llx", (unsigned long long)hash);
}

static int see_number(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)count;
    (void)err;
    *(int64_t *)context = columns[0].type == DTR_VALUE_NUMBER ? columns[0].number : -1;
    return DTR_OK;
}

static uint64_t now_ms(void)
{
    return mysql_host->now_ns() / 1000000;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int wait_for(struct dtr_db *db, const char *name, uint64_t wait_ms, struct dtr_error *err)
{
    uint64_t begun = now_ms(), most = least(AT_ONCE_MOST, db->server->options->io_timeout_ms / 2);
    char full[NAME_MOST + 1];
    full_name(db, name, full);
    for (uint64_t gone = 0;; gone = now_ms() - begun) {
        uint64_t slice = gone >= wait_ms ? 0 : least(wait_ms - gone, most), asked = now_ms();
        const struct dtr_value values[] = {
            {.type = DTR_VALUE_TEXT, .text = full, .length = strlen(full)},
            {.type = DTR_VALUE_NUMBER, .number = (int64_t)slice},
        };
        int64_t got = -1;
        const struct dtr_row_sink sink = {see_number, &got};
        int rc = my_statement(db, "SELECT GET_LOCK(?, ? / 1000)", values, 2, &sink, NULL, err);
        if (rc != DTR_OK || got == 1)
            return rc;
        if (got != 0)
            return my_refuse(db->server, err, DTR_EIO, DTR_RETRY_SAME, "no lock %.64s could be had", name);
        if (now_ms() - asked < slice / 2) /* MySQL waits for whole seconds, or not at all */
            (void)poll(NULL, 0, PAUSE_MS);
        if (slice == 0 || now_ms() - begun >= wait_ms)
            return my_refuse(db->server, err, DTR_ETIMEOUT, DTR_RETRY_SAME,
                             "the lock %.64s is held by another", name);
    }
}

int my_lock(struct dtr_db *db, const char *name, uint64_t wait_ms, struct dtr_error *err)
{
    int rc = my_enter(db, err);
    return rc == DTR_OK ? my_leave(db, wait_for(db, name, wait_ms, err), err) : rc;
}

void my_unlock(struct dtr_db *db, const char *name)
{
    char full[NAME_MOST + 1];
    full_name(db, name, full);
    const struct dtr_value value = {.type = DTR_VALUE_TEXT, .text = full, .length = strlen(full)};
    if (my_enter(db, NULL) == DTR_OK)
        (void)my_leave(db, my_statement(db, "DO RELEASE_LOCK(?)", &value, 1, NULL, NULL, NULL), NULL);
}
