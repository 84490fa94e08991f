/* One job: what is asked of which scheduler next, and what follows from an answer.
 *
 * A job has parts: one for each cluster (of a preheat of several URLs, one for each of these in each), or one
 * for each scheduler, when all of a cluster are asked. A part asks until it is over; what may be better later
 * is asked again after a pause, a few times. The machine holds what is to be written into the row of the job:
 * the state, the result, and, so that another process can go on, where each part is.
 *
 * Pure: no sockets, no clock; times are milliseconds of any steady clock. One thread. */
#ifndef DTR_MANAGER_JOBS_MACHINE_H
#define DTR_MANAGER_JOBS_MACHINE_H

#include "core/manager/jobs/args.h"

enum {
    MACHINE_TRIES = 8,             /* of a part, one after the other that fail */
    MACHINE_PAUSE_MS = 2000,       /* after the first of them, doubled by each, */
    MACHINE_PAUSE_MOST_MS = 60000, /* up to this */
    MACHINE_BUSY_MS = 5000,        /* until one that has too much to do is asked again, however often */
    MACHINE_AT_ONCE = 16,          /* preheats of one job that a cluster is at */
    MACHINE_POLL_MS = 1000,        /* between two looks at a preheat, longer as it takes longer, */
    MACHINE_POLL_MOST_MS = 10000,  /* up to this */
    MACHINE_HOLDERS_MS = 15000,    /* between two looks at all hosts, which cost more */
    MACHINE_PARTS_MOST = 10000,
    MACHINE_RESULT_MOST = 6 << 20, /* bytes of the texts in a result: a column has 16 MiB */
};

/* A scheduler that may be asked. */
struct job_target {
    int64_t id, cluster_id;
    char name[256], ip[64];
    uint16_t port;
    bool preheats; /* it has this feature */
};

/* What is asked. */
enum ask_kind {
    ASK_PREHEAT,  /* begin one */
    ASK_PROGRESS, /* how it goes on */
    ASK_HOLDERS,  /* the same, of a scheduler that is not Darter's: who holds what there is */
    ASK_FIND,     /* who holds a task */
    ASK_FIND_URL, /* the same, of a scheduler that is not Darter's */
    ASK_DROP,     /* to delete it */
    ASK_IMAGE,    /* who holds what of an image */
    ASK_HOSTS,    /* which hosts there are */
    ASK_KINDS,
};

/* What came of it. */
enum heard {
    HEARD_OK,
    HEARD_LATER,   /* not now: it may be asked again */
    HEARD_BUSY,    /* not now, since it is at too much else */
    HEARD_NO,      /* not at all */
    HEARD_UNKNOWN, /* this scheduler has no such call */
    HEARD_NOTHING, /* it knows nothing of what was asked */
};

struct answer {
    enum heard heard;
    const char *why;              /* unless HEARD_OK */
    bool ended;                   /* of ASK_PROGRESS and ASK_HOLDERS: there is no more to come */
    const char *error;            /* it ended, and badly; NULL when it did not */
    json_t *result;               /* an object for `results`; NULL: none. Stays the caller's */
    size_t done, failed, waiting; /* rows, also those that `result` has no room for */
};

enum part_state { PART_OPEN, PART_DONE, PART_FAILED };

struct part {
    int64_t cluster_id;
    size_t url;               /* of a preheat: which one */
    struct job_target target; /* id 0: none yet */
    bool bound;               /* it is for this scheduler, and no other */
    bool known;               /* `target` is as the database has it */
    bool sent;                /* a preheat that the scheduler has begun */
    bool theirs;              /* of a scheduler that is not Darter's */
    bool asking;
    bool failing; /* the last try failed */
    bool busy;    /* ... since the scheduler has too much to do */
    enum part_state state;
    unsigned tries, misses; /* that failed: of all; of questions after a preheat was begun, in a row */
    uint64_t due_ms, sent_ms;
    char error[512];
    json_t *result; /* NULL: none yet */
    size_t done, failed, waiting;
};

struct machine {
    enum job_kind kind;
    const json_t *args;         /* whole; the caller's */
    char group[64];             /* id of the job for others */
    uint64_t pause_ms, poll_ms; /* as above; other ones for tests */
    uint64_t timeout_ms, deadline_ms;
    bool changed; /* since it was written */
    struct part *parts;
    size_t count;
    char error[512]; /* of one that has no parts */
};

/* Copies `group`; `args` live on. `timeout_ms` is for all of it, from the time it is first run. */
void machine_init(struct machine *machine, enum job_kind kind, const char *group, const json_t *args,
                  uint64_t timeout_ms, uint64_t now_ms);
void machine_free(struct machine *machine);

/* Whom it may ask, as the database has it now: the clusters of the job that there are, and their active
 * schedulers. Before the first question, and when machine_wants_targets(). */
struct job_targets {
    int64_t *clusters; /* by id */
    size_t cluster_count;
    struct job_target *list; /* by id */
    size_t count;
};
int machine_targets(struct machine *machine, const struct job_targets *targets, uint64_t now_ms,
                    struct dtr_error *err);
bool machine_wants_targets(const struct machine *machine, uint64_t now_ms);

/* The next question, which is being asked from here on: false when there is none now. A part whose scheduler
 * is not known is over with first, so this may change the state. */
bool machine_next(struct machine *machine, uint64_t now_ms, size_t *ret_part, enum ask_kind *ret_kind);
/* `part` was asked for `kind`. */
void machine_heard(struct machine *machine, size_t part, enum ask_kind kind, const struct answer *answer,
                   uint64_t now_ms);
/* When machine_next() or machine_wants_targets() may have something to say if nothing is heard before;
 * UINT64_MAX: never. */
uint64_t machine_due(const struct machine *machine, uint64_t now_ms);
/* Out of time: all parts that are not over fail. Those that are being asked need not be heard. */
bool machine_is_late(const struct machine *machine, uint64_t now_ms);
void machine_stop(struct machine *machine, const char *why);

bool machine_is_over(const struct machine *machine);
/* All that is not over pauses after a failure, until *ret_due_ms, which is later than now: nobody needs to
 * hold it meanwhile. When it does not, *ret_due_ms means nothing. */
bool machine_pauses(const struct machine *machine, uint64_t now_ms, uint64_t *ret_due_ms);
/* "STARTED", "RETRY", "SUCCESS" or "FAILURE". */
const char *machine_state(const struct machine *machine, uint64_t now_ms);
/* The first error of a part; "" when there is none. */
const char *machine_error(const struct machine *machine);
/* What a part is about, as errors name it: "scheduler NAME (ADDRESS) of cluster N". */
void machine_who(const struct part *part, char *text, size_t size);
/* The metadata by which a scheduler knows a preheat of ours. */
enum { MACHINE_PREHEAT_ID = 128 };
void machine_preheat_id(const struct machine *machine, size_t part, char id[MACHINE_PREHEAT_ID]);

/* As the row has them: {group_uuid, state, created_at, updated_at, job_states}, and where each part is. The
 * caller's (free()); NULL: out of memory. Times are texts. */
char *machine_result(const struct machine *machine, uint64_t now_ms, const char *created_at,
                     const char *updated_at);
char *machine_saved(const struct machine *machine, uint64_t now_ms);
/* The reverse, into one that was initialised; `saved` "" begins from nothing. DTR_EINVALID: they are not
 * such. */
int machine_load(struct machine *machine, const char *saved, const char *result, uint64_t now_ms,
                 struct dtr_error *err);

#endif
