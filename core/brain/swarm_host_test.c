/* Hosts, seeds and their probes, garbage collection (features page 2.2, 2.7). */
#include "core/brain/swarm_fixture.h"

#define MINUTE_MS (60 * 1000ull)
#define HOUR_MS   (60 * MINUTE_MS)

static void announcements_update_a_host(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce facts = facts_of("h1", 0);
    facts.raw = w->download;
    announce(w, &facts);
    facts.hostname = "renamed";
    facts.idc = NULL;
    facts.tx = 5;
    facts.raw = NULL;
    announce(w, &facts);
    const struct dtr_swarm_host *host = dtr_swarm_find_host(w->swarm, "h1");
    assert_string_equal(host->facts.hostname, "renamed");
    assert_string_equal(host->facts.idc, "");
    assert_string_equal(host->facts.ip, "10.0.0.1");
    assert_int_equal(host->facts.tx, 5);
    assert_null(host->facts.raw);
    assert_int_equal(w->download->references, 1);
    close_world(w);
}

static void impossible_announcements_are_refused(void **state)
{
    (void)state;
    struct world *w = open_world();
    char long_text[2000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = 0;
    struct dtr_swarm_announce facts = facts_of("", 0);
    assert_int_equal(dtr_swarm_host_announced(w->swarm, w->now_ms, &facts, NULL), DTR_EINVALID);
    facts = facts_of(long_text, 0);
    assert_int_equal(dtr_swarm_host_announced(w->swarm, w->now_ms, &facts, NULL), DTR_EINVALID);
    facts = facts_of("h1", 0);
    facts.ip = NULL;
    assert_int_equal(dtr_swarm_host_announced(w->swarm, w->now_ms, &facts, NULL), DTR_EINVALID);
    facts = facts_of("h1", 0);
    facts.location = long_text;
    assert_int_equal(dtr_swarm_host_announced(w->swarm, w->now_ms, &facts, NULL), DTR_EINVALID);
    facts = facts_of("h1", 0);
    facts.port = 65536;
    assert_int_equal(dtr_swarm_host_announced(w->swarm, w->now_ms, &facts, NULL), DTR_EINVALID);
    assert_null(dtr_swarm_next_host(w->swarm, NULL));
    close_world(w);
}

static void hosts_are_listed_in_order(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    add_seed(w, "s1");
    add_host(w, "h2");
    const struct dtr_swarm_host *host = dtr_swarm_next_host(w->swarm, NULL);
    assert_string_equal(host->facts.id, "h1");
    host = dtr_swarm_next_host(w->swarm, host);
    assert_string_equal(host->facts.id, "s1");
    host = dtr_swarm_next_host(w->swarm, host);
    assert_string_equal(host->facts.id, "h2");
    assert_null(dtr_swarm_next_host(w->swarm, host));
    close_world(w);
}

static void deleting_a_host_takes_its_peers(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    assert_int_equal(dtr_swarm_host_deleted(w->swarm, w->now_ms, "h1", NULL), DTR_OK);
    drain(w);
    expect_reject(w, "h1.a", NOT_FOUND);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    assert_int_equal(dtr_swarm_host_deleted(w->swarm, w->now_ms, "h1", NULL), DTR_ENOT_FOUND);
    close_world(w);
}

static void a_seed_is_probed_at_once_and_then_every_30_s(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce facts = facts_of("s1", 1);
    announce(w, &facts);
    expect_one(w, "s1", PROBE_SEED);
    const struct dtr_swarm_host *host = dtr_swarm_find_host(w->swarm, "s1");
    assert_false(host->seed_usable);
    dtr_swarm_seed_probed(w->swarm, w->now_ms, "s1", true);
    drain(w);
    assert_true(host->seed_usable);
    announce(w, &facts); /* the same again: nothing new */
    expect_nothing(w);
    assert_int_equal(dtr_swarm_wake_ms(w->swarm), w->now_ms + DTR_SWARM_PROBE_MS);
    pass_ms(w, DTR_SWARM_PROBE_MS);
    expect_one(w, "s1", PROBE_SEED);
    dtr_swarm_seed_probed(w->swarm, w->now_ms, "s1", false);
    drain(w);
    assert_false(host->seed_usable);
    close_world(w);
}

static void a_failed_probe_is_repeated_soon(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce facts = facts_of("s1", 1);
    announce(w, &facts);
    const uint64_t waits_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
        expect_one(w, "s1", PROBE_SEED);
        dtr_swarm_seed_probed(w->swarm, w->now_ms, "s1", false);
        pass_ms(w, waits_ms[i] - 1);
        expect_nothing(w);
        pass_ms(w, 1);
    }
    expect_one(w, "s1", PROBE_SEED);
    close_world(w);
}

static void a_seed_that_moved_is_probed_anew(void **state)
{
    (void)state;
    struct world *w = open_world();
    add_seed(w, "s1");
    struct dtr_swarm_announce facts = facts_of("s1", 1);
    facts.port = 4010;
    announce(w, &facts);
    expect_one(w, "s1", PROBE_SEED);
    assert_false(dtr_swarm_find_host(w->swarm, "s1")->seed_usable);
    facts.type = 0;
    announce(w, &facts);
    dtr_swarm_seed_probed(w->swarm, w->now_ms, "s1", true); /* late, and no seed any more */
    drain(w);
    assert_false(dtr_swarm_find_host(w->swarm, "s1")->seed_usable);
    close_world(w);
}

static void unhealthy_seeds_are_not_triggered(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce facts = facts_of("s1", 1);
    announce(w, &facts);
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    expect_one(w, "h1.a", ANSWER_SOURCE);
    close_world(w);
}

/* Which of three seeds a task goes to, with some of them out of order. */
static void seed_of(const char *task_id, const char *without, char ret_seed[64])
{
    const char *const seeds[] = {"s1", "s2", "s3"};
    struct world *w = open_world();
    w->task_id = task_id;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(seeds[i], without) != 0)
            add_seed(w, seeds[i]);
    }
    add_host(w, "h1");
    say(w, "h1.a", DTR_SWARM_REGISTER);
    assert_int_equal(w->log[0].kind, DTR_SWARM_TRIGGER_SEED);
    (void)snprintf(ret_seed, 64, "%s", w->log[0].who);
    close_world(w);
}

static void tasks_spread_over_seeds_and_stay_there(void **state)
{
    (void)state;
    uint32_t used[3] = {0};
    for (int i = 0; i < 60; i++) {
        char task_id[80], first[64], again[64];
        (void)snprintf(task_id, sizeof(task_id), "%064d", i);
        seed_of(task_id, "", first);
        used[first[1] - '1']++;
        seed_of(task_id, first[1] == '1' ? "s2" : "s1", again);
        assert_string_equal(first, again); /* another seed's absence changes nothing */
        seed_of(task_id, first, again);
        assert_string_not_equal(first, again);
    }
    assert_true(used[0] > 5 && used[1] > 5 && used[2] > 5);
}

static void silent_hosts_go(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce quiet = facts_of("h2", 0);
    quiet.interval_ms = 0;
    add_host(w, "h1"); /* every 300 s */
    announce(w, &quiet);
    add_holder(w, "h1.a");
    pass_ms(w, 10 * MINUTE_MS);
    assert_non_null(dtr_swarm_find_host(w->swarm, "h1"));
    pass_ms(w, 5 * MINUTE_MS);
    assert_null(dtr_swarm_find_host(w->swarm, "h1"));
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    expect_one(w, "h1", HOST_GONE);
    assert_int_equal(find_said(w, "h1")->silent_ms, 15 * MINUTE_MS);
    assert_non_null(dtr_swarm_find_host(w->swarm, "h2"));
    pass_ms(w, HOUR_MS);
    assert_null(dtr_swarm_find_host(w->swarm, "h2"));
    expect_one(w, "h2", HOST_GONE);
    close_world(w);
}

/* A world in which hosts stay. */
static struct world *open_quiet(void)
{
    struct world *w = open_world();
    w->config.host_ttl_ms = 1000 * HOUR_MS;
    dtr_swarm_configure(w->swarm, &w->config);
    for (int i = 1; i <= 3; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "h%d", i);
        struct dtr_swarm_announce facts = facts_of(id, 0);
        facts.interval_ms = 0;
        announce(w, &facts);
    }
    return w;
}

static void peers_without_progress_leave(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_STARTED);
    pass_ms(w, 20 * MINUTE_MS);
    piece(w, "h1.a", 0, NULL, 10);
    pass_ms(w, 11 * MINUTE_MS);
    expect_reject(w, "h2.a", NOT_FOUND);
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    close_world(w);
}

static void finished_peers_stay_for_a_day(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    add_holder(w, "h1.a");
    pass_ms(w, 23 * HOUR_MS);
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    /* Somebody gets a piece from it: it is of use. */
    say(w, "h2.a", DTR_SWARM_REGISTER);
    piece(w, "h2.a", 0, "h1.a", 10);
    say(w, "h2.a", DTR_SWARM_FAILED);
    pass_ms(w, 23 * HOUR_MS);
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    assert_null(dtr_swarm_find_peer(w->swarm, "h2.a")); /* failed ones go with the next look */
    pass_ms(w, 2 * HOUR_MS);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    close_world(w);
}

static void finished_peers_of_leeches_go_with_the_next_look(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    add_holder(w, "h1.a");
    struct dtr_swarm_announce leech = facts_of("h1", 0);
    leech.disable_shared = true;
    announce(w, &leech);
    w->registered.metadata_only = true;
    say(w, "h1.b", DTR_SWARM_REGISTER);
    pass_ms(w, 10000);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h1.b")); /* its stream is open yet */
    say(w, "h1.b", DTR_SWARM_FINISHED);
    pass_ms(w, 10000);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.b"));
    close_world(w);
}

/* The peers at the next look for peers, the host itself at the next one for hosts. */
static void what_a_host_leaves_behind_goes_after_its_ttl(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce quiet = facts_of("h1", 0);
    quiet.interval_ms = 10 * HOUR_MS; /* a long one is no reason to stay */
    announce(w, &quiet);
    pass_ms(w, 4 * MINUTE_MS);
    add_holder(w, "h1.a");
    pass_ms(w, HOUR_MS);
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    pass_ms(w, 10000);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    assert_non_null(dtr_swarm_find_host(w->swarm, "h1"));
    pass_ms(w, 5 * MINUTE_MS);
    assert_null(dtr_swarm_find_host(w->swarm, "h1"));
    close_world(w);
}

static void a_peer_that_is_removed_is_no_sign_of_life(void **state)
{
    (void)state;
    struct world *w = open_world();
    struct dtr_swarm_announce quiet = facts_of("h1", 0);
    quiet.interval_ms = 0;
    announce(w, &quiet);
    say(w, "h1.a", DTR_SWARM_REGISTER);
    pass_ms(w, 31 * MINUTE_MS);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    pass_ms(w, 35 * MINUTE_MS);
    assert_null(dtr_swarm_find_host(w->swarm, "h1"));
    close_world(w);
}

static void a_short_peer_ttl_counts_for_running_peers_too(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    w->config.peer_ttl_ms = 5 * MINUTE_MS;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "h1.a", DTR_SWARM_REGISTER);
    say(w, "h1.a", DTR_SWARM_SOURCE_STARTED);
    pass_ms(w, 5 * MINUTE_MS);
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    pass_ms(w, 10000);
    assert_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    close_world(w);
}

/* Each interval is its key's, and a shorter one counts at once. */
static void looks_come_at_their_intervals(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    const uint64_t start_ms = w->now_ms;
    w->config.peer_gc_interval_ms = 7000;
    w->config.host_gc_interval_ms = 5000;
    w->config.task_gc_interval_ms = 3000;
    w->config.host_ttl_ms = 1000;
    dtr_swarm_configure(w->swarm, &w->config);
    add_holder(w, "h1.a");
    assert_int_equal(dtr_swarm_delete_peer(w->swarm, w->now_ms, "h1.a", NULL), DTR_OK);
    drain(w);
    assert_int_equal(dtr_swarm_wake_ms(w->swarm), start_ms + 3000);
    pass_ms(w, 2999);
    assert_non_null(dtr_swarm_find_task(w->swarm, TASK_1));
    pass_ms(w, 1);
    assert_null(dtr_swarm_find_task(w->swarm, TASK_1));
    assert_int_equal(dtr_swarm_wake_ms(w->swarm), start_ms + 5000);
    pass_ms(w, 1999);
    assert_non_null(dtr_swarm_find_host(w->swarm, "h3"));
    pass_ms(w, 1);
    assert_null(dtr_swarm_find_host(w->swarm, "h3"));
    close_world(w);
}

static void failed_peers_go_at_the_interval_of_peers(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    w->config.peer_gc_interval_ms = 7000;
    dtr_swarm_configure(w->swarm, &w->config);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    say(w, "h2.a", DTR_SWARM_FAILED);
    pass_ms(w, 6999);
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h2.a"));
    pass_ms(w, 1);
    assert_null(dtr_swarm_find_peer(w->swarm, "h2.a"));
    close_world(w);
}

static void crowded_tasks_are_thinned_out(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    w->config.task_peer_limit = 3;
    dtr_swarm_configure(w->swarm, &w->config);
    const char *const holders[] = {"h1.a", "h1.b", "h1.c", "h1.d", "h1.e"};
    for (size_t i = 0; i < 5; i++)
        add_holder(w, holders[i]);
    say(w, "h2.a", DTR_SWARM_REGISTER);
    expect_parents(w, "h2.a", 3);
    struct said parents = *find_said(w, "h2.a");
    pass_ms(w, 10000);
    assert_int_equal(dtr_swarm_find_task(w->swarm, TASK_1)->peer_count, 4);
    for (size_t i = 0; i < 5; i++) /* whoever has a child stays */
        assert_int_equal(was_given(&parents, holders[i]), dtr_swarm_find_peer(w->swarm, holders[i]) != NULL);
    close_world(w);
}

static void tasks_without_peers_go(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    add_holder(w, "h1.a");
    assert_int_equal(dtr_swarm_delete_peer(w->swarm, w->now_ms, "h1.a", NULL), DTR_OK);
    drain(w);
    assert_non_null(dtr_swarm_find_task(w->swarm, TASK_1));
    pass_ms(w, 30 * MINUTE_MS);
    assert_null(dtr_swarm_find_task(w->swarm, TASK_1));
    close_world(w);
}

static void time_never_goes_back(void **state)
{
    (void)state;
    struct world *w = open_quiet();
    add_holder(w, "h1.a");
    dtr_swarm_time(w->swarm, 0);
    drain(w);
    assert_non_null(dtr_swarm_find_peer(w->swarm, "h1.a"));
    close_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announcements_update_a_host),
        cmocka_unit_test(impossible_announcements_are_refused),
        cmocka_unit_test(hosts_are_listed_in_order),
        cmocka_unit_test(deleting_a_host_takes_its_peers),
        cmocka_unit_test(a_seed_is_probed_at_once_and_then_every_30_s),
        cmocka_unit_test(a_failed_probe_is_repeated_soon),
        cmocka_unit_test(a_seed_that_moved_is_probed_anew),
        cmocka_unit_test(unhealthy_seeds_are_not_triggered),
        cmocka_unit_test(tasks_spread_over_seeds_and_stay_there),
        cmocka_unit_test(silent_hosts_go),
        cmocka_unit_test(peers_without_progress_leave),
        cmocka_unit_test(finished_peers_stay_for_a_day),
        cmocka_unit_test(finished_peers_of_leeches_go_with_the_next_look),
        cmocka_unit_test(what_a_host_leaves_behind_goes_after_its_ttl),
        cmocka_unit_test(a_peer_that_is_removed_is_no_sign_of_life),
        cmocka_unit_test(a_short_peer_ttl_counts_for_running_peers_too),
        cmocka_unit_test(looks_come_at_their_intervals),
        cmocka_unit_test(failed_peers_go_at_the_interval_of_peers),
        cmocka_unit_test(crowded_tasks_are_thinned_out),
        cmocka_unit_test(tasks_without_peers_go),
        cmocka_unit_test(time_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
