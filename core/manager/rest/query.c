/* Queries; see query.h. */
#include "core/manager/rest/query.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; what comes out is never longer. False for a wrong escape or a NUL. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        char c = *from == '+' ? ' ' : *from;
        if (c == '%') {
            int high = digit(from[1]), low = high < 0 ? -1 : digit(from[2]);
            if (low < 0 || high + low == 0)
                return false;
            c = (char)(high << 4 | low);
            from += 2;
        }
        *to++ = c;
    }
    *to = 0;
    return true;
}

static int add(struct query *query, char *item, struct dtr_error *err)
{
    char *value = strchr(item, '=');
    if (!*item)
        return DTR_OK;
    if (query->count == QUERY_MOST)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the query has more than %d parameters",
                             QUERY_MOST);
    if (value)
        *value++ = 0;
    if (!decode(item) || (value && !decode(value)))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "parameter %zu of the query has a wrong escape: after %% come two hexadecimal "
                             "digits, which are not 00",
                             query->count + 1);
    query->items[query->count].name = item;
    query->items[query->count++].value = value ? value : "";
    return DTR_OK;
}

int query_parse(const char *text, struct query *ret_query, struct dtr_error *err)
{
    int rc = DTR_OK;
    *ret_query = (struct query){0};
    if (!text || !*text)
        return DTR_OK;
    ret_query->bytes = strdup(text);
    if (!ret_query->bytes)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a query");
    for (char *item = ret_query->bytes; item && rc == DTR_OK;) {
        char *next = strchr(item, '&');
        if (next)
            *next++ = 0;
        rc = add(ret_query, item, err);
        item = next;
    }
    if (rc != DTR_OK)
        query_free(ret_query);
    return rc;
}

const char *query_get(const struct query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->items[i].name, name) == 0)
            return query->items[i].value;
    }
    return NULL;
}

void query_free(struct query *query)
{
    free(query->bytes);
    *query = (struct query){0};
}
