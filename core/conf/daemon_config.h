/* dfdaemon.yaml as a struct. Which keys have an effect, defaults and ranges: daemon_rows.c. */
#ifndef DTR_CONF_DAEMON_CONFIG_H
#define DTR_CONF_DAEMON_CONFIG_H

#include "core/conf/types.h"

struct dtr_conf_proxy_rule {
    const char *regex; /* PCRE2, searched in the URL without query */
    bool use_tls;
    const char *redirect;                          /* host or host:port; NULL: none */
    struct dtr_conf_strings filtered_query_params; /* items NULL: the default list */
};

struct dtr_conf_proxy_rules {
    struct dtr_conf_proxy_rule *items;
    size_t count;
};

struct dtr_daemon_config {
    struct {
        const char *idc, *location;
        const char *hostname; /* NULL: the system's */
        const char *ip;       /* NULL: the first address found */
        int64_t scheduler_cluster_id;
    } host;
    struct {
        const char *plugin_dir, *cache_dir;
        struct {
            bool enable; /* the section is there */
            int64_t bucket_count, cpu_threshold, memory_threshold;
            uint64_t bucket_interval_ms, shed_cooldown_ms, collect_interval_ms;
        } adaptive_rate_limit;
    } server;
    struct {
        struct {
            const char *socket_path;
            int64_t request_rate_limit, request_buffer_size;
        } server;
        const char *protocol;
        uint64_t bandwidth_limit, back_to_source_bandwidth_limit; /* bytes per second */
        uint64_t piece_timeout_ms, collected_piece_timeout_ms;
        int64_t concurrent_piece_count;
        uint64_t stall_timeout_ms;
        uint64_t p2p_threshold; /* bytes; objects of at most so many come from the origin */
    } download;
    struct {
        struct {
            struct dtr_conf_listen listen;
            struct dtr_conf_tls tls;
            int64_t request_rate_limit, request_buffer_size;
        } server;
        struct {
            struct dtr_conf_tls tls;
        } client;
        bool disable_shared;
        uint64_t bandwidth_limit;
        uint64_t content_memory; /* bytes of pieces in answers to DownloadTask */
    } upload;
    struct {
        struct dtr_conf_strings addrs; /* manager_addr.h; empty: none */
        struct dtr_conf_tls tls;
    } manager;
    struct {
        uint64_t announce_interval_ms, schedule_timeout_ms;
        int64_t max_schedule_count;
        struct dtr_conf_tls tls;
    } scheduler;
    struct {
        bool enable;
        const char *type; /* "super" or "normal" */
        int64_t cluster_id;
        uint64_t keepalive_interval_ms;
    } seed_peer;
    struct {
        uint64_t refresh_interval_ms;
    } dynconfig;
    struct {
        const char *dir;
        bool keep;
        struct {
            const char *ip;
            int64_t tcp_port, quic_port;
            bool tcp_fastopen;
        } server;
        uint64_t write_piece_timeout_ms, write_buffer_size, read_buffer_size, cache_capacity;
        uint64_t revalidate_after_ms; /* 0: never */
    } storage;
    struct {
        uint64_t interval_ms;
        struct {
            uint64_t task_ttl_ms, persistent_task_ttl_ms, persistent_cache_task_ttl_ms;
            uint64_t page_cache_idle_timeout_ms;
            uint64_t disk_threshold; /* bytes; 0: the whole disk */
            int64_t disk_high_threshold_percent, disk_low_threshold_percent;
        } policy;
    } gc;
    struct {
        struct {
            struct dtr_conf_listen listen;
            const char *ca_cert, *ca_key;
            const char *username, *password; /* basicAuth */
            int64_t request_rate_limit;
        } server;
        struct dtr_conf_proxy_rules rules;
        struct {
            const char *addr, *cert;
            bool enable_task_id_based_blob_digest;
            struct dtr_conf_strings plain_hosts; /* reached by http when `ns` names them */
        } registry_mirror;
        bool disable_back_to_source, prefetch;
        uint64_t prefetch_bandwidth_limit, read_buffer_size;
        const char *output_dir; /* where X-Dragonfly-Output-Path may write; NULL: nowhere */
    } proxy;
    struct {
        bool enable;
        struct dtr_conf_strings outbound_allow; /* CIDRs */
    } security;
    struct {
        bool enable_ipv6;
    } network;
    struct dtr_conf_listen health, metrics, stats;
    struct {
        const char *protocol, *endpoint, *path;
        struct dtr_conf_pairs headers;
    } tracing;
    struct {
        struct dtr_conf_pairs request_header;
        int64_t max_retries, concurrent_stream_count, put_concurrent_chunk_count;
        bool enable_cache_temporary_redirect, enable_hickory_dns;
        uint64_t cache_temporary_redirect_ttl_ms, put_chunk_size, put_timeout_ms;
    } backend;
    struct {
        const char *storage;                                /* "file" */
        struct dtr_conf_strings transport, origin, runtime; /* names, first choice first */
        struct dtr_conf_modules options;
    } modules;
    struct {
        const char *format; /* "text" or "json" */
    } log;
    bool verbose;
};

#endif
