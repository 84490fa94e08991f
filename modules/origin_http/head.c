/* Response heads; see head.h. */
#include "head.h"

#include <stdlib.h>
#include <strings.h>

void head_reset(struct head *head)
{
    head->length = head->count = 0;
    head->status = 0;
}

void head_free(struct head *head)
{
    free(head->text);
    *head = (struct head){0};
}

/* Appends text and a NUL; *ret_at is where it starts. */
static int append(struct head *head, const char *text, size_t length, uint32_t *ret_at)
{
    size_t needed = head->length + length + 1;
    if (needed > HEAD_LIMIT)
        return DTR_ELIMIT;
    if (needed > head->capacity) {
        size_t capacity = head->capacity ? head->capacity : 1024;
        while (capacity < needed)
            capacity *= 2;
        char *grown = realloc(head->text, capacity);
        if (!grown)
            return DTR_ENOMEM;
        head->text = grown;
        head->capacity = capacity;
    }
    *ret_at = (uint32_t)head->length;
    memcpy(head->text + head->length, text, length);
    head->text[head->length + length] = '\0';
    head->length = needed;
    return DTR_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t trimmed(const char **text, size_t length)
{
    while (length > 0 && is_blank(**text)) {
        (*text)++;
        length--;
    }
    while (length > 0 && is_blank((*text)[length - 1]))
        length--;
    return length;
}

int head_line(struct head *head, const char *line, size_t length)
{
    if (length >= 12 && strncasecmp(line, "HTTP/", 5) == 0) {
        const char *space = memchr(line, ' ', length);
        head_reset(head);
        if (space && line + length - space >= 4)
            head->status = (space[1] - '0') * 100 + (space[2] - '0') * 10 + (space[3] - '0');
        return DTR_OK;
    }
    const char *colon = memchr(line, ':', length);
    if (!colon)
        return DTR_OK; /* the empty line */
    if (head->count == HEAD_COUNT_LIMIT)
        return DTR_ELIMIT;
    const char *name = line, *value = colon + 1;
    size_t name_length = trimmed(&name, (size_t)(colon - line));
    size_t value_length = trimmed(&value, (size_t)(line + length - value));
    int rc = append(head, name, name_length, &head->names[head->count]);
    if (rc == DTR_OK)
        rc = append(head, value, value_length, &head->values[head->count]);
    if (rc == DTR_OK)
        head->count++;
    return rc;
}

const char *head_find(const struct head *head, const char *name)
{
    for (size_t i = 0; i < head->count; i++) {
        if (strcasecmp(head->text + head->names[i], name) == 0)
            return head->text + head->values[i];
    }
    return NULL;
}

bool head_redirects(const struct head *head)
{
    if (head->status < 300 || head->status > 399)
        return false;
    for (size_t i = 0; i < head->count; i++) {
        if (strcasecmp(head->text + head->names[i], "Location") == 0 && head->text[head->values[i]])
            return true;
    }
    return false;
}

/* Digits at *at, which moves behind them. */
static bool number(const char **at, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *from = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
            return false;
    }
    *ret_value = value;
    return *at > from;
}

/* "bytes 0-99/1234" or ".../ *" (RFC 9110, 14.4). */
static bool content_range(const char *text, uint64_t *ret_start, uint64_t *ret_total)
{
    uint64_t end;
    if (strncasecmp(text, "bytes ", 6) != 0)
        return false;
    text += 6;
    if (!number(&text, ret_start) || *text++ != '-' || !number(&text, &end) || *text++ != '/' ||
        end < *ret_start)
        return false;
    if (strcmp(text, "*") == 0) {
        *ret_total = DTR_LENGTH_UNKNOWN;
        return true;
    }
    return number(&text, ret_total) && *text == '\0' && end < *ret_total;
}

static int work_out_range(const struct head *head, struct dtr_origin_head *ret, struct dtr_error *err)
{
    const char *range = head_find(head, "Content-Range"), *length = head_find(head, "Content-Length");
    if (head->status == 206 && (!range || !content_range(range, &ret->offset, &ret->total_length)))
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "206 without a usable Content-Range ('%.60s')", range ? range : "");
    if (head->status == 200 && length && (!number(&length, &ret->total_length) || *length != '\0'))
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "Content-Length is not a number");
    ret->version = dtr_header_version(ret->headers, ret->header_count);
    return DTR_OK;
}

int head_tell(const struct head *head, bool ranged, struct dtr_header *array, struct dtr_origin_head *ret,
              struct dtr_error *err)
{
    for (size_t i = 0; i < head->count; i++)
        array[i] = (struct dtr_header){head->text + head->names[i], head->text + head->values[i]};
    *ret = (struct dtr_origin_head){.status = head->status,
                                    .headers = array,
                                    .header_count = head->count,
                                    .total_length = DTR_LENGTH_UNKNOWN};
    return ranged ? work_out_range(head, ret, err) : DTR_OK;
}

/* Length of "scheme://authority" in lower or upper case; 0 when the text has none. */
static size_t origin_length(const char *url)
{
    const char *at = strstr(url, "://");
    return at ? (size_t)(at - url) + 3 + strcspn(at + 3, "/?#") : 0;
}

bool head_same_origin(const char *url, const char *other)
{
    size_t length = origin_length(url);
    return length > 0 && length == origin_length(other) && strncasecmp(url, other, length) == 0;
}

void head_plain_url(const char *url, char *to, size_t size)
{
    const char *authority = strstr(url, "://");
    size_t scheme = authority ? (size_t)(authority - url) + 3 : 0;
    const char *rest = url + scheme;
    const char *at = memchr(rest, '@', strcspn(rest, "/?#"));
    if (at)
        rest = at + 1;
    (void)snprintf(to, size, "%.*s%.*s", (int)scheme, url, (int)strcspn(rest, "?#"), rest);
}
