/* What the files of the simulation share. Nobody else includes it.
 *
 * sim.c        configuration, events, the run, results
 * wire.c       hosts, streams between them, packets, partitions, crashes
 * scheduler.c  the scheduler's role around the swarm
 * daemon.c     a daemon's life: start, crash, announcements, the channel to the scheduler
 * pull.c       a pull: the planner's actions, transfers, the store
 * talk.c       a pull's conversation with the scheduler
 * parents.c    lists of pieces and load, both sides
 * serve.c      pieces given to others, and the origin
 * judge.c      the rules */
#ifndef DTR_SIM_INTERNAL_H
#define DTR_SIM_INTERNAL_H

#include "core/base/ranges.h"
#include "core/brain/spread.h"
#include "core/sim/net.h"
#include "core/sim/sim.h"

#include <stdlib.h>

#define SIM_PEER_ID 24

/* --- wire.c ------------------------------------------------------------------------------------------ */

enum sim_service {
    SERVE_CHANNEL, /* a connection that is kept, to see the scheduler come and go */
    SERVE_ANNOUNCE_HOST,
    SERVE_STAT_TASK,
    SERVE_ANNOUNCE_PEER,
    SERVE_DOWNLOAD, /* a trigger: DownloadTask at a seed peer */
    SERVE_HEALTH,
    SERVE_SYNC_PIECES,
    SERVE_SYNC_HOST,
    SERVE_PIECE,
    SERVE_ORIGIN,
};

/* Something that takes and makes connections: a daemon, the scheduler, the origin. */
struct sim_host {
    struct dtr_sim *sim;
    struct dtr_list ends; /* open ends of streams */
    struct sim_link up, down;
    double speed_up, speed_down; /* when nothing stops it */
    uint32_t number;             /* of the daemon; DTR_SIM_NOBODY */
    bool alive, vanished;
    bool island;        /* on the smaller side of a partition, while there is one */
    uint64_t frozen_us; /* until then */
};

struct sim_packet {
    struct sim_timer timer;
    struct dtr_list link; /* in sim.held during a partition */
    struct sim_end *to;
    bool opens, closes;
    uint64_t bytes; /* so many come behind it; 0: it is another kind of packet */
    int code;       /* of the close: 0 well */
    enum dtr_retry retry;
    int status; /* gRPC or HTTP status of the close */
    const char *text;
    void *body; /* freed after it is delivered */
};

typedef void (*sim_message_fn)(struct sim_end *end, void *body);
typedef void (*sim_closed_fn)(struct sim_end *end, const struct dtr_error *err);

struct sim_end {
    struct dtr_list link; /* in host.ends */
    struct sim_host *host;
    struct sim_stream *stream;
    struct sim_end *peer;
    bool open;
    sim_message_fn message;
    sim_closed_fn closed;
    void *context;
};

struct sim_stream {
    struct dtr_list all; /* in sim.streams */
    struct dtr_sim *sim;
    enum sim_service service;
    struct sim_end client, server;
    uint32_t packets; /* on their way */
    uint32_t latency_us;
    /* bytes from server to client, one flow at a time */
    struct sim_flow flow;
    void (*bytes)(struct sim_end *client, uint64_t total, bool all);
    void (*given)(struct sim_end *server, uint64_t bytes); /* more of them, as the server counts */
    uint64_t counted;
    bool flowing, held;
};

void sim_host_init(struct dtr_sim *sim, struct sim_host *host, uint32_t number, double up, double down);
/* Opens a stream with its first message. */
struct sim_end *sim_open(struct sim_host *from, struct sim_host *to, enum sim_service service, void *body,
                         sim_message_fn message, sim_closed_fn closed, void *context);
/* `body` is malloced and given away. */
void sim_send(struct sim_end *end, void *body);
/* The other side hears of it; this side hears nothing more. `err` NULL: well. */
void sim_close(struct sim_end *end, const struct dtr_error *err);
/* Of a server's end: sends so many bytes to the client. */
void sim_send_bytes(struct sim_end *server, uint64_t size);
/* Of a client's end. */
void sim_hold_bytes(struct sim_end *client, bool hold);
/* Frees what is on its way and open, without telling anybody. */
void sim_wire_free(struct dtr_sim *sim);
/* Everything that a host has open breaks. */
void sim_host_gone(struct sim_host *host, bool silently);
/* Its links as its state wants them. */
void sim_host_links(struct sim_host *host);
void sim_partition(struct dtr_sim *sim, bool on);
/* Whether it was frozen: the timer is set for later. */
bool sim_host_sleeps(struct sim_host *host, struct sim_timer *timer);

/* --- the scheduler ------------------------------------------------------------------------------------- */

struct sim_scheduler {
    struct sim_host host;
    struct dtr_swarm *swarm;
    struct sim_timer timer;
    uint32_t starts;
};

/* The body of AnnouncePeer requests. */
struct sim_say {
    enum dtr_swarm_message_kind kind;
    uint32_t daemon, blob;
    char peer_id[SIM_PEER_ID];
    struct dtr_swarm_register registered;
    uint32_t number;
    uint64_t length;
    double cost_ms;
    char parent_id[SIM_PEER_ID];
    bool temporary;
    uint32_t candidate_count;
    char candidates[DTR_SWARM_KEEP_MAX][SIM_PEER_ID];
};

/* The body of its answers. */
struct sim_answer {
    enum dtr_plan_answer_kind kind;
    bool unasked; /* MORE_PARENTS, MORE_SOURCE */
    uint64_t content_length;
    uint32_t count;
    struct sim_parent {
        char peer_id[SIM_PEER_ID];
        uint32_t daemon;
        uint64_t max_tx, tx;
    } parents[DTR_SWARM_KEEP_MAX];
};

void scheduler_start(struct dtr_sim *sim);
void scheduler_crash(struct dtr_sim *sim);
void scheduler_accept(struct sim_end *end, void *body);

/* --- a daemon ------------------------------------------------------------------------------------------ */

struct sim_daemon {
    struct sim_host host;
    char host_id[16], address[20];
    bool seed, lies;
    struct sim_copy *copies; /* by blob */
    struct sim_end *channel, *announcing;
    bool ready, announced;
    uint64_t gone_us; /* the scheduler was there until then, or this process began */
    uint32_t failures;
    struct sim_timer reconnect, announce, thaw;
    struct dtr_list talks; /* struct sim_talk */
    struct dtr_list loads; /* struct sim_load: children that hear how busy this is */
    struct sim_timer sample;
    uint64_t given; /* bytes, as they go */
    uint64_t sent, sampled_sent, sampled_us, tx;
    uint32_t sending;  /* pieces on their way out */
    uint64_t piece_ms; /* that one took lately */
    uint32_t serial;   /* of peer ids */
};

struct sim_copy {
    struct sim_daemon *daemon;
    uint32_t blob;
    uint8_t *verified; /* bit per piece */
    uint32_t have;
    bool known; /* the task is in the store */
    struct dtr_ranges arrived;
    /* the pull */
    struct dtr_planner *planner;
    struct sim_timer wake;
    struct dtr_list transfers; /* struct sim_transfer */
    struct dtr_list lists;     /* struct sim_list: parents asked */
    struct dtr_spread *spread; /* which child is told of which piece; NULL: no children */
    struct sim_timer spreading;
    struct dtr_list syncs;     /* struct sim_sync: children told */
    struct dtr_list questions; /* struct sim_question: pieces that children wait for */
    struct sim_end *order;     /* the scheduler's DownloadTask */
    bool acting;
    bool as_seed;    /* this pull was begun by a trigger */
    uint32_t prefix; /* pieces before it are there */
    /* what came of it */
    bool wanted, running, done;
    int code;
    char text[200];
    uint64_t started_us, ended_us;
    uint32_t origin_pieces, peer_pieces;
};

struct dtr_sim {
    struct dtr_sim_config config;
    struct sim_clock clock;
    struct sim_net net;
    uint64_t random, piece_length;
    uint32_t piece_count;
    struct dtr_list held; /* packets that a partition holds up */
    bool partition;
    uint32_t island; /* so many of the last daemons are cut off */
    struct sim_host origin;
    enum dtr_sim_origin mood;
    struct sim_scheduler scheduler;
    struct sim_daemon *daemons;
    struct dtr_sim_totals totals;
    uint32_t events; /* to come */
    uint32_t running;
    const struct dtr_swarm_peer **stack; /* of the walk over ancestors, by daemon as `seen` is */
    uint32_t *seen, walk;
    struct dtr_list scheduled; /* struct scheduled, in sim.c */
    struct dtr_list streams;
    struct dtr_error broken;
};

uint64_t sim_draw(struct dtr_sim *sim, uint64_t below);
uint64_t sim_now_ms(const struct dtr_sim *sim);
uint64_t sim_piece_length(const struct dtr_sim *sim, uint32_t number);
struct sim_daemon *sim_daemon_of(struct sim_host *host);
__attribute__((format(printf, 2, 3))) void sim_trace(struct dtr_sim *sim, const char *format, ...);
static inline bool sim_bit(const uint8_t *bits, uint32_t n)
{
    return bits[n / 8] >> n % 8 & 1;
}

void daemon_init(struct dtr_sim *sim, uint32_t number);
void daemon_free(struct sim_daemon *daemon);
void daemon_start(struct sim_daemon *daemon);
void daemon_crash(struct sim_daemon *daemon, bool silently);
void daemon_restart(struct sim_daemon *daemon, bool empty);
void daemon_announce(struct sim_daemon *daemon);
/* The scheduler is not there, and may be at once. */
bool daemon_expects(const struct sim_daemon *daemon);
/* A stream to it broke: they share one connection. */
void daemon_lost(struct sim_daemon *daemon);
void daemon_accept(struct sim_end *end, void *body);

/* --- pull.c --- */
void pull_begin(struct sim_copy *copy);
/* A client wants the blob. */
void pull_wanted(struct sim_copy *copy);
/* Carries out what the planner wants. */
void pull_act(struct sim_copy *copy);
void pull_drop(struct sim_copy *copy);
/* A trigger: begins a pull, or waits for the end of the one that runs. */
void pull_order(struct sim_copy *copy, struct sim_end *order);

/* --- talk.c --- */
struct sim_talk {
    struct dtr_list link;
    struct sim_daemon *daemon;
    struct sim_copy *copy; /* NULL: the pull has no more to do with it */
    struct sim_end *end;   /* NULL while it waits for the announcement */
    struct dtr_plan_action registered;
    bool answered, repeated;
    uint32_t blob;
    char peer_id[SIM_PEER_ID];
    struct sim_answer last;
};
void talk_say(struct sim_copy *copy, const struct dtr_plan_action *action);
void talk_stat(struct sim_copy *copy);
/* The pull is gone without a last word. */
void talk_leave(struct sim_copy *copy);
void talks_announced(struct sim_daemon *daemon, bool known);
/* What is whole is made known to a scheduler that has just come. */
void talks_retell(struct sim_daemon *daemon);
void talks_free(struct sim_daemon *daemon);

/* --- parents.c --- */
void parent_open(struct sim_copy *copy, uint32_t parent);
void parent_close(struct sim_copy *copy, uint32_t parent);
void parents_close(struct sim_copy *copy);
void sync_accept(struct sim_end *end, void *body);
/* A piece has left after so long. */
void syncs_room(struct sim_daemon *daemon, uint64_t ms);
/* A piece came. */
void syncs_piece(struct sim_copy *copy, uint32_t number);
/* Nothing more will come. */
void syncs_last(struct sim_copy *copy);
void syncs_drop(struct sim_copy *copy);
void load_accept(struct sim_end *end);
void load_free(struct dtr_list *node);

/* --- serve.c --- */
struct sim_request {
    uint32_t blob, piece;
    uint64_t offset, length;
    bool length_only;
};
void piece_accept(struct sim_end *end, void *body);
void questions_look(struct sim_copy *copy, bool last);
void questions_drop(struct sim_copy *copy);
/* Before the daemon's ends are gone: what they point to. */
void leaving_free(struct sim_daemon *daemon);
void origin_accept(struct sim_end *end, void *body);
void origin_free(struct dtr_sim *sim);

/* --- judge.c --- */
__attribute__((format(printf, 2, 3))) void sim_break(struct dtr_sim *sim, const char *format, ...);
void judge_fetch(struct sim_copy *copy, const struct dtr_plan_action *action);
void judge_origin(struct sim_copy *copy, const struct dtr_plan_action *action);
void judge_drained(struct sim_copy *copy);
void judge_end(struct sim_copy *copy, const struct dtr_plan_action *action);
void judge_parents(struct dtr_sim *sim, const struct dtr_swarm_action *action);

/* A transfer of a pull. */
struct sim_transfer {
    struct dtr_list link;
    struct sim_copy *copy;
    struct sim_end *end;
    struct sim_timer ended;           /* after CANCEL */
    uint32_t id, piece, parent, from; /* from: daemon, or DTR_SIM_NOBODY: the origin */
    uint64_t offset, at, length;      /* of the object */
    uint64_t started_us;
    bool headed, cancelled, length_only;
};

#endif
