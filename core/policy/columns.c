/* Columns and scalars, from C to Lua and, for test cases, back. */
#include "core/policy/columns.h"
#include "core/policy/sandbox.h"

#include <darter/storage.h>
#include <lauxlib.h>
#include <math.h>

#define ROWS      64   /* made in advance, so that growing is rare */
#define LABEL_MAX 1000 /* bytes of a label that a script sees: labels come from other machines */

const struct dtr_column dtr_column_table[DTR_COLUMN_COUNT] = {
#define COLUMN(type, name, help) {#name, offsetof(struct dtr_rank_input, name), false},
    DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
        {"idc", offsetof(struct dtr_rank_input, idc), true},
    {"location", offsetof(struct dtr_rank_input, location), true},
};

int dtr_column_find(const char *name)
{
    for (int k = 0; k < (int)DTR_COLUMN_COUNT; k++) {
        if (strcmp(dtr_column_table[k].name, name) == 0)
            return k;
    }
    return -1;
}

/* --- making ------------------------------------------------------------------------------------------ */

static int row_count(lua_State *L)
{
    const struct dtr_columns *columns = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushinteger(L, columns->count);
    return 1;
}

/* Pushes the frozen face of a new column, whose data is kept by reference. `#` is the count of candidates,
 * also when values are missing. */
static void push_column(lua_State *L, struct dtr_columns *columns, int k)
{
    lua_createtable(L, ROWS, 0);
    lua_pushvalue(L, -1);
    columns->data[k] = luaL_ref(L, LUA_REGISTRYINDEX);
    dtr_sandbox_freeze(L, dtr_column_table[k].name, false);
    (void)lua_getmetatable(L, -1);
    lua_pushlightuserdata(L, columns);
    lua_pushcclosure(L, row_count, 1);
    lua_setfield(L, -2, "__len");
    lua_pop(L, 1);
}

static int keep(lua_State *L)
{
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

bool dtr_scalar_known(const char *name)
{
    static const char *const names[] = {
#define NAME(name, kind, help) #name,
        DTR_POLICY_SCALARS(NAME)
#undef NAME
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* A scalar that is nil is no error; a name that is no scalar is. */
static int absent_scalar(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (dtr_scalar_known(key))
        return 0;
    return luaL_error(L, "s has no field '%s'", key);
}

static void make_scalars(lua_State *L, struct dtr_columns *columns)
{
    lua_newtable(L);
    lua_pushvalue(L, -1);
    columns->scalars = keep(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, absent_scalar);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    dtr_sandbox_freeze(L, "s", false);
    columns->s = keep(L);
}

void dtr_columns_make(lua_State *L, struct dtr_columns *columns)
{
    lua_newtable(L);
    for (int k = 0; k < (int)DTR_COLUMN_COUNT; k++) {
        if (!columns->needed[k])
            continue;
        push_column(L, columns, k);
        lua_setfield(L, -2, dtr_column_table[k].name);
    }
    dtr_sandbox_freeze(L, "c (its fields are what the script needs)", true);
    columns->c = keep(L);
    make_scalars(L, columns);
}

/* --- filling ----------------------------------------------------------------------------------------- */

static const void *array_of(const struct dtr_rank_input *input, int k)
{
    const void *array;
    memcpy(&array, (const char *)input + dtr_column_table[k].offset, sizeof(array));
    return array;
}

static void push_number(lua_State *L, double value)
{
    if (isnan(value))
        lua_pushnil(L);
    else
        lua_pushnumber(L, value);
}

static void push_label(lua_State *L, const char *label)
{
    if (!label)
        label = "";
    (void)lua_pushlstring(L, label, strnlen(label, LABEL_MAX));
}

static void fill_column(lua_State *L, int k, const void *array, uint32_t count)
{
    const double *numbers = array;
    const char *const *labels = array;
    for (uint32_t i = 0; i < count; i++) {
        if (dtr_column_table[k].text)
            push_label(L, labels[i]);
        else
            push_number(L, numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void set_number(lua_State *L, const char *name, double value)
{
    push_number(L, value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value)
{
    push_label(L, value);
    lua_setfield(L, -2, name);
}

static void fill_scalars(lua_State *L, const struct dtr_columns *columns, const struct dtr_rank_input *in)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, columns->scalars);
#define SET_NUMBER(name)      set_number(L, #name, (double)in->name)
#define SET_LENGTH(name)      set_number(L, #name, in->name == DTR_LENGTH_UNKNOWN ? NAN : (double)in->name)
#define SET_POSITIVE(name)    set_number(L, #name, in->name ? (double)in->name : NAN)
#define SET_FRACTION(name)    set_number(L, #name, (double)(in->name >> 11) * 0x1p-53)
#define SET_TEXT(name)        set_text(L, #name, in->name)
#define SET(name, kind, help) SET_##kind(name);
    DTR_POLICY_SCALARS(SET)
#undef SET
    lua_pop(L, 1);
}

void dtr_columns_fill(lua_State *L, struct dtr_columns *columns, const struct dtr_rank_input *input)
{
    uint32_t before = columns->filled;
    columns->count = input->count;
    if (input->count > columns->filled)
        columns->filled = input->count;
    for (int k = 0; k < (int)DTR_COLUMN_COUNT; k++) {
        if (!columns->needed[k])
            continue;
        const void *array = array_of(input, k);
        if (!array)
            luaL_error(L, "column '%s' was not given", dtr_column_table[k].name);
        lua_rawgeti(L, LUA_REGISTRYINDEX, columns->data[k]);
        fill_column(L, k, array, input->count);
        for (uint32_t i = input->count; i < before; i++) {
            lua_pushnil(L);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        lua_pop(L, 1);
    }
    columns->filled = input->count;
    fill_scalars(L, columns, input);
}
