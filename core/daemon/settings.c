/* See settings.h. */
#include "core/daemon/settings.h"

#include "core/base/str.h"
#include "core/daemon/dynconfig.h"
#include "core/daemon/gc.h"
#include "core/daemon/managed/managed.h"
#include "core/daemon/talk/talk.h"
#include "core/daemon/upload/upload.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* --- what other threads read --------------------------------------------------------------------------- */

static int make_mirror(const struct dtr_daemon_config *config, struct dtr_mirror **ret_mirror,
                       struct dtr_error *err)
{
    size_t count = config->proxy.rules.count;
    struct dtr_mirror_rule *rules = calloc(count + 1, sizeof(*rules));
    if (!rules)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for proxy rules");
    for (size_t i = 0; i < count; i++) {
        const struct dtr_conf_proxy_rule *rule = &config->proxy.rules.items[i];
        rules[i] = (struct dtr_mirror_rule){.regex = rule->regex,
                                            .use_tls = rule->use_tls,
                                            .redirect = rule->redirect,
                                            .filtered_query_params = rule->filtered_query_params.items,
                                            .filtered_query_param_count = rule->filtered_query_params.count};
    }
    const struct dtr_mirror_config mirror = {
        .registry = config->proxy.registry_mirror.addr,
        .rules = rules,
        .rule_count = count,
        .plain_hosts = config->proxy.registry_mirror.plain_hosts.items,
        .plain_host_count = config->proxy.registry_mirror.plain_hosts.count,
        .prefetch = config->proxy.prefetch,
        .blob_digest_id = config->proxy.registry_mirror.enable_task_id_based_blob_digest,
    };
    int rc = dtr_mirror_new(&mirror, ret_mirror, err);
    free(rules);
    return rc;
}

static int check_authorities(const char *file, struct dtr_error *err)
{
    if (!file || access(file, R_OK) == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "proxy.registryMirror.cert: %.150s: %s", file,
                         strerror(errno));
}

static bool copy_texts(struct dtr_daemon_settings *settings, const struct dtr_daemon_config *config)
{
    const struct dtr_conf_pairs *headers = &config->backend.request_header;
    const char *ca_file = config->proxy.registry_mirror.cert, *folder = config->proxy.output_dir;
    struct dtr_str lines = {0};
    for (size_t i = 0; i < headers->count; i++)
        dtr_str_printf(&lines, "%s: %s\n", headers->items[i].name, headers->items[i].value);
    settings->origin_headers = dtr_str_take(&lines);
    settings->origin_ca_file = ca_file ? strdup(ca_file) : NULL;
    settings->output_dir = folder ? strdup(folder) : NULL;
    return settings->origin_headers && (settings->origin_ca_file || !ca_file) &&
           (settings->output_dir || !folder);
}

int settings_new(const struct dtr_daemon_config *config, struct dtr_daemon_settings **ret_settings,
                 struct dtr_error *err)
{
    struct dtr_daemon_settings *settings = calloc(1, sizeof(*settings));
    if (!settings)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the settings");
    atomic_init(&settings->holders, 1);
    settings->disable_back_to_source = config->proxy.disable_back_to_source;
    int rc = make_mirror(config, &settings->mirror, err);
    if (rc == DTR_OK)
        rc = check_authorities(config->proxy.registry_mirror.cert, err);
    if (rc == DTR_OK && !copy_texts(settings, config))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the settings");
    if (rc == DTR_OK)
        *ret_settings = settings;
    else
        settings_drop(settings);
    return rc;
}

void settings_drop(struct dtr_daemon_settings *settings)
{
    if (!settings || atomic_fetch_sub(&settings->holders, 1) > 1)
        return;
    dtr_mirror_free(settings->mirror);
    free(settings->origin_headers);
    free(settings->origin_ca_file);
    free(settings->output_dir);
    free(settings);
}

struct dtr_daemon_settings *settings_hold(struct dtr_daemon *daemon)
{
    (void)pthread_mutex_lock(&daemon->settings_lock);
    struct dtr_daemon_settings *settings = daemon->settings;
    (void)atomic_fetch_add(&settings->holders, 1);
    (void)pthread_mutex_unlock(&daemon->settings_lock);
    return settings;
}

void settings_swap(struct dtr_daemon *daemon, struct dtr_daemon_settings *settings)
{
    (void)pthread_mutex_lock(&daemon->settings_lock);
    struct dtr_daemon_settings *old = daemon->settings;
    daemon->settings = settings;
    (void)pthread_mutex_unlock(&daemon->settings_lock);
    settings_drop(old);
}

/* --- what takes another value while it runs ------------------------------------------------------------ */

/* Bytes may come in bursts of some 100 ms, requests in those of a second. */
void settings_pace(struct dtr_daemon *daemon)
{
    const struct dtr_daemon_config *config = daemon->config;
    struct dtr_limits *limits = &daemon->limits;
    dtr_pace_init(&limits->download, config->download.bandwidth_limit, DTR_PACE_BURST_NS);
    dtr_pace_init(&limits->back_to_source, config->download.back_to_source_bandwidth_limit,
                  DTR_PACE_BURST_NS);
    dtr_pace_init(&limits->prefetch, config->proxy.prefetch_bandwidth_limit, DTR_PACE_BURST_NS);
    dtr_pace_init(&limits->upload, config->upload.bandwidth_limit, DTR_PACE_BURST_NS);
    dtr_pace_init(&limits->proxy_requests, (uint64_t)config->proxy.server.request_rate_limit, 1000000000);
}

static void pace_anew(struct dtr_daemon *daemon)
{
    const struct dtr_daemon_config *config = daemon->config;
    struct dtr_limits *limits = &daemon->limits;
    dtr_pace_set(&limits->download, config->download.bandwidth_limit);
    dtr_pace_set(&limits->back_to_source, config->download.back_to_source_bandwidth_limit);
    dtr_pace_set(&limits->prefetch, config->proxy.prefetch_bandwidth_limit);
    dtr_pace_set(&limits->upload, config->upload.bandwidth_limit);
    dtr_pace_set(&limits->proxy_requests, (uint64_t)config->proxy.server.request_rate_limit);
}

void settings_of_tasks(const struct dtr_daemon *daemon, struct dtr_tasks_options *options)
{
    const struct dtr_daemon_config *config = daemon->config;
    dtr_plan_config_default(&options->plan);
    options->plan.p2p_threshold = config->download.p2p_threshold;
    options->plan.origin_streams = (uint32_t)config->backend.concurrent_stream_count;
    options->plan.concurrent_pieces = (uint32_t)config->download.concurrent_piece_count;
    options->plan.stall_timeout_ms = config->download.stall_timeout_ms;
    options->plan.piece_timeout_ms = config->download.piece_timeout_ms;
    options->plan.schedule_timeout_ms = config->scheduler.schedule_timeout_ms;
    options->plan.max_schedule_count = (uint32_t)config->scheduler.max_schedule_count;
    options->plan.disable_back_to_source = config->proxy.disable_back_to_source;
    options->plan.ask_length = true;
    options->origin_headers = daemon->settings->origin_headers;
    options->origin_ca_file = daemon->settings->origin_ca_file;
    options->renew_after_ms = config->storage.revalidate_after_ms;
    options->origin_repeats = (uint32_t)config->backend.max_retries;
    options->redirect_ttl_ms =
        config->backend.enable_cache_temporary_redirect ? config->backend.cache_temporary_redirect_ttl_ms : 0;
}

static struct dtr_rpc_rate rate_of(int64_t per_s, int64_t waiting)
{
    return (struct dtr_rpc_rate){.per_s = per_s < UINT32_MAX ? (uint32_t)per_s : UINT32_MAX,
                                 .waiting = waiting < UINT32_MAX ? (uint32_t)waiting : UINT32_MAX};
}

void settings_limit_calls(struct dtr_daemon *daemon)
{
    const struct dtr_daemon_config *config = daemon->config;
    const struct dtr_rpc_rate peers =
        rate_of(config->upload.server.request_rate_limit, config->upload.server.request_buffer_size);
    const struct dtr_rpc_rate local =
        rate_of(config->download.server.request_rate_limit, config->download.server.request_buffer_size);
    dtr_rpc_table_limit(daemon->peers, &peers);
    dtr_rpc_table_limit(daemon->local, &local);
}

void settings_apply(struct dtr_daemon *daemon)
{
    const uint64_t look_ms = daemon->config->dynconfig.refresh_interval_ms;
    struct dtr_tasks_options options = {0};
    pace_anew(daemon);
    settings_limit_calls(daemon);
    settings_of_tasks(daemon, &options);
    dtr_tasks_configure(daemon->tasks, &options);
    upload_limit_content(daemon->upload);
    gc_soon(daemon->gc);
    dynconfig_interval(daemon->dynconfig, look_ms);
    managed_changed(daemon->managed);
    dtr_tls_interval(daemon->callers_tls, look_ms);
    dtr_tls_interval(daemon->parents_tls, look_ms);
    dtr_tls_interval(daemon->schedulers_tls, look_ms);
    talk_announce(daemon->talk);
}
