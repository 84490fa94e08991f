/* The three servers; see registry_rig.h. */
#include "core/oci/registry_rig.h"

#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/http/server.h"
#include "core/loop/turn_until.h"
#include "core/net/guard.h"
#include "core/net/tls.h"
#include "core/oci/fetch.h"
#include <stdlib.h>
#include <string.h>

struct registry_lab lab;

/* --- what they answer ----------------------------------------------------------------------------------- */

static void reply_with(struct dtr_http_exchange *exchange, int status, const char *name, const char *value)
{
    const struct dtr_header header = {name, value};
    dtr_http_reply(exchange, status, &header, 1, "");
}

static void reply_large(struct dtr_http_exchange *exchange)
{
    const size_t length = DTR_OCI_MANIFEST_MOST + 1;
    char *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, ' ', length);
    dtr_http_respond(exchange, 200, NULL, 0, DTR_LENGTH_UNKNOWN);
    dtr_http_write(exchange, bytes, length);
    dtr_http_end(exchange);
    free(bytes);
}

static void challenge(struct dtr_http_exchange *exchange)
{
    char text[200];
    (void)snprintf(text, sizeof(text), "Bearer realm=\"%.80s/token\",service=\"the registry\"",
                   lab.servers[TOKENS].base);
    reply_with(exchange, 401, "WWW-Authenticate", text);
}

static void on_registry(struct server *server, struct dtr_http_exchange *exchange)
{
    const char *reference = strrchr(server->path, '/') + 1;
    char text[200];
    if (lab.takes && strcmp(server->authorization, lab.takes) != 0) {
        challenge(exchange);
        return;
    }
    lab.takes = lab.takes_then ? lab.takes_then : lab.takes;
    if (strcmp(reference, "latest") == 0) {
        dtr_http_reply(exchange, 200, NULL, 0, lab.index);
    } else if (strcmp(reference, lab.digest) == 0) {
        dtr_http_reply(exchange, 200, NULL, 0, MANIFEST);
    } else if (strcmp(reference, "moved") == 0) {
        (void)snprintf(text, sizeof(text), "%.80s/v2/a/manifests/1", lab.servers[ELSEWHERE].base);
        reply_with(exchange, 307, "Location", text);
    } else if (strcmp(reference, "large") == 0) {
        reply_large(exchange);
    } else if (strcmp(reference, "silent") == 0) {
        server->kept_waiting = true;
    } else {
        dtr_http_reply(exchange, 200, NULL, 0, "<html>");
    }
}

static void on_tokens(struct server *server, struct dtr_http_exchange *exchange)
{
    char text[200];
    (void)server;
    (void)snprintf(text, sizeof(text), "%.80s/token", lab.servers[ELSEWHERE].base);
    if (lab.tokens_move)
        reply_with(exchange, 307, "Location", text);
    else
        dtr_http_reply(exchange, lab.token_status, NULL, 0, lab.token_answer);
}

/* Wants a password, as a thief would, but for a manifest. */
static void on_elsewhere(struct server *server, struct dtr_http_exchange *exchange)
{
    if (strncmp(server->path, "/v2/", 4) == 0)
        dtr_http_reply(exchange, 200, NULL, 0, MANIFEST);
    else
        reply_with(exchange, 401, "WWW-Authenticate", "Basic realm=\"x\"");
}

static void keep(char *to, size_t size, const char *text)
{
    (void)dtr_copy_text(to, size, text ? text : "");
}

static void on_request(void *context, struct dtr_http_exchange *exchange,
                       const struct dtr_http_request *request)
{
    static void (*const handlers[])(struct server *, struct dtr_http_exchange *) = {
        [REGISTRY] = on_registry, [TOKENS] = on_tokens, [ELSEWHERE] = on_elsewhere};
    struct server *server = context;
    server->requests++;
    keep(server->path, sizeof(server->path), request->path);
    keep(server->authorization, sizeof(server->authorization), dtr_http_header(request, "Authorization"));
    keep(server->mine, sizeof(server->mine), dtr_http_header(request, "X-Mine"));
    handlers[server - lab.servers](server, exchange);
}

/* `cert`: the name of its certificate; NULL: it speaks plainly. */
static void open_server(struct server *server, const char *cert)
{
    struct dtr_addr addr;
    struct dtr_error err = {0};
    char text[DTR_ADDR_TEXT], pem[32], key[32];
    *server = (struct server){0};
    assert_int_equal(dtr_http_server_new(lab.loop, NULL, on_request, server, &server->server, &err), DTR_OK);
    if (cert) {
        (void)snprintf(pem, sizeof(pem), "%s.pem", cert);
        (void)snprintf(key, sizeof(key), "%s.key", cert);
        const struct dtr_tls_options options = {
            .side = DTR_TLS_SERVER,
            .files = {
                [DTR_TLS_CERT] = tls_rig_path(&lab.keys, pem), [DTR_TLS_KEY] = tls_rig_path(&lab.keys, key)}};
        assert_int_equal(dtr_tls_new(&options, &server->tls, &err), DTR_OK);
        dtr_http_server_secure(server->server, server->tls);
    }
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &addr, &err), DTR_OK);
    assert_int_equal(dtr_http_server_listen(server->server, &addr, &addr, &err), DTR_OK);
    dtr_addr_text(&addr, text);
    (void)snprintf(server->base, sizeof(server->base), "%s://%.56s", cert ? "https" : "http", text);
}

/* --- life ----------------------------------------------------------------------------------------------- */

void registry_rig_until(const bool *flag)
{
    TURN_UNTIL(lab.loop, *flag);
}

static void on_stopped(void *context)
{
    *(bool *)context = true;
}

static void close_server(struct server *server)
{
    dtr_http_server_close(server->server, 0, on_stopped, &server->stopped);
    registry_rig_until(&server->stopped);
    dtr_tls_drop(server->tls);
}

void registry_rig_open(const char *modules, const char *const certs[SERVERS])
{
    struct dtr_error err = {0};
    char hex[65];
    memset(&lab, 0, sizeof(lab));
    lab.takes = "Bearer fresh";
    lab.token_status = 200;
    lab.token_answer = "{\"token\":\"fresh\"}";
    dtr_sha256_hex(MANIFEST, strlen(MANIFEST), hex);
    (void)snprintf(lab.digest, sizeof(lab.digest), "sha256:%s", hex);
    (void)snprintf(lab.index, sizeof(lab.index),
                   "{\"manifests\":[{\"digest\":\"%s\",\"platform\":{\"os\":\"linux\","
                   "\"architecture\":\"amd64\"}}]}",
                   lab.digest);
    assert_int_equal(dtr_guard_start(&err), DTR_OK);
    assert_int_equal(dtr_guard_allow("127.0.0.0/8", &err), DTR_OK);
    assert_int_equal(dtr_loop_new("test", &lab.loop, &err), DTR_OK);
    assert_int_equal(dtr_modules_new(modules, &lab.modules, &err), DTR_OK);
    if (dtr_modules_require(lab.modules, "origin", "http", NULL, 0, &err) != DTR_OK)
        fail_msg("%s", err.text);
    assert_true(dtr_modules_find(lab.modules, "origin", "http", &lab.offer));
    tls_rig_open(&lab.keys);
    tls_rig_issue(&lab.keys, "known", &(struct tls_rig_wish){.names = "IP:127.0.0.1"});
    tls_rig_issue(&lab.keys, "unknown", &(struct tls_rig_wish){.names = "IP:127.0.0.1", .other = true});
    for (int who = 0; who < SERVERS; who++)
        open_server(&lab.servers[who], certs[who]);
}

void registry_rig_close(void)
{
    dtr_modules_free(lab.modules);
    for (int who = 0; who < SERVERS; who++)
        close_server(&lab.servers[who]);
    dtr_loop_free(lab.loop);
    tls_rig_close(&lab.keys);
    dtr_guard_stop();
}
