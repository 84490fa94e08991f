/* For the swarm's tests: a swarm in which hosts, peers and tasks have short names, and what it says.
 *
 * A peer "h1.a" lives on host "h1"; its stream is found by its name. Every event drains the queue into the
 * log, and expectations look there. */
#ifndef DTR_BRAIN_SWARM_FIXTURE_H
#define DTR_BRAIN_SWARM_FIXTURE_H

#include "core/base/buf.h"
#include "core/brain/swarm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define TASK_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define TASK_2 "2222222222222222222222222222222222222222222222222222222222222222"
#define MIB    (1024ull * 1024)

struct said {
    enum dtr_swarm_action_kind kind;
    char who[64]; /* the stream's name; of TRIGGER_SEED, PROBE_SEED and HOST_GONE the host */
    char parents[DTR_SWARM_KEEP_MAX][64];
    uint32_t parent_count;
    enum dtr_swarm_refusal code;
    uint64_t silent_ms;
};

struct world {
    struct dtr_swarm *swarm;
    struct dtr_swarm_config config;
    uint64_t now_ms;
    const char *task_id;
    struct dtr_swarm_register registered; /* for the next register */
    struct said log[256];
    uint32_t count;
    char streams[64][64]; /* names; a stream is the address of one */
    struct dtr_buf *download;
};

static inline void *stream_of(struct world *w, const char *name)
{
    for (size_t i = 0; i < 64; i++) {
        if (!w->streams[i][0])
            (void)snprintf(w->streams[i], sizeof(w->streams[i]), "%s", name);
        if (strcmp(w->streams[i], name) == 0)
            return w->streams[i];
    }
    fail_msg("more than 64 streams in a test");
    return NULL;
}

static inline void drain(struct world *w)
{
    struct dtr_swarm_action action;
    w->count = 0;
    while (dtr_swarm_next(w->swarm, &action)) {
        assert_true(w->count < 256);
        struct said *said = &w->log[w->count++];
        *said = (struct said){.kind = action.kind, .code = action.code, .silent_ms = action.silent_ms};
        const char *who = action.host ? action.host->facts.id : action.stream;
        (void)snprintf(said->who, sizeof(said->who), "%s", who);
        said->parent_count = action.parent_count;
        for (uint32_t i = 0; i < action.parent_count; i++)
            (void)snprintf(said->parents[i], sizeof(said->parents[i]), "%s", action.parents[i]->id);
        if (action.kind == DTR_SWARM_TRIGGER_SEED)
            assert_ptr_equal(action.download, w->download);
    }
}

static inline void open_with(struct world *w, const struct dtr_swarm_config *config)
{
    *w = (struct world){.now_ms = 1000000, .task_id = TASK_1, .config = *config};
    w->download = dtr_buf_copy("download", 8);
    w->registered = (struct dtr_swarm_register){.url = "http://origin/blob",
                                                .download = w->download,
                                                .content_length = 40 * MIB,
                                                .piece_length = 4 * MIB,
                                                .piece_count = 10,
                                                .concurrent_pieces = 8};
    assert_int_equal(dtr_swarm_new(config, 1, w->now_ms, &w->swarm, NULL), DTR_OK);
}

static inline struct world *open_world(void)
{
    struct world *w = malloc(sizeof(*w));
    struct dtr_swarm_config config = dtr_swarm_defaults();
    assert_non_null(w);
    open_with(w, &config);
    return w;
}

/* With everybody gone and the collections run, nothing is left. */
static inline void close_world(struct world *w)
{
    const struct dtr_swarm_host *host;
    while ((host = dtr_swarm_next_host(w->swarm, NULL))) {
        char id[64];
        (void)snprintf(id, sizeof(id), "%s", host->facts.id);
        assert_int_equal(dtr_swarm_host_deleted(w->swarm, w->now_ms, id, NULL), DTR_OK);
        drain(w);
    }
    dtr_swarm_time(w->swarm, w->now_ms + 24 * 3600 * 1000);
    drain(w);
    struct dtr_swarm_counts counts = dtr_swarm_count(w->swarm);
    assert_int_equal(counts.hosts + counts.tasks + counts.peers + counts.edges + counts.waiting, 0);
    assert_true(dtr_swarm_wake_ms(w->swarm) == UINT64_MAX);
    dtr_swarm_free(w->swarm);
    assert_int_equal(w->download->references, 1);
    dtr_buf_drop(w->download);
    free(w);
}

/* --- events --- */

static inline struct dtr_swarm_announce facts_of(const char *id, uint32_t type)
{
    return (struct dtr_swarm_announce){.id = id,
                                       .hostname = id,
                                       .ip = "10.0.0.1",
                                       .idc = "idc",
                                       .location = "a|b",
                                       .interval_ms = 300000,
                                       .type = type,
                                       .port = 4000,
                                       .download_port = 4000,
                                       .max_tx = 10000000000};
}

static inline void announce(struct world *w, const struct dtr_swarm_announce *facts)
{
    assert_int_equal(dtr_swarm_host_announced(w->swarm, w->now_ms, facts, NULL), DTR_OK);
    drain(w);
}

static inline void add_host(struct world *w, const char *id)
{
    struct dtr_swarm_announce facts = facts_of(id, 0);
    announce(w, &facts);
}

/* A seed that answered its probe. */
static inline void add_seed(struct world *w, const char *id)
{
    struct dtr_swarm_announce facts = facts_of(id, 1);
    announce(w, &facts);
    dtr_swarm_seed_probed(w->swarm, w->now_ms, id, true);
    drain(w);
}

static inline struct dtr_swarm_message message_of(struct world *w, enum dtr_swarm_message_kind kind,
                                                  const char *peer, char host[64])
{
    (void)snprintf(host, 64, "%.*s", (int)strcspn(peer, "."), peer);
    return (struct dtr_swarm_message){.kind = kind,
                                      .host_id = host,
                                      .task_id = w->task_id,
                                      .peer_id = peer,
                                      .stream = stream_of(w, peer),
                                      .registered = &w->registered};
}

static inline void send_message(struct world *w, const struct dtr_swarm_message *message)
{
    dtr_swarm_message(w->swarm, w->now_ms, message);
    drain(w);
}

static inline void say(struct world *w, const char *peer, enum dtr_swarm_message_kind kind)
{
    char host[64];
    struct dtr_swarm_message message = message_of(w, kind, peer, host);
    send_message(w, &message);
}

static inline void piece(struct world *w, const char *peer, uint32_t number, const char *parent,
                         double cost_ms)
{
    char host[64];
    enum dtr_swarm_message_kind kind = parent ? DTR_SWARM_PIECE_FINISHED : DTR_SWARM_SOURCE_PIECE_FINISHED;
    struct dtr_swarm_message message = message_of(w, kind, peer, host);
    message.piece.number = number;
    message.piece.parent_id = parent;
    message.piece.length = 4 * MIB;
    message.piece.cost_ms = cost_ms;
    send_message(w, &message);
}

static inline void piece_failed(struct world *w, const char *peer, const char *parent)
{
    char host[64];
    struct dtr_swarm_message message = message_of(w, DTR_SWARM_PIECE_FAILED, peer, host);
    message.piece.parent_id = parent;
    message.piece.temporary = true;
    send_message(w, &message);
}

static inline void reschedule(struct world *w, const char *peer, const char *const *given, uint32_t count)
{
    char host[64];
    struct dtr_swarm_message message = message_of(w, DTR_SWARM_RESCHEDULE, peer, host);
    message.candidates = given;
    message.candidate_count = count;
    send_message(w, &message);
}

static inline void hang_up(struct world *w, const char *peer)
{
    dtr_swarm_stream_closed(w->swarm, w->now_ms, peer, stream_of(w, peer));
    drain(w);
}

static inline void pass_ms(struct world *w, uint64_t ms)
{
    w->now_ms += ms;
    dtr_swarm_time(w->swarm, w->now_ms);
    drain(w);
}

/* A peer that holds the whole task and finished. */
static inline void add_holder(struct world *w, const char *peer)
{
    bool before = w->registered.metadata_only;
    w->registered.metadata_only = true;
    say(w, peer, DTR_SWARM_REGISTER);
    w->registered.metadata_only = before;
    say(w, peer, DTR_SWARM_FINISHED);
}

/* --- expectations --- */

static inline const struct said *find_said(const struct world *w, const char *who)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (strcmp(w->log[i].who, who) == 0)
            return &w->log[i];
    }
    return NULL;
}

static inline bool was_given(const struct said *said, const char *parent)
{
    for (uint32_t i = 0; said && i < said->parent_count; i++) {
        if (strcmp(said->parents[i], parent) == 0)
            return true;
    }
    return false;
}

#define expect_nothing(w) assert_int_equal((w)->count, 0)
#define expect_one(w, name, what)                                                                            \
    do {                                                                                                     \
        assert_int_equal((w)->count, 1);                                                                     \
        expect(w, name, what);                                                                               \
    } while (0)
#define expect(w, name, what)                                                                                \
    do {                                                                                                     \
        assert_non_null(find_said(w, name));                                                                 \
        assert_int_equal(find_said(w, name)->kind, DTR_SWARM_##what);                                        \
    } while (0)
#define expect_reject(w, name, why)                                                                          \
    do {                                                                                                     \
        expect(w, name, REJECT);                                                                             \
        assert_int_equal(find_said(w, name)->code, DTR_SWARM_##why);                                         \
    } while (0)
#define expect_parents(w, name, wanted)                                                                      \
    do {                                                                                                     \
        expect(w, name, ANSWER_PARENTS);                                                                     \
        assert_int_equal(find_said(w, name)->parent_count, wanted);                                          \
    } while (0)
#define state_of(w, peer) dtr_swarm_find_peer((w)->swarm, peer)->state

#endif
