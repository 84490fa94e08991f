/* TLS on one descriptor, for core/net/stream.c, and what the tls*.c files share. */
#ifndef DTR_NET_TLS_INTERNAL_H
#define DTR_NET_TLS_INTERNAL_H

#include "core/net/addr.h"
#include "core/net/tls.h"
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <sys/types.h>

/* --- sessions: tls_session.c ------------------------------------------------------------------------------
 */

struct dtr_tls_session;

/* On a non-blocking descriptor, which stays the caller's. `host` (or NULL) is a name that the server's
 * certificate may be for instead of its address; copied. */
int dtr_tls_session_new(struct dtr_tls *tls, int fd, const struct dtr_addr *peer, const char *host,
                        struct dtr_tls_session **ret_session, struct dtr_error *err);
/* Sends nothing. NULL is fine. */
void dtr_tls_session_free(struct dtr_tls_session *session);

/* One step of the handshake: 1 when it is done, 0 when the descriptor must be ready first, -1 when it failed:
 * dtr_tls_session_error(). */
int dtr_tls_session_shake(struct dtr_tls_session *session);
/* As recv() and send(): -1 with errno EAGAIN, or with EPROTO and dtr_tls_session_error(). Reading gives 0
 * after the other side's close_notify only; without one the end is an error. What could not be written must
 * be the beginning of the next write. */
ssize_t dtr_tls_session_read(struct dtr_tls_session *session, void *bytes, size_t room);
ssize_t dtr_tls_session_write(struct dtr_tls_session *session, const void *bytes, size_t length);
/* Sends close_notify; false: the descriptor takes no more for now. */
bool dtr_tls_session_end(struct dtr_tls_session *session);
/* Readiness that the last step, or reading, waits for besides what is usual: DTR_READABLE, DTR_WRITABLE. */
int dtr_tls_session_waits(const struct dtr_tls_session *session);
/* Bytes that came and can be read without the descriptor. */
bool dtr_tls_session_has_more(const struct dtr_tls_session *session);
/* Why it failed, without the peer's address. */
const struct dtr_error *dtr_tls_session_error(const struct dtr_tls_session *session);

/* --- inside ------------------------------------------------------------------------------------------------
 */

enum { TLS_NAMES = 96, TLS_SUBJECT = 80, TLS_DATE = 24 };

/* One reading of the files. */
struct tls_stamp {
    bool there;
    struct timespec modified;
    off_t size;
    ino_t inode;
};

struct tls_reading {
    SSL_CTX *ctx;
    struct tls_stamp stamps[DTR_TLS_FILES];
    char warning[DTR_TLS_WARNING];
};

struct dtr_tls {
    unsigned refs;
    enum dtr_tls_side side;
    char *files[DTR_TLS_FILES]; /* NULL: none */
    bool http2;
    char *who;
    struct tls_reading now;
    struct tls_follow *follow; /* NULL: nobody looks */
};

/* tls.c. Any thread; `options` as dtr_tls_new() takes them. */
int tls_read(const struct dtr_tls_options *options, struct tls_reading *ret_reading,
             enum dtr_tls_file *ret_blame, struct dtr_error *err);
void tls_reading_free(struct tls_reading *reading);
void tls_stamp(const struct dtr_tls_options *options, struct tls_stamp stamps[DTR_TLS_FILES]);
bool tls_stamps_equal(const struct tls_stamp *a, const struct tls_stamp *b);
/* Whether the certificate in `path` is out of date; "": it is not, or there is none. */
void tls_warn(SSL_CTX *ctx, const char *path, char warning[DTR_TLS_WARNING]);
/* A connection's share. */
void tls_unref(struct dtr_tls *tls);
/* "2026-11-27 10:00 UTC". */
void tls_date(const ASN1_TIME *time, char text[TLS_DATE]);

/* tls_follow.c */
void tls_follow_end(struct tls_follow *follow);

/* tls_explain.c: what a failure means, for an operator. */
struct tls_failure {
    const struct dtr_tls *tls;
    bool settled; /* the handshake was over */
    bool cut;     /* the other side ended without close_notify */
    int number;   /* errno of a call that failed, or 0 */
};
/* Takes the reason from OpenSSL's queue of this thread. */
void tls_explain(const struct tls_failure *failure, struct dtr_error *ret_err);
/* What is wrong with the certificate that the other side showed, or with one above it. */
void tls_explain_certificate(const struct dtr_tls *tls, const char *wanted, const X509_STORE_CTX *store,
                             struct dtr_error *ret_err);

#endif
