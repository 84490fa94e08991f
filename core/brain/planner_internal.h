/* What the files of the fetch planner share. Nobody else includes it.
 *
 * planner.c         life, the action queue, readers
 * planner_events.c  what the scheduler, transfers and the check report
 * planner_plan.c    what to do next: the steps after every event, deadlines, the end
 * planner_talk.c    the conversation with the scheduler
 * planner_parents.c who the parents are, how fast, and when one is given up
 * planner_pick.c    which piece next, from whom, and hedges
 * planner_origin.c  transfers from the origin
 * planner_streams.c several of them at once
 * planner_pieces.c  geometry, what is wanted, what is missing */
#ifndef DTR_BRAIN_PLANNER_INTERNAL_H
#define DTR_BRAIN_PLANNER_INTERNAL_H

#include "core/base/list.h"
#include "core/base/ranges.h"
#include "core/brain/planner.h"

struct plan_piece {
    uint64_t cost_ns;
    uint32_t crc32;
    uint32_t from;      /* parent index + 1; 0: the origin */
    uint32_t failed_at; /* parent index + 1 of the last one that failed it; 0: none since the last report */
    uint8_t in_flight;  /* transfers from parents under way */
    bool done, has_crc32;
    bool stored;   /* was there at the start: never reported */
    bool reported; /* in this conversation */
};

enum parent_state {
    PARENT_LIVE,
    PARENT_LOST,    /* closed or failing; may come back when the scheduler names it again */
    PARENT_STALLED, /* went silent; comes back only when there is no origin to go to */
    PARENT_LIAR,    /* wrong bytes; never again */
};

struct plan_parent {
    struct dtr_plan_parent said; /* strings point into `text` */
    char *text;
    uint32_t index;
    enum parent_state state;
    bool listening;   /* its SyncPieces is open */
    bool heard;       /* it reported a piece */
    uint8_t *has;     /* bit per piece */
    uint32_t strikes; /* failures since the last success */
    uint64_t struck_at;
    uint64_t retry_at;  /* no request before */
    uint64_t reopen_at; /* SyncPieces again then; 0: not */
    uint32_t in_flight;
    uint64_t outstanding; /* bytes asked for and not here */
    uint64_t moved_at;    /* the last bytes, or since when it has something to send */
    uint64_t bytes_at;    /* the last bytes */
    bool suspect;         /* a transfer was given up, and no bytes came since */
    uint64_t alive_at;    /* it said or sent something; 0: never */
    double rate;          /* bytes/s while something was in flight */
    char left[160];       /* why it was given up */
    bool measured;        /* `rate` is observed, not announced */
    uint64_t window_at, window_bytes, idle_at;
};

struct plan_transfer {
    struct dtr_list link;
    uint32_t id;
    uint32_t piece;             /* of a parent's transfer */
    struct plan_parent *parent; /* NULL: the origin */
    uint64_t start, at, end;    /* bytes of the object; end UINT64_MAX: the rest of unknown length */
    uint64_t started_at, moved_at;
    uint64_t asked_end; /* origin: of the request; `end` may be nearer */
    uint64_t fresh;     /* origin: bytes that were not there before */
    bool cancelled, held, headed, probe, hedged;
    bool open_end; /* origin: it brings the rest, wherever `end` is now */
    bool lead;     /* origin: a large span, which may be cut short */
    bool rest_too; /* origin: see struct dtr_plan_action */
    bool further;  /* origin: not the first of those that run together */
    bool expected; /* origin: what is expected to be all, see struct dtr_plan_config */
};

struct plan_reader {
    uint32_t name;
    uint64_t at, start, end;
};

enum plan_source {
    SOURCE_CLOSED, /* the origin is not asked */
    SOURCE_PROBE,  /* asked for the first time: its head decides */
    SOURCE_OPEN,   /* what is missing comes from it */
};

enum plan_talk {
    TALK_QUIET,   /* not registered */
    TALK_ASKED,   /* an answer is owed */
    TALK_PARENTS, /* STARTED was said last */
    TALK_SOURCE,  /* BACK_TO_SOURCE_STARTED was said */
    TALK_CLOSED,  /* ended by us or by the scheduler */
};

enum plan_trial { TRIAL_NONE, TRIAL_MORE, TRIAL_FEWER };

/* Several streams from the origin, see planner_streams.c. */
struct plan_streams {
    uint32_t limit;  /* the configuration's, or less when the origin minds */
    uint32_t target; /* so many there are to be; while one more is tried, it counts */
    enum plan_trial trial;
    bool seen;              /* the one that is tried has been answered */
    bool again;             /* it was measured once, without a gain */
    bool proven;            /* several brought more than one, once */
    uint64_t since, bytes;  /* of the measurement under way */
    double rate;            /* bytes/s of all together at the last one, before the trial; 0: none yet */
    uint64_t refused_until; /* no more are tried before */
    uint64_t next_trial_at; /* nor fewer */
};

struct dtr_planner {
    struct dtr_plan_config config;
    uint64_t random, now_ms;

    uint64_t content_length, piece_length;
    uint32_t piece_count; /* 0 while the length is unknown, and of an empty object */
    uint32_t piece_capacity;
    struct plan_piece *pieces;
    uint32_t first_missing;            /* no piece before it is missing */
    uint32_t unreported;               /* pieces done that the scheduler was not told of */
    struct dtr_ranges wanted, arrived; /* arrived: from the origin, verified or not */
    struct plan_reader *readers;
    uint32_t reader_count, reader_capacity;
    struct dtr_range base; /* stays wanted without readers */

    struct plan_parent **parents;
    uint32_t parent_count, parent_capacity;
    uint64_t gather_until; /* only the reader's next piece is asked for before; 0: not gathering */
    bool gather;           /* the first report starts gathering */

    struct dtr_list transfers;
    uint32_t active; /* transfers neither cancelled nor held */
    uint32_t next_id;
    struct plan_transfer *origin; /* the oldest stream; NULL: none runs */
    struct plan_streams streams;
    bool takes_ranges; /* the origin showed that it answers a range with that range, of the same version */
    enum plan_source source;
    const char *source_why; /* why the origin is asked, a constant; NULL: it is not */
    bool asked_length;      /* of the origin, by one byte or by what is expected to be all */
    bool source_small;      /* opened because so little was wanted */
    bool source_dead;       /* failed for good, with `origin_why` */
    bool no_ranges;         /* it ignored a range */
    bool plain;             /* it minded a range: it is asked without */
    uint32_t tries;
    uint64_t retry_at;

    enum plan_talk talk;
    bool metadata_only, refused;
    uint32_t answers;
    uint64_t schedule_until; /* the scheduler is not asked after it */
    uint64_t stat_until;     /* 0: no STAT_TASK under way */
    bool stat_missed;        /* the last one was not answered */
    uint64_t quiet_since;    /* bytes, an answer, the end of a transfer: something happened last */
    uint64_t dry_since;      /* a piece was verified last */
    uint64_t anew_at;        /* planned anew for a dry spell; 0: not in this one */
    uint64_t linger_until;   /* after DONE: how long an answer is waited for; 0: not */

    struct dtr_error why;        /* the last trouble, for descriptions and the final error */
    struct dtr_error origin_why; /* what made the origin fail */
    bool over, broken;           /* broken: out of memory */
    bool checking, checked;      /* CHECK was said; it was answered well */

    struct dtr_plan_action *queue;
    uint32_t queue_head, queue_count, queue_capacity;
    uint64_t wake;
};

/* planner.c */
void dtr_plan_push(struct dtr_planner *p, const struct dtr_plan_action *action);
uint64_t dtr_plan_random(struct dtr_planner *p, uint64_t below);
/* The sum, at most UINT64_MAX: what has no known end has no end with an offset either. */
uint64_t dtr_plan_sum(uint64_t a, uint64_t b);
/* Makes room for one more item of `size` bytes in a growing array. */
bool dtr_plan_room(void **array, uint32_t *capacity, uint32_t count, size_t size);

/* planner_plan.c: `dtr_plan_run` follows every event. */
void dtr_plan_run(struct dtr_planner *p);
void dtr_plan_begin(struct dtr_planner *p);
/* The length is known: registers, or decides that the origin will do. */
void dtr_plan_decide(struct dtr_planner *p);
/* The origin is asked for the first time: its head decides. */
void dtr_plan_probe(struct dtr_planner *p);
/* When what was expected to be all did not come from the origin: true, and it is as if nothing had been
 * expected. */
bool dtr_plan_expected_in_vain(struct dtr_planner *p, const struct plan_transfer *t);
/* When the origin did not answer the first question: asks the scheduler again, if it missed its own. */
void dtr_plan_stat_again(struct dtr_planner *p);
/* From now on what is missing comes from the origin; fails the task when that is not allowed. */
void dtr_plan_open_source(struct dtr_planner *p, const char *reason);
void dtr_plan_fail(struct dtr_planner *p, const struct dtr_error *err);
struct plan_transfer *dtr_plan_transfer_new(struct dtr_planner *p, struct plan_parent *parent, uint64_t start,
                                            uint64_t end);
struct plan_transfer *dtr_plan_transfer(const struct dtr_planner *p, uint32_t id);
void dtr_plan_cancel(struct dtr_planner *p, struct plan_transfer *t);
/* No longer counted; the struct stays until its transfer_done(). */
void dtr_plan_uncount(struct dtr_planner *p, struct plan_transfer *t);

/* planner_talk.c */
bool dtr_plan_can_register(const struct dtr_planner *p);
bool dtr_plan_can_reschedule(const struct dtr_planner *p);
void dtr_plan_register(struct dtr_planner *p);
void dtr_plan_reschedule(struct dtr_planner *p, const char *reason);
void dtr_plan_answered(struct dtr_planner *p, const struct dtr_plan_answer *answer);
/* Parents, or the order to go to the origin, that nobody asked for. */
void dtr_plan_more(struct dtr_planner *p, const struct dtr_plan_answer *answer);
void dtr_plan_talk_source(struct dtr_planner *p, const char *reason);
void dtr_plan_talk_piece_failed(struct dtr_planner *p, uint32_t piece, const struct plan_parent *parent);
/* Reports what is complete and not reported yet. */
void dtr_plan_talk_flush(struct dtr_planner *p);
/* The terminal message; err NULL: all went well. */
void dtr_plan_talk_end(struct dtr_planner *p, const struct dtr_error *err);

/* planner_parents.c */
void dtr_plan_parents_add(struct dtr_planner *p, const struct dtr_plan_answer *answer);
/* Those of them that are not known yet. */
void dtr_plan_parents_add_new(struct dtr_planner *p, const struct dtr_plan_answer *answer);
void dtr_plan_parents_free(struct dtr_planner *p);
bool dtr_plan_parent_has(const struct plan_parent *parent, uint32_t n);
bool dtr_plan_parent_usable(const struct dtr_planner *p, const struct plan_parent *parent);
uint32_t dtr_plan_parents_usable(const struct dtr_planner *p);
void dtr_plan_parent_drop(struct dtr_planner *p, struct plan_parent *parent, enum parent_state state);
void dtr_plan_parents_reopen(struct dtr_planner *p, bool all);
/* Bytes came, or none did but the transfer ended (bytes 0). */
void dtr_plan_parent_moved(struct dtr_planner *p, struct plan_parent *parent, uint64_t bytes);
double dtr_plan_parent_rate(const struct dtr_planner *p, const struct plan_parent *parent);
void dtr_plan_fetch_ended(struct dtr_planner *p, struct plan_transfer *t, const struct dtr_error *err);
void dtr_plan_parents_stalled(struct dtr_planner *p);
/* How long a parent's transfer may take, even while bytes come. */
uint64_t dtr_plan_piece_patience(const struct dtr_planner *p, const struct plan_transfer *t);
/* Whether a parent that may get more pieces has said something within the last stall time. */
bool dtr_plan_parents_alive(const struct dtr_planner *p);
/* Whether waiting for a parent makes sense. */
bool dtr_plan_parents_hope(const struct dtr_planner *p);

/* planner_pick.c */
void dtr_plan_fill(struct dtr_planner *p);

/* planner_origin.c */
void dtr_plan_origin(struct dtr_planner *p);
void dtr_plan_origin_range(struct dtr_planner *p, uint64_t start, uint64_t end, bool probe);
/* A further stream, beside those that run. */
void dtr_plan_origin_span(struct dtr_planner *p, const struct dtr_range *span, bool lead);
void dtr_plan_origin_cancel(struct dtr_planner *p);
void dtr_plan_origin_hold(struct dtr_planner *p);
void dtr_plan_origin_resume(struct dtr_planner *p);
void dtr_plan_origin_headed(struct dtr_planner *p, struct plan_transfer *t, const struct dtr_plan_head *head);
void dtr_plan_origin_moved(struct dtr_planner *p, struct plan_transfer *t, uint64_t start, uint64_t end);
void dtr_plan_origin_ended(struct dtr_planner *p, struct plan_transfer *t, const struct dtr_error *err);
void dtr_plan_origin_stalled(struct dtr_planner *p);
uint64_t dtr_plan_origin_patience(const struct dtr_planner *p, const struct plan_transfer *t);

/* planner_streams.c */
void dtr_plan_streams_begin(struct dtr_planner *p);
/* Where a stream that runs alone is to end, of bytes that nobody brings. */
uint64_t dtr_plan_streams_lead(const struct dtr_planner *p, const struct dtr_range *gap);
/* A stream was answered well. */
void dtr_plan_streams_headed(struct dtr_planner *p);
void dtr_plan_streams_moved(struct dtr_planner *p, uint64_t bytes);
/* Starts further streams where they are worth it. */
void dtr_plan_streams_more(struct dtr_planner *p);
/* A further one failed, and is not counted any more. */
void dtr_plan_stream_failed(struct dtr_planner *p);

/* planner_pieces.c */
uint64_t dtr_plan_piece_start(const struct dtr_planner *p, uint32_t n);
uint64_t dtr_plan_piece_end(const struct dtr_planner *p, uint32_t n);
uint32_t dtr_plan_piece_at(const struct dtr_planner *p, uint64_t offset);
bool dtr_plan_pieces_room(struct dtr_planner *p, uint64_t count);
/* The length of the object; false when the task failed over it. */
bool dtr_plan_set_length(struct dtr_planner *p, uint64_t length);
void dtr_plan_rewant(struct dtr_planner *p);
/* Wanted, and neither verified nor (for the cut pieces at the ends of a range) here as far as wanted. */
bool dtr_plan_missing(const struct dtr_planner *p, uint32_t n);
/* Missing, and no transfer brings it. */
bool dtr_plan_unclaimed(const struct dtr_planner *p, uint32_t n);
bool dtr_plan_complete(struct dtr_planner *p);
/* Not only what is wanted is there: every piece is. */
bool dtr_plan_whole(const struct dtr_planner *p);
/* Wanted bytes, there or not. The rest of a large object is little, but its peers are no further away for
 * that. */
uint64_t dtr_plan_bytes_wanted(const struct dtr_planner *p);
/* Wanted bytes of missing pieces; UINT64_MAX when that is not known. */
uint64_t dtr_plan_bytes_left(const struct dtr_planner *p);
/* The next run of bytes to ask the origin for, of at most `span` pieces. */
bool dtr_plan_gap(const struct dtr_planner *p, uint32_t span, struct dtr_range *ret_gap);
/* The first byte at or after `at` that is still needed, or `limit`. */
uint64_t dtr_plan_next_needed(const struct dtr_planner *p, uint64_t at, uint64_t limit);
/* Forgets bytes of pieces that arrived whole and were never verified; how many pieces. */
uint32_t dtr_plan_unverify(struct dtr_planner *p, uint64_t start, uint64_t end);

#endif
