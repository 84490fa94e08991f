/* A simulated cluster: an origin, a scheduler and daemons on a virtual network and clock. The brains are the
 * real ones (core/brain: swarm and planner); what the roles do around them (conversations, lists of pieces,
 * transfers, announcements, triggers of seeds) is played as core/daemon and core/scheduler do it.
 *
 *     struct dtr_sim_config config;
 *     dtr_sim_config_default(&config);
 *     config.daemons = 1000;
 *     dtr_sim_new(&config, &sim, &err);
 *     for (uint32_t i = config.seeds; i < config.daemons; i++)
 *         dtr_sim_at(sim, &(struct dtr_sim_event){.at_ms = 5000, .kind = DTR_SIM_PULL, .daemon = i});
 *     rc = dtr_sim_run(sim, 600000, &err);
 *
 * Everything follows from the configuration with its seed number and the events; equal ones give equal runs.
 * Judged all along, a breach ends the run with DTR_EINTERNAL and what, where and when:
 * - a daemon asks for no piece that it has, for one at most twice at a time (the second is a hedge), and
 *   never the same partner twice at a time; it waits for nothing without a deadline;
 * - the scheduler names nobody as its own parent, and with an acyclic policy nobody as its own ancestor;
 * - who says that a pull is done has all bytes, and they are the origin's; who says that it failed says why.
 * How long pulls took, and what the origin sent, is for the caller to judge, by what it did to the cluster.
 *
 * What is not played: the time that disks and processors take, packets (see net.h; a message takes its
 * latency and no bandwidth, a broken connection is the only loss), several schedulers, ranges, several pulls
 * of one blob by one daemon at a time. A pull takes a whole blob; its reader takes bytes as they come.
 * Memory that cannot be had ends the process. One thread for each simulation. */
#ifndef DTR_SIM_SIM_H
#define DTR_SIM_SIM_H

#include "core/brain/planner.h"
#include "core/brain/swarm.h"

#define DTR_SIM_BLOBS_MOST 8
#define DTR_SIM_NOBODY     UINT32_MAX

struct dtr_sim;

struct dtr_sim_config {
    uint64_t seed;                          /* the number that everything follows from */
    uint32_t daemons;                       /* seed peers included */
    uint32_t seeds;                         /* the first so many daemons are seed peers */
    uint32_t blobs;                         /* 1 .. DTR_SIM_BLOBS_MOST */
    uint64_t size;                          /* bytes of each blob */
    uint64_t piece_length;                  /* bytes; 0: by the rule of geometry.h */
    uint64_t up, down;                      /* bytes/s of a daemon's links */
    uint64_t origin_up;                     /* bytes/s that the origin sends in all */
    uint64_t announced_tx;                  /* bits/s that daemons say they can send; 0: what `up` is */
    uint32_t latency_us, latency_spread_us; /* one way: the first, and up to the second on top */
    uint32_t origin_think_ms;               /* until the head of its answer */
    uint32_t progress; /* bytes between two reports of a transfer (256 KiB in a daemon) */
    struct dtr_swarm_config swarm;
    struct dtr_plan_config plan; /* seed and the flags of a pull are filled in */
    /* Called with every action, for a trace; NULL. */
    void (*trace)(void *context, uint64_t now_us, const char *text);
    void *trace_context;
};

/* One blob of 256 MiB, 8 daemons and a seed peer with 200 Mbit/s each way, 0.2 to 0.5 ms. */
void dtr_sim_config_default(struct dtr_sim_config *config);

/* name, what happens; fields that it looks at */
#define DTR_SIM_EVENTS(X)                                                                                    \
    X(PULL, "a client of `daemon` wants `blob`; again after a crash, when the daemon is back")               \
    X(CRASH, "`daemon`'s process ends: its connections break")                                               \
    X(VANISH, "`daemon`'s machine is cut off: its connections hang until TCP gives up")                      \
    X(RESTART, "`daemon` comes back; value 1: with an empty store")                                          \
    X(FREEZE, "`daemon` does nothing for `value` ms, and goes on")                                           \
    X(SPEED, "`daemon`'s links have `value` bytes/s from now on; daemon DTR_SIM_NOBODY: the origin's")       \
    X(LIE, "`daemon` sends wrong bytes from now on; value 0: no more")                                       \
    X(SCHEDULER_CRASH, "the scheduler's process ends, and all that it knew is gone")                         \
    X(SCHEDULER_START, "it comes back, knowing nobody")                                                      \
    X(PARTITION, "the last `value` daemons lose the others, who keep the scheduler and the origin")          \
    X(HEAL, "the partition is over")                                                                         \
    X(ORIGIN, "the origin is as `value` says, enum dtr_sim_origin")

enum dtr_sim_kind {
#define DTR_SIM_EVENT_ENUM(name, text) DTR_SIM_##name,
    DTR_SIM_EVENTS(DTR_SIM_EVENT_ENUM)
#undef DTR_SIM_EVENT_ENUM
};

enum dtr_sim_origin {
    DTR_SIM_ORIGIN_FINE,
    DTR_SIM_ORIGIN_GONE,      /* refuses connections */
    DTR_SIM_ORIGIN_FAILS,     /* answers 503 */
    DTR_SIM_ORIGIN_HAS_NOT,   /* answers 404 */
    DTR_SIM_ORIGIN_SILENT,    /* takes requests and does not answer */
    DTR_SIM_ORIGIN_BREAKS_OFF /* every answer after some MiB */
};

struct dtr_sim_event {
    uint64_t at_ms;
    enum dtr_sim_kind kind;
    uint32_t daemon, blob;
    uint64_t value;
};

/* DTR_EINVALID names the field. */
int dtr_sim_new(const struct dtr_sim_config *config, struct dtr_sim **ret_sim, struct dtr_error *err);
/* NULL is fine. */
void dtr_sim_free(struct dtr_sim *sim);
/* Something will happen. Numbers that do not exist are our caller's bug. */
void dtr_sim_at(struct dtr_sim *sim, const struct dtr_sim_event *event);
/* Runs until all events have happened and all pulls have ended; DTR_ETIMEOUT names a pull that has not by
 * `until_ms`, DTR_EINTERNAL a broken rule. May be called again after more events. */
int dtr_sim_run(struct dtr_sim *sim, uint64_t until_ms, struct dtr_error *err);
uint64_t dtr_sim_now_ms(const struct dtr_sim *sim);

struct dtr_sim_pull {
    bool wanted;  /* a client asked for it */
    bool running; /* not ended, or its daemon is down and will try again */
    bool done;    /* with the right bytes */
    int code;     /* of a failure, enum dtr_code */
    const char *text;
    uint64_t started_ms, ended_ms;       /* of the last try */
    uint32_t origin_pieces, peer_pieces; /* that came in the last try */
    uint64_t given;                      /* bytes that the daemon sent to others, of all blobs */
};

struct dtr_sim_pull dtr_sim_pull(const struct dtr_sim *sim, uint32_t daemon, uint32_t blob);

struct dtr_sim_totals {
    uint64_t origin_bytes;    /* sent, whether they were wanted or not */
    uint64_t origin_requests; /* for bytes, not only for a length */
    uint64_t peer_bytes;
    uint64_t fetches, hedges; /* asked of peers; of these, the second for a piece under way */
    uint64_t registers, reschedules, triggers;
    uint32_t right, failed, running; /* pulls that a client asked for */
    uint64_t last_ms;                /* the last of them ended */
    uint64_t first_ms;               /* the first of them started */
    uint64_t steps;
};

struct dtr_sim_totals dtr_sim_totals(const struct dtr_sim *sim);
const struct dtr_swarm *dtr_sim_swarm(const struct dtr_sim *sim); /* NULL while it is down */

/* The least time, ms, in which the given daemons can get a blob that leaves the origin once (Kumar and Ross,
 * "Peer-assisted file distribution: the minimum distribution time", 2006): `source` is what the seed or the
 * origin sends, bytes/s, whichever is less. */
double dtr_sim_bound_ms(uint64_t size, double source, double up, double down, uint32_t daemons);

#endif
