/* WWW-Authenticate; see parts.h. */
#include "core/oci/parts.h"

#include "core/base/str.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char *skip(const char *at, const char *what)
{
    return at + strspn(at, what);
}

/* A token or a quoted string behind "="; the end of it. What does not fit is left out ("" then). */
static const char *read_value(const char *at, char *value, size_t size)
{
    size_t length = 0;
    bool quoted = *at == '"', fits = true;
    for (at += quoted; *at && (quoted ? *at != '"' : !strchr(", \t", *at)); at++) {
        if (quoted && *at == '\\' && at[1])
            at++;
        fits = fits && length + 1 < size && (unsigned char)*at >= ' ';
        if (fits)
            value[length++] = *at;
    }
    value[fits ? length : 0] = '\0';
    return at + (quoted && *at == '"');
}

static void take(struct oci_challenge *challenge, const char *name, size_t length, const char *value)
{
    const struct {
        const char *name;
        char *field;
        size_t size;
    } fields[] = {{"realm", challenge->realm, sizeof(challenge->realm)},
                  {"service", challenge->service, sizeof(challenge->service)},
                  {"scope", challenge->scope, sizeof(challenge->scope)}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strlen(fields[i].name) == length && strncasecmp(fields[i].name, name, length) == 0)
            (void)dtr_copy_text(fields[i].field, fields[i].size, value);
    }
}

void oci_challenge_read(const char *header, struct oci_challenge *challenge)
{
    struct oci_challenge found = {.kind = OCI_NO_CHALLENGE};
    char value[1024];
    const char *at = header;
    while (*(at = skip(at, " \t,"))) {
        size_t length = strcspn(at, " \t,=");
        const char *after = skip(at + length, " \t");
        if (length > 0 && *after == '=') { /* a parameter of the scheme before it */
            const char *end = read_value(skip(after + 1, " \t"), value, sizeof(value));
            if (found.kind == OCI_BEARER)
                take(&found, at, length, value);
            at = end;
            continue;
        }
        if (found.kind == OCI_BEARER && found.realm[0])
            break; /* another scheme follows the best there is */
        if (length == 6 && strncasecmp(at, "Bearer", length) == 0)
            found = (struct oci_challenge){.kind = OCI_BEARER};
        else if (length == 5 && strncasecmp(at, "Basic", length) == 0)
            found = (struct oci_challenge){.kind = OCI_BASIC};
        at += length + (length == 0);
    }
    if (found.kind == OCI_BEARER && !found.realm[0])
        found.kind = OCI_NO_CHALLENGE;
    if (found.kind > challenge->kind)
        *challenge = found;
}

/* --- the answer to one -----------------------------------------------------------------------------------
 */

char *oci_basic(const char *username, const char *password)
{
    struct dtr_str plain = {0}, value = {0};
    dtr_str_printf(&plain, "%s:%s", username, password ? password : "");
    unsigned char *encoded = dtr_str_ok(&plain) ? malloc(plain.length / 3 * 4 + 5) : NULL;
    if (encoded) {
        (void)EVP_EncodeBlock(encoded, (const unsigned char *)dtr_str_text(&plain), (int)plain.length);
        dtr_str_printf(&value, "Basic %s", (const char *)encoded);
    }
    free(encoded);
    dtr_str_free(&plain);
    return value.length > 0 ? dtr_str_take(&value) : NULL;
}

static void add_escaped(struct dtr_str *out, const char *name, const char *value, size_t length)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/";
    dtr_str_printf(out, "%c%s=", strchr(dtr_str_text(out), '?') ? '&' : '?', name);
    for (size_t i = 0; i < length; i++)
        dtr_str_printf(out, strchr(plain, value[i]) ? "%c" : "%%%02X", (unsigned char)value[i]);
}

char *oci_token_url(const struct oci_challenge *challenge, const char *repository)
{
    struct dtr_str url = {0}, scope = {0};
    const char *at = challenge->scope;
    dtr_str_printf(&scope, "repository:%s:pull", repository);
    dtr_str_puts(&url, challenge->realm);
    if (challenge->service[0])
        add_escaped(&url, "service", challenge->service, strlen(challenge->service));
    if (!*skip(at, " "))
        add_escaped(&url, "scope", dtr_str_text(&scope), scope.length);
    while (*(at = skip(at, " "))) { /* each scope of a list is a parameter of its own */
        add_escaped(&url, "scope", at, strcspn(at, " "));
        at += strcspn(at, " ");
    }
    dtr_str_free(&scope);
    return dtr_str_take(&url);
}
