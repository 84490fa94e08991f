/* One connection to a server; see redis.h. */
#include "redis.h"

#include <stdlib.h>

/* --- commands --------------------------------------------------------------------------------------- */

void command_add_bytes(struct short_command *command, const void *bytes, size_t length)
{
    command->words[command->count] = bytes;
    command->lengths[command->count++] = length;
}

void command_add(struct short_command *command, const char *text)
{
    command_add_bytes(command, text, strlen(text));
}

struct command command_of(struct short_command *command)
{
    return (struct command){command->count, command->words, command->lengths};
}

/* --- one command ------------------------------------------------------------------------------------ */

/* The cache's own codes: what cannot be reached, for whatever reason, may be there later. */
static int translate(int code, const char *who, const struct dtr_error *why, struct dtr_error *err)
{
    bool named = !who || strstr(why->text, who);
    if (code == DTR_EPROTOCOL || code == DTR_EDENIED || code == DTR_ENOMEM)
        return dtr_error_set(err, code, DTR_RETRY_NEVER, "Redis %s%s%s", named ? "" : who, named ? "" : " ",
                             why->text);
    return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME, "Redis %s%s%s", named ? "" : who,
                         named ? "" : ": ", why->text);
}

static int send_command(const struct redis *redis, struct link *link, const struct command *command,
                        struct dtr_error *err)
{
    char *text = NULL;
    int length = redisFormatCommandArgv(&text, command->count, command->words, command->lengths);
    if (length < 0)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a command");
    int status = redis_host->conn_write(link->conn, text, (size_t)length, redis->options->io_timeout_ms, err);
    redisFreeCommand(text);
    return status;
}

static int get_reply(struct link *link, uint64_t limit_ms, redisReply **ret_reply, struct dtr_error *err)
{
    char bytes[16 << 10];
    uint64_t until_ms = redis_host->now_ns() / 1000000 + limit_ms;
    redisReply *reply = NULL;
    int status = DTR_OK;
    while (status == DTR_OK && !reply) {
        uint64_t now_ms = redis_host->now_ns() / 1000000;
        size_t count = 0;
        status = redis_host->conn_read(link->conn, bytes, sizeof(bytes),
                                       now_ms < until_ms ? until_ms - now_ms : 0, &count, err);
        if (status == DTR_OK)
            status = replies_feed(&link->replies, bytes, count, &reply, err);
    }
    *ret_reply = reply;
    return status;
}

int link_ask(const struct redis *redis, struct link *link, const struct command *command, uint64_t wait_ms,
             redisReply **ret_reply, struct dtr_error *err)
{
    struct dtr_error why = {0};
    int status = send_command(redis, link, command, &why);
    if (status == DTR_OK)
        status = get_reply(link, redis->options->io_timeout_ms + wait_ms, ret_reply, &why);
    return status == DTR_OK ? DTR_OK : translate(status, link->name, &why, err);
}

bool link_is_stale(struct link *link)
{
    char byte;
    size_t count = 0;
    struct dtr_error why;
    return redis_host->conn_read(link->conn, &byte, 1, 0, &count, &why) != DTR_ETIMEOUT;
}

/* --- opening ---------------------------------------------------------------------------------------- */

void link_close(struct link *link)
{
    if (!link)
        return;
    redis_host->conn_close(link->conn);
    replies_close(&link->replies);
    free(link);
}

static int dial(const struct redis *redis, const struct place *place, struct link *link,
                struct dtr_error *err)
{
    const struct options *options = redis->options;
    const struct dtr_conn_target target = {.host = place->host,
                                           .port = place->port,
                                           .connect_ms = options->connect_timeout_ms,
                                           .tls = redis->tls,
                                           .ca_cert = options->tls_ca_cert,
                                           .cert = options->tls_cert,
                                           .key = options->tls_key,
                                           .skip_verify = options->tls_skip_verify};
    struct dtr_error why = {0};
    (void)snprintf(link->name, sizeof(link->name), strchr(place->host, ':') ? "[%s]:%u" : "%s:%u",
                   place->host, (unsigned)place->port);
    int status = redis_host->conn_dial(&target, &link->conn, &why);
    return status == DTR_OK ? DTR_OK : translate(status, link->name, &why, err);
}

static int login(const struct redis *redis, struct link *link, const char *username, const char *password,
                 struct dtr_error *err)
{
    struct short_command auth = {0};
    redisReply *reply = NULL;
    if (!*password)
        return DTR_OK;
    command_add(&auth, "AUTH");
    if (*username)
        command_add(&auth, username);
    command_add(&auth, password);
    struct command command = command_of(&auth);
    int status = link_ask(redis, link, &command, 0, &reply, err);
    if (status == DTR_OK)
        status = reply_login_status(reply, link->name, err);
    freeReplyObject(reply);
    return status;
}

int link_open(const struct redis *redis, const struct place *place, const char *username,
              const char *password, struct link **ret_link, struct dtr_error *err)
{
    struct link *link = calloc(1, sizeof(*link));
    if (!link)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a connection");
    int status = replies_open(&link->replies, err);
    if (status == DTR_OK)
        status = dial(redis, place, link, err);
    if (status == DTR_OK)
        status = login(redis, link, username, password, err);
    if (status == DTR_OK)
        *ret_link = link;
    else
        link_close(link);
    return status;
}

/* --- sentinels -------------------------------------------------------------------------------------- */

static int ask_sentinel(const struct redis *redis, const struct place *sentinel, struct place *ret_master,
                        struct dtr_error *err)
{
    const struct options *options = redis->options;
    struct short_command words = {0};
    struct link *link = NULL;
    redisReply *reply = NULL;
    int status =
        link_open(redis, sentinel, options->sentinel_username, options->sentinel_password, &link, err);
    if (status != DTR_OK)
        return status;
    command_add(&words, "SENTINEL");
    command_add(&words, "get-master-addr-by-name");
    command_add(&words, options->master_name);
    struct command command = command_of(&words);
    status = link_ask(redis, link, &command, 0, &reply, err);
    if (status == DTR_OK)
        status = reply_status(reply, link->name, err);
    if (status == DTR_OK && !reply_master(reply, ret_master))
        status = dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                               "sentinel %.80s knows no master \"%.60s\"; see option masterName", link->name,
                               options->master_name);
    freeReplyObject(reply);
    link_close(link);
    return status;
}

/* The first sentinel that knows; the error is the last one's. */
static int find_master(const struct redis *redis, struct place *ret_master, struct dtr_error *err)
{
    int status = DTR_EUNAVAILABLE;
    for (size_t i = 0; i < redis->addr_count && status != DTR_OK; i++)
        status = ask_sentinel(redis, &redis->addrs[i], ret_master, err);
    return status;
}

/* --- ready for commands ----------------------------------------------------------------------------- */

static int select_db(const struct redis *redis, struct link *link, struct dtr_error *err)
{
    struct short_command words = {0};
    redisReply *reply = NULL;
    char db[24];
    if (redis->options->db == 0)
        return DTR_OK;
    (void)snprintf(db, sizeof(db), "%lld", (long long)redis->options->db);
    command_add(&words, "SELECT");
    command_add(&words, db);
    struct command command = command_of(&words);
    int status = link_ask(redis, link, &command, 0, &reply, err);
    if (status == DTR_OK)
        status = reply_status(reply, link->name, err);
    freeReplyObject(reply);
    return status;
}

/* Sentinels may not know yet that a master is one no more. A user who may not ask is believed. */
static int check_master(const struct redis *redis, struct link *link, struct dtr_error *err)
{
    struct short_command words = {0};
    redisReply *reply = NULL;
    command_add(&words, "ROLE");
    struct command command = command_of(&words);
    int status = link_ask(redis, link, &command, 0, &reply, err);
    if (status != DTR_OK)
        return status;
    const redisReply *role =
        reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 ? reply->element[0] : NULL;
    if (reply_is_text(role) && strcmp(role->str, "master") != 0)
        status = dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                               "Redis %.80s is no master, though sentinels say so; they may be changing it",
                               link->name);
    freeReplyObject(reply);
    return status;
}

int link_open_ready(const struct redis *redis, const struct place *place, struct link **ret_link,
                    struct dtr_error *err)
{
    const struct options *options = redis->options;
    struct link *link = NULL;
    struct place master;
    int status = DTR_OK;
    if (redis->mode == MODE_SENTINEL) {
        status = find_master(redis, &master, err);
        place = &master;
    }
    if (status == DTR_OK)
        status = link_open(redis, place, options->username, options->password, &link, err);
    if (status == DTR_OK)
        status = select_db(redis, link, err);
    if (status == DTR_OK && redis->mode == MODE_SENTINEL)
        status = check_master(redis, link, err);
    if (status == DTR_OK)
        *ret_link = link;
    else
        link_close(link);
    return status;
}
