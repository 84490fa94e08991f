/* Every key of dfdaemon.yaml. Names and defaults are Dragonfly's (features page 3.2) except where a row of
 * packaging/doc/compatibility.md says otherwise; the struct is in daemon_config.h. */
#include "core/conf/schema.h"

#include <string.h>

enum { HEADERS_MAX = 32 }; /* of backend.requestHeader */

#define RATE_LATER      DTR_LATER("rates are not limited")
#define GC_LATER        DTR_LATER("there are no tasks of this kind yet")
#define TRACING_LATER   DTR_LATER("no traces are sent")
#define OBJECT_LATER    DTR_LATER("objects are not uploaded")
#define SHED_LATER      DTR_LATER("load is not shed by CPU and memory")
#define BUFFERS_NEVER   DTR_NEVER("bytes go on as they arrive, without a buffer of this kind")
#define POSITIVE        DTR_RANGE(1, INT64_MAX)
#define CERT_HELP(whom) "PEM file with the certificate shown to " whom
#define KEY_HELP        "PEM file with the private key of that certificate"
#define CA_HELP(whom)   "PEM file with the authorities that " whom " must be signed by"

#define ROLE_STRUCT struct dtr_conf_proxy_rule
static const struct dtr_conf_row rule_rows[] = {
    {DTR_STRING("regex", regex), .required = true, .check = dtr_value_check_regex,
     .help = "Searched in the URL without its query (PCRE2); the first rule that matches counts"},
    {DTR_BOOL("useTLS", use_tls), .initial = "false", .help = "Ask the upstream by https"},
    {DTR_STRING("redirect", redirect), .help = "Host, or host:port, to ask instead of the URL's"},
    {DTR_STRINGS("filteredQueryParams", filtered_query_params), .unset = "those of signed URLs",
     .help = "Query parameters that do not tell tasks apart; replaces the default list"},
};
#undef ROLE_STRUCT
static const struct dtr_conf_schema rule_schema = {rule_rows, sizeof(rule_rows) / sizeof(rule_rows[0]),
                                                   sizeof(struct dtr_conf_proxy_rule), NULL};

#define ROLE_STRUCT struct dtr_daemon_config
static const struct dtr_conf_row rows[] = {
    /* host */
    {DTR_STRING("host.idc", host.idc), .reloadable = true, .help = "Data centre of this host, for affinity"},
    {DTR_STRING("host.location", host.location), .reloadable = true,
     .help = "Place of this host, parts joined with |"},
    {DTR_STRING("host.hostname", host.hostname), .unset = "the system's name",
     .help = "Name that this host announces; part of its id"},
    {DTR_STRING("host.ip", host.ip), .unset = "the first address, v4 before v6", .check = dtr_value_check_ip,
     .help = "Address that this host announces; part of its id"},
    {DTR_INT("host.schedulerClusterID", host.scheduler_cluster_id), .initial = "0", DTR_RANGE(0, UINT32_MAX),
     .reloadable = true, .help = "Cluster whose schedulers are used; 0: by scope"},
    /* server */
    {DTR_STRING("server.pluginDir", server.plugin_dir),
     .initial = "/usr/local/lib/dragonfly/plugins/dfdaemon/", .check = dtr_value_check_absolute,
     .help = "First place where modules are searched"},
    {DTR_STRING("server.cacheDir", server.cache_dir), .initial = "/var/cache/dragonfly/dfdaemon/",
     .check = dtr_value_check_absolute, .help = "Folder for what the manager said last"},
    {DTR_SECTION("server.adaptiveRateLimit", server.adaptive_rate_limit.enable), SHED_LATER,
     .help = "Refuse requests while CPU or memory are over a threshold"},
    {DTR_INT("server.adaptiveRateLimit.bucketCount", server.adaptive_rate_limit.bucket_count),
     .initial = "50", POSITIVE, SHED_LATER, .help = "Buckets that are looked back at"},
    {DTR_DURATION("server.adaptiveRateLimit.bucketInterval", server.adaptive_rate_limit.bucket_interval_ms),
     .initial = "200ms", POSITIVE, SHED_LATER, .help = "Length of one bucket"},
    {DTR_INT("server.adaptiveRateLimit.cpuThreshold", server.adaptive_rate_limit.cpu_threshold),
     .initial = "100", .unit = "percent", DTR_RANGE(0, 100), SHED_LATER, .help = "CPU use; 100: ignored"},
    {DTR_INT("server.adaptiveRateLimit.memoryThreshold", server.adaptive_rate_limit.memory_threshold),
     .initial = "90", .unit = "percent", DTR_RANGE(0, 100), SHED_LATER, .help = "Memory use; 100: ignored"},
    {DTR_DURATION("server.adaptiveRateLimit.shedCooldown", server.adaptive_rate_limit.shed_cooldown_ms),
     .initial = "5s", SHED_LATER, .help = "How long shedding goes on after the load fell"},
    {DTR_DURATION("server.adaptiveRateLimit.collectInterval", server.adaptive_rate_limit.collect_interval_ms),
     .initial = "3s", POSITIVE, SHED_LATER, .help = "Between two looks at CPU and memory"},
    /* download */
    {DTR_STRING("download.server.socketPath", download.server.socket_path),
     .initial = "/var/run/dragonfly/dfdaemon.sock", .check = dtr_value_check_socket,
     .help = "Unix socket for dfget and other local tools"},
    {DTR_INT("download.server.requestRateLimit", download.server.request_rate_limit), .initial = "400",
     .unit = "requests/s", POSITIVE, .reloadable = true, .help = "Requests on the unix socket"},
    {DTR_INT("download.server.requestBufferSize", download.server.request_buffer_size), .initial = "50",
     .unit = "requests", POSITIVE, .reloadable = true, .help = "Requests that may wait on the unix socket"},
    {DTR_STRING("download.protocol", download.protocol), .initial = "tcp", .words = "tcp|quic",
     DTR_LATER("pieces go over TCP, whatever is set"), .help = "How pieces travel between peers"},
    {DTR_SIZE("download.bandwidthLimit", download.bandwidth_limit), .initial = "50GB", .unit = "per second",
     POSITIVE, .reloadable = true, .help = "Bytes that come in, from peers and origins"},
    {DTR_SIZE("download.backToSourceBandwidthLimit", download.back_to_source_bandwidth_limit),
     .initial = "50GB", .unit = "per second", POSITIVE, .reloadable = true,
     .help = "Bytes that come in from origins"},
    {DTR_DURATION("download.pieceTimeout", download.piece_timeout_ms), .initial = "360s", POSITIVE,
     .reloadable = true,
     .help = "Longest time for one piece from a peer; one that stalls is given up sooner"},
    {DTR_DURATION("download.collectedPieceTimeout", download.collected_piece_timeout_ms), .initial = "360s",
     POSITIVE, .reloadable = true, .help = "Longest wait for a parent's next piece to be announced"},
    {DTR_INT("download.concurrentPieceCount", download.concurrent_piece_count), .initial = "8",
     DTR_RANGE(1, 1024), .reloadable = true, .help = "Pieces of one task in flight"},
    {DTR_DURATION("download.stallTimeout", download.stall_timeout_ms), .initial = "5s",
     DTR_RANGE(100, INT64_MAX), .reloadable = true, .ours = true,
     .help = "Without a verified byte for so long a download is planned anew, then goes to the origin; a "
             "parent that shows that it lives has four times as long"},
    {DTR_SIZE("download.p2pThreshold", download.p2p_threshold), .initial = "4MiB", .reloadable = true,
     .ours = true, .help = "Objects of at most this size come from the origin, without scheduler and peers"},
    /* upload */
    {DTR_STRING("upload.server.ip", upload.server.listen.ip), .unset = "all interfaces",
     .check = dtr_value_check_ip, .help = "Where the gRPC server for peers listens"},
    {DTR_INT("upload.server.port", upload.server.listen.port), .initial = "4000", DTR_PORT,
     .help = "Port of the gRPC server for peers; 0: any free one"},
    {DTR_STRING("upload.server.caCert", upload.server.tls.ca_cert), .help = CA_HELP("callers")},
    {DTR_STRING("upload.server.cert", upload.server.tls.cert), .help = CERT_HELP("callers")},
    {DTR_STRING("upload.server.key", upload.server.tls.key), .help = KEY_HELP},
    {DTR_INT("upload.server.requestRateLimit", upload.server.request_rate_limit), .initial = "400",
     .unit = "requests/s", POSITIVE, .reloadable = true, .help = "Requests from peers"},
    {DTR_INT("upload.server.requestBufferSize", upload.server.request_buffer_size), .initial = "50",
     .unit = "requests", POSITIVE, .reloadable = true, .help = "Requests from peers that may wait"},
    {DTR_STRING("upload.client.caCert", upload.client.tls.ca_cert), .help = CA_HELP("peers")},
    {DTR_STRING("upload.client.cert", upload.client.tls.cert), .help = CERT_HELP("peers")},
    {DTR_STRING("upload.client.key", upload.client.tls.key), .help = KEY_HELP},
    {DTR_BOOL("upload.disableShared", upload.disable_shared), .initial = "false", .reloadable = true,
     .help = "Download only: schedulers are told to name this host to no other peer"},
    {DTR_SIZE("upload.bandwidthLimit", upload.bandwidth_limit), .initial = "50GB", .unit = "per second",
     POSITIVE, .reloadable = true, .help = "Bytes that go out to peers"},
    {DTR_SIZE("upload.contentMemory", upload.content_memory), .initial = "128MiB", POSITIVE,
     .reloadable = true, .ours = true,
     .help =
         "Pieces in memory for DownloadTask streams with content, of callers on the network; as much again "
         "for those on the unix socket"},
    /* manager and scheduler */
    {DTR_STRINGS("manager.addr", manager.addrs), .aliases = "manager.addrs", .single = true,
     .check = dtr_value_check_manager, .unset = "none, dynconfig.yaml names the schedulers",
     .help = "The manager, as in http://manager:65003, or a list of several, asked one after the other"},
    {DTR_STRING("manager.caCert", manager.tls.ca_cert), .help = CA_HELP("the manager")},
    {DTR_STRING("manager.cert", manager.tls.cert), .help = CERT_HELP("the manager")},
    {DTR_STRING("manager.key", manager.tls.key), .help = KEY_HELP},
    {DTR_DURATION("scheduler.announceInterval", scheduler.announce_interval_ms), .initial = "300s",
     DTR_RANGE(100, INT64_MAX), .reloadable = true, .help = "Between two AnnounceHost calls"},
    {DTR_DURATION("scheduler.scheduleTimeout", scheduler.schedule_timeout_ms), .initial = "3h", POSITIVE,
     .reloadable = true, .help = "Age of a download from which on no scheduler is asked or waited for"},
    {DTR_INT("scheduler.maxScheduleCount", scheduler.max_schedule_count), .initial = "5", DTR_RANGE(1, 1000),
     .reloadable = true, .help = "Times a download asks for other parents"},
    {DTR_STRING("scheduler.caCert", scheduler.tls.ca_cert), .help = CA_HELP("schedulers")},
    {DTR_STRING("scheduler.cert", scheduler.tls.cert), .help = CERT_HELP("schedulers")},
    {DTR_STRING("scheduler.key", scheduler.tls.key), .help = KEY_HELP},
    {DTR_ANY("scheduler.enableBackToSource"), DTR_NEVER("use proxy.disableBackToSource"),
     .help = "Left over in charts; Dragonfly reads it no more"},
    {DTR_BOOL("seedPeer.enable", seed_peer.enable), .initial = "false", .help = "Be a seed peer"},
    {DTR_STRING("seedPeer.type", seed_peer.type), .initial = "super", .words = "super|normal",
     .help = "Kind of host that a seed peer announces"},
    {DTR_INT("seedPeer.clusterID", seed_peer.cluster_id), .initial = "0", DTR_RANGE(0, UINT32_MAX),
     .help = "Cluster of this seed peer, where host.schedulerClusterID names none; 0: by scope"},
    {DTR_DURATION("seedPeer.keepaliveInterval", seed_peer.keepalive_interval_ms), .initial = "15s",
     DTR_RANGE(100, INT64_MAX),
     .help = "Between two signs of life of a seed peer to the manager, at most 15s"},
    {DTR_DURATION("dynconfig.refreshInterval", dynconfig.refresh_interval_ms), .initial = "60s",
     DTR_RANGE(100, INT64_MAX), .reloadable = true,
     .help = "Between two questions to the manager, or looks at dynconfig.yaml"},
    /* storage and gc */
    {DTR_STRING("storage.dir", storage.dir), .initial = "/var/lib/dragonfly/",
     .check = dtr_value_check_absolute, .help = "Folder of the store"},
    {DTR_BOOL("storage.keep", storage.keep), .initial = "true", .help = "Keep the store over a restart"},
    {DTR_DURATION("storage.revalidateAfter", storage.revalidate_after_ms), .initial = "0s",
     .reloadable = true, .ours = true,
     .help = "Age at which the origin is asked whether a task without digest is still what it has; 0: never"},
    {DTR_STRING("storage.server.ip", storage.server.ip), .unset = "all interfaces",
     .check = dtr_value_check_ip, .help = "Where pieces are served"},
    {DTR_INT("storage.server.tcpPort", storage.server.tcp_port), .initial = "4005", DTR_PORT,
     .help = "TCP port for pieces; 0: any free one"},
    {DTR_BOOL("storage.server.tcpFastopen", storage.server.tcp_fastopen), .initial = "false",
     DTR_LATER("connections open the usual way"), .help = "TCP Fast Open on that port"},
    {DTR_INT("storage.server.quicPort", storage.server.quic_port), .initial = "4006", DTR_PORT,
     DTR_LATER("pieces go over TCP only"), .help = "UDP port for pieces over QUIC"},
    {DTR_DURATION("storage.writePieceTimeout", storage.write_piece_timeout_ms), .initial = "360s",
     DTR_NEVER("download.pieceTimeout covers writing too"), .help = "Longest time for writing one piece"},
    {DTR_SIZE("storage.writeBufferSize", storage.write_buffer_size), .initial = "512KiB", BUFFERS_NEVER,
     .help = "Buffer between network and disk"},
    {DTR_SIZE("storage.readBufferSize", storage.read_buffer_size), .initial = "512KiB", BUFFERS_NEVER,
     .help = "Buffer between disk and network"},
    {DTR_SIZE("storage.cacheCapacity", storage.cache_capacity), .initial = "64MiB",
     DTR_NEVER("the kernel's page cache does this"), .help = "Memory for content of recent tasks"},
    {DTR_DURATION("gc.interval", gc.interval_ms), .initial = "900s", POSITIVE, .reloadable = true,
     .help = "Between two cleanings"},
    {DTR_DURATION("gc.policy.taskTTL", gc.policy.task_ttl_ms), .initial = "30d", POSITIVE, .reloadable = true,
     .help = "Age since the last update at which a task goes"},
    {DTR_DURATION("gc.policy.persistentTaskTTL", gc.policy.persistent_task_ttl_ms), .initial = "1d", POSITIVE,
     GC_LATER, .help = "The same for persistent tasks"},
    {DTR_DURATION("gc.policy.persistentCacheTaskTTL", gc.policy.persistent_cache_task_ttl_ms),
     .initial = "1d", POSITIVE, GC_LATER, .help = "The same for persistent cache tasks"},
    {DTR_SIZE("gc.policy.diskThreshold", gc.policy.disk_threshold), .aliases = "gc.policy.distThreshold",
     .initial = "0", .reloadable = true, .help = "Bytes the store may use; 0: the whole disk"},
    {DTR_INT("gc.policy.diskHighThresholdPercent", gc.policy.disk_high_threshold_percent),
     .aliases = "gc.policy.distHighThresholdPercent", .initial = "80", .unit = "percent", DTR_RANGE(1, 99),
     .reloadable = true, .help = "Use at which the oldest tasks begin to go"},
    {DTR_INT("gc.policy.diskLowThresholdPercent", gc.policy.disk_low_threshold_percent),
     .aliases = "gc.policy.distLowThresholdPercent", .initial = "60", .unit = "percent", DTR_RANGE(1, 99),
     .reloadable = true, .help = "Use down to which they go"},
    {DTR_DURATION("gc.policy.pageCacheIdleTimeout", gc.policy.page_cache_idle_timeout_ms), .initial = "40m",
     .reloadable = true, .help = "Idle time after which a task leaves the page cache"},
    /* proxy */
    {DTR_STRING("proxy.server.ip", proxy.server.listen.ip), .unset = "all interfaces",
     .check = dtr_value_check_ip, .help = "Where the proxy and registry mirror listens"},
    {DTR_INT("proxy.server.port", proxy.server.listen.port), .initial = "4001", DTR_PORT,
     .help = "Port of the proxy; 0: any free one"},
    {DTR_STRING("proxy.server.caCert", proxy.server.ca_cert),
     DTR_LATER("CONNECT is a tunnel; TLS is not intercepted"),
     .help = "PEM file of the authority for leaves"},
    {DTR_STRING("proxy.server.caKey", proxy.server.ca_key),
     DTR_LATER("CONNECT is a tunnel; TLS is not intercepted"), .help = "PEM file of that authority's key"},
    {DTR_STRING("proxy.server.basicAuth.username", proxy.server.username),
     DTR_LATER("the proxy asks nobody for a password"), .help = "User name that the proxy asks for"},
    {DTR_STRING("proxy.server.basicAuth.password", proxy.server.password), .secret = true,
     DTR_LATER("the proxy asks nobody for a password"), .help = "Password that the proxy asks for"},
    {DTR_INT("proxy.server.requestRateLimit", proxy.server.request_rate_limit), .initial = "4000",
     .unit = "requests/s", POSITIVE, .reloadable = true, .help = "Requests to the proxy"},
    {DTR_LIST("proxy.rules", proxy.rules, &rule_schema), .initial = "[{regex: 'blobs/sha256.*'}]",
     .reloadable = true, .help = "Which URLs become tasks; an empty list: none"},
    {DTR_STRING("proxy.registryMirror.addr", proxy.registry_mirror.addr),
     .initial = "https://index.docker.io", .check = dtr_value_check_url, .reloadable = true,
     .help = "Registry for requests that name none"},
    {DTR_STRING("proxy.registryMirror.cert", proxy.registry_mirror.cert), .reloadable = true,
     .help = "PEM file with authorities that origins may be signed by, besides the system's"},
    {DTR_BOOL("proxy.registryMirror.enableTaskIDBasedBlobDigest",
              proxy.registry_mirror.enable_task_id_based_blob_digest),
     .initial = "true", .reloadable = true, .help = "A blob's digest is its task id, whatever its registry"},
    {DTR_STRINGS("proxy.registryMirror.plainHosts", proxy.registry_mirror.plain_hosts), .reloadable = true,
     .ours = true, .help = "Hosts, or host:port, that are asked by http when ns= names them"},
    {DTR_BOOL("proxy.disableBackToSource", proxy.disable_back_to_source), .initial = "false",
     .reloadable = true, .help = "Fail rather than fetch a task from the origin"},
    {DTR_BOOL("proxy.prefetch", proxy.prefetch), .initial = "true", .reloadable = true,
     .help = "A ranged request starts fetching the whole task"},
    {DTR_SIZE("proxy.prefetchBandwidthLimit", proxy.prefetch_bandwidth_limit), .initial = "10GB",
     .unit = "per second", POSITIVE, .reloadable = true, .help = "Bytes that prefetching takes"},
    {DTR_SIZE("proxy.readBufferSize", proxy.read_buffer_size), .initial = "512KiB", BUFFERS_NEVER,
     .help = "Buffer towards the client"},
    {DTR_STRING("proxy.outputDir", proxy.output_dir), .unset = "nowhere", .check = dtr_value_check_absolute,
     .reloadable = true, .ours = true,
     .help = "Folder below which X-Dragonfly-Output-Path may write, from loopback only"},
    /* the rest */
    {DTR_BOOL("security.enable", security.enable), .initial = "false",
     DTR_NEVER("certificates are named where they are used"), .help = "Left over from older files"},
    {DTR_STRINGS("security.outbound.allow", security.outbound_allow), .check = dtr_value_check_cidr,
     .reloadable = true, .ours = true,
     .help = "Networks that requests from outside may send the daemon to although they are loopback, "
             "link-local or its own"},
    {DTR_BOOL("network.enableIPv6", network.enable_ipv6), .initial = "false",
     .help = "Listeners without an address take both families, and an IPv6 address is announced first"},
    {DTR_STRING("health.server.ip", health.ip), .unset = "all interfaces", .check = dtr_value_check_ip,
     .help = "Where GET /healthy is answered"},
    {DTR_INT("health.server.port", health.port), .initial = "4003", DTR_PORT,
     .help = "Port for GET /healthy"},
    {DTR_STRING("metrics.server.ip", metrics.ip), .unset = "all interfaces", .check = dtr_value_check_ip,
     .help = "Where GET /metrics is answered"},
    {DTR_INT("metrics.server.port", metrics.port), .initial = "4002", DTR_PORT,
     .help = "Port for GET /metrics"},
    {DTR_STRING("stats.server.ip", stats.ip), .unset = "all interfaces", .check = dtr_value_check_ip,
     DTR_LATER("there are no profiles to fetch, so nothing listens"), .help = "Where profiles are served"},
    {DTR_INT("stats.server.port", stats.port), .initial = "4004", DTR_PORT,
     DTR_LATER("there are no profiles to fetch, so nothing listens"), .help = "Port for profiles"},
    {DTR_STRING("tracing.protocol", tracing.protocol), .words = "http|https|grpc", TRACING_LATER,
     .help = "How traces are sent"},
    {DTR_STRING("tracing.endpoint", tracing.endpoint), TRACING_LATER, .help = "Where traces are sent"},
    {DTR_STRING("tracing.path", tracing.path), .initial = "/v1/traces", TRACING_LATER,
     .help = "Path for traces over HTTP"},
    {DTR_PAIRS("tracing.headers", tracing.headers), .secret = true, TRACING_LATER,
     .help = "Headers that go with traces"},
    {DTR_PAIRS("backend.requestHeader", backend.request_header), .secret = true, .reloadable = true,
     .help =
         "Headers for the origin of a task, at hosts that this file names, where the client sent none of the "
         "name"},
    {DTR_INT("backend.maxRetries", backend.max_retries), .initial = "1", DTR_RANGE(0, 100),
     DTR_PARTLY("it counts tries that an origin asks for; about others the download decides"),
     .reloadable = true,
     .help = "Other tries of a request that an origin puts off by Retry-After, for up to 30 s"},
    {DTR_INT("backend.concurrentStreamCount", backend.concurrent_stream_count), .initial = "4",
     .unit = "streams", DTR_RANGE(1, 16), .reloadable = true, .ours = true,
     .help =
         "Ranges of one object read from its origin at once, at most; more than one where that is faster; "
         "1: never"},
    {DTR_BOOL("backend.enableCacheTemporaryRedirect", backend.enable_cache_temporary_redirect),
     .initial = "true", .reloadable = true, .help = "Remember where a 307 led, over the requests of a task"},
    {DTR_DURATION("backend.cacheTemporaryRedirectTTL", backend.cache_temporary_redirect_ttl_ms),
     .initial = "600s", .reloadable = true, .help = "How long"},
    {DTR_INT("backend.putConcurrentChunkCount", backend.put_concurrent_chunk_count), .initial = "16",
     POSITIVE, OBJECT_LATER, .help = "Chunks of an upload in flight"},
    {DTR_SIZE("backend.putChunkSize", backend.put_chunk_size), .initial = "8MiB", POSITIVE, OBJECT_LATER,
     .help = "Size of such a chunk"},
    {DTR_DURATION("backend.putTimeout", backend.put_timeout_ms), .initial = "900s", POSITIVE, OBJECT_LATER,
     .help = "Longest time for an upload"},
    {DTR_BOOL("backend.enableHickoryDNS", backend.enable_hickory_dns), .initial = "true",
     DTR_NEVER("names are resolved by the system"), .help = "A resolver with its own cache"},
    {DTR_STRING("modules.storage", modules.storage), .initial = "file", .ours = true,
     .help = "The storage module: file, memory"},
    {DTR_STRINGS("modules.transport", modules.transport), .initial = "[vortex]", .ours = true,
     DTR_PARTLY("all are loaded, the first is used"), .help = "Transport modules, first choice first"},
    {DTR_STRINGS("modules.origin", modules.origin), .initial = "[http]", .ours = true,
     DTR_PARTLY("all are loaded, the first is used"), .help = "Origin modules"},
    {DTR_STRINGS("modules.runtime", modules.runtime), .initial = "[containerd]", .ours = true,
     DTR_LATER("darter init reads dfinit.yaml only, and its --runtime"), .help = "Runtime modules"},
    {DTR_MODULES("modules.options", modules.options), .ours = true,
     .help = "Options by module; `darter module describe NAME` lists them"},
    {DTR_STRING("log.format", log.format), .initial = "text", .words = "text|json", .ours = true,
     .help = "Form of log lines"},
    {DTR_BOOL("verbose", verbose), .initial = "false", DTR_NEVER("the log level is an option of the command"),
     .help = "Left over from older files"},
};

/* They go into requests as they are. */
static void check_headers(struct dtr_conf *conf, const struct dtr_conf_pairs *headers)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (headers->count > HEADERS_MAX)
        dtr_conf_complain(conf, "backend.requestHeader", "has %zu headers; allowed are %d", headers->count,
                          HEADERS_MAX);
    for (size_t i = 0; i < headers->count; i++) {
        const char *name = headers->items[i].name, *value = headers->items[i].value;
        if (!*name || strspn(name, token) != strlen(name))
            dtr_conf_complain(conf, "backend.requestHeader", "names \"%.60s\", which is no header's name",
                              name);
        while (*value && (unsigned char)*value >= ' ' && *value != 0x7F)
            value++;
        if (*value)
            dtr_conf_complain(conf, "backend.requestHeader", "%.60s has a control character in its value",
                              name);
    }
}

static void finish(struct dtr_conf *conf, void *config)
{
    const struct dtr_daemon_config *c = config;
    if (c->gc.policy.disk_low_threshold_percent >= c->gc.policy.disk_high_threshold_percent)
        dtr_conf_complain(conf, "gc.policy.diskLowThresholdPercent",
                          "is %d; it must be below gc.policy.diskHighThresholdPercent, which is %d",
                          (int)c->gc.policy.disk_low_threshold_percent,
                          (int)c->gc.policy.disk_high_threshold_percent);
    if (!c->proxy.server.ca_cert != !c->proxy.server.ca_key)
        dtr_conf_complain(conf, c->proxy.server.ca_cert ? "proxy.server.caCert" : "proxy.server.caKey",
                          "needs proxy.server.caCert and proxy.server.caKey together");
    if (!c->proxy.server.username != !c->proxy.server.password)
        dtr_conf_complain(conf, "proxy.server.basicAuth.username", "needs username and password together");
    check_headers(conf, &c->backend.request_header);
}

const struct dtr_conf_schema dtr_conf_daemon_schema = {rows, sizeof(rows) / sizeof(rows[0]),
                                                       sizeof(struct dtr_daemon_config), finish};
