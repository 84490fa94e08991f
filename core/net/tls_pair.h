/* For tests of TLS: pairs of streams whose ends speak it, with certificates made on the spot. */
#ifndef DTR_NET_TLS_PAIR_H
#define DTR_NET_TLS_PAIR_H

#include "core/net/stream_pair.h"
#include "core/net/tls_rig.h"

/* Certificates for 127.0.0.1 by ca.pem unless their name says otherwise: good, stranger (by other.pem), late,
 * early, named (for node.test), nameless, servers (may only be a server's). */
extern struct tls_rig rig;
/* Around a group of tests. */
int tls_set_up(void **state);
int tls_tear_down(void **state);

/* Settings with a certificate by its name and the authorities that the other side is asked for, or NULL. */
struct dtr_tls *tls_of(enum dtr_tls_side side, const char *ca, const char *name);
/* Connected sockets on 127.0.0.1; then those of a new pair, without streams. */
void connect_sockets(struct pair *pair);
void make_pair(struct pair *pair);
/* The end becomes a stream that speaks TLS. */
void secure(struct pair *pair, struct end *end, struct dtr_tls *tls, const char *host, uint64_t limit_ms);
/* Both ends speak TLS; each has a certificate and asks for one. */
void open_tls_pair(struct pair *pair);
/* Handshake done on both sides. */
void settle(struct pair *pair);
/* The end failed with this code, these words, and its peer's address. */
void expect_end(const struct end *end, int code, const char *words);

#endif
