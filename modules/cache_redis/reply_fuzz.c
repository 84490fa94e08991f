/* Replies of a hostile server, in pieces of any length, and all that is read out of them. The first byte says
 * how long the pieces are. */
#include "reply.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void look(const redisReply *reply)
{
    struct dtr_error err;
    struct redirect redirect;
    struct place place;
    const redisReply *first, *second;
    uint64_t cursor;
    int status = reply_status(reply, "fuzz:6379", &err);
    assert((status == DTR_OK) == (reply->type != REDIS_REPLY_ERROR || !reply->str));
    assert(status == DTR_OK || (status == err.code && !strpbrk(err.text, "\r\n")));
    assert(!reply_turns_away(reply) || status != DTR_OK);
    assert((reply_login_status(reply, "fuzz:6379", &err) == DTR_OK) == (status == DTR_OK));
    if (reply_redirect(reply, &redirect))
        assert(redirect.slot < SLOTS && redirect.place.port > 0);
    (void)reply_pair(reply, &first, &second);
    if (reply_master(reply, &place))
        assert(place.port > 0 && place.host[0]);
    if (reply_page(reply, &cursor, &first))
        assert(first->elements <= REPLY_ELEMENTS_MOST);
    for (size_t i = 0; reply_range(reply, i, &place); i++)
        assert(place.port > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct replies replies;
    struct dtr_error err;
    struct place place;
    if (length == 0 || replies_open(&replies, &err) != DTR_OK)
        return 0;
    (void)place_parse((const char *)bytes + 1, length - 1, 6379, &place);
    size_t step = bytes[0] ? bytes[0] : 256;
    for (size_t at = 1; at < length; at += step) {
        redisReply *reply = NULL;
        size_t count = length - at < step ? length - at : step;
        if (replies_feed(&replies, bytes + at, count, &reply, &err) != DTR_OK)
            break;
        if (reply)
            look(reply);
        freeReplyObject(reply);
    }
    replies_close(&replies);
    return 0;
}
