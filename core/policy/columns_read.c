/* Candidates and scalars as a script's test cases write them, made into what C passes around. */
#include "core/policy/columns.h"
#include "core/policy/policy.h"

#include <darter/storage.h>
#include <lauxlib.h>
#include <math.h>

/* A field of the table at `table`, of the given type or nil; true when it is there (and pushed). */
static bool push_field(lua_State *L, int table, const char *name, int type)
{
    int found = lua_getfield(L, table, name);
    if (found == type)
        return true;
    if (found != LUA_TNIL)
        luaL_error(L, "'%s' must be a %s", name, lua_typename(L, type));
    lua_pop(L, 1);
    return false;
}

/* Every field must be a column; the longest says how many candidates there are. */
static uint32_t count_rows(lua_State *L, int c)
{
    lua_Unsigned longest = 0;
    for (lua_pushnil(L); lua_next(L, c); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || dtr_column_find(lua_tostring(L, -2)) < 0)
            luaL_error(L, "there is no column '%s'",
                       lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2));
        if (lua_type(L, -1) != LUA_TTABLE)
            luaL_error(L, "column '%s' must be a table", lua_tostring(L, -2));
        if (lua_rawlen(L, -1) > longest)
            longest = lua_rawlen(L, -1);
    }
    if (longest > DTR_POLICY_CANDIDATES_MAX)
        luaL_error(L, "more than %d candidates", DTR_POLICY_CANDIDATES_MAX);
    return (uint32_t)longest;
}

static double row_number(lua_State *L, int k)
{
    if (lua_type(L, -1) != LUA_TNUMBER && lua_type(L, -1) != LUA_TNIL)
        luaL_error(L, "column '%s' must hold numbers", dtr_column_table[k].name);
    return lua_type(L, -1) == LUA_TNIL ? NAN : lua_tonumber(L, -1);
}

/* Strings stay where they are: the script's test cases outlive the input. */
static const char *row_label(lua_State *L, int k)
{
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNIL)
        luaL_error(L, "column '%s' must hold strings", dtr_column_table[k].name);
    return lua_type(L, -1) == LUA_TNIL ? "" : lua_tostring(L, -1);
}

/* Pushes the array of column `k` as userdata. */
static void read_column(lua_State *L, int c, int k, uint32_t count, struct dtr_rank_input *input)
{
    size_t size = dtr_column_table[k].text ? sizeof(const char *) : sizeof(double);
    void *array = lua_newuserdatauv(L, size * (count + 1), 0);
    double *numbers = array;
    const char **labels = array;
    bool given = push_field(L, c, dtr_column_table[k].name, LUA_TTABLE);
    for (uint32_t i = 0; i < count; i++) {
        if (given)
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
        if (dtr_column_table[k].text)
            labels[i] = given ? row_label(L, k) : "";
        else
            numbers[i] = given ? row_number(L, k) : 0;
        lua_pop(L, given ? 1 : 0);
    }
    lua_pop(L, given ? 1 : 0);
    memcpy((char *)input + dtr_column_table[k].offset, &array, sizeof(array));
}

/* --- scalars ----------------------------------------------------------------------------------------- */

static double read_number(lua_State *L, int s, const char *name, double limit, double otherwise)
{
    double value = otherwise;
    if (push_field(L, s, name, LUA_TNUMBER)) {
        value = lua_tonumber(L, -1);
        lua_pop(L, 1);
        if (!(value >= 0 && value < limit))
            luaL_error(L, "'%s' is out of range", name);
    }
    return value;
}

static const char *read_text(lua_State *L, int s, const char *name)
{
    const char *text = "";
    if (push_field(L, s, name, LUA_TSTRING)) {
        text = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    return text;
}

static void check_scalar_names(lua_State *L, int s)
{
    for (lua_pushnil(L); lua_next(L, s); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
        if (!dtr_scalar_known(key))
            luaL_error(L, "there is no scalar '%s'", key);
    }
}

static void read_scalars(lua_State *L, int s, struct dtr_rank_input *in)
{
    double length = read_number(L, s, "content_length", 0x1p63, -1);
    check_scalar_names(L, s);
    in->child_idc = read_text(L, s, "child_idc");
    in->child_location = read_text(L, s, "child_location");
    in->child_host_type = (uint32_t)read_number(L, s, "child_host_type", 0x1p32, 0);
    in->child_priority = (uint32_t)read_number(L, s, "child_priority", 0x1p32, 0);
    in->content_length = length < 0 ? DTR_LENGTH_UNKNOWN : (uint64_t)length;
    in->piece_length = (uint64_t)read_number(L, s, "piece_length", 0x1p63, 0);
    in->now_ms = (uint64_t)read_number(L, s, "now_ms", 0x1p63, 0);
    in->random = (uint64_t)(read_number(L, s, "random", 1, 0) * 0x1p53) << 11;
}

void dtr_columns_read(lua_State *L, int c, int s, struct dtr_rank_input *ret_input)
{
    uint32_t longest = count_rows(L, c);
    uint32_t count = (uint32_t)read_number(L, s, "count", DTR_POLICY_CANDIDATES_MAX + 1, longest);
    if (count < longest)
        luaL_error(L, "'count' is less than the candidates given");
    *ret_input = (struct dtr_rank_input){.count = count};
    luaL_checkstack(L, (int)DTR_COLUMN_COUNT + 4, NULL);
    for (int k = 0; k < (int)DTR_COLUMN_COUNT; k++)
        read_column(L, c, k, count, ret_input);
    read_scalars(L, s, ret_input);
}
