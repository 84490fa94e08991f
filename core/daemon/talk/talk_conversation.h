/* One AnnouncePeer conversation, for talk_peer.c and talk_say.c. */
#ifndef DTR_DAEMON_TALK_CONVERSATION_H
#define DTR_DAEMON_TALK_CONVERSATION_H

#include "core/daemon/talk/talk_internal.h"
#include "proto/scheduler.pb-c.h"

/* One stream. `task` is NULL once the pull has no more to do with it. A scheduler that has forgotten this
 * host (it was restarted, or heard nothing for long) answers a register by NOT_FOUND: the host is announced
 * anew, and the register sent once more. A register also waits for a scheduler that was there a moment ago:
 * one that is restarted is worth the wait, and one that is not costs each outage one stall time at most. The
 * same holds at the start, while a manager has yet to name them. */
struct conversation {
    struct dtr_list link;
    struct talk *talk;
    struct dtr_task *task;
    struct scheduler *scheduler;       /* NULL while one is expected */
    struct dtr_rpc_call *call;         /* NULL while it waits for the announcement */
    struct dtr_plan_action registered; /* to be said once more */
    bool asking;                       /* a register or reschedule waits for its answer */
    bool answered, repeated;
    char task_id[DTR_TASK_ID_LENGTH + 1];
    char peer_id[DTR_HOST_ID_SIZE];
    struct dtr_buf *answer; /* the last one asked for with candidates, as it came: they are echoed complete */
    bool terminal;          /* we said the last word */
};

/* For protobuf-c, which takes no constants and changes none. */
static inline char *talk_text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

/* talk_say.c */
/* Sends it under the names of host, task and peer; false: it does not go out. */
bool conversation_send(struct conversation *conversation, Scheduler__V2__AnnouncePeerRequest *request);
/* Says what the action is, which is no REGISTER. The last word takes the task off the conversation. */
void conversation_tell(struct conversation *conversation, const struct dtr_plan_action *action);

#endif
