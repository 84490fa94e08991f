/* Ways out of the sandbox and past its ceilings, each tried by a script. */
#include "core/policy/policy_fixture.h"

#define INVALID DTR_EINVALID
#define LIMIT   DTR_ELIMIT

struct attempt {
    const char *body; /* of rank */
    int code;
    const char *text;
};

/* The body stands in line 2. */
static void attempt(const struct attempt *what)
{
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "return { name = 'x', needs = {'rtt_ms'}, rank = function(c, s)\n%s\nend,\n"
                   "tests = { { 't', s = { count = 1 }, scores = { 0 } } } }",
                   what->body);
    refused(text, what->code, what->text);
}

#define attempt_all(rows)                                                                                    \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                            \
    attempt(&(rows)[i])

static void nothing_dangerous_has_a_name(void **state)
{
    static const char *const names[] = {"io",
                                        "os",
                                        "load",
                                        "loadstring",
                                        "loadfile",
                                        "dofile",
                                        "require",
                                        "package",
                                        "debug",
                                        "pcall",
                                        "xpcall",
                                        "coroutine",
                                        "utf8",
                                        "print",
                                        "warn",
                                        "collectgarbage",
                                        "getmetatable",
                                        "setmetatable",
                                        "rawget",
                                        "rawset",
                                        "rawequal",
                                        "rawlen",
                                        "next",
                                        "pairs",
                                        "select",
                                        "_G",
                                        "_ENV._G",
                                        "_VERSION",
                                        "_ENV.load",
                                        "string.dump",
                                        "string.rep",
                                        "string.find",
                                        "string.match",
                                        "string.gmatch",
                                        "string.gsub",
                                        "string.format",
                                        "string.pack",
                                        "string.unpack",
                                        "string.packsize",
                                        "string.char",
                                        "string.reverse",
                                        "table.concat",
                                        "table.insert",
                                        "table.move",
                                        "table.pack",
                                        "table.unpack",
                                        "table.remove",
                                        "math.random",
                                        "math.randomseed",
                                        "(''):rep",
                                        "('').format",
                                        "('').gsub",
                                        "('').dump",
                                        "(1 .. '').find"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char body[128];
        const struct attempt row = {body, INVALID, "t.lua:2: "};
        if (names[i][0] == '(' && strchr(names[i], ':'))
            (void)snprintf(body, sizeof(body), "return {%s(3)}", names[i]);
        else
            (void)snprintf(body, sizeof(body), "local x = %s return {0}", names[i]);
        attempt(&row);
    }
}

static void nothing_frozen_can_be_written(void **state)
{
    static const struct attempt rows[] = {
        {"x = 1", INVALID, "t.lua:2: the sandbox cannot be written to (use a local)"},
        {"function f() end", INVALID, "t.lua:2: the sandbox cannot be written"},
        {"_ENV.math = nil", INVALID, "t.lua:2: the sandbox cannot"},
        {"math.floor = nil", INVALID, "t.lua:2: math cannot"},
        {"string.len = nil", INVALID, "t.lua:2: string cannot"},
        {"table.sort = nil", INVALID, "t.lua:2: table cannot"},
        {"STATE.Running = 1", INVALID, "t.lua:2: STATE cannot"},
        {"c.rtt_ms = {}", INVALID, "t.lua:2: c (its fields are what the script needs) cannot"},
        {"c.rtt_ms[1] = 0", INVALID, "t.lua:2: rtt_ms cannot"},
        {"s.count = 0", INVALID, "t.lua:2: s cannot"},
        {"table.sort(c.rtt_ms) s.count = 1", INVALID, "t.lua:2: "},
        {"('').x = 1", INVALID, "t.lua:2: "},
        {"local x = '10' + 1", INVALID, "t.lua:2: attempt to perform arithmetic on a string"},
    };
    (void)state;
    attempt_all(rows);
}

static void budgets_end_what_does_not_end(void **state)
{
    static const struct attempt rows[] = {
        {"while true do end", LIMIT, "t.lua:2: stopped after its budget of 200000 instructions"},
        {"for i = 1, math.huge do end", LIMIT, "t.lua:2: stopped after its budget"},
        {"::a:: goto a", LIMIT, "t.lua:2: stopped after its budget"},
        {"local function f() return f() end return f()", LIMIT, "t.lua:2: stopped after its budget"},
        {"local t = {3, 2, 1} table.sort(t, function() while true do end end)", LIMIT, "t.lua:2: stopped"},
        {"local t = {} for i = 1, 9000 do t[i] = -i end for i = 1, 9 do table.sort(t) end", LIMIT,
         "t.lua:2: stopped after its budget"},
        {"local function f() table.sort({1, 2}, f) end f()", INVALID, "C stack overflow"},
        {"local function f() local ok = f() .. f() return ok end return f()", LIMIT, "t.lua:2: stopped"},
        {"while true do local x = {} end", LIMIT, "t.lua:2: stopped after its budget"},
        {"local a = ('x'):upper() while true do a = (a .. a):sub(1, 500) end", LIMIT, "t.lua:2: stopped"},
        {"local function f(...) return f(1, ...) end return f()", LIMIT, "t.lua:2: stopped"},
        {"for i, x in ipairs(c.rtt_ms) do while true do end end", LIMIT, "t.lua:2: stopped"},
    };
    (void)state;
    attempt_all(rows);
}

static void memory_is_limited(void **state)
{
    static const struct attempt rows[] = {
        {"local t = {} for i = 1, 1e9 do t[i] = i end", LIMIT, "t.lua:2: stopped at its ceiling of 1048576"},
        {"local t for i = 1, 1e9 do t = { t } end", LIMIT, "t.lua:2: stopped at its ceiling"},
        {"local t = {} for i = 1, 1e9 do t[i] = function() return i end end", LIMIT, "t.lua:2: stopped at"},
        {"local pad = 'x' for i = 1, 9 do pad = pad .. pad end local t = {} for i = 1, 1e9 do t[i] = pad .. "
         "i end",
         LIMIT, "t.lua:2: stopped at"},
        {"local x = 'x' while true do x = x .. x end", LIMIT,
         "t.lua:2: made a string of more than 1024 bytes"},
        {"local x = 'x' for i = 1, 9 do x = x .. x end x = x .. x .. x .. x .. x", LIMIT,
         "t.lua:2: made a string"},
        {"local function f() return 1 + f() end return f()", LIMIT, "t.lua:2: stopped at its ceiling"},
        {"local function f(n) local a, b, c, d = n, n, n, n return f(n) + a + b + c + d end return f(1)",
         LIMIT, "t.lua:2: stopped at its ceiling"},
    };
    (void)state;
    attempt_all(rows);
}

/* Errors of every kind end as one line of text with a place. */
static void errors_have_a_place(void **state)
{
    static const struct attempt rows[] = {
        {"error('boom')", INVALID, "t.lua:2: boom"},
        {"error('boom', 0)", INVALID, "t.lua:2: boom"},
        {"error('other.lua:7: boom', 0)", INVALID, "t.lua:2: other.lua:7: boom"},
        {"error({})", INVALID, "t.lua:2: raised a table instead of a message"},
        {"error()", INVALID, "t.lua:2: raised a nil instead"},
        {"error(5)", INVALID, "t.lua:2: 5"},
        {"error('a\\nb\\27[31m\\0c')", INVALID, "t.lua:2: a b [31m"},
        {"assert(false)", INVALID, "t.lua:2: assertion failed!"},
        {"assert(false, 'why')", INVALID, "t.lua:2: why"},
        {"return nil + 1", INVALID, "t.lua:2: attempt to perform arithmetic on a nil value"},
        {"return c.rtt_ms.x.y", INVALID, "t.lua:2: attempt to index a nil value"},
        {"return 1 // 0", INVALID, "t.lua:2: attempt to "},
        {"return c.tx", INVALID, "t.lua:2: c (its fields are what the script needs) has no field 'tx'"},
        {"return s.cuont", INVALID, "t.lua:2: s has no field 'cuont'"},
        {"return STATE.running", INVALID, "t.lua:2: STATE has no field 'running'"},
        {"return cuont", INVALID, "t.lua:2: the sandbox has no field 'cuont'"},
        {"local x <close> = {}", INVALID, "t.lua:2: variable 'x' got a non-closable value"},
        {"return tostring({}) .. tostring(error), {} < {}", INVALID, "t.lua:2: attempt to compare two table"},
    };
    (void)state;
    attempt_all(rows);
}

static void what_a_value_shows_is_no_address(void **state)
{
    (void)state;
    dtr_policy_free(must_load(
        "assert(tostring({}) == 'table' and tostring(error) == 'function' and tostring(1.5) == '1.5')\n"
        "assert(tostring(nil) == 'nil' and tostring(true) == 'true' and tostring('a') == 'a')\n"
        "assert(('Ab'):lower() == 'ab' and ('abc'):sub(2, 2) == 'b' and #'abc' == 3)\n"
        "assert(math.max(1, 2) == 2 and math.floor(1.5) == 1 and tonumber('7') == 7)\n"
        "return { name = 'x', needs = {}, rank = function() return {} end, tests = { { 't', scores = {} } } "
        "}"));
}

static void only_text_is_loaded(void **state)
{
    static const char binary[] = "\x1bLuaT\0\x19\x93\r\n\x1a\n";
    const struct dtr_policy_limits limits = no_clock();
    struct dtr_policy *policy;
    struct dtr_error err;
    (void)state;
    assert_int_equal(
        dtr_policy_load_text(DTR_POLICY_SCHEDULING, "b", binary, sizeof(binary), &limits, &policy, &err),
        INVALID);
    assert_non_null(strstr(err.text, "binary chunk"));
    assert_null(policy);
}

static char *repeat(const char *start, const char *part, size_t count, const char *end)
{
    char *text = calloc(1, strlen(start) + strlen(part) * count + strlen(end) + 1), *at;
    assert_non_null(text);
    at = stpcpy(text, start);
    while (count--)
        at = stpcpy(at, part);
    (void)stpcpy(at, end);
    return text;
}

static void a_hostile_source_is_refused(void **state)
{
    const struct {
        const char *start, *part;
        size_t count;
        const char *end;
        int code;
        const char *text;
    } rows[] = {
        {"return ", "(", 30000, "", INVALID, "t.lua"},
        {"return ", "{", 30000, "", INVALID, "t.lua"},
        {"return ", "-", 30000, "1", INVALID, "t.lua"},
        {"return ", "a..", 20000, "a", INVALID, "t.lua"},
        {"", "do ", 20000, "", INVALID, "t.lua"},
        {"", "local a;", 300, "", INVALID, "too many local variables"},
        {"local s = '", "x", 60000, "' return s", LIMIT, "t.lua:1: made a string of more than 1024"},
        {"--[[", "x", 60000, "]] return 1", INVALID, "a policy must return a table"},
        {"local t = {", "{},", 20000, "} return t", LIMIT, "t.lua"},
        {"", "goto a ", 9000, "::a:: return 1", INVALID, "a policy must return a table"},
        {"", "\n", 60000, "x", INVALID, "t.lua:60001: syntax error"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = repeat(rows[i].start, rows[i].part, rows[i].count, rows[i].end);
        struct dtr_policy *policy;
        struct dtr_error err;
        int code = load_text(text, &policy, &err);
        free(text);
        if (code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("row %zu gave %d: %s", i, code, code ? err.text : "loaded");
    }
}

static void the_clock_stops_a_script(void **state)
{
    static const char text[] = "while true do end";
    struct dtr_policy_limits limits = dtr_policy_limits_default();
    struct dtr_policy *policy;
    struct dtr_error err;
    (void)state;
    limits.load_instructions = UINT32_MAX;
    limits.load_time_ms = 5;
    assert_int_equal(
        dtr_policy_load_text(DTR_POLICY_SCHEDULING, "t.lua", text, strlen(text), &limits, &policy, &err),
        LIMIT);
    assert_string_equal(err.text, "t.lua:1: stopped after 5 ms");
}

/* With whatever little memory: loaded or refused, never an abort. */
static void every_ceiling_of_memory_is_survived(void **state)
{
    struct dtr_policy_limits limits = no_clock();
    struct dtr_policy *policy = NULL;
    struct dtr_error err;
    size_t loaded = 0;
    (void)state;
    for (limits.memory = 64; limits.memory < 48 << 10; limits.memory += 64) {
        int code = dtr_policy_load(DTR_POLICY_SCHEDULING, "scripts/scheduling/dragonfly.lua", &limits,
                                   &policy, &err);
        if (code != DTR_OK)
            assert_int_equal(code, LIMIT);
        loaded += code == DTR_OK;
        dtr_policy_free(policy);
    }
    assert_in_range(loaded, 1, 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_dangerous_has_a_name),
        cmocka_unit_test(nothing_frozen_can_be_written),
        cmocka_unit_test(budgets_end_what_does_not_end),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(errors_have_a_place),
        cmocka_unit_test(what_a_value_shows_is_no_address),
        cmocka_unit_test(only_text_is_loaded),
        cmocka_unit_test(a_hostile_source_is_refused),
        cmocka_unit_test(the_clock_stops_a_script),
        cmocka_unit_test(every_ceiling_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
