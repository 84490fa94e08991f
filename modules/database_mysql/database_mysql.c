/* The manager's database on a MySQL or MariaDB server, by MariaDB Connector/C: for several managers that
 * share what they know. Blocking calls; a connection is one of the library's. */
#include "database_mysql.h"

#include <darter/module.h>

#include <stdlib.h>

const struct dtr_host *mysql_host;

/* Comparison by bytes, trailing spaces too, has another name in each of the two, so each reads its own of
 * these comments. Tables do not depend on what the database was created with. */
#define BY_BYTES                                                                                             \
    "CHARACTER SET utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */"

static const struct dtr_dialect dialect = {
    .size = sizeof(dialect),
    .name = "mysql",
    .identity = "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    .number = "BIGINT",
    .short_text = "VARCHAR(255) " BY_BYTES,
    .long_text = "MEDIUMTEXT " BY_BYTES,
    .table_end = "ENGINE = InnoDB ROW_FORMAT = DYNAMIC " BY_BYTES,
    .upsert_head = "ON DUPLICATE KEY UPDATE",
    .upsert_item = "{column} = VALUES({column})",
    .for_update = "FOR UPDATE",
    .tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
              " AND table_type = 'BASE TABLE'",
};

static const struct dtr_database_ops ops = {
    .size = sizeof(ops),
    .dialect = &dialect,
    .open = my_open,
    .close = my_close,
    .run = my_run,
    .begin = my_begin,
    .commit = my_commit,
    .rollback = my_rollback,
    .lock = my_lock,
    .unlock = my_unlock,
    .interrupt = my_interrupt,
};

/* --- start and stop ---------------------------------------------------------------------------------------
 */

static const struct my_tls tls_modes[] = {
    {"false", false, false, false},
    {"true", true, true, true},
    {"skip-verify", true, true, false},
    {"preferred", true, false, false},
};

/* As in Dragonfly, the section tls counts more than tlsConfig. */
static int choose_tls(const struct my_options *options, struct my_tls *ret_tls, struct dtr_error *err)
{
    const char *name = options->tls_config;
    if (options->insecure_skip_verify)
        name = "skip-verify";
    else if (*options->ca_cert || *options->cert || *options->key)
        name = "true";
    for (size_t i = 0; i < sizeof(tls_modes) / sizeof(tls_modes[0]); i++) {
        if (strcmp(name, tls_modes[i].name) == 0) {
            *ret_tls = tls_modes[i];
            return DTR_OK;
        }
    }
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "option tlsConfig is \"%.40s\"; allowed is true, false, skip-verify or preferred",
                         name);
}

static int start(const void *options, void **ret_instance, struct dtr_error *err)
{
    const struct my_options *given = options;
    struct my_tls tls;
    if (!*given->host || !*given->user)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "option %s is needed",
                             *given->host ? "user" : "host");
    int rc = choose_tls(given, &tls, err);
    if (rc != DTR_OK)
        return rc;
    struct my_server *server = calloc(1, sizeof(*server));
    if (!server || mysql_library_init(0, NULL, NULL) != 0) {
        free(server);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the server's library");
    }
    mariadb_deinitialize_ssl = 0; /* OpenSSL is the whole process's */
    *server = (struct my_server){given, tls};
    *ret_instance = server;
    return DTR_OK;
}

static void stop(void *instance)
{
    free(instance);
    mysql_library_end();
}

/* --- descriptor
 * --------------------------------------------------------------------------------------------- */

#define TEXT_OPTION(key, field, default, words)                                                              \
    {                                                                                                        \
        .name = (key), .type = DTR_OPTION_STRING, .offset = offsetof(struct my_options, field),              \
        .initial = (default), .unit = "", .help = (words),                                                   \
    }
#define TIME_OPTION(key, field, default, words)                                                              \
    {                                                                                                        \
        .name = (key), .type = DTR_OPTION_DURATION, .offset = offsetof(struct my_options, field),            \
        .initial = (default), .unit = "ms", .least = 1000, .most = 3600000, .help = (words),                 \
    }

static const struct dtr_option option_table[] = {
    TEXT_OPTION("user", user, "", "who logs in; needed"),
    TEXT_OPTION("password", password, "", "of the user"),
    TEXT_OPTION("host", host, "", "name or address of the server; needed"),
    {.name = "port",
     .type = DTR_OPTION_INT,
     .offset = offsetof(struct my_options, port),
     .initial = "3306",
     .unit = "",
     .least = 1,
     .most = 65535,
     .help = "of the server"},
    TEXT_OPTION("dbname", dbname, "manager", "the database, which must exist"),
    TEXT_OPTION("tlsConfig", tls_config, "false",
                "true: TLS with a certificate that is checked; skip-verify; preferred: where offered; false"),
    TEXT_OPTION("tls.caCert", ca_cert, "",
                "file of authorities to trust instead of the machine's; turns TLS on"),
    TEXT_OPTION("tls.cert", cert, "", "file of the own certificate; turns TLS on"),
    TEXT_OPTION("tls.key", key, "", "file of its key"),
    {.name = "tls.insecureSkipVerify",
     .type = DTR_OPTION_BOOL,
     .offset = offsetof(struct my_options, insecure_skip_verify),
     .initial = "false",
     .unit = "",
     .help = "does not check the server's certificate; turns TLS on"},
    TIME_OPTION("connect_timeout", connect_timeout_ms, "5s", "until a server is taken for unreachable"),
    TIME_OPTION("io_timeout", io_timeout_ms, "30s", "until a server that says nothing is taken for gone"),
    {0},
};

static const struct dtr_feature features[] = {
    {.kind = "database", .name = "mysql", .calling = DTR_CALL_BLOCKING, .ops = &ops},
    {0},
};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = MYSQL_NAME,
    .version = "1.0",
    .summary = "the manager's database on a MySQL or MariaDB server",
    .options_size = sizeof(struct my_options),
    .options = option_table,
    .features = features,
    .start = start,
    .stop = stop,
};

DTR_MODULE_NOTE;

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *given)
{
    mysql_host = given;
    return &module;
}
