/* Columns and scalars, from C to Lua and, for test cases, back. */
#include "core/policy/columns.h"
#include "core/policy/sandbox.h"

#include <darter/storage.h>
#include <lauxlib.h>
#include <math.h>

#define LABEL_MAX 1000 /* bytes of a label that a script sees: labels come from other machines */

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
    lua_createtable(L, DTR_COLUMN_ROWS, 0);
    lua_pushvalue(L, -1);
    columns->data[k] = luaL_ref(L, LUA_REGISTRYINDEX);
    dtr_sandbox_freeze(L, columns->kind->columns[k].name, DTR_COLUMN_ROWS, false);
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

/* A scalar that is nil is no error; a name that is no scalar is. */
static int absent_scalar(lua_State *L)
{
    const struct dtr_columns *columns = lua_touserdata(L, lua_upvalueindex(1));
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    if (dtr_kind_has_scalar(columns->kind, key))
        return 0;
    return luaL_error(L, "s has no field '%s'", key);
}

static void make_scalars(lua_State *L, struct dtr_columns *columns)
{
    lua_newtable(L);
    lua_pushvalue(L, -1);
    columns->scalars = keep(L);
    lua_createtable(L, 0, 1);
    lua_pushlightuserdata(L, columns);
    lua_pushcclosure(L, absent_scalar, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    dtr_sandbox_freeze(L, "s", 0, false);
    columns->s = keep(L);
}

void dtr_columns_make(lua_State *L, struct dtr_columns *columns)
{
    lua_newtable(L);
    for (int k = 0; k < columns->kind->column_count; k++) {
        if (!columns->needed[k])
            continue;
        push_column(L, columns, k);
        lua_setfield(L, -2, columns->kind->columns[k].name);
    }
    dtr_sandbox_freeze(L, "c (its fields are what the script needs)", 0, true);
    columns->c = keep(L);
    make_scalars(L, columns);
}

/* --- filling ----------------------------------------------------------------------------------------- */

static const void *pointer_at(const void *input, size_t offset)
{
    const void *pointer;
    memcpy(&pointer, (const char *)input + offset, sizeof(pointer));
    return pointer;
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

static void fill_labels(lua_State *L, const char *const *labels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        push_label(L, labels[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Only what differs from what lies there: most columns are the same for most candidates. An error on the way
 * leaves nothing that counts as lying there. */
static void fill_numbers(lua_State *L, const double *numbers, uint32_t count, struct dtr_column_shown *shown)
{
    uint32_t had = shown->count, kept = count < DTR_COLUMN_ROWS ? count : DTR_COLUMN_ROWS;
    shown->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i < had && memcmp(&shown->numbers[i], &numbers[i], sizeof(numbers[i])) == 0)
            continue;
        push_number(L, numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    memcpy(shown->numbers, numbers, kept * sizeof(numbers[0]));
    shown->count = kept;
}

/* NAN is nil. */
static double number_of(const void *input, const struct dtr_scalar *scalar)
{
    const char *at = (const char *)input + scalar->offset;
    uint64_t value = 0;
    uint32_t narrow;
    if (scalar->size == sizeof(narrow)) {
        memcpy(&narrow, at, sizeof(narrow));
        value = narrow;
    } else {
        memcpy(&value, at, sizeof(value));
    }
    if (scalar->type == DTR_SCALAR_FRACTION)
        return (double)(value >> 11) * 0x1p-53;
    bool unknown = (scalar->type == DTR_SCALAR_LENGTH && value == DTR_LENGTH_UNKNOWN) ||
                   (scalar->type == DTR_SCALAR_POSITIVE && value == 0);
    return unknown ? NAN : (double)value;
}

static void fill_scalars(lua_State *L, const struct dtr_columns *columns, const void *input)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, columns->scalars);
    for (int k = 0; k < columns->kind->scalar_count; k++) {
        const struct dtr_scalar *scalar = &columns->kind->scalars[k];
        if (scalar->type == DTR_SCALAR_TEXT)
            push_label(L, pointer_at(input, scalar->offset));
        else
            push_number(L, number_of(input, scalar));
        lua_setfield(L, -2, scalar->name);
    }
    lua_pop(L, 1);
}

void dtr_columns_fill(lua_State *L, struct dtr_columns *columns, const void *input)
{
    uint32_t before = columns->filled, count = dtr_input_count(input);
    columns->count = count;
    if (count > columns->filled)
        columns->filled = count;
    for (int k = 0; k < columns->kind->column_count; k++) {
        const struct dtr_column *column = &columns->kind->columns[k];
        if (!columns->needed[k])
            continue;
        const void *array = pointer_at(input, column->offset);
        if (!array)
            luaL_error(L, "column '%s' was not given", column->name);
        lua_rawgeti(L, LUA_REGISTRYINDEX, columns->data[k]);
        if (column->text)
            fill_labels(L, array, count);
        else
            fill_numbers(L, array, count, &columns->shown[k]);
        for (uint32_t i = count; i < before; i++) {
            lua_pushnil(L);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        lua_pop(L, 1);
    }
    columns->filled = count;
    fill_scalars(L, columns, input);
}
