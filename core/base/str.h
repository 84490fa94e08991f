/* A growing string with a stated ceiling. Errors stick: after one, adding does nothing and dtr_str_ok()
 * is false, so a caller checks once at the end. Always NUL-terminated; may hold any bytes. */
#ifndef DTR_BASE_STR_H
#define DTR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dtr_str {
    char *text;    /* NULL while empty */
    size_t length; /* without the final NUL */
    size_t capacity;
    size_t limit; /* ceiling for length; 0 means DTR_STR_LIMIT */
    bool failed;
};

#define DTR_STR_LIMIT ((size_t)64 << 20)

/* A zeroed struct dtr_str is an empty string. */
void dtr_str_free(struct dtr_str *str);
void dtr_str_clear(struct dtr_str *str);
void dtr_str_add(struct dtr_str *str, const void *bytes, size_t length);
void dtr_str_puts(struct dtr_str *str, const char *text);
void dtr_str_putc(struct dtr_str *str, char c);
__attribute__((format(printf, 2, 3))) void dtr_str_printf(struct dtr_str *str, const char *format, ...);
/* Removes the first `length` bytes. */
void dtr_str_skip(struct dtr_str *str, size_t length);
/* The text, "" when empty; valid until the next change. */
const char *dtr_str_text(const struct dtr_str *str);
/* Gives the buffer to the caller (free()), leaving an empty string; NULL after a failure. */
char *dtr_str_take(struct dtr_str *str);
static inline bool dtr_str_ok(const struct dtr_str *str)
{
    return !str->failed;
}

/* Copies text into a field of `size` bytes; false when it did not fit (the field is then ""). */
bool dtr_copy_text(char *field, size_t size, const char *text);
/* strndup that refuses embedded NULs; NULL when out of memory or refused. */
char *dtr_text_dup(const void *bytes, size_t length);
/* Case-insensitive for ASCII, independent of the locale. */
int dtr_casecmp(const char *a, const char *b);
/* Lower-case hex; `hex` has 2 * length + 1 bytes. */
void dtr_hex(const void *bytes, size_t length, char *hex);
/* Whether all `length` characters are lower-case hex digits. */
bool dtr_is_hex(const char *text, size_t length);
/* Decimal digits only, no sign, no overflow. */
bool dtr_parse_u64(const char *text, size_t length, uint64_t *ret_value);

#endif
