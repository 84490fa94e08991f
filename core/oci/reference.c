/* Addresses of manifests: the grammar of the OCI Distribution Specification 1.1; see parts.h. */
#include "core/oci/parts.h"

#include "core/base/str.h"
#include <stdlib.h>
#include <string.h>

enum { URL_MOST = 4096, REPOSITORY_MOST = 255, TAG_MOST = 128 };

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define WORD   LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS

static int refuse(const char *what, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "url: %s; needed is http(s)://HOST/v2/REPOSITORY/manifests/TAG-or-DIGEST", what);
}

static char *copy(const char *from, const char *end)
{
    return strndup(from, (size_t)(end - from));
}

/* --- the grammar -----------------------------------------------------------------------------------------
 */

/* "." or "_" or "__" or any number of "-"; its length, 0: there is none. */
static size_t separator(const char *at)
{
    if (*at == '.')
        return 1;
    if (*at == '_')
        return at[1] == '_' ? 2 : 1;
    return strspn(at, "-");
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*, and such components between slashes. Not "..", so that no URL leads out
 * of its repository. */
static bool repository_ok(const char *at, const char *end)
{
    if (end - at > REPOSITORY_MOST)
        return false;
    while (at < end) {
        size_t word = strspn(at, LOWER DIGITS);
        at += word;
        if (word == 0)
            return false;
        if (at < end)
            at += *at == '/' ? 1 : separator(at);
        else
            return true;
    }
    return false;
}

/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
static bool tag_ok(const char *tag)
{
    size_t length = strlen(tag);
    return length > 0 && length <= TAG_MOST && *tag != '.' && *tag != '-' &&
           strspn(tag, WORD "._-") == length;
}

bool oci_digest_ok(const char *digest)
{
    static const struct {
        const char *name;
        size_t digits;
    } algorithms[] = {{"sha256:", 64}, {"sha512:", 128}};
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        size_t name = strlen(algorithms[i].name), digits = algorithms[i].digits;
        if (strncmp(digest, algorithms[i].name, name) == 0)
            return strlen(digest) == name + digits && dtr_is_hex(digest + name, digits);
    }
    return false;
}

/* A name or an address, "[...]" for IPv6, and perhaps a port. */
static bool host_ok(const char *host, const char *end)
{
    const char *port =
        *host == '[' ? host + 1 + strspn(host + 1, DIGITS "abcdefABCDEF:.") : host + strspn(host, WORD "._-");
    uint64_t number;
    if (*host == '[' ? *port++ != ']' : port == host)
        return false;
    if (port == end)
        return true;
    return *port == ':' && dtr_parse_u64(port + 1, (size_t)(end - port - 1), &number) && number > 0 &&
           number <= UINT16_MAX;
}

/* --- the address -----------------------------------------------------------------------------------------
 */

int oci_reference_read(const char *url, struct oci_reference *ret_reference, struct dtr_error *err)
{
    static const char middle[] = "/manifests/";
    *ret_reference = (struct oci_reference){.secure = strncasecmp(url, "https://", 8) == 0};
    if (!ret_reference->secure && strncasecmp(url, "http://", 7) != 0)
        return refuse("it begins with neither http:// nor https://", err);
    const char *host = strstr(url, "://") + 3, *path = strchr(host, '/'), *at = NULL, *next;
    if (strlen(url) > URL_MOST)
        return refuse("it is longer than 4 KiB", err);
    if (!path || path == host || !host_ok(host, path))
        return refuse("it names no host", err);
    if (strncmp(path, "/v2/", 4) != 0)
        return refuse("its path does not begin with /v2/", err);
    const char *repository = path + 4;
    for (next = strstr(repository, middle); next; next = strstr(next + 1, middle))
        at = next;
    if (!at || at == repository || !repository_ok(repository, at))
        return refuse("it names no manifest of a repository", err);
    const char *reference = at + strlen(middle), *end = reference + strlen(reference);
    if (!tag_ok(reference) && !oci_digest_ok(reference))
        return refuse("it ends in neither a tag nor a sha256 or sha512 digest", err);
    ret_reference->base = copy(url, at);
    ret_reference->host = copy(host, path);
    ret_reference->repository = copy(repository, at);
    ret_reference->reference = copy(reference, end);
    if (ret_reference->base && ret_reference->host && ret_reference->repository && ret_reference->reference)
        return DTR_OK;
    oci_reference_free(ret_reference);
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an image");
}

void oci_reference_free(struct oci_reference *reference)
{
    free(reference->base);
    free(reference->host);
    free(reference->repository);
    free(reference->reference);
    *reference = (struct oci_reference){0};
}

int dtr_oci_check_url(const char *url, struct dtr_error *err)
{
    struct oci_reference reference;
    int rc = oci_reference_read(url, &reference, err);
    oci_reference_free(&reference);
    return rc;
}
