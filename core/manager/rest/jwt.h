/* Session tokens: JSON Web Tokens (RFC 7519), signed by HMAC-SHA-256 ("HS256") and by nothing else. Pure; any
 * thread. */
#ifndef DTR_MANAGER_REST_JWT_H
#define DTR_MANAGER_REST_JWT_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JWT_TEXT 512 /* bytes of a token of ours, with the NUL; a longer one is none */
#define JWT_MARK 17

struct jwt_claims {
    int64_t user_id;     /* "id" */
    int64_t expires;     /* "exp", seconds since 1970 */
    int64_t signed_in;   /* "orig_iat": when the password was given */
    char mark[JWT_MARK]; /* "mark": of the password, so that a new one ends the sessions of the old one */
};

/* Any key with at least one byte. */
void jwt_sign(const char *key, const struct jwt_claims *claims, char text[JWT_TEXT]);
/* DTR_EDENIED unless it was signed with this key; says nothing about times. */
int jwt_read(const char *key, const char *text, struct jwt_claims *ret_claims, struct dtr_error *err);
/* 16 hexadecimal digits that change with a text and tell nothing about it to who does not have the key. */
void jwt_mark(const char *key, const char *text, char mark[JWT_MARK]);

/* base64url without padding (RFC 4648, 5). `text` has room for length * 4 / 3 + 2 bytes. */
void jwt_encode(const void *bytes, size_t length, char *text);
/* The reverse, strictly; `bytes` has room for length * 3 / 4 + 1. False: not that form. */
bool jwt_decode(const char *text, size_t length, uint8_t *bytes, size_t *ret_length);

#endif
