/* Removes keys by their beginning: goes through all keys of each server, page by page; see redis.h. */
#include "redis.h"

#include <stdlib.h>

/* What begins with the prefix, as a pattern of Redis. */
static void pattern_of(const char *prefix, char text[2 * KEY_ROOM + 2])
{
    char *at = text;
    for (; *prefix; prefix++) {
        if (strchr("*?[]\\", *prefix))
            *at++ = '\\';
        *at++ = *prefix;
    }
    *at++ = '*';
    *at = '\0';
}

static int unlink_words(struct redis *redis, struct node *node, const struct command *command,
                        struct dtr_error *err)
{
    redisReply *reply = NULL;
    int status = redis->mode == MODE_CLUSTER ? route_ask(redis, command->words[1], command, 0, &reply, err)
                                             : route_ask_node(redis, node, command, 0, &reply, err);
    freeReplyObject(reply);
    return status;
}

/* Removes those of a page that begin with the prefix: all in one command, but in a cluster each alone, as
 * they may have different slots. */
static int unlink_page(struct redis *redis, struct node *node, const redisReply *keys, const char *prefix,
                       struct dtr_error *err)
{
    const char **words = calloc(keys->elements + 1, sizeof(*words));
    size_t *lengths = calloc(keys->elements + 1, sizeof(*lengths)), length = strlen(prefix);
    struct command command = {.count = 1, .words = words, .lengths = lengths};
    int status = words && lengths
                     ? DTR_OK
                     : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a page of keys");
    for (size_t i = 0; status == DTR_OK && i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        if (strncmp(key->str, prefix, length) != 0)
            continue;
        words[0] = "UNLINK";
        lengths[0] = strlen(words[0]);
        words[command.count] = key->str;
        lengths[command.count++] = (size_t)key->len;
        if (redis->mode == MODE_CLUSTER) {
            status = unlink_words(redis, node, &command, err);
            command.count = 1;
        }
    }
    if (status == DTR_OK && command.count > 1)
        status = unlink_words(redis, node, &command, err);
    free(words);
    free(lengths);
    return status;
}

static int scan_page(struct redis *redis, struct node *node, const char *prefix, uint64_t *cursor,
                     struct dtr_error *err)
{
    struct short_command words = {0};
    char pattern[2 * KEY_ROOM + 2], position[24];
    const redisReply *keys;
    redisReply *reply = NULL;
    pattern_of(prefix, pattern);
    (void)snprintf(position, sizeof(position), "%llu", (unsigned long long)*cursor);
    command_add(&words, "SCAN");
    command_add(&words, position);
    command_add(&words, "MATCH");
    command_add(&words, pattern);
    command_add(&words, "COUNT");
    command_add(&words, "1000");
    struct command command = command_of(&words);
    int status = route_ask_node(redis, node, &command, 0, &reply, err);
    if (status == DTR_OK && !reply_page(reply, cursor, &keys))
        status = dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "Redis answers SCAN with something else");
    if (status == DTR_OK)
        status = unlink_page(redis, node, keys, prefix, err);
    freeReplyObject(reply);
    return status;
}

static int forget_on(struct redis *redis, struct node *node, void *context, struct dtr_error *err)
{
    uint64_t cursor = 0;
    int status;
    do
        status = scan_page(redis, node, context, &cursor, err);
    while (status == DTR_OK && cursor != 0);
    return status;
}

int forget_keys(struct redis *redis, const char *prefix, struct dtr_error *err)
{
    return route_each(redis, forget_on, (void *)(uintptr_t)prefix, err);
}
