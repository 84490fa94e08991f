/* Passwords and other secrets. Hashing a password takes tens of milliseconds: on worker threads, outside
 * transactions. */
#ifndef DTR_MANAGER_REST_PASSWORD_H
#define DTR_MANAGER_REST_PASSWORD_H

#include <darter/error.h>
#include <stdbool.h>

#define PASSWORD_LEAST 8 /* characters, as Dragonfly's */
#define PASSWORD_MOST  20
#define PASSWORD_HASH  128

/* bcrypt ("$2b$"). */
int password_hash(const char *password, char hash[PASSWORD_HASH], struct dtr_error *err);
/* Takes as long for a hash that is none ("": no such user) as for one. */
bool password_fits(const char *password, const char *hash);
/* Tests need not wait for it: 4 to 31, 10 is the default. */
void password_set_cost(unsigned cost);

/* 43 characters of base64url with 256 random bits: a key, or a personal access token. */
#define SECRET_TEXT 44
void secret_new(char text[SECRET_TEXT]);
/* As a token is kept: SHA-256 in hexadecimal digits. Enough, since nobody can guess 256 bits. */
void secret_hash(const char *text, char hash[65]);

#endif
