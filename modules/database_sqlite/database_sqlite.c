/* The manager's database in one file, by SQLite: no server needed. For a single manager; several on different
 * machines share a server (database_mysql).
 *
 * What is committed lasts a loss of power: a write-ahead log, synced at each commit. Readers and the one
 * writer do not wait for each other; writers wait for each other up to busy_timeout. */
#include "sqlite.h"

#include <darter/module.h>

#define NAME "database_sqlite"

static const struct dtr_dialect dialect = {
    .size = sizeof(dialect),
    .name = "sqlite",
    .identity = "INTEGER PRIMARY KEY AUTOINCREMENT",
    .number = "INTEGER",
    .short_text = "TEXT",
    .long_text = "TEXT",
    .table_end = "STRICT",
    .upsert_head = "ON CONFLICT ({keys}) DO UPDATE SET",
    .upsert_item = "{column} = excluded.{column}",
    .for_update = "", /* a transaction is the only writer */
    .tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'",
};

static const struct dtr_database_ops ops = {
    .size = sizeof(ops),
    .dialect = &dialect,
    .open = sqlite_open,
    .close = sqlite_close,
    .run = sqlite_run,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .lock = sqlite_lock,
    .unlock = sqlite_unlock,
    .interrupt = sqlite_interrupt,
};

static int start(const void *options, void **ret_instance, struct dtr_error *err)
{
    const struct sqlite_options *given = options;
    /* SQLite would take these for something else than the name of a file. */
    if (given->path[0] == 0 || given->path[0] == ':' || strncmp(given->path, "file:", 5) == 0)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "option path: \"%.60s\" is no path of a file", given->path);
    /* Counting every byte that is allocated takes a lock of the whole process. Once the engine runs it
     * refuses. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    *ret_instance = (void *)(uintptr_t)given;
    return DTR_OK;
}

static void stop(void *instance)
{
    (void)instance;
}

static const struct dtr_option option_table[] = {
    {.name = "path",
     .type = DTR_OPTION_STRING,
     .offset = offsetof(struct sqlite_options, path),
     .initial = "/var/lib/dragonfly/manager.db",
     .unit = "",
     .help = "the file; its folder must exist, on a local disk"},
    {.name = "busy_timeout",
     .type = DTR_OPTION_DURATION,
     .offset = offsetof(struct sqlite_options, busy_timeout_ms),
     .initial = "5s",
     .unit = "ms",
     .least = 1,
     .most = 600000,
     .help = "how long a writer waits for others"},
    {0},
};

static const struct dtr_feature features[] = {
    {.kind = "database", .name = "sqlite", .calling = DTR_CALL_BLOCKING, .ops = &ops},
    {0},
};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = NAME,
    .version = "1.0",
    .summary = "the manager's database in one file",
    .options_size = sizeof(struct sqlite_options),
    .options = option_table,
    .features = features,
    .start = start,
    .stop = stop,
};

DTR_MODULE_NOTE;

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *host)
{
    (void)host;
    return &module;
}
