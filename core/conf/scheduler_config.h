/* scheduler.yaml as a struct. Which keys have an effect, defaults and ranges: scheduler_rows.c. */
#ifndef DTR_CONF_SCHEDULER_CONFIG_H
#define DTR_CONF_SCHEDULER_CONFIG_H

#include "core/conf/types.h"

struct dtr_scheduler_config {
    bool console, verbose;
    int64_t pprof_port;
    struct {
        const char *listen_ip, *advertise_ip; /* NULL: all interfaces; NULL: the first address found */
        int64_t port, advertise_port;         /* the latter 0: the one it listens at */
        const char *host;                     /* NULL: the system's name */
        struct dtr_conf_tls tls;
        int64_t request_rate_limit;
        const char *log_dir, *log_level, *plugin_dir, *cache_dir;
        int64_t log_max_size, log_max_age, log_max_backups; /* megabytes, days, files */
    } server;
    struct {
        const char *algorithm; /* "default", the name of a policy, or the path of its file */
        int64_t back_to_source_count, retry_back_to_source_limit, retry_limit;
        uint64_t retry_interval_ms;
        struct {
            uint64_t piece_download_timeout_ms;
            uint64_t peer_gc_interval_ms, peer_ttl_ms, task_gc_interval_ms, host_gc_interval_ms, host_ttl_ms;
        } gc;
    } scheduler;
    struct {
        struct dtr_conf_strings addrs;
        const char *host;
        int64_t port;
        const char *master_name, *username, *password, *sentinel_username, *sentinel_password;
        int64_t broker_db, backend_db, pool_size;
        uint64_t pool_timeout_ms;
        struct dtr_conf_tls tls;
        bool tls_insecure_skip_verify;
    } redis;
    struct {
        uint64_t refresh_interval_ms;
    } dynconfig;
    struct {
        const char *idc, *location;
    } host;
    struct {
        struct dtr_conf_strings addrs; /* manager_addr.h; empty: none */
        struct dtr_conf_tls tls;
        int64_t scheduler_cluster_id;
        uint64_t keepalive_interval_ms;
    } manager;
    struct {
        struct dtr_conf_tls tls;
        uint64_t task_download_timeout_ms;
    } seed_peer;
    struct {
        struct dtr_conf_tls tls;
    } peer;
    struct {
        bool enable;
        int64_t global_worker_num, scheduler_worker_num, local_worker_num;
    } job;
    struct {
        bool enable, enable_host;
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
        struct dtr_conf_strings origin; /* names, first choice first */
        struct dtr_conf_modules options;
    } modules;
    struct {
        const char *format; /* "text" or "json" */
    } log;
};

#endif
