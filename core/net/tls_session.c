/* TLS on one descriptor: OpenSSL between the stream and its socket; see tls_internal.h. */
#include "core/base/str.h"
#include "core/net/tls_internal.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct dtr_tls_session {
    struct dtr_tls *tls;
    SSL *ssl;
    int fd;
    char ip[DTR_ADDR_TEXT]; /* of the other side */
    char host[256];         /* a client's name for it, or "" */
    bool settled;           /* the handshake is done */
    bool eof;               /* FIN came */
    int number;             /* errno of a call that failed */
    int waits;              /* DTR_READABLE, DTR_WRITABLE */
    struct dtr_error error;
};

/* --- the socket for OpenSSL ------------------------------------------------------------------------------
 */

static int socket_answer(BIO *bio, struct dtr_tls_session *session, ssize_t count, int retry)
{
    BIO_clear_retry_flags(bio);
    if (count >= 0)
        return (int)count;
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    else
        session->number = errno;
    return -1;
}

static int socket_write(BIO *bio, const char *bytes, int length)
{
    struct dtr_tls_session *session = BIO_get_data(bio);
    return socket_answer(bio, session, send(session->fd, bytes, (size_t)length, MSG_NOSIGNAL),
                         BIO_FLAGS_WRITE);
}

static int socket_read(BIO *bio, char *bytes, int room)
{
    struct dtr_tls_session *session = BIO_get_data(bio);
    ssize_t count = recv(session->fd, bytes, (size_t)room, 0);
    session->eof = session->eof || count == 0;
    return socket_answer(bio, session, count, BIO_FLAGS_READ);
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    const struct dtr_tls_session *session = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return session->eof;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "darter socket");
    if (made && BIO_meth_set_write(made, socket_write) == 1 && BIO_meth_set_read(made, socket_read) == 1 &&
        BIO_meth_set_ctrl(made, socket_control) == 1)
        method = made;
    else
        BIO_meth_free(made);
}

static BIO *new_bio(struct dtr_tls_session *session)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio) {
        BIO_set_data(bio, session);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* --- verification -----------------------------------------------------------------------------------------
 */

/* The name that the operator gave, or the address that was dialled: certificates of either kind are in use.
 */
static bool is_for(const struct dtr_tls_session *session, X509 *cert)
{
    const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    return (session->host[0] && X509_check_host(cert, session->host, 0, flags, NULL) == 1) ||
           X509_check_ip_asc(cert, session->ip, 0) == 1 ||
           (session->host[0] && X509_check_ip_asc(cert, session->host, 0) == 1);
}

/* OpenSSL has an opinion about one certificate of the chain; the one that was shown comes last. */
static int on_verified(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dtr_tls_session *session = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    bool shown = X509_STORE_CTX_get_error_depth(store) == 0;
    if (good && (!shown || session->tls->side == DTR_TLS_SERVER || is_for(session, cert)))
        return 1;
    if (good)
        X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    tls_explain_certificate(session->tls, session->host[0] ? session->host : session->ip, store,
                            &session->error);
    return 0;
}

/* --- life -------------------------------------------------------------------------------------------------
 */

static bool is_name(const char *host)
{
    struct dtr_addr addr;
    return host[0] && dtr_addr_ip(host, 0, &addr, NULL) != DTR_OK;
}

static bool set_up(struct dtr_tls_session *session)
{
    SSL *ssl = session->ssl = SSL_new(session->tls->now.ctx);
    BIO *bio = ssl ? new_bio(session) : NULL;
    if (!bio || SSL_set_app_data(ssl, session) != 1) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(ssl, bio, bio);
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) /* OpenSSL would ask all the same, and not listen */
        SSL_set_verify(ssl, SSL_get_verify_mode(ssl), on_verified);
    if (session->tls->side == DTR_TLS_SERVER)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return !is_name(session->host) || SSL_set_tlsext_host_name(ssl, session->host) == 1;
}

int dtr_tls_session_new(struct dtr_tls *tls, int fd, const struct dtr_addr *peer, const char *host,
                        struct dtr_tls_session **ret_session, struct dtr_error *err)
{
    struct dtr_tls_session *session = calloc(1, sizeof(*session));
    if (!session)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for TLS");
    session->tls = tls;
    session->fd = fd;
    tls->refs++;
    dtr_addr_ip_text(peer, session->ip);
    if (host && !dtr_copy_text(session->host, sizeof(session->host), host))
        session->host[0] = '\0';
    ERR_clear_error();
    if (!set_up(session)) {
        dtr_tls_session_free(session);
        ERR_clear_error();
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for TLS");
    }
    session->waits = tls->side == DTR_TLS_SERVER ? DTR_READABLE : DTR_WRITABLE;
    *ret_session = session;
    return DTR_OK;
}

void dtr_tls_session_free(struct dtr_tls_session *session)
{
    if (!session)
        return;
    SSL_free(session->ssl);
    tls_unref(session->tls);
    free(session);
}

/* --- what OpenSSL answers ----------------------------------------------------------------------------------
 */

static void fail(struct dtr_tls_session *session, int why)
{
    const struct tls_failure failure = {.tls = session->tls,
                                        .settled = session->settled,
                                        .cut = session->eof,
                                        .number = why == SSL_ERROR_SYSCALL ? session->number : 0};
    if (session->error.code == DTR_OK)
        tls_explain(&failure, &session->error);
    ERR_clear_error();
}

/* 0: it goes on when the descriptor is ready; -1: it failed. */
static int not_done(struct dtr_tls_session *session, int answer)
{
    int why = SSL_get_error(session->ssl, answer);
    session->waits = why == SSL_ERROR_WANT_READ    ? DTR_READABLE
                     : why == SSL_ERROR_WANT_WRITE ? DTR_WRITABLE
                                                   : 0;
    if (session->waits)
        return 0;
    fail(session, why);
    return -1;
}

static bool agreed_on_protocol(struct dtr_tls_session *session)
{
    const unsigned char *chosen = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(session->ssl, &chosen, &length);
    if (!session->tls->http2 || session->tls->side == DTR_TLS_SERVER || length > 0)
        return true;
    (void)dtr_error_set(&session->error, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE,
                        "speaks TLS but does not agree on HTTP/2 (ALPN h2): is this a gRPC port?");
    return false;
}

int dtr_tls_session_shake(struct dtr_tls_session *session)
{
    ERR_clear_error();
    int answer = SSL_do_handshake(session->ssl);
    if (answer != 1)
        return not_done(session, answer);
    session->waits = 0;
    session->settled = true;
    return agreed_on_protocol(session) ? 1 : -1;
}

static ssize_t told(int rc)
{
    errno = rc == 0 ? EAGAIN : EPROTO;
    return -1;
}

ssize_t dtr_tls_session_read(struct dtr_tls_session *session, void *bytes, size_t room)
{
    ERR_clear_error();
    int count = SSL_read(session->ssl, bytes, room < INT_MAX ? (int)room : INT_MAX);
    session->waits = 0;
    if (count > 0)
        return count;
    if (SSL_get_error(session->ssl, count) == SSL_ERROR_ZERO_RETURN)
        return 0;
    ssize_t answer = told(not_done(session, count));
    session->waits &= DTR_WRITABLE; /* that it waits for bytes goes without saying */
    return answer;
}

ssize_t dtr_tls_session_write(struct dtr_tls_session *session, const void *bytes, size_t length)
{
    ERR_clear_error();
    int waits = session->waits,
        count = SSL_write(session->ssl, bytes, length < INT_MAX ? (int)length : INT_MAX);
    if (count > 0)
        return count;
    ssize_t answer = told(not_done(session, count));
    session->waits = waits; /* what reading waits for; who writes waits to write */
    return answer;
}

bool dtr_tls_session_end(struct dtr_tls_session *session)
{
    ERR_clear_error();
    int answer = SSL_shutdown(session->ssl);
    bool later = answer < 0 && SSL_get_error(session->ssl, answer) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return !later;
}

int dtr_tls_session_waits(const struct dtr_tls_session *session)
{
    return session->waits;
}

bool dtr_tls_session_has_more(const struct dtr_tls_session *session)
{
    return SSL_pending(session->ssl) > 0;
}

const struct dtr_error *dtr_tls_session_error(const struct dtr_tls_session *session)
{
    return &session->error;
}
