/* dragonfly.lua of both kinds against its C twin, on random decisions. A failure prints the seed number:
 * DTR_SEED=<number> runs that one. */
#include "core/policy/policy_fixture.h"

#include "core/base/clock.h"

#define SCRIPT    "scripts/scheduling/dragonfly.lua"
#define SCOPE     "scripts/scope/dragonfly.lua"
#define DECISIONS 4000
#define MOST      64

struct table {
#define COLUMN(type, name, help) double name[MOST];
    DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
};

static uint64_t random_state, seed;

static uint32_t below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

/* Often 0, else any magnitude up to `limit`. */
static double magnitude(double limit)
{
    return below(4) == 0 ? 0 : limit * ((double)below(1u << 30) / (1u << 30)) / (double)(1ull << below(30));
}

static void fill_row(struct table *table, uint32_t i)
{
    table->max_tx[i] = below(10) == 0 ? NAN : magnitude(4e11);
    table->tx[i] = below(8) == 0 ? table->max_tx[i] : magnitude(4e11);
    if (isnan(table->tx[i]))
        table->tx[i] = 0;
    table->outstanding_bytes[i] = magnitude(1e13);
    table->outstanding_pieces[i] = below(5000);
    table->idc_match[i] = below(2);
    table->location_match[i] = below(6) / 5.0;
    table->host_type[i] = below(2);
    table->state[i] = below(10);
}

static void compare_scores(const double *lua, const double *c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!(fabs(lua[i] - c[i]) <= 1e-12))
            fail_msg("DTR_SEED=%llu: candidate %u: %.17g in Lua, %.17g in C", (unsigned long long)seed, i,
                     lua[i], c[i]);
    }
}

static void compare(struct dtr_policy *policy, const struct table *table, uint32_t count)
{
    const struct dtr_rank_input input = {.count = count,
#define COLUMN(type, name, help) .name = table->name,
                                         DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
    };
    double lua[MOST], c[MOST];
    struct dtr_error err;
    if (dtr_policy_rank(policy, &input, lua, &err) != DTR_OK)
        fail_msg("DTR_SEED=%llu: %s", (unsigned long long)seed, err.text);
    assert_int_equal(dtr_rank_dragonfly(NULL, &input, c, NULL), DTR_OK);
    compare_scores(lua, c, count);
}

/* Seeds the random numbers. */
static struct dtr_policy *begin(enum dtr_policy_kind kind, const char *path)
{
    const char *text = getenv("DTR_SEED");
    const struct dtr_policy_limits limits = no_clock();
    struct dtr_policy *policy;
    struct dtr_error err;
    random_state = seed = text ? strtoull(text, NULL, 0) : dtr_now_ns();
    printf("DTR_SEED=%llu\n", (unsigned long long)seed);
    if (dtr_policy_load(kind, path, &limits, &policy, &err) != DTR_OK)
        fail_msg("%s", err.text);
    return policy;
}

static void lua_and_c_agree(void **state)
{
    static struct table table;
    struct dtr_policy *policy = begin(DTR_POLICY_SCHEDULING, SCRIPT);
    (void)state;
    for (int i = 0; i < DECISIONS; i++) {
        uint32_t count = below(MOST + 1);
        for (uint32_t k = 0; k < count; k++)
            fill_row(&table, k);
        compare(policy, &table, count);
    }
    dtr_policy_free(policy);
}

/* --- clusters ------------------------------------------------------------------------------------------ */

struct scope_table {
#define COLUMN(type, name, help) double name[MOST];
    DTR_SCOPE_COLUMNS(COLUMN)
#undef COLUMN
};

static void compare_scopes(struct dtr_policy *policy, const struct scope_table *table, uint32_t count)
{
    const struct dtr_scope_input input = {.count = count,
#define COLUMN(type, name, help) .name = table->name,
                                          DTR_SCOPE_COLUMNS(COLUMN)
#undef COLUMN
    };
    double lua[MOST], c[MOST];
    struct dtr_error err;
    if (dtr_policy_scope(policy, &input, lua, &err) != DTR_OK)
        fail_msg("DTR_SEED=%llu: %s", (unsigned long long)seed, err.text);
    assert_int_equal(dtr_scope_dragonfly(NULL, &input, c, NULL), DTR_OK);
    compare_scores(lua, c, count);
}

static void lua_and_c_agree_on_clusters(void **state)
{
    static struct scope_table table;
    struct dtr_policy *policy = begin(DTR_POLICY_SCOPE, SCOPE);
    (void)state;
    assert_string_equal(dtr_policy_settings(policy)->name, "dragonfly");
    for (int i = 0; i < DECISIONS; i++) {
        uint32_t count = below(MOST + 1);
        for (uint32_t k = 0; k < count; k++) {
            table.cidr[k] = below(2);
            table.hostname[k] = below(2);
            table.idc_match[k] = below(2);
            table.location_match[k] = below(6) / 5.0;
            table.is_default[k] = below(2);
        }
        compare_scopes(policy, &table, count);
    }
    dtr_policy_free(policy);
}

static void it_declares_what_the_swarm_does_by_default(void **state)
{
    struct dtr_policy *policy;
    struct dtr_error err;
    (void)state;
    assert_int_equal(dtr_policy_load(DTR_POLICY_SCHEDULING, SCRIPT, NULL, &policy, &err), DTR_OK);
    const struct dtr_policy_settings *settings = dtr_policy_settings(policy);
    assert_string_equal(settings->name, "dragonfly");
    assert_true(settings->acyclic && !settings->late_offers);
    assert_int_equal(settings->sample, 0);
    assert_int_equal(settings->keep, 0);
    dtr_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lua_and_c_agree),
        cmocka_unit_test(lua_and_c_agree_on_clusters),
        cmocka_unit_test(it_declares_what_the_swarm_does_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
