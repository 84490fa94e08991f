/* The files of TLS keys, judged before a role starts; see conf.h. */
#include "core/conf/internal.h"

#include "core/net/tls.h"

static void check(struct dtr_conf *conf, const struct dtr_conf_tls *keys, enum dtr_tls_side side,
                  const char *prefix)
{
    static const char *const words[DTR_TLS_FILES] = {"caCert", "cert", "key"};
    const struct dtr_tls_options options = {.side = side, .files = {keys->ca_cert, keys->cert, keys->key}};
    char key[64], warning[DTR_TLS_WARNING];
    enum dtr_tls_file blame;
    struct dtr_error err;
    unsigned line = 0;
    if (!keys->ca_cert && !keys->cert && !keys->key)
        return;
    int rc = dtr_tls_check(&options, &blame, warning, &err);
    (void)snprintf(key, sizeof(key), "%s.%s", prefix, words[blame]);
    (void)dtr_conf_source(conf, key, &line);
    if (rc != DTR_OK)
        dtr_conf_note(conf->report, DTR_CONF_ERROR, line, "%s: %s", key, err.text);
    else if (warning[0])
        dtr_conf_note(conf->report, DTR_CONF_WARNING, line, "%s: %s", key, warning);
}

int dtr_conf_check_tls(struct dtr_conf *conf, struct dtr_conf_report *report, struct dtr_error *err)
{
    const struct dtr_daemon_config *daemon = dtr_conf_daemon(conf);
    const struct dtr_scheduler_config *scheduler = dtr_conf_scheduler(conf);
    conf->report = report;
    if (daemon) {
        check(conf, &daemon->upload.server.tls, DTR_TLS_SERVER, "upload.server");
        check(conf, &daemon->upload.client.tls, DTR_TLS_CLIENT, "upload.client");
        check(conf, &daemon->scheduler.tls, DTR_TLS_CLIENT, "scheduler");
    }
    if (scheduler) {
        check(conf, &scheduler->server.tls, DTR_TLS_SERVER, "server.tls");
        check(conf, &scheduler->seed_peer.tls, DTR_TLS_CLIENT, "seedPeer.tls");
        check(conf, &scheduler->peer.tls, DTR_TLS_CLIENT, "peer.tls");
    }
    conf->report = NULL;
    return dtr_conf_report_error(report, err);
}
