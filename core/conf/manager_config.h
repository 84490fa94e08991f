/* manager.yaml as a struct. Which keys have an effect, defaults and ranges: manager_rows.c. */
#ifndef DTR_CONF_MANAGER_CONFIG_H
#define DTR_CONF_MANAGER_CONFIG_H

#include "core/conf/types.h"

/* TLS files of a client whose server may be taken as it is. */
struct dtr_conf_client_tls {
    struct dtr_conf_tls files;
    bool insecure_skip_verify;
};

struct dtr_manager_config {
    bool console, verbose;
    int64_t pprof_port;
    struct {
        const char *name;
        const char *log_dir, *log_level, *plugin_dir;
        int64_t log_max_size, log_max_age, log_max_backups; /* megabytes, days, files */
        struct {
            const char *advertise_ip, *listen_ip; /* NULL: the first address found; NULL: all interfaces */
            int64_t port, port_end;
            struct dtr_conf_tls tls;
            int64_t request_rate_limit;
        } grpc;
        struct {
            const char *addr; /* "host:port", ":8080" for all interfaces */
            struct dtr_conf_tls tls;
        } rest;
    } server;
    struct {
        const char *realm, *key; /* NULL: made once and kept in the database */
        uint64_t timeout_ms, max_refresh_ms;
    } jwt;
    struct {
        const char *type; /* NULL: mysql when it has a host, else sqlite */
        struct {
            const char *path;
        } sqlite;
        struct {
            const char *user, *password, *host, *dbname, *tls_config;
            int64_t port;
            struct dtr_conf_client_tls tls;
            bool migrate;
        } mysql;
        struct {
            struct dtr_conf_strings addrs;
            const char *host;
            int64_t port;
            const char *master_name, *username, *password, *sentinel_username, *sentinel_password;
            int64_t db, broker_db, backend_db, pool_size;
            uint64_t pool_timeout_ms;
            struct dtr_conf_client_tls tls;
            bool proxy_enable;
            const char *proxy_addr;
        } redis;
    } database;
    struct {
        uint64_t redis_ttl_ms, local_ttl_ms;
        int64_t local_size; /* entries */
    } cache;
    struct {
        struct dtr_conf_client_tls preheat_tls;
        uint64_t sync_peers_interval_ms, sync_peers_timeout_ms;
        int64_t sync_peers_batch_size;
    } job;
    struct {
        struct dtr_conf_tls tls;
    } scheduler;
    struct {
        bool enable;
        const char *addr; /* "host:port", ":8000" for all interfaces */
    } metrics;
    struct {
        bool enable_ipv6;
    } network;
    struct {
        const char *protocol, *endpoint, *path, *service_name;
        struct dtr_conf_pairs headers;
    } tracing;
    struct {
        struct dtr_conf_strings outbound_allow; /* CIDRs */
    } security;
    struct {
        const char *algorithm; /* of scopes: "default", the name of a policy, or the path of its file */
    } scope;
    struct {
        const char *cache; /* NULL: as database.redis says */
        struct dtr_conf_modules options;
    } modules;
    struct {
        const char *format; /* "text" or "json" */
    } log;
};

#endif
