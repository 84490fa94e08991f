/* What a server sends: hiredis parses it, under limits that hiredis has not; here is what it means.
 * Everything is pure and does not trust its input. */
#ifndef CACHE_REDIS_REPLY_H
#define CACHE_REDIS_REPLY_H

#include <darter/error.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    REPLY_BYTES_MOST = 8 << 20, /* of one reply: a value of 1 MiB, or a page of keys */
    REPLY_ELEMENTS_MOST = 20000,
    SLOTS = 16384, /* of a cluster */
    HOST_MOST = 256,
};

/* Where a server is. */
struct place {
    char host[HOST_MOST]; /* a name, or an address without brackets */
    uint16_t port;
};

/* Replies of one connection. Not to be moved while it is open. */
struct replies {
    redisReader *reader;
    size_t bytes, elements; /* of the reply that is coming */
};

int replies_open(struct replies *replies, struct dtr_error *err);
void replies_close(struct replies *replies);
/* Takes bytes. *ret_reply stays NULL until one is whole; it is the caller's then: freeReplyObject(). Nothing
 * was asked for that bytes after it could answer. DTR_EPROTOCOL: the connection is of no use any more. */
int replies_feed(struct replies *replies, const void *bytes, size_t length, redisReply **ret_reply,
                 struct dtr_error *err);

/* What a reply of type error means, as status; DTR_OK for all others. `who` begins the text. */
int reply_status(const redisReply *reply, const char *who, struct dtr_error *err);
/* Whether the server says with it that it is not, or not now, the right one: the connection is better
 * dropped. */
bool reply_turns_away(const redisReply *reply);
/* The same for the reply to AUTH. The server's words stay out of it: some repeat the password. */
int reply_login_status(const redisReply *reply, const char *who, struct dtr_error *err);

/* "MOVED 3999 10.0.0.1:6381" or "ASK ...": where the slot is. An empty host stands for the one that was
 * asked. */
struct redirect {
    bool ask; /* for this one command, after ASKING */
    unsigned slot;
    struct place place;
};
bool reply_redirect(const redisReply *reply, struct redirect *ret_redirect);

/* "host:6379", "10.0.0.1", "[::1]:6379"; also "::1:6379", as servers write it. Port 0 in `standard`: it must
 * be there. */
bool place_parse(const char *text, size_t length, uint16_t standard, struct place *ret_place);

/* Shapes of replies; false: not that. Pointers are into the reply. */
bool reply_is_text(const redisReply *reply);
bool reply_pair(const redisReply *reply, const redisReply **ret_first, const redisReply **ret_second);
/* SENTINEL get-master-addr-by-name. */
bool reply_master(const redisReply *reply, struct place *ret_place);
/* SCAN: the cursor's digits, and texts. */
bool reply_page(const redisReply *reply, uint64_t *ret_cursor, const redisReply **ret_keys);
/* CLUSTER SLOTS: the master of the range with this index; false past the last, or when it is no such reply.
 */
bool reply_range(const redisReply *reply, size_t index, struct place *ret_place);

#endif
