/* URLs in the one spelling that all daemons agree on, because task ids are hashes of it.
 *
 * The rules are those of the WHATWG URL Standard (https://url.spec.whatwg.org, without a base URL), as the
 * Rust crate url 2.5.4 has them, which dfdaemon uses: scheme and host in lower case, default port dropped,
 * dot segments resolved, backslashes in the path of http-like schemes turned, IPv4 in all its spellings and
 * IPv6 in the shortest, each component percent-encoded by its own set ('^' stays as it is in paths).
 * Refused, on purpose: hosts outside ASCII (write the xn-- form: mapping them needs tables that we do not
 * carry), text that is not UTF-8, `file:`, and URLs without "//" for schemes that are not http-like.
 *
 * Not for connecting anywhere: nothing here resolves or judges a host. Pure; any thread. */
#ifndef DTR_BRAIN_URL_H
#define DTR_BRAIN_URL_H

#include "core/base/str.h"
#include <darter/error.h>

#define DTR_URL_MAX ((size_t)64 << 10) /* bytes of a URL before and after */

/* scheme://[user[:password]@]host[:port][/path][?query][#fragment], and where its parts are in `text`. */
struct dtr_url {
    struct dtr_str text;
    size_t scheme_length; /* without the colon */
    size_t host, host_end;
    size_t path;     /* end of the authority */
    size_t query;    /* index of '?', or `fragment` when there is none */
    size_t fragment; /* index of '#', or the length of the text */
    int port;        /* -1: none written */
    bool http_like;  /* http, https, ws, wss, ftp: "special" in the Standard */
};

/* Parses and normalises. `url` was zeroed or freed before; free it afterwards, also after an error. */
int dtr_url_parse(struct dtr_url *url, const char *text, size_t length, struct dtr_error *err);
void dtr_url_free(struct dtr_url *url);

/* Takes out the query parameters named in `names` (compared after decoding, case matters) and writes the
 * rest anew in their order, as application/x-www-form-urlencoded: "?a b" becomes "?a+b=". That happens with
 * an empty list too. A query without parameters is dropped with its '?'. */
int dtr_url_filter(struct dtr_url *url, const char *const *names, size_t count, struct dtr_error *err);

/* What containerd and the signers of S3, GCS, OSS, OBS and COS put into queries: differs from request to
 * request for one and the same object. The default for proxied requests, not for gRPC ones. */
extern const char *const dtr_url_default_filter[];
extern const size_t dtr_url_default_filter_count;

/* A blob of an OCI registry: scheme://host/v2/<name>/blobs/<algorithm>:<hex>[?...]. Points into the URL. */
struct dtr_blob_url {
    const char *name; /* repository */
    size_t name_length;
    const char *digest; /* "sha256:..." */
    size_t digest_length;
    const char *hex;
    size_t hex_length;
};

/* Whether the URL is one, with sha256 or sha512 and as many lower-case hex digits as that has. */
bool dtr_url_blob(const char *text, size_t length, struct dtr_blob_url *ret_blob);
/* The digest that a blob's URL names, "" of another URL; free() it. NULL: out of memory. */
char *dtr_url_blob_digest(const char *url);

#endif
