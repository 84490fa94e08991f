/* Percent-encoding and UTF-8 for URLs, and the re-writing of queries. */
#include "core/brain/url_internal.h"
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_escape(struct dtr_str *out, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;
    char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};

    dtr_str_add(out, escape, sizeof(escape));
}

void url_encode(struct dtr_str *out, const char *text, size_t length, const char *set)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte <= 0x1f || byte >= 0x7f || strchr(set, text[i]))
            put_escape(out, text[i]);
        else
            dtr_str_putc(out, text[i]);
    }
}

void url_decode(struct dtr_str *out, const char *text, size_t length, bool plus)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%' && length - i > 2 && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            dtr_str_putc(out, (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2])));
            i += 2;
        } else {
            dtr_str_putc(out, plus && text[i] == '+' ? ' ' : text[i]);
        }
    }
}

size_t url_utf8(const char *at, size_t left, bool *ret_valid)
{
    const unsigned char *bytes = (const unsigned char *)at;
    unsigned char first = bytes[0], low = 0x80, high = 0xbf;
    size_t length = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;

    *ret_valid = false;
    if (length == 0)
        return 1;
    /* The second byte tells overlong forms, surrogates and what lies past U+10FFFF. */
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < length; i++) {
        if (i == left || bytes[i] < low || bytes[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *ret_valid = true;
    return length;
}

/* One decoded name or value, with U+FFFD for what is not UTF-8. False: out of memory. */
static bool form_decode(struct dtr_str *out, struct dtr_str *scratch, const char *text, size_t length)
{
    dtr_str_clear(out);
    dtr_str_clear(scratch);
    url_decode(scratch, text, length, true);
    for (size_t i = 0, step; i < scratch->length; i += step) {
        bool valid;
        step = url_utf8(scratch->text + i, scratch->length - i, &valid);
        if (valid)
            dtr_str_add(out, scratch->text + i, step);
        else
            dtr_str_puts(out, "\xef\xbf\xbd");
    }
    return dtr_str_ok(out) && dtr_str_ok(scratch);
}

static void form_encode(struct dtr_str *out, const struct dtr_str *text)
{
    for (size_t i = 0; i < text->length; i++) {
        char c = text->text[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c && strchr("*-._", c)))
            dtr_str_putc(out, c);
        else if (c == ' ')
            dtr_str_putc(out, '+');
        else
            put_escape(out, c);
    }
}

static bool is_named(const struct dtr_str *key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == key->length && memcmp(names[i], dtr_str_text(key), key->length) == 0)
            return true;
    return false;
}

/* Appends the parameters of a query that are not named, each behind `lead` and then '&'. */
static void filter_query(struct dtr_str *out, const char *at, const char *end, const char *const *names,
                         size_t count)
{
    struct dtr_str key = {0}, value = {0}, scratch = {0};
    char lead = '?';
    bool ok = true;

    while (at < end && ok) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        const char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        const char *sign = memchr(at, '=', (size_t)(stop - at));
        ok = form_decode(&key, &scratch, at, (size_t)((sign ? sign : stop) - at));
        if (stop > at && !is_named(&key, names, count)) {
            ok =
                form_decode(&value, &scratch, sign ? sign + 1 : stop, sign ? (size_t)(stop - sign - 1) : 0) &&
                ok;
            dtr_str_putc(out, lead);
            form_encode(out, &key);
            dtr_str_putc(out, '=');
            form_encode(out, &value);
            lead = '&';
        }
        at = next;
    }
    out->failed = out->failed || !ok;
    dtr_str_free(&key);
    dtr_str_free(&value);
    dtr_str_free(&scratch);
}

int dtr_url_filter(struct dtr_url *url, const char *const *names, size_t count, struct dtr_error *err)
{
    struct dtr_str out = {.limit = DTR_URL_MAX};
    const char *text = dtr_str_text(&url->text);
    size_t fragment_length = url->text.length - url->fragment;

    dtr_str_add(&out, text, url->query);
    if (url->query < url->fragment)
        filter_query(&out, text + url->query + 1, text + url->fragment, names, count);
    dtr_str_add(&out, text + url->fragment, fragment_length);
    if (!dtr_str_ok(&out)) {
        dtr_str_free(&out);
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "URL is longer than %zu bytes", DTR_URL_MAX);
    }
    dtr_str_free(&url->text);
    url->text = out;
    url->fragment = out.length - fragment_length;
    return DTR_OK;
}

const char *const dtr_url_default_filter[] = {
    /* S3 */
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-User-Agent",
    /* GCS */
    "X-Goog-Algorithm",
    "X-Goog-Credential",
    "X-Goog-Date",
    "X-Goog-Expires",
    "X-Goog-SignedHeaders",
    "X-Goog-Signature",
    /* OSS */
    "OSSAccessKeyId",
    "Expires",
    "Signature",
    "SecurityToken",
    /* OBS; it has Signature and Expires as well */
    "AccessKeyId",
    "X-Obs-Date",
    "X-Obs-Security-Token",
    /* COS */
    "q-sign-algorithm",
    "q-ak",
    "q-sign-time",
    "q-key-time",
    "q-header-list",
    "q-url-param-list",
    "q-signature",
    "x-cos-security-token",
    /* containerd */
    "ns",
};
const size_t dtr_url_default_filter_count =
    sizeof(dtr_url_default_filter) / sizeof(dtr_url_default_filter[0]);
