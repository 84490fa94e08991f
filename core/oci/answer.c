/* What an answer to a fetch means: who is asked next, for a token, with a password or for another manifest,
 * and what it came to; see asking.h. */
#include "core/oci/asking.h"

#include "core/base/digest.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 2 };

/* --- who asks ------------------------------------------------------------------------------------------ */

static int ask_token(struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    const struct oci_challenge *challenge = &fetch->challenge;
    if (!oci_is_http(challenge->realm))
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "%.120s sends for a token to no URL",
                             fetch->reference.host);
    if (fetch->username && fetch->reference.secure && strncasecmp(challenge->realm, "https://", 8) != 0)
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                             "%.120s sends for a token to a server without TLS, which gets no password",
                             fetch->reference.host);
    if (fetch->username && !(fetch->basic = oci_basic(fetch->username, fetch->password)))
        return oci_no_memory(err);
    return oci_ask(fetch, oci_token_url(challenge, fetch->reference.repository), true, err);
}

/* The registry wants to know who asks. Once; what it then refuses is refused. */
static int answer_challenge(struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    if (fetch->challenge.kind == OCI_BEARER)
        return ask_token(fetch, err);
    if (!fetch->username)
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                             "%s answers 401: it wants a username and a password", fetch->reference.host);
    fetch->authorization = oci_basic(fetch->username, fetch->password);
    return fetch->authorization ? oci_ask_manifest(fetch, err) : oci_no_memory(err);
}

static int take_token(struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    struct dtr_str value = {0};
    struct dtr_error why;
    char *token;
    if (oci_token_read(dtr_str_text(&fetch->body), fetch->body.length, &token, &why) != DTR_OK)
        return dtr_error_set(err, why.code, why.retry, "the token server of %s: %.100s",
                             fetch->reference.host, why.text);
    dtr_str_printf(&value, "Bearer %s", token);
    free(token);
    fetch->authorization = dtr_str_take(&value);
    return fetch->authorization ? oci_ask_manifest(fetch, err) : oci_no_memory(err);
}

/* --- what was answered --------------------------------------------------------------------------------- */

static void finish(struct dtr_oci_fetch *fetch, const struct oci_manifest *manifest)
{
    struct dtr_oci_blob *blobs = calloc(manifest->count + 1, sizeof(*blobs));
    struct dtr_header headers[OCI_REQUEST_HEADERS];
    struct dtr_error err = {0};
    struct dtr_oci_image image = {.blobs = blobs, .headers = headers};
    image.header_count = oci_own_headers(fetch, headers);
    for (size_t i = 0; blobs && i < manifest->count; i++) {
        struct dtr_str url = {0};
        dtr_str_printf(&url, "%s/blobs/%s", fetch->reference.base, manifest->blobs[i].digest);
        blobs[i] = (struct dtr_oci_blob){
            .url = dtr_str_take(&url), .digest = manifest->blobs[i].digest, .size = manifest->blobs[i].size};
        if (!blobs[i].url)
            (void)oci_no_memory(&err);
        image.count++;
    }
    if (!blobs)
        (void)oci_no_memory(&err);
    oci_end(fetch, err.code ? NULL : &image, err.code ? &err : NULL);
    for (size_t i = 0; i < image.count; i++)
        free((char *)(uintptr_t)blobs[i].url);
    free(blobs);
}

/* What is named by a digest is what has it. */
static int check_digest(const struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    struct dtr_expected *expected;
    struct dtr_error why;
    if (!oci_digest_ok(fetch->reference.reference))
        return DTR_OK;
    int rc = dtr_expected_new(fetch->reference.reference, &expected, err);
    if (rc != DTR_OK)
        return rc;
    dtr_expected_add(expected, dtr_str_text(&fetch->body), fetch->body.length);
    rc = dtr_expected_end(expected, &why);
    dtr_expected_free(expected);
    return rc == DTR_OK
               ? DTR_OK
               : dtr_error_set(err, rc, DTR_RETRY_SAME, "%.60s answers with another manifest: %.180s",
                               fetch->reference.host, why.text);
}

/* Another manifest of the same repository. */
static int follow(struct dtr_oci_fetch *fetch, const char *digest, struct dtr_error *err)
{
    char *reference = strdup(digest);
    if (!reference)
        return oci_no_memory(err);
    free(fetch->reference.reference);
    fetch->reference.reference = reference;
    if (++fetch->depth > DEPTH_MOST)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s: indexes lead to each other, %d deep",
                             fetch->reference.host, DEPTH_MOST);
    return oci_ask_manifest(fetch, err);
}

/* Whether that was the last one; then the fetch is gone. */
static bool take_manifest(struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    struct dtr_error why;
    struct oci_manifest *manifest = malloc(sizeof(*manifest));
    int rc = manifest ? check_digest(fetch, err) : oci_no_memory(err);
    bool over = false;
    if (rc == DTR_OK && oci_manifest_read(dtr_str_text(&fetch->body), fetch->body.length, &fetch->platform,
                                          manifest, &why) != DTR_OK)
        rc = dtr_error_set(err, why.code, why.retry, "%s: %.180s", fetch->reference.host, why.text);
    if (rc == DTR_OK && manifest->digest[0]) {
        rc = follow(fetch, manifest->digest, err);
    } else if (rc == DTR_OK) {
        over = true;
        finish(fetch, manifest);
    }
    free(manifest);
    return over;
}

static int refused(const struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    const int status = fetch->status;
    const bool later = status == 408 || status == 429 || status >= 500;
    int code = status == 404                    ? DTR_ENOT_FOUND
               : status == 401 || status == 403 ? DTR_EDENIED
               : later                          ? DTR_EUNAVAILABLE
                                                : DTR_EORIGIN;
    char said[120];
    struct dtr_error why;
    oci_error_read(dtr_str_text(&fetch->body), fetch->body.length, said);
    (void)dtr_error_set(&why, code, later ? DTR_RETRY_SAME : DTR_RETRY_NEVER, "%s%.100s answers %d%s%s%s",
                        fetch->for_token ? "the token server of " : "", fetch->reference.host, status,
                        said[0] ? " (" : "", said, said[0] ? ")" : "");
    why.status = status;
    if (err)
        *err = why;
    return code;
}

void oci_answered(struct dtr_oci_fetch *fetch, const struct dtr_error *answered)
{
    struct dtr_error err = *answered;
    bool challenged = fetch->status == 401 && !fetch->for_token && !fetch->authorization &&
                      !fetch->own_authorization && fetch->challenge.kind != OCI_NO_CHALLENGE &&
                      oci_same_origin(fetch->url, fetch->reference.base);
    if (fetch->cancelled)
        (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_NEVER, "the request was cancelled");
    else if (fetch->late)
        (void)dtr_error_set(&err, DTR_ETIMEOUT, DTR_RETRY_SAME, "%s did not answer in the time there was",
                            fetch->reference.host);
    else if (err.code == DTR_OK && oci_is_redirect(fetch))
        (void)oci_follow_redirect(fetch, &err);
    else if (err.code == DTR_OK && challenged)
        (void)answer_challenge(fetch, &err);
    else if (err.code == DTR_OK && fetch->status != 200)
        (void)refused(fetch, &err);
    else if (err.code == DTR_OK && fetch->for_token)
        (void)take_token(fetch, &err);
    else if (err.code == DTR_OK && take_manifest(fetch, &err))
        return;
    if (err.code != DTR_OK)
        oci_end(fetch, NULL, &err);
}
