/* Loading a script, and asking it. */
#include "core/policy/script.h"
#include "core/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct dtr_policy_limits dtr_policy_limits_default(void)
{
    return (struct dtr_policy_limits){
#define LIMIT(type, name, value, help) .name = (value),
        DTR_POLICY_LIMITS(LIMIT)
#undef LIMIT
    };
}

const struct dtr_policy_settings *dtr_policy_settings(const struct dtr_policy *policy)
{
    return &policy->settings;
}

/* --- deciding ---------------------------------------------------------------------------------------- */

static void read_list(lua_State *L, const struct dtr_policy *policy, uint32_t count, double *ret_scores)
{
    for (uint32_t i = 0; i < count; i++) {
        int type = lua_geti(L, -1, (lua_Integer)i + 1);
        ret_scores[i] = type == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
        if (!isfinite(ret_scores[i]))
            luaL_error(L, "%s: score %d of %d is %s", policy->place, (int)i + 1, (int)count,
                       type == LUA_TNUMBER ? "not finite" : lua_typename(L, type));
        lua_pop(L, 1);
    }
    if (lua_geti(L, -1, (lua_Integer)count + 1) != LUA_TNIL)
        luaL_error(L, "%s: rank returned more scores than the %d candidates", policy->place, (int)count);
    lua_pop(L, 1);
}

/* An order says no more than these scores do: `count` for the first, 1 for the last. */
static void read_order(lua_State *L, const struct dtr_policy *policy, uint32_t count, double *ret_scores)
{
    for (uint32_t i = 0; i < count; i++)
        ret_scores[i] = NAN;
    if (!lua_istable(L, -1) || lua_rawlen(L, -1) != count)
        luaL_error(L, "%s: rank's order must list each of the %d candidates once", policy->place, (int)count);
    for (uint32_t place = 0; place < count; place++) {
        int whole = 0;
        int type = lua_rawgeti(L, -1, (lua_Integer)place + 1);
        lua_Integer who = type == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : 0;
        if (!whole || who < 1 || who > count)
            luaL_error(L, "%s: place %d of rank's order names no candidate", policy->place, (int)place + 1);
        if (!isnan(ret_scores[who - 1]))
            luaL_error(L, "%s: rank's order names candidate %d twice", policy->place, (int)who);
        ret_scores[who - 1] = count - place;
        lua_pop(L, 1);
    }
}

/* Reads the answer on top of the stack. It may be a column itself, so metamethods count, and it has no field
 * of its own then. */
static void read_answer(lua_State *L, const struct dtr_policy *policy, uint32_t count, double *ret_scores)
{
    if (!lua_istable(L, -1))
        luaL_error(L, "%s: rank returned a %s instead of a table", policy->place, luaL_typename(L, -1));
    (void)lua_pushliteral(L, "order");
    if (lua_rawget(L, -2) != LUA_TNIL) {
        read_order(L, policy, count, ret_scores);
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    read_list(L, policy, count, ret_scores);
}

void dtr_script_decide(lua_State *L, struct dtr_policy *policy, const void *input, double *ret_scores)
{
    struct dtr_columns *columns = &policy->columns;
    dtr_columns_fill(L, columns, input);
    lua_rawgeti(L, LUA_REGISTRYINDEX, policy->rank);
    lua_rawgeti(L, LUA_REGISTRYINDEX, columns->c);
    lua_rawgeti(L, LUA_REGISTRYINDEX, columns->s);
    lua_call(L, 2, 1);
    read_answer(L, policy, dtr_input_count(input), ret_scores);
    lua_pop(L, 1);
}

struct decision {
    struct dtr_policy *policy;
    const void *input;
    double *scores;
};

static int decide(lua_State *L)
{
    const struct decision *decision = lua_touserdata(L, 1);
    dtr_script_decide(L, decision->policy, decision->input, decision->scores);
    return 0;
}

int dtr_script_ask(struct dtr_policy *policy, enum dtr_policy_kind kind, const void *input,
                   double *ret_scores, struct dtr_error *err)
{
    struct decision decision = {policy, input, ret_scores};
    (void)kind; /* unless assertions are on */
    assert(policy->columns.kind == dtr_kind_of(kind));
    if (dtr_input_count(input) > DTR_POLICY_CANDIDATES_MAX)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s: %u candidates are more than %d",
                             policy->place, dtr_input_count(input), DTR_POLICY_CANDIDATES_MAX);
    dtr_sandbox_arm(&policy->box, policy->limits.instructions, policy->limits.time_ms);
    return dtr_sandbox_call(&policy->box, decide, &decision, err);
}

int dtr_policy_rank(void *policy, const struct dtr_rank_input *input, double *ret_scores,
                    struct dtr_error *err)
{
    return dtr_script_ask(policy, DTR_POLICY_SCHEDULING, input, ret_scores, err);
}

int dtr_policy_scope(void *policy, const struct dtr_scope_input *input, double *ret_scores,
                     struct dtr_error *err)
{
    return dtr_script_ask(policy, DTR_POLICY_SCOPE, input, ret_scores, err);
}

/* --- loading ----------------------------------------------------------------------------------------- */

struct source {
    struct dtr_policy *policy;
    const char *text;
    size_t length;
    char chunk[256]; /* "@" and the name of the file */
};

static int build(lua_State *L)
{
    const struct source *source = lua_touserdata(L, 1);
    dtr_sandbox_run(L, source->text, source->length, source->chunk);
    dtr_script_describe(L, source->policy);
    dtr_script_test(L, source->policy);
    return 0;
}

/* Errors that Lua raises without a place, as when memory ends, get at least the file's name. */
static void name_file(struct dtr_error *err, const char *chunk)
{
    const char *name = strrchr(chunk, '/') ? strrchr(chunk, '/') + 1 : chunk + 1;
    if (strstr(err->text, name))
        return;
    char text[sizeof(err->text)];
    (void)snprintf(text, sizeof(text), "%.80s: %.170s", name, err->text);
    memcpy(err->text, text, sizeof(text));
}

int dtr_policy_load_text(enum dtr_policy_kind kind, const char *name, const char *text, size_t length,
                         const struct dtr_policy_limits *limits, struct dtr_policy **ret_policy,
                         struct dtr_error *err)
{
    struct dtr_error own;
    err = err ? err : &own;
    struct dtr_policy *policy = calloc(1, sizeof(*policy));
    struct source source = {policy, text, length, ""};
    *ret_policy = NULL;
    if (!policy)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "%s: no memory for a policy", name);
    (void)snprintf(source.chunk, sizeof(source.chunk), "@%s", name);
    policy->columns.kind = dtr_kind_of(kind);
    policy->limits = limits ? *limits : dtr_policy_limits_default();
    int code = dtr_sandbox_open(&policy->box, policy->limits.memory, err);
    if (code == DTR_OK) {
        dtr_sandbox_arm(&policy->box, policy->limits.load_instructions, policy->limits.load_time_ms);
        code = dtr_sandbox_call(&policy->box, build, &source, err);
    }
    if (code != DTR_OK) {
        name_file(err, source.chunk);
        dtr_policy_free(policy);
        return code;
    }
    *ret_policy = policy;
    return DTR_OK;
}

void dtr_policy_free(struct dtr_policy *policy)
{
    if (!policy)
        return;
    dtr_sandbox_close(&policy->box);
    free(policy);
}

static struct dtr_policy_stamp stamp_of(const struct stat *st)
{
    return (struct dtr_policy_stamp){
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .size = st->st_size,
        .inode = st->st_ino,
    };
}

static int io_error(const char *path, struct dtr_error *err)
{
    int code = errno == ENOENT ? DTR_ENOT_FOUND : DTR_EIO;
    return dtr_error_set(err, code, DTR_RETRY_SAME, "%s: %s", path, strerror(errno));
}

/* Reads up to DTR_POLICY_FILE_MAX + 1 bytes. */
static int read_all(int fd, const char *path, char *text, size_t *ret_length, struct dtr_error *err)
{
    *ret_length = 0;
    while (*ret_length <= DTR_POLICY_FILE_MAX) {
        ssize_t got = read(fd, text + *ret_length, DTR_POLICY_FILE_MAX + 1 - *ret_length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return io_error(path, err);
        if (got == 0)
            return DTR_OK;
        *ret_length += (size_t)got;
    }
    return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "%s: a policy has at most %zu bytes", path,
                         DTR_POLICY_FILE_MAX);
}

int dtr_script_load(enum dtr_policy_kind kind, const char *path, const struct dtr_policy_limits *limits,
                    struct dtr_policy **ret_policy, struct dtr_policy_stamp *ret_stamp, struct dtr_error *err)
{
    struct stat st;
    size_t length;
    char *text = NULL;
    int code, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    *ret_policy = NULL;
    *ret_stamp = (struct dtr_policy_stamp){0};
    if (fd < 0 || fstat(fd, &st) != 0) {
        code = io_error(path, err);
        goto out;
    }
    *ret_stamp = stamp_of(&st);
    if (!S_ISREG(st.st_mode)) {
        code = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s: not a regular file", path);
        goto out;
    }
    text = malloc(DTR_POLICY_FILE_MAX + 1);
    if (!text) {
        code = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "%s: no memory to read it", path);
        goto out;
    }
    code = read_all(fd, path, text, &length, err);
    if (code == DTR_OK)
        code = dtr_policy_load_text(kind, path, text, length, limits, ret_policy, err);
out:
    free(text);
    if (fd >= 0)
        (void)close(fd);
    return code;
}

int dtr_policy_load(enum dtr_policy_kind kind, const char *path, const struct dtr_policy_limits *limits,
                    struct dtr_policy **ret_policy, struct dtr_error *err)
{
    struct dtr_policy_stamp stamp;
    return dtr_script_load(kind, path, limits, ret_policy, &stamp, err);
}
