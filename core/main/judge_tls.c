/* The files of TLS keys, judged before a role starts; see judge.h. */
#include "core/main/judge.h"
#include "core/net/tls.h"
#include "core/rpc/certificates.h"

static void judge_section(struct dtr_conf *conf, const struct dtr_conf_tls *keys, enum dtr_tls_side side,
                          const char *prefix)
{
    static const char *const words[DTR_TLS_FILES] = {"caCert", "cert", "key"};
    const struct dtr_tls_options options = {.side = side, .files = {keys->ca_cert, keys->cert, keys->key}};
    char key[64], warning[DTR_TLS_WARNING];
    enum dtr_tls_file blame;
    struct dtr_error err, found;
    unsigned line = 0;
    if (!keys->ca_cert && !keys->cert && !keys->key)
        return;
    int rc = dtr_tls_check(&options, &blame, warning, &found);
    (void)snprintf(key, sizeof(key), "%s.%s", prefix, words[blame]);
    if (rc != DTR_OK) {
        (void)dtr_error_set(&err, rc, DTR_RETRY_NEVER, "%s: %.200s", key, found.text);
        dtr_conf_blame(conf, &err);
    } else if (warning[0]) {
        (void)dtr_conf_source(conf, key, &line);
        dtr_conf_remark(conf, DTR_CONF_WARNING, line, "%s: %s", key, warning);
    }
}

static void judge_authorities(struct dtr_conf *conf, const char *value, const char *key)
{
    struct dtr_certificates authorities;
    struct dtr_error found;
    if (dtr_certificates_read(value, &authorities, &found) != DTR_OK)
        dtr_conf_complain(conf, key, "%s", found.text);
    dtr_certificates_free(&authorities);
}

void judge_tls(struct dtr_conf *conf)
{
    const struct dtr_daemon_config *daemon = dtr_conf_daemon(conf);
    const struct dtr_scheduler_config *scheduler = dtr_conf_scheduler(conf);
    const struct dtr_manager_config *manager = dtr_conf_manager(conf);
    if (daemon) {
        judge_section(conf, &daemon->upload.server.tls, DTR_TLS_SERVER, "upload.server");
        judge_section(conf, &daemon->upload.client.tls, DTR_TLS_CLIENT, "upload.client");
        judge_section(conf, &daemon->scheduler.tls, DTR_TLS_CLIENT, "scheduler");
        judge_section(conf, &daemon->manager.tls, DTR_TLS_CLIENT, "manager");
    }
    if (scheduler) {
        judge_section(conf, &scheduler->server.tls, DTR_TLS_SERVER, "server.tls");
        judge_section(conf, &scheduler->seed_peer.tls, DTR_TLS_CLIENT, "seedPeer.tls");
        judge_section(conf, &scheduler->peer.tls, DTR_TLS_CLIENT, "peer.tls");
        judge_section(conf, &scheduler->manager.tls, DTR_TLS_CLIENT, "manager.tls");
    }
    if (manager) {
        judge_section(conf, &manager->server.grpc.tls, DTR_TLS_SERVER, "server.grpc.tls");
        judge_section(conf, &manager->server.rest.tls, DTR_TLS_SERVER, "server.rest.tls");
        judge_section(conf, &manager->scheduler.tls, DTR_TLS_CLIENT, "scheduler.tls");
        judge_authorities(conf, manager->job.preheat_tls.files.ca_cert, "job.preheat.tls.caCert");
        judge_section(conf, &manager->database.mysql.tls.files, DTR_TLS_CLIENT, "database.mysql.tls");
        judge_section(conf, &manager->database.redis.tls.files, DTR_TLS_CLIENT, "database.redis.tls");
    }
}
