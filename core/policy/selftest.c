/* The test cases that a script brings along. */
#include "core/policy/script.h"

#include <lauxlib.h>
#include <math.h>

#define TESTS_MAX 200
#define TOLERANCE 1e-9

struct trial {
    struct dtr_policy *policy;
    union dtr_policy_input input;
    double *scores;   /* userdata on the stack */
    int expected;     /* stack index of `scores` or `order` */
    const char *name; /* of the case */
    int number;
};

__attribute__((format(printf, 3, 4))) static void fail(lua_State *L, const struct trial *trial,
                                                       const char *format, ...)
{
    char what[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    lua_pushfstring(L, "%s: test %d (%s): %s", trial->policy->place, trial->number, trial->name, what);
    lua_error(L);
}

/* The number at `index` of the expectation. */
static double expected_at(lua_State *L, const struct trial *trial, uint32_t index)
{
    if (lua_rawgeti(L, trial->expected, (lua_Integer)index + 1) != LUA_TNUMBER)
        fail(L, trial, "expected result %u is not a number", index + 1);
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static void compare_scores(lua_State *L, const struct trial *trial)
{
    for (uint32_t i = 0; i < trial->input.count; i++) {
        double expected = expected_at(L, trial, i);
        if (!(fabs(trial->scores[i] - expected) <= TOLERANCE * fmax(1, fabs(expected))))
            fail(L, trial, "candidate %u got %.12g instead of %.12g", i + 1, trial->scores[i], expected);
    }
}

static void compare_order(lua_State *L, const struct trial *trial)
{
    double before = INFINITY;
    for (uint32_t i = 0; i < trial->input.count; i++) {
        double who = expected_at(L, trial, i);
        if (!(who >= 1 && who <= trial->input.count))
            fail(L, trial, "there is no candidate %g", who);
        double score = trial->scores[(uint32_t)who - 1];
        if (!(score < before))
            fail(L, trial, "candidate %g, with %.12g, does not come after %.12g", who, score, before);
        before = score;
    }
}

static void decide_twice(lua_State *L, struct trial *trial)
{
    struct dtr_policy *policy = trial->policy;
    uint32_t count = trial->input.count;
    double *again = lua_newuserdatauv(L, (count + 1) * sizeof(double), 0);
    trial->scores = lua_newuserdatauv(L, (count + 1) * sizeof(double), 0);
    dtr_sandbox_refill(&policy->box, policy->limits.instructions);
    dtr_script_decide(L, policy, &trial->input, again);
    dtr_sandbox_refill(&policy->box, policy->limits.instructions);
    dtr_script_decide(L, policy, &trial->input, trial->scores);
    if (memcmp(again, trial->scores, count * sizeof(double)) != 0)
        fail(L, trial, "asked twice, it answered differently: it must not remember");
}

/* Pushes a field that is a table, or an empty one in its place. */
static void push_table(lua_State *L, const struct trial *trial, int test, const char *name)
{
    int type = lua_getfield(L, test, name);
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
    } else if (type != LUA_TTABLE) {
        fail(L, trial, "'%s' must be a table", name);
    }
}

static void read_name(lua_State *L, struct trial *trial, int test)
{
    static const char *const known[] = {"c", "s", "scores", "order", NULL};
    trial->name = lua_rawgeti(L, test, 1) == LUA_TSTRING ? lua_tostring(L, -1) : "unnamed";
    for (lua_pushnil(L); lua_next(L, test); lua_pop(L, 1)) {
        size_t i = 0;
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        while (known[i] && strcmp(known[i], lua_tostring(L, -2)) != 0)
            i++;
        if (!known[i])
            fail(L, trial, "a test has no field '%s'", lua_tostring(L, -2));
    }
}

static void run(lua_State *L, struct dtr_policy *policy, int test, int number)
{
    struct trial trial = {.policy = policy, .name = "unnamed", .number = number};
    luaL_checkstack(L, 20, NULL);
    if (!lua_istable(L, test))
        fail(L, &trial, "not a table");
    read_name(L, &trial, test);
    push_table(L, &trial, test, "c");
    push_table(L, &trial, test, "s");
    dtr_columns_read(L, policy->columns.kind, lua_gettop(L) - 1, lua_gettop(L), &trial.input);
    bool scores = lua_getfield(L, test, "scores") != LUA_TNIL;
    if (!scores && lua_getfield(L, test, "order") == LUA_TNIL)
        fail(L, &trial, "neither 'scores' nor 'order' is given");
    trial.expected = lua_gettop(L);
    if (!lua_istable(L, -1) || lua_rawlen(L, -1) != trial.input.count)
        fail(L, &trial, "%u results are needed, one per candidate", trial.input.count);
    luaL_checkstack(L, 20, NULL);
    decide_twice(L, &trial);
    if (scores)
        compare_scores(L, &trial);
    else
        compare_order(L, &trial);
}

void dtr_script_test(lua_State *L, struct dtr_policy *policy)
{
    int tests = lua_gettop(L);
    lua_Unsigned count = lua_rawlen(L, tests);
    if (count < 1 || count > TESTS_MAX)
        luaL_error(L, "%s: a policy needs 1 to %d tests", policy->place, TESTS_MAX);
    for (int i = 1; i <= (int)count; i++) {
        lua_rawgeti(L, tests, i);
        run(L, policy, tests + 1, i);
        lua_settop(L, tests);
    }
}
