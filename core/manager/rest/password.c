/* Passwords and other secrets; see password.h. */
#include "core/manager/rest/password.h"

#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/manager/rest/jwt.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>

static unsigned cost = 10;

void password_set_cost(unsigned new_cost)
{
    cost = new_cost;
}

static bool run(const char *password, const char *setting, char hash[PASSWORD_HASH])
{
    struct crypt_data *data = calloc(1, sizeof(*data));
    const char *made = data ? crypt_r(password, setting, data) : NULL;
    bool ok = made && made[0] != '*' && dtr_copy_text(hash, PASSWORD_HASH, made);
    if (data)
        OPENSSL_cleanse(data, sizeof(*data));
    free(data);
    return ok;
}

int password_hash(const char *password, char hash[PASSWORD_HASH], struct dtr_error *err)
{
    char salt[16], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    dtr_random(salt, sizeof(salt));
    if (crypt_gensalt_rn("$2b$", cost, salt, sizeof(salt), setting, sizeof(setting)) &&
        run(password, setting, hash))
        return DTR_OK;
    return dtr_error_set(err, DTR_EINTERNAL, DTR_RETRY_NEVER, "this system's libcrypt has no bcrypt");
}

bool password_fits(const char *password, const char *hash)
{
    char made[PASSWORD_HASH], setting[40];
    bool known = hash[0] == '$';
    /* The salt of nobody. */
    (void)snprintf(setting, sizeof(setting), "$2b$%02u$abcdefghijklmnopqrstuu", cost);
    if (!run(password, known ? hash : setting, made) || !known)
        return false;
    return strlen(made) == strlen(hash) && CRYPTO_memcmp(made, hash, strlen(hash)) == 0;
}

void secret_new(char text[SECRET_TEXT])
{
    unsigned char bytes[32];
    dtr_random(bytes, sizeof(bytes));
    jwt_encode(bytes, sizeof(bytes), text);
}

void secret_hash(const char *text, char hash[65])
{
    dtr_sha256_hex(text, strlen(text), hash);
}
