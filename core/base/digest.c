/* Checksums and random names; see digest.h. */
#include "core/base/digest.h"

#include "core/base/str.h"
#include <libdeflate.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

uint32_t dtr_crc32(uint32_t crc, const void *bytes, size_t length)
{
    return libdeflate_crc32(crc, bytes, length);
}

void dtr_crc32_text(uint32_t crc, char text[DTR_CRC32_TEXT])
{
    (void)snprintf(text, DTR_CRC32_TEXT, "crc32:%u", crc);
}

bool dtr_crc32_parse(const char *text, size_t length, uint32_t *ret_crc)
{
    uint64_t value;
    if (length < 7 || memcmp(text, "crc32:", 6) != 0 || !dtr_parse_u64(text + 6, length - 6, &value) ||
        value > UINT32_MAX || (length > 7 && text[6] == '0'))
        return false;
    *ret_crc = (uint32_t)value;
    return true;
}

struct dtr_digest {
    EVP_MD_CTX *context;
};

int dtr_digest_new(const char *algorithm, struct dtr_digest **ret_digest, struct dtr_error *err)
{
    const EVP_MD *md = strcmp(algorithm, "sha256") == 0   ? EVP_sha256()
                       : strcmp(algorithm, "sha512") == 0 ? EVP_sha512()
                                                          : NULL;
    if (!md)
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                             "digest algorithm '%s': use sha256 or sha512", algorithm);
    struct dtr_digest *digest = calloc(1, sizeof(*digest));
    if (digest)
        digest->context = EVP_MD_CTX_new();
    if (!digest || !digest->context || EVP_DigestInit_ex(digest->context, md, NULL) != 1) {
        dtr_digest_free(digest);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a digest");
    }
    *ret_digest = digest;
    return DTR_OK;
}

void dtr_digest_add(struct dtr_digest *digest, const void *bytes, size_t length)
{
    (void)EVP_DigestUpdate(digest->context, bytes, length);
}

void dtr_digest_end(struct dtr_digest *digest, char hex[129])
{
    uint8_t value[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    (void)EVP_DigestFinal_ex(digest->context, value, &length);
    dtr_hex(value, length, hex);
}

void dtr_digest_free(struct dtr_digest *digest)
{
    if (digest)
        EVP_MD_CTX_free(digest->context);
    free(digest);
}

/* --- expected digests --------------------------------------------------------------------------- */

struct dtr_expected {
    struct dtr_digest *digest; /* NULL: crc32 */
    uint32_t crc32;            /* so far */
    char wanted[160];          /* in lower case */
};

/* "sha256" or "sha512" with as many hex digits as it has. */
static bool take_hash(struct dtr_expected *expected, const char *hex)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    bool is_256 = strncmp(expected->wanted, "sha256:", 7) == 0,
         is_512 = strncmp(expected->wanted, "sha512:", 7) == 0;
    size_t length = strlen(hex);
    if (!(is_256 && length == 64) && !(is_512 && length == 128))
        return false;
    if (strspn(hex, digits) != length)
        return false;
    for (char *at = expected->wanted + 7; *at; at++)
        *at = (char)(*at >= 'A' && *at <= 'F' ? *at - 'A' + 'a' : *at);
    return true;
}

int dtr_expected_new(const char *text, struct dtr_expected **ret_expected, struct dtr_error *err)
{
    struct dtr_expected *expected = calloc(1, sizeof(*expected));
    uint32_t crc32;
    int rc = DTR_OK;
    if (!expected)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a digest");
    bool fits = dtr_copy_text(expected->wanted, sizeof(expected->wanted), text);
    if (fits && take_hash(expected, strchr(text, ':') ? strchr(text, ':') + 1 : ""))
        rc = dtr_digest_new(expected->wanted[3] == '2' ? "sha256" : "sha512", &expected->digest, err);
    else if (!fits || !dtr_crc32_parse(text, strlen(text), &crc32))
        rc = dtr_error_set(
            err, DTR_EINVALID, DTR_RETRY_NEVER,
            "digest \"%.40s\": write sha256: and 64 hex digits, sha512: and 128, or crc32: and a "
            "decimal number",
            text);
    if (rc != DTR_OK) {
        dtr_expected_free(expected);
        return rc;
    }
    *ret_expected = expected;
    return DTR_OK;
}

bool dtr_expected_known(const char *text)
{
    struct dtr_expected *expected = NULL;
    bool known = text[0] && dtr_expected_new(text, &expected, NULL) == DTR_OK;
    dtr_expected_free(expected);
    return known;
}

void dtr_expected_add(struct dtr_expected *expected, const void *bytes, size_t length)
{
    if (expected->digest)
        dtr_digest_add(expected->digest, bytes, length);
    else
        expected->crc32 = dtr_crc32(expected->crc32, bytes, length);
}

int dtr_expected_end(struct dtr_expected *expected, struct dtr_error *err)
{
    char got[160], hex[129];
    if (expected->digest) {
        dtr_digest_end(expected->digest, hex);
        (void)snprintf(got, sizeof(got), "%.7s%s", expected->wanted, hex);
    } else {
        dtr_crc32_text(expected->crc32, got);
    }
    if (strcmp(got, expected->wanted) == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "the bytes have %.80s, expected was %.80s", got,
                         expected->wanted);
}

void dtr_expected_free(struct dtr_expected *expected)
{
    if (!expected)
        return;
    dtr_digest_free(expected->digest);
    free(expected);
}

void dtr_sha256_hex(const void *bytes, size_t length, char hex[65])
{
    uint8_t value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    (void)EVP_Digest(bytes, length, value, &size, EVP_sha256(), NULL);
    dtr_hex(value, 32, hex);
}

void dtr_random(void *bytes, size_t length)
{
    uint8_t *at = bytes;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got > 0) {
            at += got;
            length -= (size_t)got;
        }
    }
}

void dtr_uuid(char text[37])
{
    uint8_t value[16];
    char hex[33];
    dtr_random(value, sizeof(value));
    value[6] = (uint8_t)((value[6] & 0x0f) | 0x40); /* version 4 */
    value[8] = (uint8_t)((value[8] & 0x3f) | 0x80); /* RFC 4122 variant */
    dtr_hex(value, sizeof(value), hex);
    (void)snprintf(text, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
