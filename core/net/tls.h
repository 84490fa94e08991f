/* TLS: what one listener, or one kind of client, shows and asks for. core/net/stream.h puts it on
 * connections.
 *
 * TLS 1.2 and later. A server with authorities asks every caller for a certificate that one of them signed; a
 * client verifies the server's, with its name. Only conn.h switches that off, where a key of the
 * configuration says so for one server. No session resumption, no renegotiation. Everything is called on the
 * thread of one loop, or before that runs; errors name the file.
 */
#ifndef DTR_NET_TLS_H
#define DTR_NET_TLS_H

#include "core/loop/loop.h"

struct dtr_tls;

enum dtr_tls_side { DTR_TLS_SERVER, DTR_TLS_CLIENT };

/* Which file is to blame. */
enum dtr_tls_file { DTR_TLS_CA_CERT, DTR_TLS_CERT, DTR_TLS_KEY, DTR_TLS_FILES };

/* PEM files. A server needs `cert` and `key`; a client has both or none, and without `ca_cert` goes by the
 * system's authorities. */
struct dtr_tls_options {
    enum dtr_tls_side side;
    const char *files[DTR_TLS_FILES]; /* NULL: none */
    bool http2;                       /* HTTP/2 is agreed on (ALPN); a client insists */
    bool unverified;                  /* a client takes any certificate */
    const char *who;                  /* for the log: "upload.server"; or NULL */
};

/* Reads the files; blocks as long as that takes. Texts are copied. */
int dtr_tls_new(const struct dtr_tls_options *options, struct dtr_tls **ret_tls, struct dtr_error *err);
/* The user's share in it; connections keep theirs. NULL is fine. */
void dtr_tls_drop(struct dtr_tls *tls);

/* Looks at the files every `interval_ms`, a minute at most, on a thread of its own: new connections get what
 * changed. Files that are no good, or that change while they are read, leave the old ones in charge; that is
 * logged, and they are looked at again after 1 s, 2 s and so on. Ends with dtr_tls_drop(). */
int dtr_tls_follow(struct dtr_tls *tls, struct dtr_loop *loop, uint64_t interval_ms, struct dtr_error *err);

/* Another interval, from now on. NULL is fine. */
void dtr_tls_interval(struct dtr_tls *tls, uint64_t interval_ms);

/* What a role does with three keys of its configuration, for gRPC: reads the files and follows them. *ret_tls
 * is NULL when none is named. */
int dtr_tls_open(struct dtr_loop *loop, enum dtr_tls_side side, const char *who,
                 const char *const files[DTR_TLS_FILES], uint64_t interval_ms, struct dtr_tls **ret_tls,
                 struct dtr_error *err);
/* The same for an HTTP/1.1 server: who offers HTTP/2 besides, as browsers do, is not taken at its word. */
int dtr_tls_open_http(struct dtr_loop *loop, const char *who, const char *const files[DTR_TLS_FILES],
                      uint64_t interval_ms, struct dtr_tls **ret_tls, struct dtr_error *err);

/* Whether the files would do. *ret_blame says which would not. `warning` gets what is not right but no reason
 * to refuse them (a certificate out of date), else "". */
enum { DTR_TLS_WARNING = 256 };
int dtr_tls_check(const struct dtr_tls_options *options, enum dtr_tls_file *ret_blame,
                  char warning[DTR_TLS_WARNING], struct dtr_error *err);

#endif
