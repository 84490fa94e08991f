/* Checksums and random names. Any thread. */
#ifndef DTR_BASE_DIGEST_H
#define DTR_BASE_DIGEST_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CRC-32 IEEE (polynomial EDB88320, as zlib); start with 0. */
uint32_t dtr_crc32(uint32_t crc, const void *bytes, size_t length);
/* "crc32:" and the decimal value, as Dragonfly writes piece digests (wire page 4.3). */
#define DTR_CRC32_TEXT 17
void dtr_crc32_text(uint32_t crc, char text[DTR_CRC32_TEXT]);
/* The reverse; false unless it is exactly that form. */
bool dtr_crc32_parse(const char *text, size_t length, uint32_t *ret_crc);

/* A running digest: "sha256" or "sha512". */
struct dtr_digest;
int dtr_digest_new(const char *algorithm, struct dtr_digest **ret_digest, struct dtr_error *err);
void dtr_digest_add(struct dtr_digest *digest, const void *bytes, size_t length);
/* Lower-case hex into `hex` (129 bytes hold any). The digest can only be freed afterwards. */
void dtr_digest_end(struct dtr_digest *digest, char hex[129]);
void dtr_digest_free(struct dtr_digest *digest);
/* What the bytes of a whole object should amount to: "sha256:<64 hex digits>", "sha512:<128 hex digits>" or
 * "crc32:<decimal>"; DTR_EINVALID says so. */
struct dtr_expected;
int dtr_expected_new(const char *text, struct dtr_expected **ret_expected, struct dtr_error *err);
/* Whether it is one of these. */
bool dtr_expected_known(const char *text);
/* The next bytes, in order. */
void dtr_expected_add(struct dtr_expected *expected, const void *bytes, size_t length);
/* After the last ones: DTR_ECORRUPT names both digests when they differ. Then it can only be freed. */
int dtr_expected_end(struct dtr_expected *expected, struct dtr_error *err);
/* NULL is fine. */
void dtr_expected_free(struct dtr_expected *expected);
/* SHA-256 of some bytes as 64 hex characters. */
void dtr_sha256_hex(const void *bytes, size_t length, char hex[65]);

/* Bytes from the kernel's generator. */
void dtr_random(void *bytes, size_t length);
/* A random UUID (version 4), 36 characters. */
void dtr_uuid(char text[37]);

#endif
