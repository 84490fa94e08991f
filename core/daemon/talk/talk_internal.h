/* What the talk_*.c files share. */
#ifndef DTR_DAEMON_TALK_INTERNAL_H
#define DTR_DAEMON_TALK_INTERNAL_H

#include "core/base/list.h"
#include "core/brain/ring.h"
#include "core/daemon/header_lines.h"
#include "core/daemon/talk/talk.h"
#include "core/rpc/certificates.h"
#include "core/rpc/methods.h"

struct scheduler {
    struct dtr_list link;
    struct talk *talk;
    struct dtr_addr addr;
    struct dtr_rpc_channel *channel;
    char name[DTR_ADDR_TEXT];
    struct dtr_timer *timer;         /* the next announcement */
    struct dtr_rpc_call *announcing; /* or NULL */
    bool ready;                      /* connected */
    bool announced, leaving;         /* leaving: DeleteHost is under way */
    bool stale;                      /* what is being announced is not what there is to say any more */
    bool wanted;                     /* one of those that there are now */
    uint64_t gone_ms;                /* it was there until then, or the daemon began to look for it */
    struct again *again;             /* it is told what is here; or NULL */
    char trouble[256];               /* why it was out of reach last, as it was logged; "": it was not */
};

struct talk {
    struct dtr_daemon *daemon;
    struct dtr_list schedulers; /* struct scheduler, also those that are to be left */
    struct scheduler **chosen;  /* those that there are now; the ring has their places in here */
    size_t chosen_count;
    struct dtr_ring ring;
    bool expecting;                /* none is chosen, but some will be named */
    struct dtr_timer *expectation; /* ends it; or NULL */
    struct dtr_list conversations; /* struct conversation */
    struct dtr_list links;         /* struct link */
    size_t open_calls;             /* calls whose end is to come */
    bool leaving;                  /* a scheduler waits for its last call to end */
    bool closing, turning;
    struct dtr_msg msg; /* on its way while `turning` */
    void (*closed)(void *context);
    void *closed_context;
};

/* talk.c: a call that was counted in open_calls has ended. */
void talk_call_over(struct talk *talk);
/* Soon, when the calls that ended are gone: leaves those schedulers that are done with, or ends. */
void talk_turn(struct talk *talk);

/* talk_schedulers.c */
/* The one to ask about a task, NULL when none can be reached, or the talk ends. */
struct scheduler *talk_scheduler_for(struct talk *talk, const char *task_id);
/* None can be reached, but this one may be at once: it was there less than a stall time ago, or it is looked
 * for since then. NULL: nobody is worth waiting for. */
struct scheduler *talk_scheduler_soon(struct talk *talk, const char *task_id);
/* Leaves those that are not wanted and have no calls. True: there are others, whose calls have not ended. */
bool schedulers_tidy(struct talk *talk);
/* Announces this host anew, now: conversations_announced() follows. */
void scheduler_forgot(struct scheduler *scheduler);
/* Takes leave of all. */
void schedulers_leave(struct talk *talk);
void schedulers_free(struct talk *talk);

/* talk_peer.c */
void conversation_stat(struct talk *talk, struct dtr_task *task);
void conversation_say(struct talk *talk, struct dtr_task *task, const struct dtr_plan_action *action);
/* This scheduler knows this host, or (false) will not for now: registers that waited for it go on. */
void conversations_announced(struct talk *talk, const struct scheduler *scheduler, bool known);
/* Schedulers are chosen, or will not be: registers that waited for that go on. */
void conversations_chosen(struct talk *talk);
/* Ends those of a task whose pull is over without a last word; NULL: of all. */
void conversations_cancel(struct talk *talk, const struct dtr_task *task);

/* talk_again.c: makes known to a scheduler what is here. */
void again_tell(struct scheduler *scheduler);
void again_cancel(struct scheduler *scheduler);

/* talk_download.c: a Download message and the memory of its lists; pointers go into the task too. */
enum { TALK_FILTER = 128 };
struct talk_download {
    Common__V2__Download message;
    Common__V2__Download__RequestHeaderEntry entries[HEADER_LINES];
    Common__V2__Download__RequestHeaderEntry *headers[HEADER_LINES];
    char *filter[TALK_FILTER];
    char *header_lines, *filter_lines; /* cut up */
    struct dtr_certificates roots;
};
void talk_download_fill(struct talk_download *download, const struct dtr_daemon *daemon,
                        const struct dtr_task *task, const struct dtr_plan_action *action);
void talk_download_free(struct talk_download *download);
/* Parts of it: tag and application, whose strings stay the task's; how large it is. */
void talk_download_name(Common__V2__Download *message, const struct dtr_task_facts *facts);
void talk_download_size(Common__V2__Download *message, uint64_t content_length, uint64_t piece_length,
                        uint64_t piece_count);

/* talk_parent.c */
/* Opens both streams, or SyncPieces anew. */
void link_open(struct talk *talk, struct dtr_task *task, uint32_t parent);
void link_close(struct talk *talk, struct dtr_task *task, uint32_t parent);
/* Those of a task, NULL: all. */
void links_close(struct talk *talk, const struct dtr_task *task);

#endif
