/* The names that a script can use. What is missing, is missing on purpose:
 *   io os require load dofile debug pcall coroutine   ways out, or past the budget
 *   string patterns, rep, format; table.* but sort    C functions that work long or make much at once
 *   math.random, pairs, next, tostring of a table     differ from run to run: decisions must replay
 *   setmetatable, rawset and their like               nothing here needs them, and frozen tables stay frozen
 */
#include "core/brain/rank.h"
#include "core/policy/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>

static const char *const from_base[] = {"assert", "error", "ipairs", "tonumber", "type", NULL};
static const char *const from_string[] = {"byte", "len", "lower", "sub", "upper", NULL};
static const char *const from_math[] = {
    "abs",  "acos", "asin",      "atan", "ceil", "cos",        "deg",        "exp",  "floor",
    "fmod", "log",  "max",       "min",  "modf", "rad",        "sin",        "sqrt", "tan",
    "type", "ult",  "tointeger", "pi",   "huge", "maxinteger", "mininteger", NULL};

/* --- frozen tables ----------------------------------------------------------------------------------- */

static int missing(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return luaL_error(L, "%s has no field '%s'", lua_tostring(L, lua_upvalueindex(1)), key);
}

static int refuse(lua_State *L)
{
    return luaL_error(L, "%s cannot be written to (use a local)", lua_tostring(L, lua_upvalueindex(1)));
}

static void set_closure(lua_State *L, const char *field, lua_CFunction function, const char *what)
{
    lua_pushstring(L, what);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, field);
}

void dtr_sandbox_freeze(lua_State *L, const char *what, int rows, bool strict)
{
    int data = lua_gettop(L);
    if (strict) {
        lua_createtable(L, 0, 1);
        set_closure(L, "__index", missing, what);
        lua_setmetatable(L, data);
    }
    lua_createtable(L, rows, 0);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, data);
    lua_setfield(L, -2, "__index");
    set_closure(L, "__newindex", refuse, what);
    lua_setmetatable(L, -2);
    lua_replace(L, data);
}

/* --- functions of our own ---------------------------------------------------------------------------- */

/* Without the addresses that Lua's own shows for tables and functions. */
static int to_text(lua_State *L)
{
    int type = lua_type(L, 1);
    luaL_checkany(L, 1);
    if (type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN || type == LUA_TNIL)
        (void)luaL_tolstring(L, 1, NULL);
    else
        lua_pushstring(L, lua_typename(L, type));
    return 1;
}

/* Lua's sort, paid for by its length: comparing needs no instruction of the script. */
static int sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    dtr_sandbox_charge(L, lua_rawlen(L, 1) * DTR_SANDBOX_SORT_PRICE);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 0);
    return 0;
}

/* --- the globals ------------------------------------------------------------------------------------- */

/* Copies the named fields of the library on top into the table below it, and drops the library. */
static void pick(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_getfield(L, -1, *names);
        lua_setfield(L, -3, *names);
    }
    lua_pop(L, 1);
}

static void open_library(lua_State *L, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
}

static void add_math(lua_State *L)
{
    lua_newtable(L);
    open_library(L, luaopen_math);
    pick(L, from_math);
    dtr_sandbox_freeze(L, "math", 0, true);
    lua_setfield(L, -2, "math");
}

static void add_table(lua_State *L)
{
    lua_newtable(L);
    open_library(L, luaopen_table);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, sort, 1);
    lua_setfield(L, -3, "sort");
    lua_pop(L, 1);
    dtr_sandbox_freeze(L, "table", 0, true);
    lua_setfield(L, -2, "table");
}

/* Methods of strings go to the same few functions: Lua's own metatable leads to all of them. */
static void add_string(lua_State *L)
{
    lua_newtable(L);
    open_library(L, luaopen_string);
    pick(L, from_string);
    dtr_sandbox_freeze(L, "string", 0, true);
    lua_pushliteral(L, "");
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    lua_setfield(L, -2, "string");
}

static void add_states(lua_State *L)
{
    lua_newtable(L);
#define STATE(name, text)                                                                                    \
    lua_pushinteger(L, DTR_PEER_##name);                                                                     \
    lua_setfield(L, -2, text);
    DTR_PEER_STATES(STATE)
#undef STATE
    dtr_sandbox_freeze(L, "STATE", 0, true);
    lua_setfield(L, -2, "STATE");
}

void dtr_sandbox_library(lua_State *L)
{
    lua_newtable(L);
    open_library(L, luaopen_base);
    pick(L, from_base);
    lua_newtable(L); /* the table that luaopen_base filled is no longer anybody's */
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    add_math(L);
    add_table(L);
    add_string(L);
    add_states(L);
    lua_pushcfunction(L, to_text);
    lua_setfield(L, -2, "tostring");
    dtr_sandbox_freeze(L, "the sandbox", 0, true);
}
