/* The tasks of this node: which there are, who reads them, and the pulls that bring them.
 *
 * Control thread only. A reader names a task and a range; the table answers from the store, joins a pull
 * that runs or begins one. A pull is a fetch planner (core/brain/planner.h) with hands: its FETCH and ORIGIN
 * actions become transfers on a data thread, what it says to scheduler and parents goes through
 * struct dtr_outside.
 *
 * Not for: connections of clients, gRPC. */
#ifndef DTR_DAEMON_TASK_H
#define DTR_DAEMON_TASK_H

#include "core/brain/planner.h"
#include "core/daemon/tasks/transfer.h"
#include "core/loop/pool.h"

struct dtr_tasks;
struct dtr_task;
struct dtr_reader;
struct journal;

/* What a pull asks of the world besides bytes. The answers come back by dtr_task_*() below. */
struct dtr_outside {
    /* STAT_TASK, and everything of the AnnouncePeer conversation: REGISTER to BACK_TO_SOURCE_FAILED. The
     * action is valid during the call. */
    void (*scheduler)(void *context, struct dtr_task *task, const struct dtr_plan_action *action);
    /* PARENT_OPEN and PARENT_CLOSE. */
    void (*parent)(void *context, struct dtr_task *task, const struct dtr_plan_action *action);
    void *context;
};

struct dtr_tasks_options {
    struct dtr_loop *control;
    struct dtr_loop *const *data; /* data threads */
    size_t data_count;
    const struct dtr_storage_ops *storage;
    void *storage_instance;
    const struct dtr_transport_ops *transport;
    void *transport_instance;
    const struct dtr_origin_ops *origin;
    void *origin_instance;
    /* Nobody is to be sent here for this task any more: it was removed, or is no longer whole. May be NULL.
     */
    void (*withdrawn)(void *context, const char *task_id);
    void *withdrawn_context;
    /* A piece became available or sound, or was found damaged; or a pull ended (piece NULL). May be NULL. */
    void (*piece)(void *context, struct dtr_task *task, const struct dtr_piece *piece);
    void *piece_context;
    struct dtr_pool *pool;       /* hashes what has a digest */
    struct dtr_plan_config plan; /* have_scheduler and what the daemon's configuration says */
    uint64_t connect_ms;
    /* For every request to an origin: headers that go along where a reader gave none of the name ("Name:
     * value\n" lines), more trusted roots (PEM). NULL: none. They last until others are configured. */
    const char *origin_headers, *origin_ca_file;
    uint64_t renew_after_ms;  /* a task without digest is asked for at its origin when so old; 0: never */
    uint32_t origin_repeats;  /* of a request that an origin puts off by Retry-After */
    uint64_t redirect_ttl_ms; /* see struct dtr_origin_request */
    struct dtr_outside outside;
    struct dtr_transfer_limits limits;
};

/* `options` is copied, what it points to outlives the table. */
int dtr_tasks_new(const struct dtr_tasks_options *options, struct dtr_tasks **ret_tasks,
                  struct dtr_error *err);
/* Goes by these from now on: plan (without have_scheduler), origin_headers, origin_ca_file, renew_after_ms,
 * origin_repeats and redirect_ttl_ms of `options`. A pull that runs keeps its plan. */
void dtr_tasks_configure(struct dtr_tasks *tasks, const struct dtr_tasks_options *options);
/* Whether pulls that begin from now on may ask a scheduler; before, what options.plan says. */
void dtr_tasks_have_scheduler(struct dtr_tasks *tasks, bool have);
/* A scheduler can be reached again that could not before: the pulls that go on without one may ask it. */
void dtr_tasks_scheduler_back(struct dtr_tasks *tasks);
/* Cancels every pull; readers hear DTR_ECANCELLED. `closed` comes later, when everything is gone. */
void dtr_tasks_close(struct dtr_tasks *tasks, void (*closed)(void *context), void *context);
/* Takes in a task that the store's scan reported; before the first reader. Not `checked`: its pieces are not
 * offered before they were read. */
int dtr_tasks_known(struct dtr_tasks *tasks, const struct dtr_task_facts *facts,
                    const struct dtr_piece *pieces, uint32_t count, bool checked, struct dtr_error *err);
/* A task by its id, NULL when there is none. */
struct dtr_task *dtr_tasks_find(struct dtr_tasks *tasks, const char *task_id);
/* Every task, in no order; `each` changes none. */
void dtr_tasks_each(struct dtr_tasks *tasks, void (*each)(void *context, const struct dtr_task *task),
                    void *context);
/* Removes a task from store and table. Nobody's bytes are taken away: DTR_EUNAVAILABLE at once while it is
 * read or pulled, DTR_ENOT_FOUND when there is none. Else `deleted` comes later, exactly once: with
 * DTR_EUNAVAILABLE when a reader came before the bytes were gone, and the task stays. */
int dtr_tasks_delete(struct dtr_tasks *tasks, const char *task_id,
                     void (*deleted)(void *context, const struct dtr_error *err), void *context,
                     struct dtr_error *err);

/* When tasks leave the store of their own accord; see reclaim.h. */
struct dtr_clean_policy {
    uint64_t ttl_ms;             /* without use */
    uint64_t threshold;          /* bytes that the tasks may take; 0: the whole disk */
    unsigned high, low;          /* percent of that, or of the disk */
    uint64_t page_cache_idle_ms; /* without use, until a task's bytes leave the page cache; 0: they stay */
};
/* Looks for what is to go, now; the policy stays, for the room that pulls need. */
void dtr_tasks_clean(struct dtr_tasks *tasks, const struct dtr_clean_policy *policy);
/* Bytes of the task are on their way to a peer, though no reader holds it: it stays until the same number of
 * dtr_tasks_unpin(). */
void dtr_task_pin(struct dtr_task *task);
void dtr_tasks_unpin(struct dtr_tasks *tasks, const char *task_id);

/* Whether the peer at this address has given wrong bytes: nothing is to be taken from it. */
bool dtr_tasks_is_liar(const struct dtr_tasks *tasks, const char *ip);

/* What pulls did, of tasks that are here or were; see journal.h. */
const struct journal *dtr_tasks_journal(const struct dtr_tasks *tasks);
/* Every byte of it is stored. */
bool dtr_task_is_whole(const struct dtr_task *task);
/* An earlier process stored some of it. */
bool dtr_task_is_of_earlier(const struct dtr_task *task);

/* --- readers ------------------------------------------------------------------------------------------ */

/* Who a reader is and what it reads. Strings are copied. */
struct dtr_read_request {
    const char *task_id;
    const char *url, *digest, *tag, *application;
    const char *headers;     /* for the origin, "Name: value\n" lines */
    const char *roots;       /* more trusted roots for it: PEM text; NULL or "": none */
    bool trusted;            /* the origin is an operator's choice */
    bool named;              /* so is its host: backend.requestHeader goes along */
    uint64_t offset, length; /* DTR_LENGTH_UNKNOWN: the rest */
    uint64_t piece_length;   /* 0: by the rule */
    const char *content;   /* what the task id was calculated from instead of the URL; NULL or "": the URL */
    const char *filter;    /* query parameters left out of the task id, one a line; NULL: the usual ones */
    const char *remote_ip; /* of whoever asked, as text; NULL or "": not known */
    uint32_t priority;     /* common.v2.Priority */
    bool need_back_to_source, disable_back_to_source;
    bool announce;    /* tell the scheduler also when everything is here already */
    bool prefetch;    /* the whole is to come too, after this part and without this reader */
    bool is_prefetch; /* nobody waits for these bytes */
    bool by_proxy;    /* it came by the proxy, not by gRPC */
    bool local_only;  /* take what is here or arrives for others; never begin or widen a pull */
};

struct dtr_reader_events {
    /* Length of the object (DTR_LENGTH_UNKNOWN) and header lines to repeat; before `readable`. */
    void (*head)(void *context, uint64_t content_length, const char *headers);
    /* Bytes from the last such offset up to `until` may be read from the copy now. */
    void (*readable)(void *context, uint64_t until);
    /* The last event: everything was readable (code 0), or it failed. The reader is still to be closed. */
    void (*ended)(void *context, const struct dtr_error *err);
};

/* Starts to read; events come later, never from inside. */
int dtr_tasks_read(struct dtr_tasks *tasks, const struct dtr_read_request *request,
                   const struct dtr_reader_events *events, void *context, struct dtr_reader **ret_reader,
                   struct dtr_error *err);
/* The next byte that the reader needs: what is fetched follows it. */
void dtr_reader_at(struct dtr_reader *reader, uint64_t offset);
/* Bytes from the reader's offset up to this one were in the store when it began to read, and have not been
 * taken away since. */
uint64_t dtr_reader_here(const struct dtr_reader *reader);
/* The copy to lease from, on any data thread, between `head` and dtr_reader_close(). */
const struct dtr_copy *dtr_reader_copy(const struct dtr_reader *reader);
void dtr_reader_close(struct dtr_reader *reader);

/* --- the world's answers to a pull ------------------------------------------------------------------------
 */

const char *dtr_task_id_of(const struct dtr_task *task);
/* What is known of the task; strings until the next event. */
const struct dtr_task_facts *dtr_task_facts(const struct dtr_task *task);
/* Where the object is to come from now, and the request headers for that place, "Name: value\n" lines; of the
 * newest reader. */
const char *dtr_task_url(const struct dtr_task *task);
const char *dtr_task_request_headers(const struct dtr_task *task);
/* More trusted roots for its origin: PEM text, "" for none. */
const char *dtr_task_request_roots(const struct dtr_task *task);
/* Which version of its origin's object it is: a strong entity tag or a date; "" when there is none. */
const char *dtr_task_version(const struct dtr_task *task);
/* What the newest reader asked for: piece_length, content ("" for none), filter, remote_ip ("" for
 * none), priority and the switches of back-to-source; nothing else is set. */
const struct dtr_read_request *dtr_task_wish(const struct dtr_task *task);
/* Whether the running pull is a seed's. */
bool dtr_task_is_trigger(const struct dtr_task *task);
/* The short id of the running pull, for log lines; NULL when none runs. */
const char *dtr_task_pull_id(const struct dtr_task *task);
/* A pull runs. */
bool dtr_task_pulling(const struct dtr_task *task);
/* The planner of the running pull, NULL when none runs. Feed it its scheduler's and parents' events, then
 * call dtr_task_act(). */
struct dtr_planner *dtr_task_planner(struct dtr_task *task);
/* Carries out what the planner wants now. */
void dtr_task_act(struct dtr_task *task);
/* Where a parent serves pieces, from its SyncPieces; before the piece is reported to the planner. */
int dtr_task_parent_at(struct dtr_task *task, uint32_t parent, const struct dtr_addr *addr,
                       struct dtr_error *err);
/* A piece that is there and may be offered, NULL when it is not. */
const struct dtr_piece *dtr_task_piece(const struct dtr_task *task, uint32_t number);
/* The same, when its bytes may be given out: they came in this process, or were read again by it. */
const struct dtr_piece *dtr_task_sound_piece(const struct dtr_task *task, uint32_t number);
/* Has the piece read again; options.piece tells when that was done, the piece is then sound, or gone. False:
 * there is nothing to read. While a reader holds the task. */
bool dtr_task_prove(struct dtr_task *task, uint32_t number);
/* Its bytes did not look right: has a sound piece read again, and gives it to nobody before. */
void dtr_task_doubt(struct dtr_task *task, uint32_t number);
/* No piece from this number on is there. */
uint32_t dtr_task_piece_limit(const struct dtr_task *task);

#endif
