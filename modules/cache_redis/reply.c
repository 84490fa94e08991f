/* Replies of servers; see reply.h. */
#include "reply.h"

#include <pthread.h>
#include <stdlib.h>

/* --- parsing ---------------------------------------------------------------------------------------- */

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static redisReplyObjectFunctions plain, bounded; /* hiredis's own, and those with a limit */

/* hiredis asks for memory for as many elements as the server says. */
static void *create_array(const redisReadTask *task, element_count count)
{
    struct replies *replies = task->privdata;
    if ((uint64_t)count > REPLY_ELEMENTS_MOST - replies->elements)
        return NULL;
    replies->elements += (size_t)count;
    return plain.createArray(task, count);
}

static void learn_functions(void)
{
    redisReader *reader = redisReaderCreate();
    if (!reader)
        return;
    plain = bounded = *reader->fn;
    bounded.createArray = create_array;
    redisReaderFree(reader);
}

int replies_open(struct replies *replies, struct dtr_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, learn_functions);
    *replies = (struct replies){0};
    if (bounded.createArray)
        replies->reader = redisReaderCreateWithFunctions(&bounded);
    if (!replies->reader)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    replies->reader->privdata = replies;
    return DTR_OK;
}

void replies_close(struct replies *replies)
{
    if (replies->reader)
        redisReaderFree(replies->reader);
    replies->reader = NULL;
}

static int broken(const struct replies *replies, struct dtr_error *err)
{
    const redisReader *reader = replies->reader;
    if (reader->err == REDIS_ERR_OOM)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "sends a reply of too many elements");
    return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "does not speak Redis's protocol: %.100s",
                         reader->errstr);
}

int replies_feed(struct replies *replies, const void *bytes, size_t length, redisReply **ret_reply,
                 struct dtr_error *err)
{
    void *reply = NULL;
    replies->bytes += length;
    if (replies->bytes > REPLY_BYTES_MOST)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "sends a reply of more than %d bytes",
                             REPLY_BYTES_MOST);
    if (redisReaderFeed(replies->reader, bytes, length) != REDIS_OK ||
        redisReaderGetReply(replies->reader, &reply) != REDIS_OK)
        return broken(replies, err);
    if (!reply)
        return DTR_OK;
    replies->bytes = replies->elements = 0;
    if (replies->reader->pos != replies->reader->len) {
        freeReplyObject(reply);
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "sends what was not asked for");
    }
    *ret_reply = reply;
    return DTR_OK;
}

/* --- errors ----------------------------------------------------------------------------------------- */

/* What begins an error, what it is for the caller, and what an operator may do about it. `away`: see
 * reply_turns_away(). */
static const struct {
    const char *begin;
    int code;
    bool away;
    const char *hint;
} errors[] = {
    {"NOAUTH", DTR_EDENIED, true, "; set option password"},
    {"WRONGPASS", DTR_EDENIED, true, ""},
    {"NOPERM", DTR_EDENIED, false, "; see ACL of that user"},
    {"DENIED", DTR_EDENIED, true, ""},
    {"OOM", DTR_ENO_SPACE, false, "; see maxmemory of the server"},
    {"MISCONF", DTR_ENO_SPACE, false, ""},
    {"READONLY", DTR_EUNAVAILABLE, true, "; a master is needed"},
    {"LOADING", DTR_EUNAVAILABLE, true, ""},
    {"MASTERDOWN", DTR_EUNAVAILABLE, true, ""},
    {"CLUSTERDOWN", DTR_EUNAVAILABLE, true, ""},
    {"TRYAGAIN", DTR_EUNAVAILABLE, false, ""},
    {"NOREPLICAS", DTR_EUNAVAILABLE, false, ""},
    {"UNBLOCKED", DTR_EUNAVAILABLE, true, ""},
    {"BUSY", DTR_EUNAVAILABLE, false, ""},
    {"ERR max number of clients", DTR_EUNAVAILABLE, true, "; see maxclients of the server"},
    {"MOVED", DTR_EPROTOCOL, true, "; it is of a cluster: name several addresses of it in option addrs"},
    {"ASK", DTR_EPROTOCOL, true, "; it is of a cluster: name several addresses of it in option addrs"},
    {"WRONGTYPE", DTR_EINVALID, false, ""},
    {"ERR value is not an integer", DTR_EINVALID, false, ""},
    {"ERR increment or decrement would overflow", DTR_ELIMIT, false, ""},
    {"ERR DB index is out of range", DTR_EDENIED, true, "; see option db"},
};
enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

/* ERRORS: none of them. */
static size_t find_error(const redisReply *reply)
{
    size_t i = 0;
    while (i < ERRORS && strncmp(reply->str, errors[i].begin, strlen(errors[i].begin)) != 0)
        i++;
    return i;
}

static bool is_error(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && reply->str;
}

/* One line of what the server says. */
static void clean(const char *text, size_t length, char line[100])
{
    size_t at = 0;
    for (; at < length && at < 99 && text[at]; at++)
        line[at] = text[at] >= ' ' && text[at] <= '~' ? text[at] : '?';
    line[at] = '\0';
}

static enum dtr_retry retry_of(int code)
{
    return code == DTR_EUNAVAILABLE || code == DTR_ENO_SPACE ? DTR_RETRY_SAME : DTR_RETRY_NEVER;
}

int reply_status(const redisReply *reply, const char *who, struct dtr_error *err)
{
    char line[100];
    if (!is_error(reply))
        return DTR_OK;
    size_t i = find_error(reply);
    int code = i < ERRORS ? errors[i].code : DTR_EPROTOCOL;
    clean(reply->str, (size_t)reply->len, line);
    return dtr_error_set(err, code, retry_of(code), "%.80s answers: %s%s", who, line,
                         i < ERRORS ? errors[i].hint : "");
}

bool reply_turns_away(const redisReply *reply)
{
    size_t i = is_error(reply) ? find_error(reply) : ERRORS;
    return i < ERRORS && errors[i].away;
}

int reply_login_status(const redisReply *reply, const char *who, struct dtr_error *err)
{
    char word[100];
    size_t i = is_error(reply) ? find_error(reply) : ERRORS;
    if (!is_error(reply))
        return DTR_OK;
    if (i < ERRORS && errors[i].code == DTR_EUNAVAILABLE)
        return reply_status(reply, who, err);
    clean(reply->str, strcspn(reply->str, " "), word);
    return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                         "%.80s refuses the user or the password (%.20s); see options username and password",
                         who, word);
}

/* --- places ----------------------------------------------------------------------------------------- */

static bool parse_port(const char *text, size_t length, uint16_t *ret_port)
{
    unsigned port = 0;
    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    *ret_port = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

static const char *last_colon(const char *text, size_t length)
{
    const char *bracket = memrchr(text, ']', length), *colon = memrchr(text, ':', length);
    return colon && bracket && colon < bracket ? NULL : colon;
}

bool place_parse(const char *text, size_t length, uint16_t standard, struct place *ret_place)
{
    const char *colon = last_colon(text, length);
    size_t host = colon ? (size_t)(colon - text) : length;
    *ret_place = (struct place){.port = standard};
    if (colon ? !parse_port(colon + 1, length - host - 1, &ret_place->port) : standard == 0)
        return false;
    if (host >= 2 && text[0] == '[' && text[host - 1] == ']') {
        text++;
        host -= 2;
    }
    if (host >= HOST_MOST)
        return false;
    for (size_t i = 0; i < host; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("[]/,@", text[i]))
            return false;
    memcpy(ret_place->host, text, host);
    return true;
}

bool reply_redirect(const redisReply *reply, struct redirect *ret_redirect)
{
    if (!is_error(reply))
        return false;
    bool ask = strncmp(reply->str, "ASK ", 4) == 0;
    if (!ask && strncmp(reply->str, "MOVED ", 6) != 0)
        return false;
    char *end;
    const char *number = reply->str + (ask ? 4 : 6);
    unsigned long slot = strtoul(number, &end, 10);
    *ret_redirect = (struct redirect){.ask = ask, .slot = (unsigned)slot};
    return end != number && *end == ' ' && slot < SLOTS &&
           place_parse(end + 1, strlen(end + 1), 0, &ret_redirect->place);
}

/* --- shapes ----------------------------------------------------------------------------------------- */

bool reply_is_text(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING;
}

bool reply_pair(const redisReply *reply, const redisReply **ret_first, const redisReply **ret_second)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return false;
    *ret_first = reply->element[0];
    *ret_second = reply->element[1];
    return true;
}

bool reply_master(const redisReply *reply, struct place *ret_place)
{
    const redisReply *host, *port;
    char text[HOST_MOST + 8];
    if (!reply_pair(reply, &host, &port) || !reply_is_text(host) || !reply_is_text(port) || host->len == 0)
        return false;
    int length = snprintf(text, sizeof(text), "%.*s:%.6s", HOST_MOST, host->str, port->str);
    return length > 0 && (size_t)length < sizeof(text) && place_parse(text, (size_t)length, 0, ret_place) &&
           ret_place->host[0];
}

bool reply_page(const redisReply *reply, uint64_t *ret_cursor, const redisReply **ret_keys)
{
    const redisReply *cursor, *keys;
    char *end;
    if (!reply_pair(reply, &cursor, &keys) || !reply_is_text(cursor) || keys->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < keys->elements; i++)
        if (!reply_is_text(keys->element[i]))
            return false;
    *ret_cursor = strtoull(cursor->str, &end, 10);
    *ret_keys = keys;
    return end != cursor->str && *end == '\0';
}

bool reply_range(const redisReply *reply, size_t index, struct place *ret_place)
{
    if (reply->type != REDIS_REPLY_ARRAY || index >= reply->elements)
        return false;
    const redisReply *range = reply->element[index];
    const redisReply *master =
        range->type == REDIS_REPLY_ARRAY && range->elements >= 3 ? range->element[2] : NULL;
    if (!master || master->type != REDIS_REPLY_ARRAY || master->elements < 2)
        return false;
    const redisReply *host = master->element[0], *port = master->element[1];
    bool named = reply_is_text(host), unnamed = host->type == REDIS_REPLY_NIL;
    if ((!named && !unnamed) || port->type != REDIS_REPLY_INTEGER || port->integer < 1 ||
        port->integer > UINT16_MAX)
        return false;
    char text[HOST_MOST + 8];
    int length = snprintf(text, sizeof(text), "%.*s:%lld", HOST_MOST, named ? host->str : "", port->integer);
    return length > 0 && (size_t)length < sizeof(text) && place_parse(text, (size_t)length, 0, ret_place);
}
