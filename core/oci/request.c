/* One request of a fetch: who is told what, the answer as it arrives, and redirects; see asking.h. */
#include "core/oci/asking.h"

#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 10000, STALL_MS = 20000, HOPS_MOST = 5 };

#define ACCEPT                                                                                               \
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "                  \
    "application/vnd.docker.distribution.manifest.list.v2+json, "                                            \
    "application/vnd.docker.distribution.manifest.v2+json"

/* --- what comes back ------------------------------------------------------------------------------------ */

static int on_head(void *context, const struct dtr_origin_head *head)
{
    struct dtr_oci_fetch *fetch = context;
    fetch->status = head->status;
    fetch->challenge.kind = OCI_NO_CHALLENGE;
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcasecmp(head->headers[i].name, "WWW-Authenticate") == 0)
            oci_challenge_read(head->headers[i].value, &fetch->challenge);
    }
    const char *location = dtr_header_find(head->headers, head->header_count, "Location");
    fetch->location = location ? strdup(location) : NULL;
    return DTR_OK;
}

static int on_body(void *context, const uint8_t *bytes, size_t length, bool *ret_pause)
{
    struct dtr_oci_fetch *fetch = context;
    *ret_pause = false;
    dtr_str_add(&fetch->body, bytes, length);
    if (dtr_str_ok(&fetch->body))
        return DTR_OK;
    return dtr_error_set(&fetch->error, DTR_ELIMIT, DTR_RETRY_NEVER, "%s answers with more than %d MiB",
                         fetch->reference.host, DTR_OCI_MANIFEST_MOST >> 20);
}

static void on_done(void *context, const struct dtr_error *err)
{
    struct dtr_oci_fetch *fetch = context;
    const struct dtr_error why = fetch->error.code ? fetch->error : *err;
    fetch->call = NULL;
    oci_answered(fetch, &why);
}

/* --- what goes out -------------------------------------------------------------------------------------- */

size_t oci_own_headers(const struct dtr_oci_fetch *fetch, struct dtr_header list[OCI_REQUEST_HEADERS])
{
    size_t count = fetch->header_count;
    if (count > 0)
        memcpy(list, fetch->headers, count * sizeof(*list));
    if (fetch->authorization)
        list[count++] = (struct dtr_header){"Authorization", fetch->authorization};
    return count;
}

/* Whoever is not the one that was meant to be asked gets nothing but what is wanted: no password, no token,
 * no header of the caller's. */
static size_t pick_headers(const struct dtr_oci_fetch *fetch, struct dtr_header list[OCI_REQUEST_HEADERS])
{
    const bool home = oci_same_origin(fetch->url, fetch->home);
    size_t count = 0;
    if (fetch->for_token) {
        if (home && fetch->basic)
            list[count++] = (struct dtr_header){"Authorization", fetch->basic};
        return count;
    }
    if (home)
        count = oci_own_headers(fetch, list);
    list[count++] = (struct dtr_header){"Accept", ACCEPT};
    return count;
}

/* Asks fetch->url. Redirects come back from exchange(), unlike from read(): only so is it known who answers,
 * and a challenge of somebody else gets no password. What an operator trusts is the registry's address, not
 * where it sends. Whose certificate need not be verified is the registry, and the token server that it names:
 * whoever speaks for a registry that is not verified can name any. */
static int send_request(struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    static const struct dtr_origin_sink sink = {.head = on_head, .body = on_body, .done = on_done};
    const bool registry = oci_same_origin(fetch->url, fetch->reference.base);
    const bool home = oci_same_origin(fetch->url, fetch->home);
    struct dtr_header headers[OCI_REQUEST_HEADERS];
    const struct dtr_origin_request request = {.method = "GET",
                                               .url = fetch->url,
                                               .headers = headers,
                                               .header_count = pick_headers(fetch, headers),
                                               .trusted = fetch->trusted && registry,
                                               .length = DTR_LENGTH_UNKNOWN,
                                               .roots = fetch->roots,
                                               .insecure = fetch->insecure && home,
                                               .connect_ms = CONNECT_MS,
                                               .stall_ms = STALL_MS};
    dtr_str_free(&fetch->body);
    fetch->body.limit = DTR_OCI_MANIFEST_MOST;
    fetch->status = 0;
    fetch->error.code = DTR_OK;
    free(fetch->location);
    fetch->location = NULL;
    return fetch->origin->exchange(fetch->instance, fetch->loop, &request, &sink, fetch, &fetch->call, err);
}

/* Takes over the URL, NULL when there was no memory for it. */
int oci_ask(struct dtr_oci_fetch *fetch, char *url, bool for_token, struct dtr_error *err)
{
    free(fetch->home);
    free(fetch->url);
    fetch->home = url;
    fetch->url = url ? strdup(url) : NULL;
    fetch->for_token = for_token;
    fetch->hops = 0;
    return fetch->url ? send_request(fetch, err) : oci_no_memory(err);
}

int oci_ask_manifest(struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    struct dtr_str url = {0};
    dtr_str_printf(&url, "%s/manifests/%s", fetch->reference.base, fetch->reference.reference);
    return oci_ask(fetch, dtr_str_take(&url), false, err);
}

bool oci_is_redirect(const struct dtr_oci_fetch *fetch)
{
    return fetch->location && (fetch->status == 301 || fetch->status == 302 || fetch->status == 303 ||
                               fetch->status == 307 || fetch->status == 308);
}

int oci_follow_redirect(struct dtr_oci_fetch *fetch, struct dtr_error *err)
{
    char *url = ++fetch->hops > HOPS_MOST ? NULL : oci_redirect(fetch->url, fetch->location);
    if (!url)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "%.120s answers %d, which leads %s",
                             fetch->reference.host, fetch->status,
                             fetch->hops > HOPS_MOST ? "round and round" : "nowhere that is allowed");
    free(fetch->url);
    fetch->url = url;
    return send_request(fetch, err);
}
