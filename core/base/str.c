/* Growing strings and small text helpers; see str.h. */
#include "core/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dtr_str_free(struct dtr_str *str)
{
    free(str->text);
    *str = (struct dtr_str){.limit = str->limit};
}

void dtr_str_clear(struct dtr_str *str)
{
    str->length = 0;
    str->failed = false;
    if (str->text)
        str->text[0] = '\0';
}

static bool reserve(struct dtr_str *str, size_t more)
{
    size_t limit = str->limit ? str->limit : DTR_STR_LIMIT;
    if (str->failed || more > limit - str->length) {
        str->failed = true;
        return false;
    }
    size_t needed = str->length + more + 1;
    if (needed <= str->capacity)
        return true;
    size_t capacity = str->capacity ? str->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    char *text = realloc(str->text, capacity);
    if (!text) {
        str->failed = true;
        return false;
    }
    str->text = text;
    str->capacity = capacity;
    return true;
}

void dtr_str_add(struct dtr_str *str, const void *bytes, size_t length)
{
    if (length == 0 || !reserve(str, length))
        return;
    memcpy(str->text + str->length, bytes, length);
    str->length += length;
    str->text[str->length] = '\0';
}

void dtr_str_puts(struct dtr_str *str, const char *text)
{
    dtr_str_add(str, text, strlen(text));
}

void dtr_str_putc(struct dtr_str *str, char c)
{
    dtr_str_add(str, &c, 1);
}

void dtr_str_printf(struct dtr_str *str, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !reserve(str, (size_t)length)) {
        str->failed = true;
        return;
    }
    va_start(args, format);
    (void)vsnprintf(str->text + str->length, (size_t)length + 1, format, args);
    va_end(args);
    str->length += (size_t)length;
}

void dtr_str_skip(struct dtr_str *str, size_t length)
{
    if (length >= str->length) {
        str->length = 0;
    } else {
        memmove(str->text, str->text + length, str->length - length);
        str->length -= length;
    }
    if (str->text)
        str->text[str->length] = '\0';
}

const char *dtr_str_text(const struct dtr_str *str)
{
    return str->text ? str->text : "";
}

char *dtr_str_take(struct dtr_str *str)
{
    if (!str->failed && !str->text)
        (void)reserve(str, 0);
    char *text = str->failed ? NULL : str->text;
    if (text) {
        text[str->length] = '\0';
        str->text = NULL;
    }
    dtr_str_free(str);
    return text;
}

bool dtr_copy_text(char *field, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size) {
        field[0] = '\0';
        return false;
    }
    memcpy(field, text, length + 1);
    return true;
}

char *dtr_text_dup(const void *bytes, size_t length)
{
    if (memchr(bytes, '\0', length))
        return NULL;
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, bytes, length);
        copy[length] = '\0';
    }
    return copy;
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

int dtr_casecmp(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) - lower(*b);
}

void dtr_hex(const void *bytes, size_t length, char *hex)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        hex[2 * i] = "0123456789abcdef"[at[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[at[i] & 15];
    }
    hex[2 * length] = '\0';
}

bool dtr_is_hex(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    }
    return true;
}

bool dtr_parse_u64(const char *text, size_t length, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}
