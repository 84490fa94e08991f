/* Opening and closing connections. */
#include "database_mysql.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { MARIADB_LEAST = 100202, MYSQL_LEAST = 80017 /* the first with a comparison as it has to be */ };

static unsigned whole_seconds(uint64_t ms)
{
    return (unsigned)((ms + 999) / 1000);
}

static const char *or_none(const char *text)
{
    return *text ? text : NULL;
}

/* --- the library's options ------------------------------------------------------------------------------ */

static int set_tls(MYSQL *handle, const struct my_server *server, struct dtr_error *err)
{
    const struct my_options *options = server->options;
    const my_bool yes = 1, verified = server->tls.verified;
    /* With authorities at hand the library checks the certificate whatever it is told. */
    const char *authorities = verified ? or_none(options->ca_cert) : NULL;
    const struct {
        const char *name, *path;
    } files[] = {{"tls.caCert", options->ca_cert}, {"tls.cert", options->cert}, {"tls.key", options->key}};

    if (!server->tls.wanted)
        return DTR_OK;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (*files[i].path && access(files[i].path, R_OK) != 0)
            return my_refuse(server, err, DTR_EINVALID, DTR_RETRY_SAME, "%s: %.100s: %m", files[i].name,
                             files[i].path);
    (void)mysql_ssl_set(handle, or_none(options->key), or_none(options->cert), authorities, NULL, NULL);
    (void)mysql_optionsv(handle, MYSQL_OPT_SSL_ENFORCE, &yes);
    (void)mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
    return DTR_OK;
}

static void set_options(MYSQL *handle, const struct my_options *options)
{
    const unsigned connect = whole_seconds(options->connect_timeout_ms);
    const unsigned io = whole_seconds(options->io_timeout_ms), no = 0, tcp = MYSQL_PROTOCOL_TCP;
    (void)mysql_optionsv(handle, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
    (void)mysql_optionsv(handle, MYSQL_OPT_READ_TIMEOUT, &io);
    (void)mysql_optionsv(handle, MYSQL_OPT_WRITE_TIMEOUT, &io);
    (void)mysql_optionsv(handle, MYSQL_OPT_PROTOCOL, &tcp); /* also for "localhost" */
    (void)mysql_optionsv(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    /* A false server gets no files of this machine, and no password in the clear. */
    (void)mysql_optionsv(handle, MYSQL_OPT_LOCAL_INFILE, &no);
    (void)mysql_optionsv(handle, MARIADB_OPT_RESTRICTED_AUTH,
                         "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519");
}

/* Logs in, no more. */
static int connect_to(const struct my_server *server, MYSQL **ret_handle, struct dtr_error *err)
{
    const struct my_options *options = server->options;
    MYSQL *handle = mysql_init(NULL);
    if (!handle)
        return my_refuse(server, err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    set_options(handle, options);
    int rc = set_tls(handle, server, err);
    if (rc == DTR_OK &&
        !mysql_real_connect(handle, options->host, options->user, options->password, options->dbname,
                            (unsigned)options->port, NULL, CLIENT_FOUND_ROWS))
        rc = my_failed(server, mysql_errno(handle), mysql_sqlstate(handle), mysql_error(handle), err);
    if (rc == DTR_OK && server->tls.needed && !mysql_get_ssl_cipher(handle))
        rc = my_refuse(server, err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                       "the server speaks no TLS, which tlsConfig wants");
    if (rc != DTR_OK) {
        mysql_close(handle);
        return rc;
    }
    *ret_handle = handle;
    return DTR_OK;
}

/* --- the session ------------------------------------------------------------------------------------------
 */

int my_query(struct dtr_db *db, const char *sql, struct dtr_error *err)
{
    if (mysql_query(db->handle, sql) == 0)
        return DTR_OK;
    return my_failed(db->server, mysql_errno(db->handle), mysql_sqlstate(db->handle), mysql_error(db->handle),
                     err);
}

static int check_version(const struct dtr_db *db, bool mariadb, struct dtr_error *err)
{
    if (mysql_get_server_version(db->handle) >= (mariadb ? MARIADB_LEAST : MYSQL_LEAST))
        return DTR_OK;
    return my_refuse(db->server, err, DTR_EINVALID, DTR_RETRY_SAME,
                     "the server has version %.60s; MariaDB 10.2.2 or MySQL 8.0.17 is the least",
                     mysql_get_server_info(db->handle));
}

static int read_packet_most(struct dtr_db *db, struct dtr_error *err)
{
    int rc = my_query(db, "SELECT @@max_allowed_packet", err);
    MYSQL_RES *result = rc == DTR_OK ? mysql_store_result(db->handle) : NULL;
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    db->packet_most = row && row[0] ? strtoull(row[0], NULL, 10) : UINT64_MAX;
    mysql_free_result(result);
    return rc;
}

/* A statement waits for a lock for less time than the connection waits for the server. */
static unsigned lock_wait_s(const struct my_options *options)
{
    unsigned half = whole_seconds(options->io_timeout_ms) / 2;
    return half < 1 ? 1 : half > 5 ? 5 : half;
}

static int set_session(struct dtr_db *db, struct dtr_error *err)
{
    bool mariadb = mariadb_connection(db->handle);
    unsigned wait = lock_wait_s(db->server->options);
    char modes[320];
    (void)snprintf(
        modes, sizeof(modes),
        "SET SESSION sql_mode = 'TRADITIONAL,ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,"
        "NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', autocommit = 1, innodb_lock_wait_timeout = %u,"
        " lock_wait_timeout = %u",
        wait, wait);
    int rc = check_version(db, mariadb, err);
    if (rc == DTR_OK) /* texts without a column are compared like those in one */
        rc = my_query(db,
                      mariadb ? "SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin"
                              : "SET NAMES utf8mb4 COLLATE utf8mb4_0900_bin",
                      err);
    if (rc == DTR_OK)
        rc = my_query(db, modes, err);
    if (rc == DTR_OK)
        rc = my_query(db, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", err);
    return rc == DTR_OK ? read_packet_most(db, err) : rc;
}

int my_open(void *instance, struct dtr_db **ret_db, struct dtr_error *err)
{
    const struct my_server *server = instance;
    struct dtr_db *db = calloc(1, sizeof(*db));
    if (!db)
        return my_refuse(server, err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    db->server = server;
    db->socket = -1;
    (void)pthread_mutex_init(&db->mutex, NULL);
    int rc = connect_to(server, &db->handle, err);
    if (rc == DTR_OK) {
        db->thread_id = mysql_thread_id(db->handle);
        db->socket = fcntl(mysql_get_socket(db->handle), F_DUPFD_CLOEXEC, 3);
        rc = db->socket >= 0 ? set_session(db, err)
                             : my_refuse(server, err, DTR_ELIMIT, DTR_RETRY_SAME, "no descriptor: %m");
    }
    if (rc != DTR_OK) {
        my_close(db);
        return rc;
    }
    *ret_db = db;
    return DTR_OK;
}

void my_close(struct dtr_db *db)
{
    if (!db)
        return;
    if (db->handle)
        mysql_close(db->handle); /* the server forgets what was prepared */
    my_prepared_drop(db);
    if (db->socket >= 0)
        (void)close(db->socket);
    (void)pthread_mutex_destroy(&db->mutex);
    free(db);
}

void my_kill(const struct dtr_db *db)
{
    struct dtr_error err = {0};
    char sql[48];
    MYSQL *handle;
    int rc = connect_to(db->server, &handle, &err);
    if (rc == DTR_OK) {
        (void)snprintf(sql, sizeof(sql), "KILL %lu", db->thread_id);
        if (mysql_query(handle, sql) != 0 && mysql_errno(handle) != 1094 /* it is gone already */)
            rc =
                my_failed(db->server, mysql_errno(handle), mysql_sqlstate(handle), mysql_error(handle), &err);
        mysql_close(handle);
    }
    if (rc != DTR_OK)
        mysql_host->log(MYSQL_NAME, DTR_LOG_DEBUG, "what was given up may go on at the server: %s", err.text);
}
