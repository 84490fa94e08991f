/* Candidates and scalars as a script's test cases write them, made into what C passes around. */
#include "core/policy/columns.h"

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
static uint32_t count_rows(lua_State *L, const struct dtr_kind *kind, int c)
{
    lua_Unsigned longest = 0;
    for (lua_pushnil(L); lua_next(L, c); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || dtr_kind_column(kind, lua_tostring(L, -2)) < 0)
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

static double row_number(lua_State *L, const char *column)
{
    if (lua_type(L, -1) != LUA_TNUMBER && lua_type(L, -1) != LUA_TNIL)
        luaL_error(L, "column '%s' must hold numbers", column);
    return lua_type(L, -1) == LUA_TNIL ? NAN : lua_tonumber(L, -1);
}

/* Strings stay where they are: the script's test cases outlive the input. */
static const char *row_label(lua_State *L, const char *column)
{
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNIL)
        luaL_error(L, "column '%s' must hold strings", column);
    return lua_type(L, -1) == LUA_TNIL ? "" : lua_tostring(L, -1);
}

/* Pushes the column's array as userdata. */
static void read_column(lua_State *L, const struct dtr_column *column, int c, union dtr_policy_input *input)
{
    uint32_t count = input->count;
    size_t size = column->text ? sizeof(const char *) : sizeof(double);
    void *array = lua_newuserdatauv(L, size * (count + 1), 0);
    double *numbers = array;
    const char **labels = array;
    bool given = push_field(L, c, column->name, LUA_TTABLE);
    for (uint32_t i = 0; i < count; i++) {
        if (given)
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
        if (column->text)
            labels[i] = given ? row_label(L, column->name) : "";
        else
            numbers[i] = given ? row_number(L, column->name) : 0;
        lua_pop(L, given ? 1 : 0);
    }
    lua_pop(L, given ? 1 : 0);
    memcpy((char *)input + column->offset, &array, sizeof(array));
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

static void check_scalar_names(lua_State *L, const struct dtr_kind *kind, int s)
{
    for (lua_pushnil(L); lua_next(L, s); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
        if (!dtr_kind_has_scalar(kind, key))
            luaL_error(L, "there is no scalar '%s'", key);
    }
}

/* The bits of a number, as the input holds it. */
static uint64_t read_bits(lua_State *L, const struct dtr_scalar *scalar, int s)
{
    bool fraction = scalar->type == DTR_SCALAR_FRACTION, length = scalar->type == DTR_SCALAR_LENGTH;
    double limit = fraction ? 1 : scalar->size == sizeof(uint32_t) ? 0x1p32 : 0x1p63;
    double value = read_number(L, s, scalar->name, limit, length ? -1 : 0);
    if (fraction)
        return (uint64_t)(value * 0x1p53) << 11;
    return value < 0 ? DTR_LENGTH_UNKNOWN : (uint64_t)value;
}

static void read_scalar(lua_State *L, const struct dtr_scalar *scalar, int s, union dtr_policy_input *input)
{
    char *at = (char *)input + scalar->offset;
    if (scalar->type == DTR_SCALAR_TEXT) {
        const char *text = read_text(L, s, scalar->name);
        memcpy(at, &text, sizeof(text));
        return;
    }
    uint64_t value = read_bits(L, scalar, s);
    uint32_t narrow = (uint32_t)value;
    if (scalar->size == sizeof(narrow))
        memcpy(at, &narrow, sizeof(narrow));
    else
        memcpy(at, &value, sizeof(value));
}

void dtr_columns_read(lua_State *L, const struct dtr_kind *kind, int c, int s,
                      union dtr_policy_input *ret_input)
{
    uint32_t longest = count_rows(L, kind, c);
    uint32_t count = (uint32_t)read_number(L, s, "count", DTR_POLICY_CANDIDATES_MAX + 1, longest);
    if (count < longest)
        luaL_error(L, "'count' is less than the candidates given");
    memset(ret_input, 0, sizeof(*ret_input));
    check_scalar_names(L, kind, s);
    for (int k = 0; k < kind->scalar_count; k++)
        read_scalar(L, &kind->scalars[k], s, ret_input);
    ret_input->count = count; /* also when it is only as many as were given */
    luaL_checkstack(L, kind->column_count + 4, NULL);
    for (int k = 0; k < kind->column_count; k++)
        read_column(L, &kind->columns[k], c, ret_input);
}
