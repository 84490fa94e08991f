/* Range, Content-Range and If-Range; see range.h. */
#include "core/http/range.h"

#include "core/base/str.h"
#include <darter/storage.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Digits at *text, moved past; false when there are none. Saturates. */
static bool take_number(const char **text, uint64_t *ret_value)
{
    const char *at = *text;
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    bool any = at != *text;
    *text = at;
    *ret_value = value;
    return any;
}

static bool parse_one(const char **text, struct dtr_http_range *range)
{
    bool has_first = take_number(text, &range->first);
    if (**text != '-')
        return false;
    (*text)++;
    bool has_last = take_number(text, &range->last);
    if (!has_first && !has_last)
        return false;
    if (!has_first)
        range->kind = DTR_RANGE_SUFFIX;
    else
        range->kind = has_last ? DTR_RANGE_SPAN : DTR_RANGE_FROM;
    return range->kind != DTR_RANGE_SPAN || range->first <= range->last;
}

struct dtr_http_range dtr_http_range_parse(const char *value)
{
    const struct dtr_http_range none = {.kind = DTR_RANGE_NONE};
    struct dtr_http_range range = none;
    if (!value || strncasecmp(value, "bytes=", 6) != 0)
        return none;
    /* Lists may have empty members and white space around the commas. */
    value += 6;
    value += strspn(value, ", \t");
    if (!parse_one(&value, &range))
        return none;
    value += strspn(value, ", \t");
    return *value == 0 ? range : none;
}

int dtr_http_range_resolve(const struct dtr_http_range *range, uint64_t total, uint64_t *ret_offset,
                           uint64_t *ret_length)
{
    uint64_t first = range->first, end = total;
    *ret_offset = 0;
    *ret_length = total;
    if (range->kind == DTR_RANGE_NONE || total == DTR_LENGTH_UNKNOWN)
        return 200;
    if (range->kind == DTR_RANGE_SUFFIX) {
        /* The last n of nothing is all of it, which no Content-Range can say. */
        if (total == 0 && range->last > 0)
            return 200;
        first = range->last < total ? total - range->last : 0;
        if (range->last == 0)
            first = total;
    } else if (range->kind == DTR_RANGE_SPAN && range->last < total) {
        end = range->last + 1;
    }
    bool satisfiable = first < total;
    *ret_offset = satisfiable ? first : 0;
    *ret_length = satisfiable ? end - first : 0;
    return satisfiable ? 206 : 416;
}

bool dtr_http_if_range(const char *if_range, const char *etag, const char *last_modified)
{
    if (!if_range)
        return true;
    /* A weak tag never matches here (RFC 9110, 13.1.5). */
    if (if_range[0] == '"')
        return etag && strcmp(if_range, etag) == 0;
    return strncmp(if_range, "W/", 2) != 0 && last_modified && strcmp(if_range, last_modified) == 0;
}

void dtr_content_range_text(uint64_t offset, uint64_t length, uint64_t total,
                            char text[DTR_CONTENT_RANGE_TEXT])
{
    char whole[24] = "*";
    if (total != DTR_LENGTH_UNKNOWN)
        (void)snprintf(whole, sizeof(whole), "%" PRIu64, total);
    if (length == 0)
        (void)snprintf(text, DTR_CONTENT_RANGE_TEXT, "bytes */%s", whole);
    else
        (void)snprintf(text, DTR_CONTENT_RANGE_TEXT, "bytes %" PRIu64 "-%" PRIu64 "/%s", offset,
                       offset + length - 1, whole);
}
