/* A DownloadTask stream: what upload_download.c (its life), upload_room.c (its turn), upload_bypass.c (its
 * life when the store fails) and upload_tell.c (its messages) share. Control thread. */
#ifndef DTR_DAEMON_UPLOAD_ORDER_H
#define DTR_DAEMON_UPLOAD_ORDER_H

#include "core/daemon/output.h"
#include "core/daemon/upload/upload_content.h"
#include "core/daemon/upload/upload_detour.h"
#include "core/daemon/upload/upload_internal.h"
#include "core/daemon/upload/upload_request.h"

/* It waits for pieces in any order and ends when each piece of the range was told. */
struct order {
    struct dtr_list link; /* in upload->orders */
    struct upload *upload;
    struct dtr_rpc_call *call; /* NULL: gone */
    struct download download;
    char peer_id[DTR_HOST_ID_SIZE];
    struct dtr_loop *data; /* where its bytes are read */
    struct dtr_timer *deadline;
    struct dtr_reader *reader;
    struct dtr_task *task; /* the reader's */
    bool ended;            /* the reader has nothing more to say */
    bool over;             /* the call was given its status */
    uint8_t *local;        /* bit per piece: was here before the order came; NULL: none */
    uint32_t local_count;

    /* From the start on: the length of the object is known. */
    bool started;
    uint64_t content_length, offset, length; /* bytes of the range */
    uint32_t first, count;                   /* pieces of the range */
    uint32_t low, left; /* none before `low` is to be told; how many are (numbers from `first` on) */
    uint8_t *told;      /* bit per piece, from `first` on */

    struct dtr_msg settle; /* all is told: ends it, once the pull has heard of its last piece as well */
    bool settling;

    /* Work on other threads that must come back before the reader may be closed. */
    struct content *content;
    uint32_t content_number;
    uint64_t reading;            /* its bytes */
    struct upload_content *room; /* where its pieces count */
    struct dtr_list turn;        /* in room->budget.waiting */
    uint64_t given;              /* bytes of content handed to the call */
    uint64_t taken;              /* of them, at the last look for callers that stall */
    struct output *output;
    bool output_busy, output_written;

    /* When the store fails. */
    struct dtr_error store;       /* code not 0: it did */
    bool bypassed;                /* there is no reader any more */
    bool bypass_waits;            /* for room */
    uint64_t bypass_room;         /* bytes of room->budget that it has meanwhile */
    struct detour *detour;        /* NULL: none runs */
    const struct dtr_piece *held; /* a piece that came by it and is in use; its bytes */
    const uint8_t *held_bytes;
    bool held_told;
    uint64_t piece_length;
    char version[200]; /* of what was told so far */
};

/* upload_download.c: does what can be done now. */
void order_advance(struct order *order);
/* The length is known: tells the start. */
int order_start(struct order *order, const struct dtr_task_facts *facts, struct dtr_error *err);
bool order_was_told(const struct order *order, uint32_t number);
void order_set_told(struct order *order, uint32_t number);
/* Gives the call its status, the first time, and lets go of what is not needed any more. */
void order_finish(struct order *order, const struct dtr_error *err);
/* Something came back from another thread after the call was over. */
void order_release(struct order *order);

/* upload_room.c. Room for a piece with its bytes; false: the order is in line for it, and is advanced when
 * there is some. Callers that take nothing of what they have asked for are dropped while others are in line.
 */
bool order_take_room(struct order *order, uint64_t bytes);
/* Gives it back: dtr_rpc_out_watch()'s, with the order's room. From inside the connection's work, so nobody
 * advances in here. */
void order_room_freed(void *context, uint64_t bytes);
/* It does not want room any more; the next in line is asked. */
void order_leave_line(struct order *order);

/* upload_bypass.c: whether the bytes can do without the store that failed so; goes that way; a file's block
 * was written, or the file has its name; the call may take more. */
bool order_may_bypass(const struct order *order, const struct dtr_error *err);
void order_bypass(struct order *order);
void order_bypass_written(struct order *order);
void order_bypass_go_on(struct order *order);

/* upload_tell.c. DownloadTaskStartedResponse. */
void order_tell_start(struct order *order, const struct dtr_task_facts *facts);
/* DownloadPieceFinishedResponse; with its content unless that is NULL. */
void order_tell_piece(struct order *order, const struct dtr_piece *piece, const uint8_t *content);
/* The same with its content, which comes by order->content; `events` and context, `freed` and the order's
 * room as for content_read(). */
int order_read_piece(struct order *order, const struct dtr_piece *piece, const struct content_events *events,
                     void (*freed)(void *context, uint64_t bytes), struct dtr_error *err);
/* Ends the call with the error; one of the origin with its status in grpc-status-details-bin (wire page 6).
 */
void order_tell_error(struct dtr_rpc_call *call, const struct dtr_error *err);

#endif
