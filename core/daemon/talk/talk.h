/* What the daemon says to schedulers and parents, and what they answer: host announcements, the AnnouncePeer
 * conversations of pulls, the SyncPieces and SyncHost streams of their parents. Control loop only. */
#ifndef DTR_DAEMON_TALK_H
#define DTR_DAEMON_TALK_H

#include "core/daemon/role.h"
#include "proto/common.pb-c.h"

/* Where a scheduler is. */
struct talk_place {
    struct dtr_addr addr;
    char host[256]; /* the name by which the operator knows it, or "": its certificate may be for that */
};

/* With the daemon's fixed schedulers, to which it connects as soon as the loop runs, or none yet. */
int talk_new(struct dtr_daemon *daemon, struct talk **ret_talk, struct dtr_error *err);
/* These are the schedulers from now on: new ones are connected to and hear of this host, those that are
 * missing are chosen for nothing more and left when their conversations have ended. None: everything comes
 * from the origin. On an error it stays as it was. */
int talk_schedulers(struct talk *talk, const struct talk_place *list, size_t count, struct dtr_error *err);
/* There are no schedulers, but somebody is asked for them: for download.stallTimeout, or until
 * talk_schedulers() names some, pulls wait for them as for one that is just being connected to. */
void talk_expect(struct talk *talk);
/* Tells the schedulers that know this host what it says of itself now; the next announcement follows after
 * the interval that the configuration has now. */
void talk_announce(struct talk *talk);
/* dtr_outside of the tasks; the context is the daemon. */
void talk_scheduler(void *context, struct dtr_task *task, const struct dtr_plan_action *action);
void talk_parent(void *context, struct dtr_task *task, const struct dtr_plan_action *action);
/* A unary call to the scheduler that has the task; `done` as in dtr_rpc_unary(). DTR_EUNAVAILABLE: none is
 * there. */
int talk_ask(struct dtr_daemon *daemon, const char *task_id, const struct dtr_rpc_method *method,
             const ProtobufCMessage *request,
             void (*done)(void *context, const struct dtr_rpc_message *response,
                          const struct dtr_rpc_status *status),
             void *context, struct dtr_error *err);
/* Tells the scheduler that has the task that this host has it no more (DeleteTask); nobody waits for the
 * answer. */
void talk_withdraw(struct dtr_daemon *daemon, const char *task_id);
/* A pull has ended: nothing of it is talked about any more. */
void talk_pull_over(struct dtr_daemon *daemon, const struct dtr_task *task);
/* Takes leave of the schedulers (DeleteHost, at most a second), ends every call. `closed` comes later; the
 * daemon has no talk then. */
void talk_close(struct talk *talk, void (*closed)(void *context), void *context);

/* talk_host.c: what AnnounceHost and SyncHost say of this host. */
struct host_facts {
    Common__V2__Host host;
    Common__V2__CPU cpu;
    Common__V2__Memory memory;
    Common__V2__Network network;
    Common__V2__Build build;
    char kernel[128];
};
void talk_fill_host(const struct dtr_daemon *daemon, struct host_facts *facts);

#endif
