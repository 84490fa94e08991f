/* Random events, sensible and absurd, from a seed number; after each one what must always hold is checked.
 * A failure prints the number: DTR_SEED=<number> runs that one alone. */
#include "core/brain/swarm_fixture.h"

#define HOSTS   10 /* 0 and 1 are seeds, 2 is a leech */
#define TASKS   3
#define PEERS   40
#define STREAMS 8000
#define EVENTS  3000
#define RUNS    24

struct stream {
    int peer;
    bool open;
    uint32_t questions;
    uint64_t asked_ms;
    bool takes_more;
};

struct model {
    struct dtr_swarm *swarm;
    struct dtr_swarm_config config;
    uint64_t seed, random, now_ms;
    struct stream streams[STREAMS];
    uint32_t stream_count;
    struct stream *current[PEERS]; /* the last stream of each peer */
    bool blocked[PEERS][PEERS];
    struct dtr_buf *download;
    uint32_t answers, parents, more, sent;
};

#define check(m, condition)                                                                                  \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("DTR_SEED=%llu: " #condition, (unsigned long long)(m)->seed);                           \
    } while (0)

static uint32_t below(struct model *m, uint32_t limit)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->random >> 33) % limit;
}

static const char *host_name(int host)
{
    static const char *const names[HOSTS] = {"s0", "s1", "leech", "h3", "h4", "h5", "h6", "h7", "h8", "h9"};
    return names[host];
}

static const char *task_name(int task)
{
    static const char *const names[TASKS] = {
        TASK_1, TASK_2, "3333333333333333333333333333333333333333333333333333333333333333"};
    return names[task];
}

/* Peers have fixed hosts and tasks, so that ids repeat. */
static int host_of_peer(int peer)
{
    return peer % HOSTS;
}

static int task_of_peer(int peer)
{
    return peer / HOSTS % TASKS;
}

static const char *peer_name(int peer)
{
    static char names[4][16];
    static int turn;
    turn = (turn + 1) % 4;
    (void)snprintf(names[turn], sizeof(names[turn]), "peer-%02d", peer);
    return names[turn];
}

static int peer_number(const char *name)
{
    return atoi(name + 5);
}

/* --- what must hold for an answer --- */

/* Whether `goal` is among the ancestors of a peer, itself included. */
static bool reaches(const struct dtr_swarm_peer *from, const struct dtr_swarm_peer *goal, bool seen[PEERS])
{
    const struct dtr_swarm_peer *parent = NULL;
    if (from == goal)
        return true;
    if (seen[peer_number(from->id)])
        return false;
    seen[peer_number(from->id)] = true;
    while ((parent = dtr_swarm_next_parent(from, parent))) {
        if (reaches(parent, goal, seen))
            return true;
    }
    return false;
}

static bool descends(const struct dtr_swarm_peer *peer, const struct dtr_swarm_peer *from)
{
    bool seen[PEERS] = {false};
    return reaches(peer, from, seen);
}

/* How many of them do not descend from the child. */
static uint32_t check_each_parent(struct model *m, const struct dtr_swarm_action *action)
{
    const struct dtr_swarm_peer *child = action->peer;
    uint32_t anchors = 0;
    check(m, action->parent_count >= 1);
    for (uint32_t i = 0; i < action->parent_count; i++) {
        const struct dtr_swarm_peer *parent = action->parents[i];
        for (uint32_t j = 0; j < i; j++)
            check(m, action->parents[j] != parent);
        check(m, parent == dtr_swarm_find_peer(m->swarm, parent->id));
        check(m, parent->host != child->host && parent->task == child->task);
        check(m, !parent->host->facts.disable_shared && parent->host->announced);
        check(m, !m->blocked[peer_number(child->id)][peer_number(parent->id)]);
        check(m, parent->state == DTR_PEER_BACK_TO_SOURCE || parent->state == DTR_PEER_SUCCEEDED ||
                     parent->parent_count || parent->host->facts.type);
        check(m, parent->state != DTR_PEER_PENDING && parent->state != DTR_PEER_FAILED);
        anchors += !descends(parent, child);
    }
    return anchors;
}

static uint32_t keep_of(const struct model *m)
{
    return m->config.policy.keep ? m->config.policy.keep : m->config.candidate_parent_limit;
}

static void check_parents(struct model *m, const struct dtr_swarm_action *action)
{
    uint32_t anchors = check_each_parent(m, action);
    check(m, action->parent_count == action->peer->parent_count && action->parent_count <= keep_of(m));
    /* Given to somebody as a newcomer at once, a child may be an ancestor of its own anchor by now. */
    if (!m->config.policy.newcomers)
        check(m, m->config.policy.acyclic ? anchors == action->parent_count : anchors > 0);
    m->parents++;
}

static void check_more_parents(struct model *m, const struct dtr_swarm_action *action)
{
    const struct stream *stream = action->stream;
    (void)check_each_parent(m, action);
    check(m, stream->open && !stream->questions && stream->takes_more);
    check(m, peer_number(action->peer->id) == stream->peer);
    check(m, m->config.policy.newcomers && action->parent_count <= m->config.policy.newcomers + 1);
    check(m, action->peer->parent_count <= keep_of(m));
    m->more++;
}

static void close_stream(struct model *m, struct stream *stream)
{
    check(m, stream->open);
    stream->open = false;
    stream->questions = 0;
}

/* As a role does when a stream is over. */
static void end_stream(struct model *m, struct stream *stream)
{
    close_stream(m, stream);
    dtr_swarm_stream_closed(m->swarm, m->now_ms, peer_name(stream->peer), stream);
}

static void obey(struct model *m, const struct dtr_swarm_action *action)
{
    struct stream *stream = action->stream;
    switch (action->kind) {
    case DTR_SWARM_TRIGGER_SEED:
        check(m, action->host->seed_usable && action->download == m->download);
        break;
    case DTR_SWARM_PROBE_SEED:
        check(m, action->host->facts.type == 1);
        break;
    case DTR_SWARM_MORE_PARENTS:
        check_more_parents(m, action);
        break;
    case DTR_SWARM_MORE_SOURCE:
        check(m, stream->open && !stream->questions && stream->takes_more && action->text);
        check(m, peer_number(action->peer->id) == stream->peer && m->config.policy.newcomers);
        m->sent++;
        break;
    case DTR_SWARM_HOST_GONE:
        check(m, action->host->facts.ip && !dtr_swarm_find_host(m->swarm, action->host->facts.id));
        break;
    case DTR_SWARM_REJECT:
        check(m, action->text && action->code);
        end_stream(m, stream);
        break;
    case DTR_SWARM_CLOSE:
        end_stream(m, stream);
        break;
    default:
        check(m, stream->open && stream->questions == 1);
        check(m, peer_number(action->peer->id) == stream->peer);
        stream->questions = 0;
        m->answers++;
        if (action->kind == DTR_SWARM_ANSWER_PARENTS)
            check_parents(m, action);
    }
}

static void hang_up_random(struct model *m)
{
    struct stream *stream = m->current[below(m, PEERS)];
    if (!stream || !stream->open)
        return;
    end_stream(m, stream);
}

static void obey_all(struct model *m)
{
    struct dtr_swarm_action action;
    while (dtr_swarm_next(m->swarm, &action)) {
        obey(m, &action);
        if (below(m, 30) == 0)
            hang_up_random(m);
    }
    for (int peer = 0; peer < PEERS; peer++) {
        if (!dtr_swarm_find_peer(m->swarm, peer_name(peer)))
            memset(m->blocked[peer], 0, sizeof(m->blocked[peer]));
    }
}

/* --- what must hold at any time --- */

static void check_books(struct model *m)
{
    struct dtr_swarm_counts counts = dtr_swarm_count(m->swarm);
    const struct dtr_swarm_host *host = NULL;
    uint32_t hosts = 0, peers = 0, uploads = 0, waiting = 0, edges = 0;
    while ((host = dtr_swarm_next_host(m->swarm, host))) {
        hosts++;
        peers += host->peer_count;
        uploads += host->uploads;
        check(m, host->uploads || (!host->booked_tx && !host->booked_bytes && !host->booked_pieces));
    }
    for (int peer = 0; peer < PEERS; peer++) {
        const struct dtr_swarm_peer *facts = dtr_swarm_find_peer(m->swarm, peer_name(peer));
        edges += facts ? facts->parent_count : 0;
        check(m, !facts || facts->pieces_had <= 12);
    }
    for (uint32_t i = 0; i < m->stream_count; i++) {
        const struct stream *stream = &m->streams[i];
        waiting += stream->questions;
        check(m, !stream->questions || m->now_ms - stream->asked_ms <= DTR_SWARM_ANSWER_MS);
        check(m, !stream->open || dtr_swarm_find_peer(m->swarm, peer_name(stream->peer)));
    }
    for (int task = 0; task < TASKS; task++) {
        const struct dtr_swarm_task *facts = dtr_swarm_find_task(m->swarm, task_name(task));
        check(m, !facts ||
                     (facts->offer_count <= facts->peer_count && facts->source_count <= facts->peer_count));
    }
    check(m, counts.hosts == hosts && counts.peers == peers && counts.edges == uploads);
    check(m, counts.edges == edges && counts.waiting == waiting);
}

/* --- events --- */

static void announce_random(struct model *m)
{
    int host = (int)below(m, HOSTS);
    struct dtr_swarm_announce facts = facts_of(host_name(host), host < 2);
    facts.disable_shared = host == 2 || below(m, 20) == 0;
    facts.max_tx = below(m, 2) ? 0 : facts.max_tx;
    facts.raw = below(m, 2) ? m->download : NULL;
    check(m, dtr_swarm_host_announced(m->swarm, m->now_ms, &facts, NULL) == DTR_OK);
}

static void register_random(struct model *m)
{
    int peer = (int)below(m, PEERS);
    struct stream *stream = m->current[peer];
    bool fresh = !stream || !stream->open || below(m, 8) == 0;
    if (fresh && m->stream_count == STREAMS)
        return;
    if (fresh) {
        stream = m->current[peer] = &m->streams[m->stream_count++];
        *stream = (struct stream){.peer = peer, .open = true, .takes_more = below(m, 4) > 0};
    }
    const struct dtr_swarm_register registered = {
        .url = below(m, 2) ? "http://origin/a" : "http://origin/b",
        .download = m->download,
        .content_length = below(m, 30) == 0 ? DTR_LENGTH_UNKNOWN : 40 * MIB,
        .piece_length = 4 * MIB,
        .piece_count = 10,
        .concurrent_pieces = 8,
        .priority = below(m, 4) ? 0 : below(m, 8),
        .need_back_to_source = host_of_peer(peer) < 2 && below(m, 2),
        .disable_back_to_source = below(m, 8) == 0,
        .metadata_only = below(m, 15) == 0,
        .takes_more = stream->takes_more,
        .has_range = below(m, 6) == 0,
        .range_start = below(m, 4) * 4 * MIB,
        .range_length = below(m, 4) * 4 * MIB,
    };
    const struct dtr_swarm_message message = {.kind = DTR_SWARM_REGISTER,
                                              .host_id = host_name(host_of_peer(peer)),
                                              .task_id = task_name(task_of_peer(peer)),
                                              .peer_id = peer_name(peer),
                                              .stream = stream,
                                              .registered = &registered};
    if (!stream->questions)
        stream->asked_ms = m->now_ms;
    stream->questions = 1;
    dtr_swarm_message(m->swarm, m->now_ms, &message);
}

static void remember_block(struct model *m, int peer, int parent)
{
    const struct dtr_swarm_peer *facts = dtr_swarm_find_peer(m->swarm, peer_name(peer));
    if (facts)
        m->blocked[peer][parent] = true;
}

/* Any message, mostly on the peer's stream. */
static void say_random(struct model *m)
{
    int peer = (int)below(m, PEERS);
    struct stream *stream = m->current[peer];
    if (!stream || !stream->open)
        return;
    int other = (int)below(m, PEERS), named = (int)below(m, PEERS);
    const char *candidates[2] = {peer_name(other), peer_name(named)};
    struct dtr_swarm_message message = {
        .kind = (enum dtr_swarm_message_kind)(1 + below(m, DTR_SWARM_SOURCE_PIECE_FAILED)),
        .host_id = host_name(host_of_peer(peer)),
        .task_id = task_name(task_of_peer(below(m, 50) ? peer : other)),
        .peer_id = below(m, 50) ? peer_name(peer) : "",
        .stream = stream,
        .candidates = candidates,
        .candidate_count = below(m, 3),
    };
    message.piece.parent_id = below(m, 4) ? peer_name(other) : NULL;
    message.piece.number = below(m, 12);
    message.piece.length = 4 * MIB;
    message.piece.cost_ms = below(m, 10) ? 10 + below(m, 5) : 3000;
    bool asks = message.kind == DTR_SWARM_RESCHEDULE;
    if (asks && !stream->questions)
        stream->asked_ms = m->now_ms;
    if (asks)
        stream->questions = 1;
    /* The step that a download usually takes next comes more often than chance would have it. */
    if (!asks && below(m, 2) && message.kind != DTR_SWARM_PIECE_FAILED)
        message.kind = below(m, 2) ? DTR_SWARM_STARTED : DTR_SWARM_SOURCE_STARTED;
    bool before[PEERS];
    memcpy(before, m->blocked[peer], sizeof(before));
    dtr_swarm_message(m->swarm, m->now_ms, &message);
    for (uint32_t i = 0; asks && i < message.candidate_count; i++)
        remember_block(m, peer, i ? named : other);
    if (message.kind == DTR_SWARM_PIECE_FAILED && message.piece.parent_id)
        remember_block(m, peer, other);
    obey_all(m);
    if (!stream->open) /* it was refused, so it did not count */
        memcpy(m->blocked[peer], before, sizeof(before));
}

static void pass_random(struct model *m)
{
    static const uint32_t steps_ms[] = {1, 10, 100, 500, 2000, 10000, 60000, 600000};
    uint64_t until_ms = m->now_ms + steps_ms[below(m, below(m, 10) ? 4 : 8)];
    for (;;) { /* as a role does: at every wake-up on the way */
        uint64_t wake_ms = dtr_swarm_wake_ms(m->swarm);
        check(m, wake_ms > m->now_ms || wake_ms <= until_ms);
        m->now_ms = wake_ms < until_ms ? (wake_ms > m->now_ms ? wake_ms : m->now_ms) : until_ms;
        dtr_swarm_time(m->swarm, m->now_ms);
        obey_all(m);
        check_books(m);
        if (m->now_ms == until_ms)
            return;
    }
}

static void remove_random(struct model *m)
{
    int peer = (int)below(m, PEERS);
    switch (below(m, 6)) {
    case 0:
        (void)dtr_swarm_host_deleted(m->swarm, m->now_ms, host_name(host_of_peer(peer)), NULL);
        break;
    case 1:
        (void)dtr_swarm_delete_peer(m->swarm, m->now_ms, peer_name(peer), NULL);
        break;
    case 2:
        (void)dtr_swarm_delete_task(m->swarm, m->now_ms, host_name(host_of_peer(peer)),
                                    task_name(task_of_peer(peer)), NULL);
        break;
    default:
        hang_up_random(m);
    }
}

static void seed_random(struct model *m)
{
    if (below(m, 2))
        dtr_swarm_seed_probed(m->swarm, m->now_ms, host_name((int)below(m, 3)), below(m, 4) != 0);
    else
        dtr_swarm_seed_done(m->swarm, m->now_ms, task_name((int)below(m, TASKS)), below(m, 4) != 0);
}

static void event(struct model *m)
{
    uint32_t what = below(m, 100);
    if (what < 8)
        announce_random(m);
    else if (what < 30)
        register_random(m);
    else if (what < 80)
        say_random(m);
    else if (what < 88)
        pass_random(m);
    else if (what < 93)
        seed_random(m);
    else if (what < 97)
        remove_random(m);
}

static void everybody_leaves(struct model *m)
{
    const struct dtr_swarm_host *host;
    while ((host = dtr_swarm_next_host(m->swarm, NULL))) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%s", host->facts.id);
        check(m, dtr_swarm_host_deleted(m->swarm, m->now_ms, id, NULL) == DTR_OK);
        obey_all(m);
        check_books(m);
    }
    for (uint32_t i = 0; i < m->stream_count; i++)
        check(m, !m->streams[i].open);
    m->now_ms += 24 * 3600 * 1000;
    dtr_swarm_time(m->swarm, m->now_ms);
    obey_all(m);
    struct dtr_swarm_counts counts = dtr_swarm_count(m->swarm);
    check(m, counts.hosts + counts.tasks + counts.peers + counts.edges + counts.waiting == 0);
}

static void run(uint64_t seed)
{
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->seed = m->random = seed;
    m->now_ms = 1;
    m->config = dtr_swarm_defaults();
    m->config.policy.acyclic = seed % 3 != 0;
    m->config.policy.late_offers = seed % 4 == 0;
    if (seed % 6 == 0) {
        m->config.policy.keep = 5;
        m->config.policy.newcomers = 2;
    }
    m->config.task_peer_limit = seed % 5 ? 300 : 4;
    m->config.unknown_host_back_to_source = seed % 7 == 0;
    m->config.back_to_source_count = seed % 2 ? 200 : 2;
    m->download = dtr_buf_copy("download", 8);
    check(m, dtr_swarm_new(&m->config, seed, m->now_ms, &m->swarm, NULL) == DTR_OK);
    for (int i = 0; i < EVENTS; i++) {
        event(m);
        obey_all(m);
        check_books(m);
    }
    check(m, m->answers > 50 && m->parents > 20);
    check(m, (m->more > 5) == (m->config.policy.newcomers > 0));
    if (seed % 2)
        everybody_leaves(m);
    dtr_swarm_free(m->swarm);
    check(m, m->download->references == 1);
    dtr_buf_drop(m->download);
    free(m);
}

static void invariants_hold_in_any_order(void **state)
{
    (void)state;
    const char *only = getenv("DTR_SEED");
    if (only) {
        run(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= RUNS; seed++)
        run(seed);
}

/* The order of everything that comes out, as one number. */
static uint64_t trace_of(uint64_t seed)
{
    struct dtr_swarm_config config = dtr_swarm_defaults();
    struct world *w = malloc(sizeof(*w));
    uint64_t trace = 0;
    assert_non_null(w);
    open_with(w, &config);
    dtr_swarm_free(w->swarm);
    assert_int_equal(dtr_swarm_new(&config, seed, w->now_ms, &w->swarm, NULL), DTR_OK);
    for (int i = 0; i < 30; i++) {
        char host[16], peer[24];
        (void)snprintf(host, sizeof(host), "h%d", i);
        (void)snprintf(peer, sizeof(peer), "h%d.a", i);
        add_host(w, host);
        say(w, peer, DTR_SWARM_REGISTER);
        for (uint32_t said = 0; said < w->count; said++) {
            for (uint32_t parent = 0; parent < w->log[said].parent_count; parent++)
                trace = trace * 31 + (uint64_t)atoi(w->log[said].parents[parent] + 1);
        }
        if (i == 0)
            say(w, peer, DTR_SWARM_SOURCE_STARTED);
    }
    close_world(w);
    return trace;
}

static void equal_seeds_give_equal_answers(void **state)
{
    (void)state;
    assert_true(trace_of(7) == trace_of(7));
    assert_true(trace_of(7) != trace_of(8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariants_hold_in_any_order),
        cmocka_unit_test(equal_seeds_give_equal_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
