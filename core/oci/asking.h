/* A fetch on its way: what fetch.c (its life), request.c (one request) and answer.c (what an answer means)
 * share. One thread, that of its loop. */
#ifndef DTR_OCI_ASKING_H
#define DTR_OCI_ASKING_H

#include "core/base/str.h"
#include "core/loop/loop.h"
#include "core/oci/parts.h"

enum { OCI_HEADERS_MOST = 256, OCI_REQUEST_HEADERS = OCI_HEADERS_MOST + 2 };

struct dtr_oci_fetch {
    struct dtr_loop *loop;
    const struct dtr_origin_ops *origin;
    void *instance;
    dtr_oci_done *done;
    void *context;
    struct oci_reference reference; /* of the manifest that is asked for */
    struct oci_platform platform;
    char *username, *password, *roots;
    bool insecure, trusted;
    struct dtr_header *headers; /* the caller's */
    size_t header_count;
    bool own_authorization; /* among them */
    char *authorization;    /* "Bearer ..."; NULL: none yet */
    unsigned depth;         /* indexes so far */
    char *basic;            /* for the token server; NULL: nothing */
    /* The running request. */
    struct dtr_origin_call *call;
    char *home, *url, *location; /* asked first, asked now, and where the answer leads */
    unsigned hops;               /* redirects so far */
    bool for_token;
    int status;
    struct oci_challenge challenge;
    struct dtr_str body;
    struct dtr_error error; /* why it was stopped */
    /* The end. */
    struct dtr_timer *limit;
    bool late, cancelled;
};

/* --- fetch.c -------------------------------------------------------------------------------------------- */

/* Tells the caller, one of the two, and frees the fetch. */
void oci_end(struct dtr_oci_fetch *fetch, const struct dtr_oci_image *image, const struct dtr_error *err);
int oci_no_memory(struct dtr_error *err);

/* --- request.c: what goes out, and what comes back --------------------------------------------------------
 */

/* Asks a URL, which it takes over; NULL: there was no memory for it. oci_answered() follows, later, unless
 * this fails. */
int oci_ask(struct dtr_oci_fetch *fetch, char *url, bool for_token, struct dtr_error *err);
/* Asks for the manifest of fetch->reference. */
int oci_ask_manifest(struct dtr_oci_fetch *fetch, struct dtr_error *err);
/* Whether the answer leads elsewhere; then asks there. */
bool oci_is_redirect(const struct dtr_oci_fetch *fetch);
int oci_follow_redirect(struct dtr_oci_fetch *fetch, struct dtr_error *err);
/* What goes with requests to the registry itself, and with those for blobs; the count. */
size_t oci_own_headers(const struct dtr_oci_fetch *fetch, struct dtr_header list[OCI_REQUEST_HEADERS]);

/* --- answer.c ------------------------------------------------------------------------------------------- */

/* The request is over: status, challenge, location and body are there, or `err` says why not. Asks what is to
 * be asked next, or ends the fetch. */
void oci_answered(struct dtr_oci_fetch *fetch, const struct dtr_error *err);

#endif
