/* JSON Web Tokens; see jwt.h. */
#include "core/manager/rest/jwt.h"

#include "core/base/str.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

enum { MAC = 32 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void jwt_encode(const void *bytes, size_t length, char *text)
{
    const uint8_t *from = bytes;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | from[i];
        for (have += 8; have >= 6; have -= 6)
            *text++ = digits[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *text++ = digits[bits << (6 - have) & 63];
    *text = 0;
}

bool jwt_decode(const char *text, size_t length, uint8_t *bytes, size_t *ret_length)
{
    uint32_t bits = 0;
    unsigned have = 0;
    *ret_length = 0;
    for (size_t i = 0; i < length; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[(*ret_length)++] = (uint8_t)(bits >> have);
        }
    }
    /* What is left over must be zero, so that one thing has one text. */
    return have < 6 && (bits & ((1u << have) - 1)) == 0;
}

static void mac(const char *key, const char *text, size_t length, uint8_t ret_mac[MAC])
{
    unsigned size = MAC;
    (void)HMAC(EVP_sha256(), key, (int)strlen(key), (const uint8_t *)text, length, ret_mac, &size);
}

void jwt_mark(const char *key, const char *text, char mark[JWT_MARK])
{
    uint8_t bytes[MAC];
    mac(key, text, strlen(text), bytes);
    dtr_hex(bytes, (JWT_MARK - 1) / 2, mark);
}

void jwt_sign(const char *key, const struct jwt_claims *claims, char text[JWT_TEXT])
{
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    char body[200];
    uint8_t bytes[MAC];
    int length = snprintf(body, sizeof(body), "{\"exp\":%lld,\"id\":%lld,\"mark\":\"%s\",\"orig_iat\":%lld}",
                          (long long)claims->expires, (long long)claims->user_id, claims->mark,
                          (long long)claims->signed_in);
    jwt_encode(head, sizeof(head) - 1, text);
    strcat(text, ".");
    jwt_encode(body, (size_t)length, text + strlen(text));
    mac(key, text, strlen(text), bytes);
    strcat(text, ".");
    jwt_encode(bytes, MAC, text + strlen(text));
}

/* --- reading ---------------------------------------------------------------------------------------------
 */

static bool read_part(const char *text, size_t length, json_t **ret_json)
{
    uint8_t bytes[JWT_TEXT];
    size_t got;
    *ret_json = NULL;
    if (jwt_decode(text, length, bytes, &got))
        *ret_json = json_loadb((const char *)bytes, got, 0, NULL);
    return json_is_object(*ret_json);
}

static bool head_fits(const char *text, size_t length)
{
    json_t *head;
    bool fits = read_part(text, length, &head);
    const char *algorithm = json_string_value(json_object_get(head, "alg"));
    fits = fits && algorithm && strcmp(algorithm, "HS256") == 0;
    json_decref(head);
    return fits;
}

static bool mac_fits(const char *key, const char *text, const char *end)
{
    uint8_t bytes[JWT_TEXT], own[MAC];
    size_t got;
    if (!jwt_decode(end + 1, strlen(end + 1), bytes, &got) || got != MAC)
        return false;
    mac(key, text, (size_t)(end - text), own);
    return CRYPTO_memcmp(own, bytes, MAC) == 0;
}

static bool read_claims(const char *text, size_t length, struct jwt_claims *ret_claims)
{
    json_t *body;
    bool fits = read_part(text, length, &body);
    const char *mark = json_string_value(json_object_get(body, "mark"));
    const json_t *id = json_object_get(body, "id"), *expires = json_object_get(body, "exp"),
                 *since = json_object_get(body, "orig_iat");
    fits = fits && json_is_integer(id) && json_is_integer(expires) && json_is_integer(since) && mark &&
           dtr_copy_text(ret_claims->mark, sizeof(ret_claims->mark), mark);
    if (fits) {
        ret_claims->user_id = json_integer_value(id);
        ret_claims->expires = json_integer_value(expires);
        ret_claims->signed_in = json_integer_value(since);
    }
    json_decref(body);
    return fits;
}

int jwt_read(const char *key, const char *text, struct jwt_claims *ret_claims, struct dtr_error *err)
{
    const char *body = strchr(text, '.'), *end = body ? strchr(body + 1, '.') : NULL;
    *ret_claims = (struct jwt_claims){0};
    if (!end || strlen(text) >= JWT_TEXT || !head_fits(text, (size_t)(body - text)) ||
        !mac_fits(key, text, end) || !read_claims(body + 1, (size_t)(end - body - 1), ret_claims))
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                             "the session token was not made by this manager: sign in");
    return DTR_OK;
}
