/* Certificates and keys from files; see tls.h. */
#include "core/net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 4 << 20 };

/* Nobody is there to type a pass phrase. */
static int no_pass_phrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static int out_of_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for certificates");
}

static int refuse(struct dtr_error *err, const char *path, const char *why)
{
    ERR_clear_error();
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.120s: %s", path, why);
}

/* Before OpenSSL is asked: its errors about files say little. */
static int look_at(const char *path, struct dtr_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        return refuse(err, path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return refuse(err, path, "is not a file");
    if (info.st_size > FILE_MAX)
        return refuse(err, path, "is larger than 4 MiB");
    return DTR_OK;
}

static bool has_reason(int reason)
{
    unsigned long code;
    bool found = false;
    while ((code = ERR_get_error()) != 0)
        found = found || ERR_GET_REASON(code) == reason;
    return found;
}

static int take_authorities(SSL_CTX *ctx, const struct dtr_tls_options *options, struct dtr_error *err)
{
    const char *path = options->files[DTR_TLS_CA_CERT];
    int mode = SSL_VERIFY_PEER | (options->side == DTR_TLS_SERVER ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    if (!path && options->side == DTR_TLS_SERVER)
        return DTR_OK;
    if (options->side == DTR_TLS_CLIENT && options->unverified)
        return DTR_OK;
    SSL_CTX_set_verify(ctx, mode, NULL);
    /* As Go and Rust have it: what the file names is trusted, whether it signed itself or not. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (!path)
        return SSL_CTX_set_default_verify_paths(ctx) == 1 ? DTR_OK : out_of_memory(err);
    int rc = look_at(path, err);
    if (rc != DTR_OK)
        return rc;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || SSL_CTX_load_verify_file(ctx, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return refuse(err, path, "holds no certificate in PEM form");
    }
    if (options->side == DTR_TLS_SERVER)
        SSL_CTX_set_client_CA_list(ctx, names);
    else
        sk_X509_NAME_pop_free(names, X509_NAME_free);
    return DTR_OK;
}

static int take_certificate(SSL_CTX *ctx, const char *path, struct dtr_error *err)
{
    int rc = look_at(path, err);
    if (rc == DTR_OK && SSL_CTX_use_certificate_chain_file(ctx, path) != 1)
        rc = refuse(err, path, "holds no certificate in PEM form, or one that is too weak");
    return rc;
}

static int take_key(SSL_CTX *ctx, const char *path, const char *cert, struct dtr_error *err)
{
    int rc = look_at(path, err);
    if (rc != DTR_OK || SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1)
        return rc;
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH) {
        ERR_clear_error();
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "%.100s: is not the key of the certificate in %.100s", path, cert);
    }
    if (has_reason(PEM_R_BAD_PASSWORD_READ))
        return refuse(err, path, "is encrypted; a key without a pass phrase is needed");
    return refuse(err, path, "holds no private key in PEM form");
}

void tls_date(const ASN1_TIME *time, char text[TLS_DATE])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(text, TLS_DATE, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        (void)snprintf(text, TLS_DATE, "an unknown date");
}

void tls_warn(SSL_CTX *ctx, const char *path, char warning[DTR_TLS_WARNING])
{
    const X509 *cert = SSL_CTX_get0_certificate(ctx);
    const ASN1_TIME *from = cert ? X509_get0_notBefore(cert) : NULL;
    const ASN1_TIME *until = cert ? X509_get0_notAfter(cert) : NULL;
    char date[TLS_DATE];
    warning[0] = '\0';
    if (!cert)
        return;
    if (X509_cmp_current_time(until) < 0) {
        tls_date(until, date);
        (void)snprintf(warning, DTR_TLS_WARNING, "%.120s: the certificate expired on %s; others refuse it",
                       path, date);
    } else if (X509_cmp_current_time(from) > 0) {
        tls_date(from, date);
        (void)snprintf(warning, DTR_TLS_WARNING,
                       "%.120s: the certificate is not valid before %s; others refuse it", path, date);
    }
}

/* Who offers the protocol gets it, who offers only others is refused, who offers none is taken at its word.
 */
static int choose_protocol(SSL *ssl, const unsigned char **ret_chosen, unsigned char *ret_length,
                           const unsigned char *offered, unsigned length, void *context)
{
    const unsigned char *wire = context;
    unsigned char *chosen = NULL;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, ret_length, wire, wire[0] + 1u, offered, length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_chosen = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_protocol(SSL_CTX *ctx, const struct dtr_tls_options *options)
{
    static const unsigned char h2[] = {2, 'h', '2'};
    if (!options->http2)
        return;
    if (options->side == DTR_TLS_SERVER)
        SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, (void *)(uintptr_t)h2);
    else
        (void)SSL_CTX_set_alpn_protos(ctx, h2, sizeof(h2));
}

static SSL_CTX *new_context(const struct dtr_tls_options *options)
{
    SSL_CTX *ctx = SSL_CTX_new(options->side == DTR_TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    /* One call reads one record, so that nobody holds up a loop with records that carry nothing. */
    (void)SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    set_protocol(ctx, options);
    return ctx;
}

static int check_options(const struct dtr_tls_options *options, enum dtr_tls_file *ret_blame,
                         struct dtr_error *err)
{
    bool cert = options->files[DTR_TLS_CERT] != NULL, key = options->files[DTR_TLS_KEY] != NULL;
    if (cert == key && (cert || options->side == DTR_TLS_CLIENT))
        return DTR_OK;
    *ret_blame = key ? DTR_TLS_KEY : cert ? DTR_TLS_CERT : DTR_TLS_CA_CERT;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.120s: %s",
                         options->files[*ret_blame] ? options->files[*ret_blame] : "TLS",
                         cert  ? "needs the file of its key too"
                         : key ? "needs the file of its certificate too"
                               : "a server needs a certificate and its key");
}

int tls_read(const struct dtr_tls_options *options, struct tls_reading *ret_reading,
             enum dtr_tls_file *ret_blame, struct dtr_error *err)
{
    const char *const *files = options->files;
    struct tls_reading reading = {0};
    int rc = check_options(options, ret_blame, err);
    if (rc != DTR_OK)
        return rc;
    ERR_clear_error();
    tls_stamp(options, reading.stamps);
    reading.ctx = new_context(options);
    if (!reading.ctx) {
        ERR_clear_error();
        return out_of_memory(err);
    }
    *ret_blame = DTR_TLS_CA_CERT;
    rc = take_authorities(reading.ctx, options, err);
    if (rc == DTR_OK && files[DTR_TLS_CERT]) {
        *ret_blame = DTR_TLS_CERT;
        rc = take_certificate(reading.ctx, files[DTR_TLS_CERT], err);
    }
    if (rc == DTR_OK && files[DTR_TLS_CERT]) {
        *ret_blame = DTR_TLS_KEY;
        rc = take_key(reading.ctx, files[DTR_TLS_KEY], files[DTR_TLS_CERT], err);
    }
    if (rc != DTR_OK) {
        SSL_CTX_free(reading.ctx);
        return rc;
    }
    tls_warn(reading.ctx, files[DTR_TLS_CERT], reading.warning);
    *ret_reading = reading;
    return DTR_OK;
}

void tls_reading_free(struct tls_reading *reading)
{
    SSL_CTX_free(reading->ctx);
    reading->ctx = NULL;
}

void tls_stamp(const struct dtr_tls_options *options, struct tls_stamp stamps[DTR_TLS_FILES])
{
    for (int i = 0; i < DTR_TLS_FILES; i++) {
        struct stat info;
        stamps[i] = (struct tls_stamp){0};
        if (options->files[i] && stat(options->files[i], &info) == 0)
            stamps[i] = (struct tls_stamp){true, info.st_mtim, info.st_size, info.st_ino};
    }
}

bool tls_stamps_equal(const struct tls_stamp *a, const struct tls_stamp *b)
{
    for (int i = 0; i < DTR_TLS_FILES; i++) {
        if (a[i].there != b[i].there || a[i].modified.tv_sec != b[i].modified.tv_sec ||
            a[i].modified.tv_nsec != b[i].modified.tv_nsec || a[i].size != b[i].size ||
            a[i].inode != b[i].inode)
            return false;
    }
    return true;
}

/* --- life ------------------------------------------------------------------------------------------------
 */

static bool copy(char **ret_copy, const char *text)
{
    *ret_copy = text ? strdup(text) : NULL;
    return !text || *ret_copy;
}

static bool copy_options(struct dtr_tls *tls, const struct dtr_tls_options *options)
{
    bool copied = copy(&tls->who, options->who);
    for (int i = 0; i < DTR_TLS_FILES; i++)
        copied = copied && copy(&tls->files[i], options->files[i]);
    return copied;
}

int dtr_tls_new(const struct dtr_tls_options *options, struct dtr_tls **ret_tls, struct dtr_error *err)
{
    struct dtr_tls *tls = calloc(1, sizeof(*tls));
    enum dtr_tls_file blame;
    if (!tls)
        return out_of_memory(err);
    tls->refs = 1;
    tls->side = options->side;
    tls->http2 = options->http2;
    int rc = copy_options(tls, options) ? tls_read(options, &tls->now, &blame, err) : out_of_memory(err);
    if (rc != DTR_OK) {
        tls_unref(tls);
        return rc;
    }
    *ret_tls = tls;
    return DTR_OK;
}

void dtr_tls_drop(struct dtr_tls *tls)
{
    if (!tls)
        return;
    tls_follow_end(tls->follow);
    tls->follow = NULL;
    tls_unref(tls);
}

void tls_unref(struct dtr_tls *tls)
{
    if (--tls->refs > 0)
        return;
    tls_reading_free(&tls->now);
    for (int i = 0; i < DTR_TLS_FILES; i++)
        free(tls->files[i]);
    free(tls->who);
    free(tls);
}

static int open_as(struct dtr_loop *loop, struct dtr_tls_options *options,
                   const char *const files[DTR_TLS_FILES], uint64_t interval_ms, struct dtr_tls **ret_tls,
                   struct dtr_error *err)
{
    struct dtr_error why;
    *ret_tls = NULL;
    memcpy(options->files, files, sizeof(options->files));
    if (!files[DTR_TLS_CA_CERT] && !files[DTR_TLS_CERT] && !files[DTR_TLS_KEY])
        return DTR_OK;
    int rc = dtr_tls_new(options, ret_tls, &why);
    if (rc != DTR_OK)
        return dtr_error_set(err, rc, why.retry, "%.40s: %.200s", options->who, why.text);
    rc = dtr_tls_follow(*ret_tls, loop, interval_ms, err);
    if (rc != DTR_OK) {
        dtr_tls_drop(*ret_tls);
        *ret_tls = NULL;
    }
    return rc;
}

int dtr_tls_open(struct dtr_loop *loop, enum dtr_tls_side side, const char *who,
                 const char *const files[DTR_TLS_FILES], uint64_t interval_ms, struct dtr_tls **ret_tls,
                 struct dtr_error *err)
{
    struct dtr_tls_options options = {.side = side, .http2 = true, .who = who};
    return open_as(loop, &options, files, interval_ms, ret_tls, err);
}

int dtr_tls_open_http(struct dtr_loop *loop, const char *who, const char *const files[DTR_TLS_FILES],
                      uint64_t interval_ms, struct dtr_tls **ret_tls, struct dtr_error *err)
{
    struct dtr_tls_options options = {.side = DTR_TLS_SERVER, .who = who};
    return open_as(loop, &options, files, interval_ms, ret_tls, err);
}

int dtr_tls_check(const struct dtr_tls_options *options, enum dtr_tls_file *ret_blame,
                  char warning[DTR_TLS_WARNING], struct dtr_error *err)
{
    struct tls_reading reading;
    warning[0] = '\0';
    int rc = tls_read(options, &reading, ret_blame, err);
    if (rc != DTR_OK)
        return rc;
    memcpy(warning, reading.warning, DTR_TLS_WARNING);
    *ret_blame = DTR_TLS_CERT;
    tls_reading_free(&reading);
    return DTR_OK;
}
