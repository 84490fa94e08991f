/* An image in a registry: which blobs it is made of, found by its manifest's address.
 *
 * The requests go through an origin module; what to ask next and what an answer means is decided without any
 * socket (parts.h). Follows the OCI Distribution Specification 1.1 (pulling, token authentication) and
 * reads Docker's manifest list and image manifest, schema 2, and OCI's index and image manifest. */
#ifndef DTR_OCI_FETCH_H
#define DTR_OCI_FETCH_H

#include <darter/origin.h>

struct dtr_oci_fetch;

enum {
    DTR_OCI_BLOBS_MOST = 512,        /* of one image: its configuration and its layers */
    DTR_OCI_MANIFEST_MOST = 4 << 20, /* bytes of a manifest or index */
    DTR_OCI_TIMEOUT_MS = 60000,
};

/* All texts are copied; NULL where not said. */
struct dtr_oci_options {
    const char *url; /* "scheme://host/v2/<repository>/manifests/<tag or digest>" */
    const char *username, *password;
    const struct dtr_header *headers; /* go with every request to the registry itself; an Authorization header
                                       * among them is used as it is, and no token is asked for */
    size_t header_count;
    const char *platform; /* "os/architecture" or "os/architecture/variant"; NULL: this machine's */
    const char *roots;    /* more trusted roots: PEM text */
    bool insecure;        /* do not verify the TLS of the registry and of the token server that it names; that
                           * of hosts to which these redirect is verified */
    bool trusted;         /* the guard lets the address pass, as for an operator's own setting */
    uint64_t timeout_ms;  /* for everything together; 0: DTR_OCI_TIMEOUT_MS */
};

struct dtr_oci_blob {
    const char *url;    /* "scheme://host/v2/<repository>/blobs/<digest>" */
    const char *digest; /* "sha256:…" */
    uint64_t size;
};

/* Valid during the call that brings it. */
struct dtr_oci_image {
    const struct dtr_oci_blob *blobs; /* the configuration, then the layers from the lowest, each once */
    size_t count;
    const struct dtr_header *headers; /* what a request for a blob needs: the caller's, and Authorization */
    size_t header_count;
};

/* Exactly one of the two is not NULL. An error names the host and what it answered. */
typedef void dtr_oci_done(void *context, const struct dtr_oci_image *image, const struct dtr_error *err);

/* `done` comes once, later, on the loop. */
int dtr_oci_fetch_start(struct dtr_loop *loop, const struct dtr_origin_ops *origin, void *instance,
                        const struct dtr_oci_options *options, dtr_oci_done *done, void *context,
                        struct dtr_oci_fetch **ret_fetch, struct dtr_error *err);
/* `done` follows, later, with DTR_ECANCELLED. Not after `done`. */
void dtr_oci_fetch_cancel(struct dtr_oci_fetch *fetch);

/* Whether it is the address of a manifest, as preheating wants one; the error says what is wrong. Any
 * thread. */
int dtr_oci_check_url(const char *url, struct dtr_error *err);
/* Whether it is a platform, as options.platform wants one. Any thread. */
int dtr_oci_check_platform(const char *platform, struct dtr_error *err);

#endif
