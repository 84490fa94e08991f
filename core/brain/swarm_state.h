/* The swarm's objects and what its files ask of each other. Only for core/brain/swarm*.c. */
#ifndef DTR_BRAIN_SWARM_STATE_H
#define DTR_BRAIN_SWARM_STATE_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/brain/swarm.h"
#include <string.h>

#define SWARM_NO_OFFER UINT32_MAX

struct swarm_host {
    struct dtr_swarm_host facts; /* first: what callers see is this object */
    struct dtr_map_node node;
    struct dtr_list link;       /* in swarm.hosts */
    struct dtr_list seed_link;  /* in swarm.seeds when it is a seed */
    struct dtr_list age;        /* in swarm.quiet: hosts by their last sign of life */
    struct dtr_list probe_link; /* in swarm.probes while a probe is to be asked for */
    struct dtr_list peers;
    char *texts; /* the memory of the strings in facts */
    uint64_t seen_ms;
    uint64_t silent_ms; /* of one in swarm.gone */
    uint64_t probe_due_ms;
    uint64_t probe_wait_ms; /* until the next one after a failure */
    uint64_t hash;          /* of the id, the same in every process */
    char id[];
};

struct swarm_task {
    struct dtr_swarm_task facts; /* first */
    struct dtr_map_node node;
    struct dtr_list link;       /* in swarm.tasks, in swarm.crowded or in swarm.empty_tasks */
    struct dtr_list peers;      /* oldest first */
    struct dtr_list roomy;      /* peers that may be given more parents; some have no room any more */
    struct dtr_list waiting;    /* peers whose question nobody can answer at present */
    struct swarm_peer **offers; /* peers that may be parents now, in no order; room for all peers */
    uint32_t offer_capacity;
    struct swarm_peer *source; /* sent to the origin and not started yet: others wait for it */
    uint64_t source_since_ms;
    uint64_t seed_asked_ms;
    uint64_t seed_failed_ms;
    bool seed_running; /* TRIGGER_SEED went out, seed_done() has not come */
    bool seed_failed;
    uint64_t hash;
    char *texts;
    char id[];
};

/* One parent of one child, and what it added to the books of the parent's host. */
struct swarm_edge {
    struct dtr_list link;    /* in parent.children */
    struct swarm_edge *next; /* in child.parents */
    struct swarm_peer *parent, *child;
    uint64_t bytes;
    uint32_t piece_length, pieces;
    bool told; /* the child knows of it */
};

/* Piece costs, ms: mean and spread of all but the last one. */
struct swarm_costs {
    bool any; /* `last` is there */
    uint32_t earlier;
    double mean, squares, last;
};

enum swarm_question { SWARM_ANSWERED, SWARM_REGISTERING, SWARM_RESCHEDULING };

struct swarm_peer {
    struct dtr_swarm_peer facts; /* first */
    struct dtr_map_node node;
    struct dtr_list host_link, task_link;
    struct dtr_list queue; /* in swarm.ready, task.waiting or, removed, swarm.leaving */
    struct dtr_list clock; /* in swarm.patient or swarm.late while it waits */
    struct dtr_list room;  /* in task.roomy or, when it was given parents, in swarm.more */
    struct dtr_list age;   /* in swarm.active, swarm.idle or swarm.ended */
    struct dtr_list children;
    struct swarm_edge *parents;
    void *stream;             /* NULL: none, or ended */
    struct dtr_buf *download; /* until the first try to answer a register */
    uint64_t *blocked;        /* hashes of peer ids that are no parents for it */
    uint32_t blocked_count;
    uint32_t piece_words;
    uint64_t *pieces; /* bitmap of what it finished; gone once it has all */
    struct swarm_costs costs;
    uint64_t asked_ms; /* when the open question came */
    uint64_t hash;
    struct swarm_peer *walk; /* the next one in a walk over the graph */
    uint64_t mark;           /* of the last walk that met it */
    uint32_t offer_index;    /* in task.offers, SWARM_NO_OFFER */
    uint8_t question;        /* enum swarm_question */
    bool tried;              /* the open question was tried once */
    bool at_source;          /* counted in task.source_count */
    bool disable_back_to_source;
    bool metadata_only;
    bool takes_more;
    bool to_be_sent; /* to the origin, and in swarm.more for that */
    char id[];
};

/* Columns of one decision. */
struct swarm_columns {
#define SWARM_COLUMN_ARRAY(type, name, help) type name[DTR_SWARM_SAMPLE_MAX];
    DTR_RANK_COLUMNS(SWARM_COLUMN_ARRAY)
#undef SWARM_COLUMN_ARRAY
    const char *idc[DTR_SWARM_SAMPLE_MAX];
    const char *location[DTR_SWARM_SAMPLE_MAX];
    double scores[DTR_SWARM_SAMPLE_MAX];
};

struct dtr_swarm {
    struct dtr_swarm_config config;
    uint64_t now_ms;
    uint64_t random;
    uint8_t hash_key[16]; /* for ids in block lists */
    struct dtr_map host_map, task_map, peer_map;
    struct dtr_list hosts, seeds, quiet;
    struct dtr_list tasks, crowded, empty_tasks;
    uint64_t settled_ms;     /* until then peers wait for the first seed */
    struct dtr_list ready;   /* peers whose question is to be tried */
    struct dtr_list early;   /* those that wait for it */
    struct dtr_list leaving; /* removed peers whose stream is to be rejected */
    struct dtr_list probes;  /* seeds to be probed */
    struct dtr_list more;    /* peers that are to be told of more parents */
    struct dtr_list gone;    /* removed hosts that are to be told of */
    struct dtr_list patient; /* waiting peers, oldest question first */
    struct dtr_list late;    /* the same past the back-to-source limit */
    struct dtr_list active, idle,
        ended; /* peers by last sign of life: unfinished; succeeded; to be removed */
    uint64_t peer_gc_ms, task_gc_ms, host_gc_ms; /* when they are due */
    uint64_t probe_due_ms;                       /* the earliest of all seeds */
    struct dtr_swarm_counts counts;
    uint64_t mark;                 /* of the latest walk */
    struct dtr_swarm_action reply; /* to the stream of the event itself; stream NULL: none */
    struct swarm_peer *lent_peer;  /* removed peer that the last action names */
    struct swarm_host *lent_host;  /* the same of a host */
    struct dtr_buf *lent_download; /* of the last action */
    const struct dtr_swarm_peer *parents[DTR_SWARM_KEEP_MAX];
    struct swarm_columns columns;
    void (*decided)(void *context, const struct dtr_swarm_decision *decision); /* NULL: nobody looks */
    void *decided_context;
    struct dtr_swarm_decision decision; /* the one in the making */
};

/* --- swarm_answer.c --- */
/* Nobody waits for the first seed any more. */
void dtr_swarm_settle(struct dtr_swarm *swarm);

/* --- swarm.c --- */
/* An event begins: time moves, what the last action lent comes back. */
void dtr_swarm_begin(struct dtr_swarm *swarm, uint64_t now_ms);
/* Ends a stream at the next dtr_swarm_next(), with nothing else to say to it. */
void dtr_swarm_reply(struct dtr_swarm *swarm, enum dtr_swarm_action_kind kind, void *stream,
                     enum dtr_swarm_refusal code, const char *text);
uint64_t dtr_swarm_random(struct dtr_swarm *swarm);
/* A hash of an id; with hash_key for block lists, with zeros where other processes must agree. */
uint64_t dtr_swarm_hash(const uint8_t key[16], const char *id);
/* Copies `count` strings into one allocation and points `ret_texts` into it; NULL counts as "". NULL when
 * out of memory. */
char *dtr_swarm_texts(const char *const *texts, size_t count, const char **ret_texts);

/* --- swarm_host.c --- */
/* The host of a peer; with unknown_host_back_to_source one is made up for an unknown id. NULL: unknown. */
struct swarm_host *dtr_swarm_host_of(struct dtr_swarm *swarm, const char *host_id);
/* A sign of life. */
void dtr_swarm_host_touch(struct dtr_swarm *swarm, struct swarm_host *host);
/* Removes a host; its peers leave first. */
void dtr_swarm_host_remove(struct dtr_swarm *swarm, struct swarm_host *host);
/* The same of one that fell silent: a HOST_GONE follows if it was announced. */
void dtr_swarm_host_expire(struct dtr_swarm *swarm, struct swarm_host *host);
/* Frees a host that was removed. NULL is fine. */
void dtr_swarm_host_free(struct swarm_host *host);
/* The healthy seed that the hash of the task's id points to (rendezvous hashing), or NULL. */
struct swarm_host *dtr_swarm_choose_seed(const struct dtr_swarm *swarm, uint64_t task_hash);
/* Asks for the probes that are due. */
void dtr_swarm_probe_due(struct dtr_swarm *swarm);

/* --- swarm_task.c --- */
/* Finds or makes the task and takes over what the register knows. NULL: out of memory. */
struct swarm_task *dtr_swarm_task_of(struct dtr_swarm *swarm, const char *task_id,
                                     const struct dtr_swarm_register *registered);
/* Puts the task into the list that its number of peers calls for. */
void dtr_swarm_task_place(struct dtr_swarm *swarm, struct swarm_task *task);
void dtr_swarm_task_remove(struct dtr_swarm *swarm, struct swarm_task *task);

/* --- swarm_peer.c --- */
/* A new peer in state Pending. NULL: out of memory. */
struct swarm_peer *dtr_swarm_peer_add(struct dtr_swarm *swarm, const char *id, struct swarm_host *host,
                                      struct swarm_task *task);
/* Takes a peer out of everything. A stream that is still open will be rejected. */
void dtr_swarm_peer_remove(struct dtr_swarm *swarm, struct swarm_peer *peer);
void dtr_swarm_peer_free(struct swarm_peer *peer);
/* Enters a state with all that follows from it for graph, offers and those who wait. */
void dtr_swarm_peer_become(struct dtr_swarm *swarm, struct swarm_peer *peer, enum dtr_peer_state state);
/* A sign of life. */
void dtr_swarm_peer_touch(struct dtr_swarm *swarm, struct swarm_peer *peer);
/* Opens a question, to be tried by the next dtr_swarm_next(); settles it without an answer. */
void dtr_swarm_peer_ask(struct dtr_swarm *swarm, struct swarm_peer *peer, enum swarm_question question);
void dtr_swarm_peer_settle(struct dtr_swarm *swarm, struct swarm_peer *peer);
/* Whether it is on the way to the origin; keeps task.source_count and task.source. */
void dtr_swarm_peer_send_to_source(struct dtr_swarm *swarm, struct swarm_peer *peer);
void dtr_swarm_peer_leave_source(struct dtr_swarm *swarm, struct swarm_peer *peer);
void dtr_swarm_peer_block(struct dtr_swarm *swarm, struct swarm_peer *peer, const char *parent_id);
bool dtr_swarm_peer_blocks(const struct swarm_peer *peer, const struct swarm_peer *parent);
/* Whether `source` will have everything that `peer` wants. */
bool dtr_swarm_peer_covers(const struct swarm_peer *source, const struct swarm_peer *peer);

/* --- swarm_pieces.c --- */
void dtr_swarm_piece_finished(struct dtr_swarm *swarm, struct swarm_peer *peer,
                              const struct dtr_swarm_message *message);
void dtr_swarm_piece_failed(struct dtr_swarm *swarm, struct swarm_peer *peer,
                            const struct dtr_swarm_message *message);
/* The slow test of the features page 2.4; of a peer, as long as it takes pieces. */
void dtr_swarm_costs_add(struct swarm_costs *costs, double cost_ms);
bool dtr_swarm_costs_slow(const struct swarm_costs *costs);
bool dtr_swarm_peer_slow(const struct swarm_peer *peer);
/* Over all costs; NAN while there are none. */
double dtr_swarm_costs_mean(const struct swarm_costs *costs);
double dtr_swarm_costs_deviation(const struct swarm_costs *costs);

/* --- swarm_graph.c --- */
/* Makes `parent` a parent of `child` and books it. False: out of memory. */
bool dtr_swarm_attach(struct dtr_swarm *swarm, struct swarm_peer *parent, struct swarm_peer *child);
void dtr_swarm_detach_parents(struct dtr_swarm *swarm, struct swarm_peer *child);
void dtr_swarm_detach_children(struct dtr_swarm *swarm, struct swarm_peer *parent);
/* Recomputes whether a peer may be a parent; when that changes, those who wait are tried again. */
void dtr_swarm_offer_refresh(struct dtr_swarm *swarm, struct swarm_peer *peer);
/* Has every waiting question of the task tried again. */
void dtr_swarm_stir(struct dtr_swarm *swarm, struct swarm_task *task);
/* Marks a peer's descendants with swarm.mark. */
void dtr_swarm_mark_descendants(struct dtr_swarm *swarm, struct swarm_peer *peer);

/* --- swarm_pick.c --- */
/* Chooses parents for a child and attaches them; `ret_parents` (DTR_SWARM_KEEP_MAX) best first. *ret_slow:
 * somebody was left out only because it is slow at present. */
uint32_t dtr_swarm_pick(struct dtr_swarm *swarm, struct swarm_peer *child,
                        const struct dtr_swarm_peer **ret_parents, bool *ret_slow);

/* Whether this parent is one for this child (DTR_SWARM_SUITS), or why not. The child's descendants are
 * marked. */
enum dtr_swarm_reason dtr_swarm_suits(const struct dtr_swarm *swarm, const struct swarm_peer *child,
                                      const struct swarm_peer *parent);

/* --- swarm_decision.c: what dtr_swarm_watch() is told. Each does nothing when nobody looks. --- */
void dtr_swarm_decision_begin(struct dtr_swarm *swarm);
void dtr_swarm_decision_left_out(struct dtr_swarm *swarm, enum dtr_swarm_reason reason, uint32_t count);
void dtr_swarm_decision_candidate(struct dtr_swarm *swarm, const struct swarm_peer *peer, double score);
/* The peer became a parent. */
void dtr_swarm_decision_take(struct dtr_swarm *swarm, const struct swarm_peer *peer);
void dtr_swarm_decision_end(struct dtr_swarm *swarm, const struct swarm_peer *peer, const char *asked,
                            const char *answer, const char *why);

/* --- swarm_more.c --- */
/* To be called when a peer may have come to have room for parents. */
void dtr_swarm_more_room(struct dtr_swarm *swarm, struct swarm_peer *peer);
/* A peer is on offer from now on: some of those who have room get it. */
void dtr_swarm_more_newcomer(struct dtr_swarm *swarm, struct swarm_peer *newcomer);
/* Somebody who could reach the origin may have gone: where nobody is left who can, one of those who wait for
 * each other is sent there. */
void dtr_swarm_more_source(struct dtr_swarm *swarm, struct swarm_task *task);
/* The next peer that is to be told of more parents, or sent to the origin. */
bool dtr_swarm_more_take(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action);

/* --- swarm_answer.c --- */
/* Tries ready questions until one yields an action. */
bool dtr_swarm_answer(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action);
/* Whether this peer may be sent to the origin. */
bool dtr_swarm_may_go_to_source(const struct dtr_swarm *swarm, const struct swarm_peer *peer);
/* Questions whose patience ended become ready. */
void dtr_swarm_answer_expired(struct dtr_swarm *swarm);
/* The two limits of a wait, ms: to the origin; to the error. */
uint64_t dtr_swarm_source_wait_ms(const struct dtr_swarm *swarm);
uint64_t dtr_swarm_error_wait_ms(const struct dtr_swarm *swarm);

/* --- swarm_gc.c --- */
void dtr_swarm_collect(struct dtr_swarm *swarm);

static inline struct swarm_host *host_of(const struct swarm_peer *peer)
{
    return (struct swarm_host *)(uintptr_t)peer->facts.host;
}

static inline struct swarm_task *task_of(const struct swarm_peer *peer)
{
    return (struct swarm_task *)(uintptr_t)peer->facts.task;
}

/* Whether what came in (NULL counts as "") is what is known. */
static inline bool same_text(const char *known, const char *in)
{
    return strcmp(known, in ? in : "") == 0;
}

static inline bool is_seed(const struct swarm_host *host)
{
    return host->facts.facts.type != 0;
}

#endif
