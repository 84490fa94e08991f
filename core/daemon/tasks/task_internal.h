/* What the files of a task share: its state, and what each file does for the others. */
#ifndef DTR_DAEMON_TASK_INTERNAL_H
#define DTR_DAEMON_TASK_INTERNAL_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/ranges.h"
#include "core/daemon/tasks/journal.h"
#include "core/daemon/tasks/pull_log.h"
#include "core/daemon/tasks/task.h"
#include "core/loop/loop.h"
#include <stdatomic.h>

struct check;    /* check.c */
struct proof;    /* proof.c */
struct suspects; /* suspect.c */

enum { TASKS_LIARS = 64 };

/* What clean.c remembers between its steps. */
struct cleaning {
    struct dtr_clean_policy policy;
    struct dtr_msg msg; /* the question how full the disk is, to a data thread and back */
    bool due;           /* age and use of the disk are looked at, not only room made */
    bool asked, again;  /* `again`: somebody came while it was asked */
    int rc;             /* the answer */
    uint64_t total, used;
    uint32_t leaving; /* tasks on their way out */
};

struct dtr_tasks {
    struct dtr_tasks_options options;
    struct dtr_map by_id; /* struct dtr_task.node */
    size_t next_data;     /* data threads take turns */
    uint32_t next_reader;
    bool closing;
    struct dtr_msg msg;
    void (*closed)(void *context);
    void *closed_context;
    struct dtr_list prefetch_waiting; /* struct dtr_task.prefetch_link; prefetch.c */
    uint32_t prefetch_waiting_count, prefetch_running;
    char liars[TASKS_LIARS][DTR_ADDR_TEXT]; /* addresses of peers, oldest first */
    size_t liar_count;
    uint32_t small_in_a_row; /* objects whose length was learnt; see expected() in pull.c */
    struct cleaning cleaning;
    struct journal journal;
    struct {
        struct dtr_timer *timer; /* NULL: there is no scrub */
        uint64_t rate;           /* bytes/s */
        struct dtr_task *task;   /* being scrubbed */
        bool due;                /* its next piece is to be read */
    } scrub;
};

enum prefetch_state { PREFETCH_NONE, PREFETCH_WAITS, PREFETCH_RUNS };

enum copy_state { COPY_CLOSED, COPY_OPENING, COPY_OPEN, COPY_CLOSING, COPY_EVICTING };

/* What this thread knows of a task. The copy itself belongs to the data thread. */
struct dtr_task {
    struct dtr_map_node node;
    struct dtr_tasks *tasks;
    struct dtr_loop *data; /* pinned */
    struct dtr_task_facts facts;
    char *strings[12];        /* of facts, then those below */
    bool trusted;             /* ORIGIN_URL is an operator's choice */
    bool named;               /* so is its host */
    struct dtr_piece *pieces; /* by number, length 0: not there */
    uint32_t piece_room, piece_count_had;
    struct dtr_ranges readable;

    enum copy_state state;
    struct dtr_copy *copy;
    struct dtr_msg copy_msg; /* opening, closing and evicting, there and back */
    struct dtr_error copy_error;

    struct dtr_list readers;   /* struct dtr_reader */
    struct dtr_list transfers; /* struct running */
    struct dtr_planner *planner;
    struct dtr_timer *timer;
    struct dtr_addr *parents; /* where they serve pieces, by the planner's index */
    uint32_t parent_room;
    char version[200];            /* of the origin's object, for If-Range */
    struct pull_log *log;         /* of the pull that runs; pull_log.c */
    struct dtr_read_request wish; /* see dtr_task_wish(); strings are ours */
    struct renewal *renewal;      /* its origin is asked whether it still has this version; renew.c */
    bool renewal_stopped;
    int64_t asked_at; /* when it was asked last, s since 1970; 0: not in this process */
    enum prefetch_state prefetch;
    struct dtr_list prefetch_link; /* while it waits */
    uint64_t prefetch_failed_ms;   /* when; 0: it did not */
    bool acting;
    bool stored;     /* an earlier process left it: what it holds may not be known yet */
    bool checkable;  /* facts.digest is one that can be checked */
    bool spoilt;     /* what the store holds is wrong, or too much: it is removed once nobody holds it */
    bool reopened;   /* it could not be opened, and was removed for that; not twice in a row */
    bool failed;     /* the last pull was; nobody is going to complete it by itself */
    bool refused;    /* there is no room for the object: the pull gets none of it */
    bool room_tried; /* room was made for its readers: not twice */
    bool awaits_room;
    bool cold;       /* its bytes have left the page cache */
    uint32_t pins;   /* see dtr_task_pin() */
    int64_t used_at; /* as the data thread is to store it */
    /* proof.c */
    struct dtr_ranges owed; /* part of `readable`, from an earlier process and not read by this one yet */
    bool unchecked;         /* and written before the machine went down */
    uint8_t *asked;         /* bit per piece that a peer waits for */
    uint32_t asked_room;
    struct proof *proof;
    bool withdrawn; /* from the scheduler, when a piece was found damaged; until the next pull */
    bool scrubbing; /* the copy is to be open for it */
    uint32_t scrub_piece;
    uint64_t scrubbed_ms; /* the last time, dtr_now_ms() */
    struct check *check;
    struct suspects *suspects;
    void (*deleted)(void *context, const struct dtr_error *err); /* somebody waits for that */
    void *deleted_context;
};

struct dtr_reader {
    struct dtr_list link;
    struct dtr_task *task;
    const struct dtr_reader_events *events;
    void *context;
    uint32_t number;
    uint64_t offset, length; /* what it wants */
    uint64_t at;             /* the next byte that it needs */
    uint64_t told;           /* readable was told up to here */
    uint64_t here;           /* was readable up to here when it came */
    bool head_told, ended, closed;
    bool announce, local_only, is_prefetch; /* of its request */
    bool by_proxy;
    struct dtr_msg msg; /* events come later */
    bool posted;
    bool failed; /* result is to be told */
    struct dtr_error result;
};

/* One transfer of a pull. */
struct running {
    struct dtr_list link;
    struct dtr_task *task;
    struct dtr_transfer *transfer;
    uint32_t id, piece, parent;
    bool origin;
    uint64_t at, end;           /* what it is still to bring; DTR_LENGTH_UNKNOWN: the rest */
    _Atomic bool in_background; /* nobody waits for that; read by the transfer */
    char from[DTR_ADDR_TEXT];   /* a peer's address, for counting */
};

/* In dtr_task.strings. The request's headers and roots are for ORIGIN_URL, which may be another than
 * facts.url: a blob lies in several places, and a URL's signature gets old. */
enum {
    DIGEST = 2,
    RESPONSE_HEADERS = 3,
    REQUEST_HEADERS = 6,
    CONTENT = 7,
    FILTER = 8,
    ORIGIN_URL = 9,
    REMOTE_IP = 10,
    REQUEST_ROOTS = 11
};

/* table.c */
/* A new task, in the table; *ret_task is NULL when there is no memory for it. */
int tasks_add(struct dtr_tasks *tasks, const struct dtr_task_facts *facts, struct dtr_task **ret_task,
              struct dtr_error *err);
/* The task leaves the table, and its memory goes; a closing table goes with its last task. */
void task_forget(struct dtr_task *task);
/* The memory of a closing table goes, unless something is still on its way. */
void tasks_end(struct dtr_tasks *tasks);

/* task.c */
/* For the table only: a task that is in none yet, and the end of one that is in none any more. */
int task_new(struct dtr_tasks *tasks, const struct dtr_task_facts *facts, struct dtr_task **ret_task,
             struct dtr_error *err);
void task_free(struct dtr_task *task);
/* Keeps a copy in task->strings[index]; false: out of memory, nothing changed. */
bool task_keep(struct dtr_task *task, size_t index, const char *text);
/* The piece's bytes are readable from now on. */
int task_add_piece(struct dtr_task *task, const struct dtr_piece *piece, struct dtr_error *err);
/* Which version of the object an earlier process had begun, by the head that was kept with it. */
void task_restore_version(struct dtr_task *task);
/* Of what is there in part only: forgets what is said of the whole. What is missing was held against no
 * digest when it comes; false: nor can one tell whether it is of the same version, so the part is of no use.
 */
bool task_restore_part(struct dtr_task *task);

/* settle.c */
/* Opens the copy when it is needed, closes it when nobody uses it any more; begins a pull for readers that
 * lack bytes. May free the task. */
void task_settle(struct dtr_task *task);
/* A pull waits until all that is owed was read. */
bool task_waits_for_proof(const struct dtr_task *task);
/* Nobody reads, pulls, hashes or sends it, and it is not about to go. */
bool task_idle(const struct dtr_task *task);

/* clean.c */
/* There is no room for a task's bytes. True: some is being made, and its readers wait; false: it was tried.
 */
bool clean_wait(struct dtr_task *task, const struct dtr_error *err);
/* Whether the object, as far as its length is known, fits into what tasks may take. */
bool clean_fits(const struct dtr_task *task);

/* delete.c */
/* The copy is closed and nobody uses the task: begins to evict it, when somebody wants that, when it is
 * spoilt, and when nothing came of it: whoever asks for what is not there leaves no trace. */
bool task_evict(struct dtr_task *task);
/* No byte of it is there any more, for anybody here; the store's follow, once nobody holds them. */
void task_spoil(struct dtr_task *task);
/* Whoever waits for the end of the task waits in vain. */
void task_undelete(struct dtr_task *task, int code, const char *why);

/* pull.c */
/* `first` NULL: nobody waits, the whole is prefetched. */
int pull_start(struct dtr_task *task, const struct dtr_reader *first, struct dtr_error *err);
void pull_cancel(struct dtr_task *task);
/* The pull ends, untold; the readers that need one begin another. */
void pull_abort(struct dtr_task *task);
/* Everything is there and right: stores so. */
void pull_note_finished(struct dtr_task *task);

/* renew.c */
/* A reader came: when the task is old, its origin is asked. Until it has answered, readers that were told
 * nothing wait. */
void renew_look(struct dtr_task *task);
/* The daemon stops. */
void renew_stop(struct dtr_task *task);

/* prefetch.c */
/* A reader of a part asks for the whole besides. */
void prefetch_want(struct dtr_task *task);
/* It does not wait in line any more. */
void prefetch_unwait(struct dtr_task *task);
/* The pull was done, or failed. */
void prefetch_over(struct dtr_task *task, const struct dtr_error *err);
/* A pull is to bring the whole. */
bool prefetch_lacks(const struct dtr_task *task);
/* Whether nobody waits for what a transfer is to bring. */
bool prefetch_is_ahead(const struct running *running);
/* After a reader came, ended or left: says so to the transfers. */
void prefetch_look_again(struct dtr_task *task);

/* reader.c */
/* The end of what a reader wants; DTR_LENGTH_UNKNOWN while the object's length is not known. */
uint64_t reader_end(const struct dtr_reader *reader);
void readers_wake(struct dtr_task *task);
/* Bytes were taken away: what comes in their place was not here when a reader began. */
void readers_lose(struct dtr_task *task);
/* Of a spoilt task only those that have been told of its bytes: the others wait for better ones, unless the
 * daemon stops. */
void readers_fail(struct dtr_task *task, const struct dtr_error *err);

#endif
