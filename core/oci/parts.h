/* What comes from outside, read: addresses of manifests, challenges, manifests. Pure; any thread. */
#ifndef DTR_OCI_PARTS_H
#define DTR_OCI_PARTS_H

#include "core/oci/fetch.h"

/* --- reference.c ---------------------------------------------------------------------------------------- */

/* "scheme://host/v2/<repository>/manifests/<reference>" */
struct oci_reference {
    char *base;       /* "scheme://host/v2/<repository>"; the rest points into `texts` */
    char *host;       /* with its port */
    char *repository; /* "library/busybox" */
    char *reference;  /* a tag, or "sha256:..." */
    bool secure;      /* https */
};

/* DTR_EINVALID tells what does not follow the grammar. */
int oci_reference_read(const char *url, struct oci_reference *ret_reference, struct dtr_error *err);
void oci_reference_free(struct oci_reference *reference);
/* Whether it is "sha256:" and 64 lower-case hex digits, or "sha512:" and 128. */
bool oci_digest_ok(const char *digest);

/* --- platform.c ------------------------------------------------------------------------------------------
 */

struct oci_platform {
    char os[64], architecture[64], variant[64]; /* the last may be "" */
};

/* NULL: this machine's. */
int oci_platform_read(const char *text, struct oci_platform *ret_platform, struct dtr_error *err);

enum { OCI_PLATFORM_TEXT = 200, OCI_RANK_EXACT = 1000 };

/* How well an image suits: 0 not at all, OCI_RANK_EXACT best. Variants of amd64, arm and arm64 are levels:
 * the highest that is not above the wanted one suits best. */
unsigned oci_platform_rank(const struct oci_platform *offered, const struct oci_platform *wanted);
/* "linux/arm/v7" */
void oci_platform_text(const struct oci_platform *platform, char text[OCI_PLATFORM_TEXT]);

/* --- challenge.c: WWW-Authenticate (RFC 9110 11.6.1, and the distribution project's token specification) --
 */

struct oci_challenge {
    enum { OCI_NO_CHALLENGE, OCI_BASIC, OCI_BEARER } kind;
    char realm[1024], service[256], scope[512]; /* of OCI_BEARER; the last two may be "" */
};

/* The better of what was read so far and what this header offers. */
void oci_challenge_read(const char *header, struct oci_challenge *challenge);

/* "Basic ..." (RFC 7617); free() it. NULL: out of memory. */
char *oci_basic(const char *username, const char *password);
/* The URL that gives a token for pulling from the repository; free() it. NULL: out of memory. */
char *oci_token_url(const struct oci_challenge *challenge, const char *repository);

/* --- redirect.c ------------------------------------------------------------------------------------------
 */

/* Whether it is an absolute URL of http or https. */
bool oci_is_http(const char *url);
/* Whether scheme, host and port are spelled the same. Both are absolute. */
bool oci_same_origin(const char *one, const char *other);
/* Where a Location leads from a URL: an absolute URL or an absolute path, and never from https to http, nor
 * to one with a name and password. free() it; NULL: it leads nowhere. */
char *oci_redirect(const char *from, const char *location);

/* --- manifest.c ----------------------------------------------------------------------------------------- */

enum { OCI_DIGEST_TEXT = 136 }; /* room for "sha512:", 128 hex digits and the end */

struct oci_blob {
    char digest[OCI_DIGEST_TEXT];
    uint64_t size;
};

/* Either a manifest, with blobs, or an index, with the digest of the manifest for the platform. */
struct oci_manifest {
    struct oci_blob blobs[DTR_OCI_BLOBS_MOST];
    size_t count;
    char digest[OCI_DIGEST_TEXT]; /* "": it is no index */
};

/* Layers that are not in the registry ("foreign": they name URLs, or their type says so) are left out. An
 * index without an image for the platform: DTR_ENOT_FOUND lists those that are there. */
int oci_manifest_read(const void *bytes, size_t length, const struct oci_platform *platform,
                      struct oci_manifest *ret_manifest, struct dtr_error *err);
/* What a registry says was wrong ("MANIFEST_UNKNOWN: manifest unknown"); "" when it says nothing. */
void oci_error_read(const void *bytes, size_t length, char text[120]);
/* The token in a token server's answer; free() it. */
int oci_token_read(const void *bytes, size_t length, char **ret_token, struct dtr_error *err);

#endif
