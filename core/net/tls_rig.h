/* Authorities and certificates for tests, made on the spot, in a folder of their own. Failures abort. */
#ifndef DTR_NET_TLS_RIG_H
#define DTR_NET_TLS_RIG_H

#include <openssl/x509.h>
#include <stdbool.h>

struct tls_rig {
    char folder[64];
    EVP_PKEY *ca_key, *other_key;
    X509 *ca, *other; /* ca.pem, other.pem */
};

/* What a certificate says; zeros: good for a day. */
struct tls_rig_wish {
    const char *names;    /* "DNS:node.test,IP:127.0.0.1" */
    const char *usage;    /* "serverAuth"; NULL: any */
    long from_s, until_s; /* seconds from now; both 0: valid now */
    bool other;           /* signed by the other authority */
};

void tls_rig_open(struct tls_rig *rig);
/* Removes the folder with all that is in it. */
void tls_rig_close(struct tls_rig *rig);
/* Writes NAME.pem and NAME.key, in place of those that there were. */
void tls_rig_issue(const struct tls_rig *rig, const char *name, const struct tls_rig_wish *wish);
/* Writes a key that needs a pass phrase. */
void tls_rig_lock_key(const struct tls_rig *rig, const char *name);
/* Writes a file. */
void tls_rig_write(const struct tls_rig *rig, const char *name, const char *text);
/* The path of a file in the folder; good for eight calls. */
const char *tls_rig_path(const struct tls_rig *rig, const char *name);

#endif
