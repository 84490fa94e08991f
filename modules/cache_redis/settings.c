/* What the options mean; see redis.h. */
#include "redis.h"

#include <stdlib.h>

static int bad_addrs(const char *text, size_t length, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "option addrs: \"%.*s\" is no address; write HOST:PORT, HOST:PORT, ...",
                         length < 60 ? (int)length : 60, text);
}

/* "a:6379, b:6379". */
static int parse_addrs(struct redis *redis, struct dtr_error *err)
{
    static const char space[] = " \t";
    const char *at = redis->options->addrs;
    uint16_t standard = redis->options->master_name[0] ? 26379 : 6379;
    redis->addrs = calloc(strlen(at) + 1, sizeof(*redis->addrs)); /* more than enough */
    if (!redis->addrs)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for addresses");
    for (;;) {
        at += strspn(at, space);
        size_t length = strcspn(at, ","), word = length;
        while (word > 0 && strchr(space, at[word - 1]))
            word--;
        struct place *place = &redis->addrs[redis->addr_count++];
        if (!place_parse(at, word, standard, place) || !place->host[0])
            return bad_addrs(at, word, err);
        if (!at[length])
            return DTR_OK;
        at += length + 1;
    }
}

int settings_check(struct redis *redis, struct dtr_error *err)
{
    const struct options *options = redis->options;
    if (!options->addrs[0])
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "option addrs is needed: HOST:PORT of Redis");
    if (options->prefix[0]) {
        int status = dtr_cache_check_text("prefix", options->prefix, PREFIX_MOST, err);
        if (status != DTR_OK)
            return status;
    }
    int status = parse_addrs(redis, err);
    if (status != DTR_OK)
        return status;
    redis->mode = options->master_name[0] ? MODE_SENTINEL : redis->addr_count > 1 ? MODE_CLUSTER : MODE_ONE;
    if (redis->mode == MODE_CLUSTER && options->db != 0)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "option db is %lld, but a cluster (several addrs and no masterName) has 0 only",
                             (long long)options->db);
    if (!options->tls_cert[0] != !options->tls_key[0])
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "options tls.cert and tls.key go together");
    redis->tls = options->tls || options->tls_ca_cert[0] || options->tls_cert[0] || options->tls_skip_verify;
    return DTR_OK;
}
