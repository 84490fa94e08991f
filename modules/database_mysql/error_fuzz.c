/* Feeds any bytes as a server's error to the texts that are made of it: one line, no value in it, whatever
 * the value is; and as a value to the judge of texts. */
#include "database_mysql.h"

#include <mysqld_error.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct my_options options = {.host = "127.0.0.1", .port = 3306};
static const struct my_server server = {.options = &options};

/* `format` has a place for a value, of which the text must tell nothing. */
static void try_error(unsigned number, const char *state, const char *before, const char *value,
                      const char *after)
{
    struct dtr_error err = {0};
    char *text = NULL;
    if (asprintf(&text, "%s'%sSECRET%s'%s", before, value, value, after) < 0)
        abort();
    int rc = my_failed(&server, number, state, text, &err);
    if (rc >= 0 || err.code != rc || strpbrk(err.text, "\r\n") || strstr(err.text, "SECRET"))
        abort();
    free(text);
}

/* UTF-8 by the book: what is encoded again must be the same. */
static bool is_text(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0, size; i < length; i += size) {
        uint32_t b[4] = {0}, point;
        for (size_t j = 0; j < 4 && i + j < length; j++)
            b[j] = bytes[i + j];
        size = b[0] < 0x80 ? 1 : (b[0] & 0xE0) == 0xC0 ? 2 : (b[0] & 0xF0) == 0xE0 ? 3 : 4;
        point = size == 1   ? b[0]
                : size == 2 ? (b[0] & 0x1F) << 6 | (b[1] & 0x3F)
                : size == 3 ? (b[0] & 0x0F) << 12 | (b[1] & 0x3F) << 6 | (b[2] & 0x3F)
                            : (b[0] & 0x07) << 18 | (b[1] & 0x3F) << 12 | (b[2] & 0x3F) << 6 | (b[3] & 0x3F);
        uint8_t again[4];
        size_t encoded = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        static const uint8_t heads[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
        for (size_t j = encoded; j-- > 1;)
            again[j] = (uint8_t)(0x80 | (point >> 6 * (encoded - 1 - j) & 0x3F));
        again[0] = (uint8_t)(heads[encoded] | point >> 6 * (encoded - 1));
        if (encoded != size || i + size > length || memcmp(again, bytes + i, size) != 0 || point == 0 ||
            point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *value = strndup((const char *)bytes, length);
    if (!value)
        abort();
    if (is_text(bytes, length) != dtr_db_is_text((const char *)bytes, length))
        abort();
    if (!strstr(value, "SECRET")) {
        try_error(ER_DUP_ENTRY, "23000", "Duplicate entry ", value, " for key 'name'");
        try_error(1366, "22007", "Incorrect integer value: ", value, " for column `m`.`t`.`n` at row 1");
        try_error(1292, "22007", "Truncated incorrect INTEGER value: ", value, "");
        try_error(1690, "22003", "BIGINT value is out of range in ", value, "");
        try_error(bytes && length > 1 ? 60000u + bytes[0] : 60000, "HY000", "", value, value);
    }
    free(value);
    return 0;
}
