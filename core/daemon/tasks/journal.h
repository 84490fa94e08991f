/* The journal of pulls: what each of them did, for "darter ctl explain". Bounded in all directions, oldest
 * pulls go first; empty it takes no memory. One thread (control). It knows no tasks and no planner:
 * pull_log.c writes it, upload_explain.c reads it. Not on disk: a daemon that starts knows nothing of earlier
 * pulls. */
#ifndef DTR_DAEMON_JOURNAL_H
#define DTR_DAEMON_JOURNAL_H

#include "core/base/list.h"
#include "core/brain/task_id.h"
#include "core/net/addr.h"

enum {
    JOURNAL_BYTES = 256 << 10, /* of memory, of all pulls; a running pull counts and does not go */
    JOURNAL_PULLS = 256,
    JOURNAL_TASK_PULLS = 16, /* of one task */
    JOURNAL_EVENTS = 64,     /* of a pull */
    JOURNAL_DETAILS = 32,    /* of them those that may come often */
    JOURNAL_GIVERS = 24,     /* parents of a pull that have a row of their own */
    JOURNAL_TEXT = 320,      /* longer texts are cut */
};

/* kind, word for scripts, whether it is a detail */
#define JOURNAL_KINDS(X)                                                                                     \
    X(READER, "reader", true)                                                                                \
    X(SCHEDULER, "scheduler", false)                                                                         \
    X(PARENT, "parent", false)                                                                               \
    X(PIECE, "piece", true)                                                                                  \
    X(ORIGIN, "origin", false)                                                                               \
    X(REQUEST, "request", true)                                                                              \
    X(STORE, "store", false)

enum journal_kind {
#define JOURNAL_KIND_ENUM(name, text, detail) JOURNAL_##name,
    JOURNAL_KINDS(JOURNAL_KIND_ENUM)
#undef JOURNAL_KIND_ENUM
};
const char *journal_kind_text(enum journal_kind kind);

struct journal_event {
    uint64_t at_ms; /* since the pull began, as all times here */
    enum journal_kind kind;
    char *text;
};

/* A parent of a pull. */
struct journal_giver {
    uint32_t parent;             /* the planner's index */
    char address[DTR_ADDR_TEXT]; /* of its gRPC service */
    char peer_id[96], host_id[96];
    uint64_t joined_ms, last_ms, left_ms; /* last_ms: its last piece */
    uint32_t asked, pieces, failed;
    uint64_t bytes, fresh; /* fresh: those that were not here already */
    double rate;           /* bytes/s */
    bool measured, announced, left;
    const char *state; /* a constant; struct dtr_plan_view */
    char why[120];     /* it was left */
};

enum journal_outcome { JOURNAL_RUNNING, JOURNAL_DONE, JOURNAL_FAILED, JOURNAL_GIVEN_UP };
const char *journal_outcome_text(enum journal_outcome outcome);

struct journal_pull {
    struct dtr_list link;
    struct journal *journal;
    size_t memory; /* bytes that it takes */
    char id[12];
    char task_id[DTR_TASK_ID_LENGTH + 1];
    char *url, *digest, *asker, *part; /* url without query */
    int64_t began_wall_ms;
    uint64_t began_ms, took_ms; /* took_ms: when it has ended */
    uint64_t content_length;    /* DTR_LENGTH_UNKNOWN */
    enum journal_outcome outcome;
    char *error; /* NULL: none */
    /* Bytes that were not here before, by where they came from; `twice` came again. */
    uint64_t from_store, from_origin, from_peers, twice;
    uint32_t replans, origin_requests, stalls;
    struct journal_event *events;
    uint32_t event_count, event_room, detail_count, dropped;
    struct journal_giver *givers;
    uint32_t giver_count, giver_room, more_givers;
};

struct journal {
    struct dtr_list pulls; /* struct journal_pull, oldest first */
    size_t memory;
    uint32_t count;
    uint64_t forgotten; /* pulls that have gone, or found no room */
};

void journal_init(struct journal *journal);
/* Forgets everything; nobody uses a pull any more. */
void journal_clear(struct journal *journal);

/* What a pull begins with; copied. */
struct journal_start {
    const char *id, *task_id, *url, *digest, *asker, *part;
    int64_t wall_ms;
    uint64_t now_ms, content_length, from_store;
};
/* NULL: no memory, or only running pulls are in the way; everything below takes NULL. It stays as long as it
 * has not ended. */
struct journal_pull *journal_begin(struct journal *journal, const struct journal_start *start);
void journal_event(struct journal_pull *pull, uint64_t now_ms, enum journal_kind kind, const char *text);
/* The row of a parent, made when there is none and it is told who that is. NULL: there is none. Until the
 * next call. */
struct journal_giver *journal_giver(struct journal_pull *pull, uint32_t parent);
struct journal_giver *journal_join(struct journal_pull *pull, uint64_t now_ms, uint32_t parent,
                                   const char *address, const char *peer_id, const char *host_id);
/* After it the pull may go at any time. */
void journal_end(struct journal_pull *pull, uint64_t now_ms, enum journal_outcome outcome, const char *error);

/* Oldest first; starts and ends with NULL. */
const struct journal_pull *journal_next(const struct journal *journal, const struct journal_pull *previous);

#endif
