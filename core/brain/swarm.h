/* The swarm: the scheduler's view of hosts, tasks and peers, and the decision who gets pieces from whom.
 *
 * A pure state machine. The role tells it what happened (hosts announced, AnnouncePeer messages, time
 * passed) and drains what is to be done about it:
 *
 *     dtr_swarm_message(swarm, now_ms, &message);
 *     while (dtr_swarm_next(swarm, &action))
 *         perform(&action);
 *     arm_timer(dtr_swarm_wake_ms(swarm));
 *
 * Rules:
 * - The queue is drained after every event. An event may be fed from inside the draining loop (a stream
 *   that breaks while it is answered); what the current action points to is then no longer valid.
 * - `now_ms` never goes back (a smaller value counts as the last one). Any clock will do; times in facts
 *   are in it.
 * - Every REGISTER and every RESCHEDULE gets exactly one action that names its stream: an ANSWER, a REJECT
 *   or, when its peer ends in between, a CLOSE.
 * - After REJECT or CLOSE the stream is over. The role calls dtr_swarm_stream_closed() for every stream that
 *   is over, whoever ended it, with the peer that registered on it; when the swarm knows already, that does
 *   nothing. It does not when a stream is rejected for a message that names another peer.
 * - Strings that come in are copied, strings that go out belong to the swarm. One thread.
 * - No question waits longer than DTR_SWARM_ANSWER_MS, whatever the configuration says: dfdaemon gives
 *   a stream up after 10 s without an answer.
 *
 * Not for: sockets, protobuf, clocks, metrics (the role counts actions). Rules and names come from the
 * features page 2.3-2.7 and the wire page 3.1-3.3; where this differs, the comment says so. */
#ifndef DTR_BRAIN_SWARM_H
#define DTR_BRAIN_SWARM_H

#include "core/brain/rank.h"
#include <darter/bytes.h>
#include <darter/error.h>
#include <darter/piece.h>
#include <darter/storage.h>

#define DTR_SWARM_ANSWER_MS     9000             /* the longest wait for an answer */
#define DTR_SWARM_SEED_RETRY_MS (30 * 60 * 1000) /* a task whose seed failed goes without for so long */
#define DTR_SWARM_PROBE_MS      30000            /* between two probes of a healthy seed */
#define DTR_SWARM_SAMPLE_MAX    64               /* candidates that one decision can rank */
#define DTR_SWARM_KEEP_MAX      16               /* parents that one answer can carry */

/* --- configuration ----------------------------------------------------------------------------------- */

/* type, name, default, what it says */
#define DTR_SWARM_LIMITS(X)                                                                                  \
    X(uint32_t, candidate_parent_limit, 3, "parents in one answer")                                          \
    X(uint32_t, filter_parent_limit, 15, "candidates ranked for one answer")                                 \
    X(uint32_t, back_to_source_count, 200, "peers of one task at the origin at a time")                      \
    X(uint32_t, retry_back_to_source_limit, 4, "retry intervals without a parent before the origin")         \
    X(uint32_t, retry_limit, 5, "retry intervals without a parent before the error")                         \
    X(uint32_t, retry_interval_ms, 500, "unit of the two limits above")                                      \
    X(uint64_t, piece_download_timeout_ms, 30 * 60 * 1000, "an unfinished peer leaves after such silence")   \
    X(uint64_t, peer_ttl_ms, 24 * 3600 * 1000, "any peer leaves after such silence")                         \
    X(uint64_t, peer_gc_interval_ms, 10 * 1000, "between two looks for peers to remove")                     \
    X(uint64_t, task_gc_interval_ms, 30 * 60 * 1000, "between two looks for tasks without peers")            \
    X(uint64_t, host_gc_interval_ms, 5 * 60 * 1000, "between two looks for silent hosts")                    \
    X(uint64_t, host_ttl_ms, 3600 * 1000, "silence that removes a host, as two of its own intervals do")     \
    X(uint32_t, task_peer_limit, 300, "above it finished peers without children leave; 0: no limit")         \
    X(uint32_t, host_limit, 1000000, "hosts; more are refused")                                              \
    X(uint32_t, peer_limit, 4000000, "peers; more are refused")                                              \
    X(bool, unknown_host_back_to_source, false, "send a peer of an unannounced host to the origin")

/* What a scheduling policy declares besides its formula. */
struct dtr_swarm_policy {
    dtr_rank_fn rank;   /* NULL: dtr_rank_dragonfly, which also stands in when this one fails */
    void *context;      /* of rank */
    bool acyclic;       /* no peer may be its own ancestor. False: a peer may get pieces from its descendants
                         * too, as long as one of its parents is none */
    uint32_t sample;    /* candidates drawn after filtering; 0: filter_parent_limit */
    uint32_t keep;      /* parents in an answer; 0: candidate_parent_limit */
    uint32_t newcomers; /* of these, so many places are left for peers that come later, which are then given
                         * to it unasked; 0: nobody is given parents unasked. Not with `acyclic` */
    bool late_offers;   /* offer a peer only once it said that it started. False: from the moment it was
                         * given parents, so that peers which ask in one burst find each other */
};

struct dtr_swarm_config {
#define DTR_SWARM_LIMIT_FIELD(type, name, value, help) type name;
    DTR_SWARM_LIMITS(DTR_SWARM_LIMIT_FIELD)
#undef DTR_SWARM_LIMIT_FIELD
    /* So long after its begin a swarm that knows no seed waits for one before it sends anybody to the origin:
     * after a restart of the scheduler the others may be faster than the seeds, and all ask at once (0). */
#define DTR_SWARM_SETTLE_MS 2000 /* daemons come back within 1.2 s */
    uint64_t settle_ms;
    struct dtr_swarm_policy policy;
};

/* The defaults of the table, acyclic, with the C formula. */
struct dtr_swarm_config dtr_swarm_defaults(void);

/* --- facts ------------------------------------------------------------------------------------------- */

/* What AnnounceHost says. Strings are never NULL on the way out; NULL counts as "" on the way in. */
struct dtr_swarm_announce {
    const char *id;
    const char *hostname;
    const char *ip;
    const char *idc;
    const char *location;
    struct dtr_buf *raw;  /* common.v2.Host as it came, for ListHosts; a reference is taken; may be NULL */
    uint64_t max_tx, tx;  /* bits/s; 0: unknown */
    uint64_t max_rx, rx;  /* bits/s */
    uint64_t interval_ms; /* between announcements; 0: not said */
    uint32_t type;        /* 0 normal, else seed */
    int32_t port;         /* gRPC upload port */
    int32_t download_port;
    bool disable_shared; /* never a parent */
    bool proven;         /* the announcement came from `ip` itself: dialling it reaches who said so */
};

struct dtr_swarm_host {
    struct dtr_swarm_announce facts;
    bool announced;   /* false: only known from its peers (unknown_host_back_to_source) */
    bool seed_usable; /* a seed whose last probe succeeded */
    uint32_t peer_count;
    uint32_t uploads;   /* children attached to its peers */
    uint64_t booked_tx; /* bits/s, see rank.h */
    uint64_t booked_bytes;
    uint64_t booked_pieces;
    double observed_rate; /* bytes/s that children got lately; NAN: none yet */
    uint64_t created_ms, updated_ms;
};

/* state names of tasks (features page 2.6) */
#define DTR_TASK_STATES(X)                                                                                   \
    X(PENDING, "Pending")                                                                                    \
    X(RUNNING, "Running")                                                                                    \
    X(SUCCEEDED, "Succeeded")                                                                                \
    X(FAILED, "Failed")                                                                                      \
    X(LEAVE, "Leave")

enum dtr_task_state {
#define DTR_TASK_STATE_ENUM(name, text) DTR_TASK_##name,
    DTR_TASK_STATES(DTR_TASK_STATE_ENUM)
#undef DTR_TASK_STATE_ENUM
};

struct dtr_swarm_task {
    const char *id;
    const char *url, *digest, *tag, *application; /* of the latest register; "" when absent */
    enum dtr_task_state state;
    uint64_t content_length; /* bytes; DTR_LENGTH_UNKNOWN */
    uint64_t piece_length;   /* bytes; 0: unknown */
    uint32_t piece_count;    /* 0: unknown */
    uint32_t peer_count;
    uint32_t offer_count;  /* peers that may be parents now */
    uint32_t source_count; /* peers sent to the origin and not finished */
    uint64_t created_ms, updated_ms;
};

struct dtr_swarm_peer {
    const char *id;
    const struct dtr_swarm_host *host;
    const struct dtr_swarm_task *task;
    enum dtr_peer_state state;
    uint32_t priority;          /* 0..6 as registered, application already considered */
    uint32_t concurrent_pieces; /* 0: not said */
    uint32_t pieces_had;
    uint32_t parent_count, child_count;
    uint32_t failures; /* pieces that children failed to get from it */
    uint32_t depth;    /* steps to the origin when it was last given parents */
    bool need_back_to_source;
    bool has_range;
    uint64_t range_start, range_length; /* bytes */
    uint64_t created_ms, updated_ms;
};

/* "ReceivedNormal", "Running", ... as the wire has them. */
const char *dtr_peer_state_text(enum dtr_peer_state state);
const char *dtr_task_state_text(enum dtr_task_state state);

/* --- life -------------------------------------------------------------------------------------------- */

struct dtr_swarm;

/* `seed_number` is the only source of randomness: equal events give equal actions. */
int dtr_swarm_new(const struct dtr_swarm_config *config, uint64_t seed_number, uint64_t now_ms,
                  struct dtr_swarm **ret_swarm, struct dtr_error *err);
/* Forgets everything without actions. NULL is fine. */
void dtr_swarm_free(struct dtr_swarm *swarm);
/* Takes over new limits or another policy between two decisions. Values beyond DTR_SWARM_*_MAX are cut. */
void dtr_swarm_configure(struct dtr_swarm *swarm, const struct dtr_swarm_config *config);

/* --- hosts ------------------------------------------------------------------------------------------- */

/* AnnounceHost. DTR_EINVALID: id, ip or port missing or too long; DTR_ELIMIT; DTR_ENOMEM. A seed is probed
 * at once when it is new or its address changed. */
int dtr_swarm_host_announced(struct dtr_swarm *swarm, uint64_t now_ms, const struct dtr_swarm_announce *facts,
                             struct dtr_error *err);
/* DeleteHost: its peers leave with it. DTR_ENOT_FOUND. */
int dtr_swarm_host_deleted(struct dtr_swarm *swarm, uint64_t now_ms, const char *host_id,
                           struct dtr_error *err);
/* The result of PROBE_SEED; unknown hosts are ignored. After a failure the next probe comes after 1 s, then
 * 2 s, 4 s ... up to DTR_SWARM_PROBE_MS: a daemon announces itself just before its port listens. */
void dtr_swarm_seed_probed(struct dtr_swarm *swarm, uint64_t now_ms, const char *host_id, bool ok);
/* The DownloadTask call of TRIGGER_SEED ended. Failed: the task goes without seed for
 * DTR_SWARM_SEED_RETRY_MS, and one of those who wait is sent to the origin at once. */
void dtr_swarm_seed_done(struct dtr_swarm *swarm, uint64_t now_ms, const char *task_id, bool ok);

/* --- AnnouncePeer ------------------------------------------------------------------------------------ */

/* The arms of AnnouncePeerRequest in wire order. name, what it is */
#define DTR_SWARM_MESSAGES(X)                                                                                \
    X(REGISTER, "register_peer")                                                                             \
    X(STARTED, "download_peer_started")                                                                      \
    X(SOURCE_STARTED, "download_peer_back_to_source_started")                                                \
    X(RESCHEDULE, "reschedule_peer")                                                                         \
    X(FINISHED, "download_peer_finished")                                                                    \
    X(SOURCE_FINISHED, "download_peer_back_to_source_finished")                                              \
    X(FAILED, "download_peer_failed")                                                                        \
    X(SOURCE_FAILED, "download_peer_back_to_source_failed")                                                  \
    X(PIECE_FINISHED, "download_piece_finished")                                                             \
    X(SOURCE_PIECE_FINISHED, "download_piece_back_to_source_finished")                                       \
    X(PIECE_FAILED, "download_piece_failed")                                                                 \
    X(SOURCE_PIECE_FAILED, "download_piece_back_to_source_failed")

enum dtr_swarm_message_kind {
#define DTR_SWARM_MESSAGE_ENUM(name, text) DTR_SWARM_##name,
    DTR_SWARM_MESSAGES(DTR_SWARM_MESSAGE_ENUM)
#undef DTR_SWARM_MESSAGE_ENUM
};

/* common.v2.Download as far as it matters here. */
struct dtr_swarm_register {
    const char *url, *digest, *tag, *application; /* NULL counts as "" */
    struct dtr_buf *download; /* raw common.v2.Download for a seed; a reference is taken; may be NULL */
    uint64_t content_length;  /* actual_content_length; DTR_LENGTH_UNKNOWN */
    uint64_t piece_length;    /* actual_piece_length; 0: unknown */
    uint32_t piece_count;     /* actual_piece_count; 0: unknown */
    uint32_t concurrent_pieces;
    uint32_t priority; /* 0..6; the role puts the application's one in when the request has 0 */
    bool need_back_to_source;
    bool disable_back_to_source; /* never told to go to the origin */
    bool metadata_only;
    bool takes_more; /* it understands MORE_PARENTS and MORE_SOURCE, which Dragonfly's dfdaemon does not */
    bool has_range;
    uint64_t range_start, range_length;
};

struct dtr_swarm_message {
    enum dtr_swarm_message_kind kind;
    const char *host_id, *task_id, *peer_id;
    void *stream;                                /* the role's, not NULL; comes back in actions */
    const struct dtr_swarm_register *registered; /* REGISTER */
    const char *const *candidates;               /* RESCHEDULE: peer ids that were given before */
    uint32_t candidate_count;
    struct {                   /* PIECE_*, SOURCE_PIECE_* */
        const char *parent_id; /* NULL or "" from the origin */
        uint32_t number;
        uint64_t length; /* bytes */
        double cost_ms;
        enum dtr_traffic traffic;
        bool temporary; /* PIECE_FAILED; the parent is blocked either way */
    } piece;
};

/* One request of an AnnouncePeer stream. Never fails: what is wrong with a message becomes a REJECT of its
 * stream, and its peer leaves unless it has finished. Outcomes that the protocol leaves open:
 * - REGISTER of a peer that exists under the same host and task: it starts anew, keeping its block list;
 *   another stream that it had is rejected. Under another host or task, or while its question on the same
 *   stream is open: REJECT.
 * - STARTED, SOURCE_STARTED or RESCHEDULE while a question is open, or in a state that has no such
 *   transition: REJECT. Repeating what is already so is fine.
 * - Piece messages are counted when they make sense and ignored otherwise.
 * - FINISHED, SOURCE_FINISHED, FAILED, SOURCE_FAILED: CLOSE; an open question is settled by it. */
void dtr_swarm_message(struct dtr_swarm *swarm, uint64_t now_ms, const struct dtr_swarm_message *message);
/* The stream of this peer ended from the other side. Before a terminal request: the peer is gone. Does
 * nothing when the peer is unknown or has another stream by now. */
void dtr_swarm_stream_closed(struct dtr_swarm *swarm, uint64_t now_ms, const char *peer_id,
                             const void *stream);

/* --- queries and removals ---------------------------------------------------------------------------- */

/* Valid until the next event; NULL when unknown. */
const struct dtr_swarm_host *dtr_swarm_find_host(const struct dtr_swarm *swarm, const char *host_id);
const struct dtr_swarm_task *dtr_swarm_find_task(const struct dtr_swarm *swarm, const char *task_id);
const struct dtr_swarm_peer *dtr_swarm_find_peer(const struct dtr_swarm *swarm, const char *peer_id);
/* All hosts in order of first announcement: starts and ends with NULL. */
const struct dtr_swarm_host *dtr_swarm_next_host(const struct dtr_swarm *swarm,
                                                 const struct dtr_swarm_host *previous);
/* The seed that is asked first for a task with this id, known or not; NULL: no seed serves. */
const struct dtr_swarm_host *dtr_swarm_find_seed(const struct dtr_swarm *swarm, const char *task_id);
/* The parents of a peer, starting and ending with NULL. */
const struct dtr_swarm_peer *dtr_swarm_next_parent(const struct dtr_swarm_peer *peer,
                                                   const struct dtr_swarm_peer *previous);
/* DeleteTask: the host's peers of the task leave. DTR_ENOT_FOUND when it has none. */
int dtr_swarm_delete_task(struct dtr_swarm *swarm, uint64_t now_ms, const char *host_id, const char *task_id,
                          struct dtr_error *err);
/* DeletePeer. DTR_ENOT_FOUND. */
int dtr_swarm_delete_peer(struct dtr_swarm *swarm, uint64_t now_ms, const char *peer_id,
                          struct dtr_error *err);

struct dtr_swarm_counts {
    uint32_t hosts, tasks, peers;
    uint32_t edges;         /* parent-child pairs */
    uint32_t waiting;       /* questions not answered yet */
    uint32_t rank_failures; /* decisions that the C formula took over, ever */
};
struct dtr_swarm_counts dtr_swarm_count(const struct dtr_swarm *swarm);

/* --- time -------------------------------------------------------------------------------------------- */

/* Time passed: expired waits, probes that are due, garbage collection. */
void dtr_swarm_time(struct dtr_swarm *swarm, uint64_t now_ms);
/* When to call it next; UINT64_MAX: not before the next event. Ask with the queue drained. */
uint64_t dtr_swarm_wake_ms(const struct dtr_swarm *swarm);

/* --- actions ----------------------------------------------------------------------------------------- */

/* name, what the role does */
#define DTR_SWARM_ACTIONS(X)                                                                                 \
    X(ANSWER_PARENTS, "NormalTaskResponse with `parents`")                                                   \
    X(ANSWER_SOURCE, "NeedBackToSourceResponse with `text`")                                                 \
    X(ANSWER_EMPTY, "EmptyTaskResponse")                                                                     \
    X(ANSWER_METADATA_ONLY, "MetadataOnlyResponse")                                                          \
    X(MORE_PARENTS, "NormalTaskResponse with `parents`, which nobody asked for, besides those it has")       \
    X(MORE_SOURCE, "NeedBackToSourceResponse with `text`, which nobody asked for")                           \
    X(REJECT, "end the stream with gRPC status `code` and `text`")                                           \
    X(CLOSE, "end the stream with OK, then RST_STREAM(NO_ERROR) (wire page 3.1 rule 7)")                     \
    X(TRIGGER_SEED, "DownloadTask on `host`: `download`, need_back_to_source, no output_path; seed_done()")  \
    X(PROBE_SEED, "health check of `host`, then seed_probed()")                                              \
    X(HOST_GONE, "tell that `host` was removed, as it was silent for `silent_ms`")

enum dtr_swarm_action_kind {
#define DTR_SWARM_ACTION_ENUM(name, text) DTR_SWARM_##name,
    DTR_SWARM_ACTIONS(DTR_SWARM_ACTION_ENUM)
#undef DTR_SWARM_ACTION_ENUM
};

/* gRPC status codes that a REJECT uses. */
enum dtr_swarm_refusal {
    DTR_SWARM_INVALID_ARGUMENT = 3,
    DTR_SWARM_NOT_FOUND = 5,
    DTR_SWARM_ALREADY_EXISTS = 6,
    DTR_SWARM_RESOURCE_EXHAUSTED = 8,
    DTR_SWARM_FAILED_PRECONDITION = 9,
    DTR_SWARM_ABORTED = 10,
};

/* Pointers are valid until the next event or the next call of dtr_swarm_next(). */
struct dtr_swarm_action {
    enum dtr_swarm_action_kind kind;
    void *stream;                                /* ANSWER_*, MORE_*, REJECT, CLOSE */
    const struct dtr_swarm_peer *peer;           /* ANSWER_*, MORE_*: whose; TRIGGER_SEED: who asked */
    const struct dtr_swarm_peer *const *parents; /* ANSWER_PARENTS, best first; MORE_PARENTS */
    uint32_t parent_count;
    enum dtr_swarm_refusal code;       /* REJECT */
    const char *text;                  /* REJECT, *_SOURCE: why; a constant */
    const struct dtr_swarm_host *host; /* TRIGGER_SEED, PROBE_SEED, HOST_GONE */
    uint64_t silent_ms;                /* HOST_GONE */
    const struct dtr_swarm_task *task; /* TRIGGER_SEED */
    struct dtr_buf *download;          /* TRIGGER_SEED: hold it to keep it */
};

/* The next thing to do; false when nothing is left. */
bool dtr_swarm_next(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action);

/* --- decisions --------------------------------------------------------------------------------------- */

/* Why a peer of the task was no candidate. name, what it says */
#define DTR_SWARM_REASONS(X)                                                                                 \
    X(SUITS, "fits")                                                                                         \
    X(ONESELF, "is the peer itself")                                                                         \
    X(SAME_HOST, "is on the same host")                                                                      \
    X(BLOCKED, "was given before and is not wanted")                                                         \
    X(CYCLE, "gets its pieces from this peer")                                                               \
    X(SLOW, "is slow at present")                                                                            \
    X(NOT_OFFERED, "cannot give now: by its state, as it does not share, or without a parent of its own")    \
    X(NOT_DRAWN, "was not drawn, as the sample was full")

enum dtr_swarm_reason {
#define DTR_SWARM_REASON_ENUM(name, text) DTR_SWARM_##name,
    DTR_SWARM_REASONS(DTR_SWARM_REASON_ENUM)
#undef DTR_SWARM_REASON_ENUM
        DTR_SWARM_REASON_COUNT
};

/* What was decided about one peer, and from what. */
struct dtr_swarm_decision {
    const struct dtr_swarm_peer *peer;
    const char *asked;  /* "register", "reschedule", "newcomers"; a constant, as are the next two */
    const char *answer; /* "parents", "seed", "waits", "origin", "refused", "empty", "metadata only" */
    const char *why;    /* "" where the candidates say it */
    bool weighed;       /* candidates were looked for; else what follows is 0 */
    bool fell_back;     /* the policy failed, so dtr_rank_dragonfly ranked */
    uint32_t left_out[DTR_SWARM_REASON_COUNT];                     /* peers by reason */
    uint32_t count, chosen;                                        /* candidates; of them parents */
    const struct dtr_swarm_peer *candidates[DTR_SWARM_SAMPLE_MAX]; /* best first */
    double scores[DTR_SWARM_SAMPLE_MAX];
    bool taken[DTR_SWARM_SAMPLE_MAX];
};

/* Calls `decided` from within dtr_swarm_next() with every decision, which is valid during the call. A peer
 * that waits is told of once, when it begins to wait. `decided` must not call the swarm. NULL: nobody looks,
 * and nothing is gathered. */
void dtr_swarm_watch(struct dtr_swarm *swarm,
                     void (*decided)(void *context, const struct dtr_swarm_decision *decision),
                     void *context);

#endif
