/* The table that a script returns: what it needs, what it declares. */
#include "core/base/str.h"
#include "core/policy/script.h"

#include <lauxlib.h>

#define SETTING_MAX 1000 /* of sample and keep: the swarm has lower limits of its own */

/* name, whether it is a setting of the swarm */
static const struct field {
    const char *name;
    bool swarm;
} fields[] = {
    {"name", false}, {"needs", false},    {"acyclic", true}, {"late_offers", true}, {"sample", true},
    {"keep", true},  {"newcomers", true}, {"rank", false},   {"tests", false},
};

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

static void check_fields(lua_State *L, int table, const struct dtr_kind *kind)
{
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
        const struct field *field = find_field(key);
        if (!field)
            luaL_error(L, "a policy has no field '%s'", key);
        if (field->swarm && !kind->swarm)
            luaL_error(L, "a %s policy has no field '%s': only scheduling policies declare it", kind->name,
                       key);
    }
}

/* Pushes a field that must have this type. */
static void need_field(lua_State *L, int table, const char *name, int type)
{
    if (lua_getfield(L, table, name) != type)
        luaL_error(L, "the policy's '%s' must be a %s", name, lua_typename(L, type));
}

static bool read_flag(lua_State *L, int table, const char *name, bool otherwise)
{
    int type = lua_getfield(L, table, name);
    if (type != LUA_TBOOLEAN && type != LUA_TNIL)
        luaL_error(L, "the policy's '%s' must be true or false", name);
    bool value = type == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static uint32_t read_count(lua_State *L, int table, const char *name)
{
    int whole = 1, type = lua_getfield(L, table, name);
    lua_Integer value = type == LUA_TNIL ? 0 : lua_tointegerx(L, -1, &whole);
    if ((type != LUA_TNIL && type != LUA_TNUMBER) || !whole || value < 0 || value > SETTING_MAX)
        luaL_error(L, "the policy's '%s' must be a whole number from 0 to %d", name, SETTING_MAX);
    lua_pop(L, 1);
    return (uint32_t)value;
}

/* It goes into log lines, metrics and configuration. */
static bool plain(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return length > 0 && !name[length];
}

static void read_name(lua_State *L, int table, struct dtr_policy_settings *settings)
{
    need_field(L, table, "name", LUA_TSTRING);
    const char *name = lua_tostring(L, -1);
    if (!plain(name) || !dtr_copy_text(settings->name, sizeof(settings->name), name))
        luaL_error(L, "the policy's 'name' must be 1 to %d letters, digits or . _ -",
                   DTR_POLICY_NAME_MAX - 1);
    lua_pop(L, 1);
}

static void read_needs(lua_State *L, int table, struct dtr_columns *columns)
{
    need_field(L, table, "needs", LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        int k = lua_type(L, -1) == LUA_TSTRING ? dtr_kind_column(columns->kind, lua_tostring(L, -1)) : -1;
        if (k < 0)
            luaL_error(L, "the policy needs '%s', which is no column of %s",
                       lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1),
                       columns->kind->name);
        columns->needed[k] = true;
    }
    lua_pop(L, 1);
}

static void read_rank(lua_State *L, int table, struct dtr_policy *policy)
{
    lua_Debug ar;
    need_field(L, table, "rank", LUA_TFUNCTION);
    lua_pushvalue(L, -1);
    (void)lua_getinfo(L, ">S", &ar);
    (void)snprintf(policy->place, sizeof(policy->place), "%s:%d", ar.short_src, ar.linedefined);
    policy->rank = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void read_swarm(lua_State *L, int table, struct dtr_policy_settings *settings)
{
    settings->acyclic = read_flag(L, table, "acyclic", true);
    settings->late_offers = read_flag(L, table, "late_offers", false);
    settings->sample = read_count(L, table, "sample");
    settings->keep = read_count(L, table, "keep");
    settings->newcomers = read_count(L, table, "newcomers");
    if (settings->acyclic && settings->newcomers)
        luaL_error(L, "the policy's 'newcomers' must be 0 where 'acyclic' is true");
}

void dtr_script_describe(lua_State *L, struct dtr_policy *policy)
{
    int table = lua_gettop(L);
    if (!lua_istable(L, table))
        luaL_error(L, "a policy must return a table, not a %s", luaL_typename(L, table));
    check_fields(L, table, policy->columns.kind);
    read_name(L, table, &policy->settings);
    if (policy->columns.kind->swarm)
        read_swarm(L, table, &policy->settings);
    read_needs(L, table, &policy->columns);
    read_rank(L, table, policy);
    dtr_columns_make(L, &policy->columns);
    need_field(L, table, "tests", LUA_TTABLE);
    lua_replace(L, table);
}
