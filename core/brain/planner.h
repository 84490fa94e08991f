/* The fetch planner: a daemon's brain for one task being downloaded.
 *
 * It decides whom to ask for which bytes (parents, origin), when to give up on somebody, what to tell the
 * scheduler, and when the task is done or has failed. It holds the daemon's half of one AnnouncePeer
 * conversation (wire page 3.2). Pure: no I/O, no clock, no randomness but the seed it is given. The role
 * reports events, each with the time, and drains actions after every event:
 *
 *     dtr_planner_piece_done(planner, now_ms, id, &piece);
 *     while (dtr_planner_next(planner, &action))
 *         carry_out(&action);
 *     arm_timer(dtr_planner_wake(planner));
 *
 * What the role promises:
 * - Every FETCH and ORIGIN ends with exactly one dtr_planner_transfer_done(), also after CANCEL (unless the
 *   planner was freed). One that has brought everything is not cancelled any more, it just ends.
 *   A CANCEL that crossed with the end of its transfer is ignored.
 * - dtr_planner_piece_done() comes before the transfer_done() of the transfer that completed the piece, and
 *   for every piece whose bytes all arrived from the origin, even in several transfers.
 * - Bytes from the origin are written where they belong as they arrive; verified pieces are not overwritten.
 * - Times never go back. One thread.
 *
 * Not for: bytes, checksums, addresses, messages. */
#ifndef DTR_BRAIN_PLANNER_H
#define DTR_BRAIN_PLANNER_H

#include <darter/error.h>
#include <darter/piece.h>
#include <darter/storage.h>
#include <stdbool.h>
#include <stdint.h>

struct dtr_planner;

#define DTR_PLAN_NEVER UINT64_MAX /* of dtr_planner_wake(): no wake-up needed */

struct dtr_plan_config {
    uint64_t p2p_threshold;     /* bytes; objects and ranges up to it come from the origin (4 MiB) */
    uint32_t concurrent_pieces; /* transfers in flight at most (8) */
    uint32_t origin_streams;    /* streams from the origin at once, at most; 1: never several (4) */
    uint32_t reader_window;     /* pieces right behind a reader that go before all others (2) */
    /* No byte for so long: the transfer is given up. No verified piece either: planned anew, then the origin;
     * from parents that show that they live, the next piece may take 4 times as long (5000). */
    uint64_t stall_timeout_ms;
    uint64_t stat_timeout_ms;  /* patience for STAT_TASK, in which nobody else is asked (1000) */
    uint64_t piece_timeout_ms; /* a parent has at most so long for a piece (360000) */
    /* The scheduler is asked, and waited for, until the download is so old (3 h). */
    uint64_t schedule_timeout_ms;
    uint32_t max_schedule_count; /* answers taken from the scheduler (5) */
    uint32_t hedge_factor;       /* ask another parent when it would be so many times faster (3) */
    uint64_t hedge_silent_ms;    /* or when a transfer has brought nothing for so long (1000) */
    uint64_t hedge_origin_ms;    /* ask the origin when a parent needs longer for a piece (30000); 0: never */
    bool disable_back_to_source; /* never take content from the origin; only its length is asked for */
    bool need_back_to_source;    /* a seed was triggered: fetch from the origin, do not wait for anybody */
    /* The role checks the object as a whole (its digest) before anything is taken for complete: CHECK comes
     * when every piece is there, and DONE after dtr_planner_checked(). Not when only ranges were wanted. */
    bool check;
    bool detached; /* the range given at the start stays wanted when its reader leaves */
    /* Before the scheduler is asked for parents, learn an unknown length by one byte of the origin, instead
     * of by the head of the whole object: an origin has sent megabytes of that when it is told to stop. */
    bool ask_length;
    /* And by so many first bytes instead, without a word to the scheduler before: the role has reason to
     * expect that they are all, and then one request brings them. Where it is mistaken they are what is lost
     * at most. 0: by one byte. */
    uint64_t expected;
    bool have_scheduler;
    uint64_t piece_length; /* bytes; 0: by the rule of geometry.h */
    uint64_t seed;         /* of the random numbers */
};

/* Fills in the values above; all bools false. */
void dtr_plan_config_default(struct dtr_plan_config *config);

struct dtr_plan_start {
    uint32_t reader;         /* name of the first reader, see dtr_planner_want() */
    uint64_t offset;         /* first byte wanted */
    uint64_t length;         /* bytes wanted; DTR_LENGTH_UNKNOWN: the rest; 0: there is no reader */
    bool whole;              /* see dtr_planner_whole() */
    uint64_t content_length; /* of the object; DTR_LENGTH_UNKNOWN */
    const uint8_t *stored;   /* bit n % 8 of byte n / 8: piece n is verified in the store; NULL: none */
    uint32_t stored_count;   /* bits in it; only looked at when content_length is known */
};

/* A candidate parent of the scheduler's answer. Strings are copied. */
struct dtr_plan_parent {
    const char *peer_id;
    const char *host_id;
    const char *address; /* ip as text */
    uint16_t port;       /* of its gRPC upload service */
    uint64_t max_tx;     /* announced sending ceiling, bits/s; 0: unknown */
    uint64_t tx;         /* of it in use, bits/s */
};

/* kind, name, what the role does */
#define DTR_PLAN_KINDS(X)                                                                                    \
    X(STAT_TASK, "stat_task", "ask the scheduler what it knows: dtr_planner_stat()")                         \
    X(REGISTER, "register",                                                                                  \
      "open AnnouncePeer with a new peer id: content_length, piece_length, "                                 \
      "piece_count, metadata_only")                                                                          \
    X(STARTED, "started", "")                                                                                \
    X(BACK_TO_SOURCE_STARTED, "back_to_source_started", "description")                                       \
    X(PIECE_FINISHED, "piece_finished", "facts, parent")                                                     \
    X(BACK_TO_SOURCE_PIECE_FINISHED, "back_to_source_piece_finished", "facts")                               \
    X(PIECE_FAILED, "piece_failed", "piece, parent, temporary (always true)")                                \
    X(BACK_TO_SOURCE_PIECE_FAILED, "back_to_source_piece_failed", "error")                                   \
    X(RESCHEDULE, "reschedule", "description; echo the candidates of the last answer")                       \
    X(FINISHED, "finished", "ends the conversation")                                                         \
    X(BACK_TO_SOURCE_FINISHED, "back_to_source_finished", "ends the conversation")                           \
    X(FAILED, "failed", "description; ends the conversation")                                                \
    X(BACK_TO_SOURCE_FAILED, "back_to_source_failed", "description; ends the conversation")                  \
    X(PARENT_OPEN, "parent_open",                                                                            \
      "parent: SyncPieces for dtr_planner_interested() pieces, and SyncHost; "                               \
      "replaces a stream that is open")                                                                      \
    X(PARENT_CLOSE, "parent_close", "parent: end both streams; description")                                 \
    X(FETCH, "fetch", "id, parent, piece, offset, length")                                                   \
    X(ORIGIN, "origin",                                                                                      \
      "id, offset, length (DTR_LENGTH_UNKNOWN: rest), "                                                      \
      "length_only, rest_too, further, description")                                                         \
    X(CUT, "cut", "id, offset: end before that byte, and take no more; may come again with another")         \
    X(HOLD, "hold", "id: stop reading")                                                                      \
    X(RESUME, "resume", "id: read on")                                                                       \
    X(CANCEL, "cancel", "id: end it; transfer_done() follows")                                               \
    X(LENGTH, "length",                                                                                      \
      "content_length, piece_length, piece_count are known. Length DTR_LENGTH_UNKNOWN: "                     \
      "the origin does not say; cut pieces of piece_length")                                                 \
    X(CHECK, "check", "every piece is there: check the whole, then dtr_planner_checked()")                   \
    X(DONE, "done", "all wanted bytes are there")                                                            \
    X(FAIL, "fail", "error; DTR_ECANCELLED: no reader is left")

enum dtr_plan_kind {
#define DTR_PLAN_KIND_ENUM(name, text, help) DTR_PLAN_##name,
    DTR_PLAN_KINDS(DTR_PLAN_KIND_ENUM)
#undef DTR_PLAN_KIND_ENUM
};

const char *dtr_plan_kind_text(enum dtr_plan_kind kind);

/* Fields as the table says, others 0. Pointers are valid until the next event. */
struct dtr_plan_action {
    enum dtr_plan_kind kind;
    uint32_t id;     /* transfer, never reused */
    uint32_t parent; /* index for dtr_planner_parent() */
    uint32_t piece;
    uint32_t piece_count;
    uint64_t offset, length;               /* bytes */
    uint64_t content_length, piece_length; /* bytes */
    struct dtr_piece facts;                /* of a finished piece; created_at is the role's */
    bool temporary;
    bool metadata_only;      /* everything is in the store, only announce it */
    bool rest_too;           /* of ORIGIN: when the answer is the whole, all of it is welcome */
    bool further;            /* of ORIGIN: others run; no answer but the range itself is of use */
    bool length_only;        /* one byte is asked for, for its head; the byte is not wanted */
    const char *description; /* never empty */
    const struct dtr_error *error;
};

/* Copies what it needs of both structs. `now_ms` is of the caller's clock, as in all events. */
int dtr_planner_new(const struct dtr_plan_config *config, const struct dtr_plan_start *start, uint64_t now_ms,
                    struct dtr_planner **ret_planner, struct dtr_error *err);
/* NULL is fine. Nothing is cancelled or reported by it. */
void dtr_planner_free(struct dtr_planner *planner);

/* The next thing to do; false when there is nothing more until the next event. */
bool dtr_planner_next(struct dtr_planner *planner, struct dtr_plan_action *ret_action);
/* When dtr_planner_tick() is due, in the caller's clock; DTR_PLAN_NEVER. */
uint64_t dtr_planner_wake(const struct dtr_planner *planner);
void dtr_planner_tick(struct dtr_planner *planner, uint64_t now_ms);

/* DONE or FAIL was said: it takes no more readers, and says nothing more but to the scheduler. */
bool dtr_planner_over(const struct dtr_planner *planner);
/* Over, and the conversation is over too: nothing more comes, free it. At most 10 s after DONE. */
bool dtr_planner_ended(const struct dtr_planner *planner);

/* The scheduler's view of the task. `known` false also when it could not be asked. */
struct dtr_plan_stat {
    bool known;
    bool available;          /* a peer has pieces of it */
    uint64_t content_length; /* DTR_LENGTH_UNKNOWN */
    bool missed;             /* not known for want of an answer: it is worth asking again */
};
void dtr_planner_stat(struct dtr_planner *planner, uint64_t now_ms, const struct dtr_plan_stat *stat);

enum dtr_plan_answer_kind {
    DTR_PLAN_ANSWER_EMPTY,
    DTR_PLAN_ANSWER_NORMAL,
    DTR_PLAN_ANSWER_BACK_TO_SOURCE,
    DTR_PLAN_ANSWER_METADATA_ONLY,
};
struct dtr_plan_answer {
    enum dtr_plan_answer_kind kind;
    const struct dtr_plan_parent *parents; /* of NORMAL */
    uint32_t parent_count;
    uint64_t content_length; /* as the candidates have it; DTR_LENGTH_UNKNOWN when not said */
};
/* An AnnouncePeerResponse. Nobody need have asked: NORMAL then names more parents, BACK_TO_SOURCE sends to
 * the origin, others are ignored. */
void dtr_planner_answer(struct dtr_planner *planner, uint64_t now_ms, const struct dtr_plan_answer *answer);
/* The scheduler cannot be reached, broke off, or refused the conversation. `soon`: it was there a moment ago
 * and may be back at once, so that a register may wait for it; the role ends that wait by another such call.
 */
void dtr_planner_scheduler_lost(struct dtr_planner *planner, uint64_t now_ms, const struct dtr_error *err,
                                bool soon);
/* It can be reached again; used when the parents there are do not suffice. */
void dtr_planner_scheduler_back(struct dtr_planner *planner, uint64_t now_ms);

/* A parent reported a piece. */
void dtr_planner_piece_seen(struct dtr_planner *planner, uint64_t now_ms, uint32_t parent, uint32_t number);
/* Its SyncHost said so, bits/s. It shows that the parent lives, so it is to be told without a change too. */
void dtr_planner_parent_load(struct dtr_planner *planner, uint64_t now_ms, uint32_t parent, uint64_t max_tx,
                             uint64_t tx);
/* Its SyncPieces ended: err->code 0 (or NULL) when it sent all it had to say. Not after PARENT_CLOSE. */
void dtr_planner_parent_ended(struct dtr_planner *planner, uint64_t now_ms, uint32_t parent,
                              const struct dtr_error *err);
/* What the scheduler said of a parent; valid as long as the planner. NULL when there is none. */
const struct dtr_plan_parent *dtr_planner_parent(const struct dtr_planner *planner, uint32_t parent);
/* How the planner sees a parent now; for explanations. */
struct dtr_plan_view {
    const char *state; /* "live", "lost", "stalled", "lied" */
    double rate;       /* bytes/s, by which it is chosen */
    bool measured;     /* `rate` is what it really gives, */
    bool announced;    /* else by what it announced; neither: taken for very fast */
};
struct dtr_plan_view dtr_planner_parent_view(const struct dtr_planner *planner, uint32_t parent);
/* Why the origin is asked now, a constant; NULL: it is not. */
const char *dtr_planner_source_why(const struct dtr_planner *planner);
/* Whether a parent should report this piece: it is wanted and not there. */
bool dtr_planner_interested(const struct dtr_planner *planner, uint32_t number);
/* 0 while not known. */
uint32_t dtr_planner_piece_count(const struct dtr_planner *planner);

/* The origin answered well (200, 206). Any other answer is a transfer_done() with its error. */
struct dtr_plan_head {
    uint64_t total_length; /* of the object; DTR_LENGTH_UNKNOWN */
    uint64_t body_offset;  /* where the body starts in the object: 0 when the range was ignored */
    bool whole;            /* it is all of the object, whatever was asked for */
    bool takes_ranges;     /* it says so, and other versions can be told from this one */
};
void dtr_planner_origin_head(struct dtr_planner *planner, uint64_t now_ms, uint32_t id,
                             const struct dtr_plan_head *head);
/* Bytes [offset, offset + length) arrived; those of the origin can be read from the store now. */
void dtr_planner_progress(struct dtr_planner *planner, uint64_t now_ms, uint32_t id, uint64_t offset,
                          uint64_t length);
/* Nothing of it comes for now because of a limit of ours: nobody is to blame. */
void dtr_planner_transfer_waits(struct dtr_planner *planner, uint64_t now_ms, uint32_t id);
/* A piece is complete, its checksum held, it is in the store. */
void dtr_planner_piece_done(struct dtr_planner *planner, uint64_t now_ms, uint32_t id,
                            const struct dtr_piece *piece);
/* A transfer ended; err NULL or code 0: all of it arrived. DTR_ECORRUPT and DTR_EPROTOCOL mean that the
 * partner lied; DTR_ENO_SPACE and DTR_ENOMEM are our own trouble and end the task. */
void dtr_planner_transfer_done(struct dtr_planner *planner, uint64_t now_ms, uint32_t id,
                               const struct dtr_error *err);

/* CHECK was said, and not answered yet. */
bool dtr_planner_checking(const struct dtr_planner *planner);
/* The answer to CHECK, or the same ahead of it, when the role knows by then, and CHECK does not come: err
 * NULL or code 0 when the object is what it should be; else the task fails. The first one counts. */
void dtr_planner_checked(struct dtr_planner *planner, uint64_t now_ms, const struct dtr_error *err);

/* A reader joins (or names another range): it wants `length` bytes (DTR_LENGTH_UNKNOWN: the rest) from
 * `offset` on, in order. False: the planner is over, a new one is needed. */
bool dtr_planner_want(struct dtr_planner *planner, uint64_t now_ms, uint32_t reader, uint64_t offset,
                      uint64_t length);
/* All of the object is wanted besides, by nobody in particular: it comes after what readers wait for, and is
 * wanted without readers too. False: the planner is over. */
bool dtr_planner_whole(struct dtr_planner *planner, uint64_t now_ms);
/* The byte that a reader needs next. Cheap, plans nothing. */
void dtr_planner_reader_at(struct dtr_planner *planner, uint32_t reader, uint64_t offset);
/* A reader left. With the last one everything is cancelled, unless the planner is detached, a seed's, or
 * brings the whole. */
void dtr_planner_unwant(struct dtr_planner *planner, uint64_t now_ms, uint32_t reader);

#endif
