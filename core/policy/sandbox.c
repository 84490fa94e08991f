/* Ceilings of a Lua state and calls into it.
 *
 * A count hook looks at instructions and the clock. Hooks do not interrupt C functions, so the library has
 * none whose work exceeds its arguments' size, and strings are short. Memory is watched in the allocator:
 * above the ceiling it only rings an alarm, which makes the hook run before the next instruction, because
 * an error raised there has a file and a line; "not enough memory" from Lua itself has none. */
#include "core/policy/sandbox.h"
#include "core/base/clock.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <time.h>

#define STEP         1000 /* instructions between two looks */
#define HARD         4    /* times `memory` that are refused outright */
#define BYTES_PRICED 32   /* allocated bytes that cost as much as an instruction */
#define STRING_HEAD  64   /* at least what Lua adds to a string's bytes */

static const char environment_key;

static void watch(lua_State *L, lua_Debug *ar);

/* lua_sethook() may be called at any moment, also from within an allocation. */
static void ring(struct dtr_sandbox *box, enum dtr_sandbox_alarm alarm)
{
    if (box->alarm != DTR_ALARM_NONE || !box->lua)
        return;
    box->alarm = alarm;
    lua_sethook(box->lua, watch, LUA_MASKCOUNT, 1);
}

static void *grow(struct dtr_sandbox *box, void *old, size_t old_size, size_t size)
{
    if (box->used - old_size + size > HARD * box->memory) {
        box->overrun = true;
        return NULL;
    }
    void *bytes = realloc(old, size);
    if (!bytes) {
        box->starved = true;
        return NULL;
    }
    box->used += size - old_size;
    box->allocated += size;
    return bytes;
}

/* lua_Alloc: for a new object `old_size` is its type. */
static void *allocate(void *context, void *old, size_t old_size, size_t size)
{
    struct dtr_sandbox *box = context;
    size_t had = old ? old_size : 0;
    if (size == 0) {
        free(old);
        box->used -= had;
        return NULL;
    }
    if (size <= had) { /* must not fail */
        void *bytes = realloc(old, size);
        box->used -= had - size;
        return bytes ? bytes : old;
    }
    void *bytes = grow(box, old, had, size);
    if (bytes && !old && old_size == LUA_TSTRING && size > DTR_SANDBOX_TEXT_MAX + STRING_HEAD)
        ring(box, DTR_ALARM_TEXT);
    else if (bytes && box->used > box->memory)
        ring(box, DTR_ALARM_MEMORY);
    return bytes;
}

static struct dtr_sandbox *sandbox_of(lua_State *L)
{
    void *context;
    (void)lua_getallocf(L, &context);
    return context;
}

__attribute__((noreturn)) static void stop(lua_State *L, struct dtr_sandbox *box, const char *format,
                                           unsigned limit)
{
    box->overrun = true;
    lua_pushfstring(L, format, (int)limit); /* of two known formats, see the callers */
    lua_error(L);
    abort(); /* lua_error() does not return */
}

static uint64_t thread_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The thread's own clock, so that a busy machine is not blamed on the script. Reading it is a system call,
 * which the common one saves as long as even that has not got so far. */
static bool late(const struct dtr_sandbox *box)
{
    uint64_t limit_ns = box->time_ms * UINT64_C(1000000);
    return box->time_ms && dtr_now_ns() - box->start_ns > limit_ns &&
           thread_ns() - box->start_thread_ns > limit_ns;
}

static void look(lua_State *L, struct dtr_sandbox *box)
{
    if (box->spent + box->allocated / BYTES_PRICED > box->budget)
        stop(L, box, "stopped after its budget of %d instructions", (unsigned)box->budget);
    if (late(box))
        stop(L, box, "stopped after %d ms", box->time_ms);
}

/* Garbage alone is no offence, but clearing it away is work. */
static void heed(lua_State *L, struct dtr_sandbox *box)
{
    if (box->alarm == DTR_ALARM_TEXT)
        stop(L, box, "made a string of more than %d bytes", DTR_SANDBOX_TEXT_MAX);
    box->spent += box->used / BYTES_PRICED;
    lua_gc(L, LUA_GCCOLLECT);
    if (box->used > box->memory)
        stop(L, box, "stopped at its ceiling of %d bytes of memory", (unsigned)box->memory);
    box->alarm = DTR_ALARM_NONE;
    lua_sethook(L, watch, LUA_MASKCOUNT, STEP);
}

static void watch(lua_State *L, lua_Debug *ar)
{
    struct dtr_sandbox *box = sandbox_of(L);
    (void)ar;
    if (box->alarm != DTR_ALARM_NONE)
        heed(L, box);
    else
        box->spent += STEP;
    look(L, box);
}

void dtr_sandbox_refill(struct dtr_sandbox *box, uint32_t instructions)
{
    box->spent = box->allocated = 0;
    box->budget = instructions;
    box->alarm = DTR_ALARM_NONE;
    lua_sethook(box->lua, watch, LUA_MASKCOUNT, STEP);
}

void dtr_sandbox_arm(struct dtr_sandbox *box, uint32_t instructions, uint32_t time_ms)
{
    dtr_sandbox_refill(box, instructions);
    box->time_ms = time_ms;
    box->start_ns = time_ms ? dtr_now_ns() : 0;
    box->start_thread_ns = time_ms ? thread_ns() : 0;
}

void dtr_sandbox_charge(lua_State *L, uint64_t instructions)
{
    struct dtr_sandbox *box = sandbox_of(L);
    box->spent += instructions;
    look(L, box);
}

/* --- calling ----------------------------------------------------------------------------------------- */

/* The message handler: every error gets the place of the innermost Lua function, unless it has it. */
static int locate(lua_State *L)
{
    lua_Debug ar;
    if (!lua_isstring(L, 1)) {
        lua_pushfstring(L, "raised a %s instead of a message", luaL_typename(L, 1));
        lua_replace(L, 1);
    }
    const char *text = lua_tostring(L, 1);
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        (void)lua_getinfo(L, "Sl", &ar);
        if (ar.currentline <= 0)
            continue;
        size_t length = strlen(ar.short_src);
        if (strncmp(text, ar.short_src, length) != 0 || text[length] != ':')
            lua_pushfstring(L, "%s:%d: %s", ar.short_src, ar.currentline, text);
        break;
    }
    return 1;
}

/* A script chooses its messages: one line, nothing that a terminal would act on. */
static void clean(char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            *text = ' ';
    }
}

static int failed(struct dtr_sandbox *box, struct dtr_error *err)
{
    const char *text = lua_type(box->lua, -1) == LUA_TSTRING ? lua_tostring(box->lua, -1) : "failed";
    int code = box->overrun ? DTR_ELIMIT : box->starved ? DTR_ENOMEM : DTR_EINVALID;
    (void)dtr_error_set(err, code, DTR_RETRY_NEVER, "%s", text);
    if (err)
        clean(err->text);
    return code;
}

int dtr_sandbox_call(struct dtr_sandbox *box, lua_CFunction function, void *argument, struct dtr_error *err)
{
    lua_State *L = box->lua;
    int code = DTR_OK;
    box->overrun = box->starved = false;
    lua_settop(L, 0);
    lua_pushcfunction(L, locate);
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, argument);
    if (lua_pcall(L, 1, 0, 1) != LUA_OK)
        code = failed(box, err);
    lua_settop(L, 0);
    if (box->overrun) /* or the next call pays for it: what it has not overwritten yet counts as in use */
        lua_gc(L, LUA_GCCOLLECT);
    return code;
}

void dtr_sandbox_run(lua_State *L, const char *text, size_t length, const char *chunk)
{
    if (luaL_loadbufferx(L, text, length, chunk, "t") != LUA_OK)
        lua_error(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key);
    (void)lua_setupvalue(L, -2, 1);
    lua_call(L, 0, 1);
}

/* --- opening ----------------------------------------------------------------------------------------- */

static int prepare(lua_State *L)
{
    /* Lua makes this string outside of protected mode; existing already, it needs no memory then. */
    lua_pushliteral(L, "error in error handling");
    (void)luaL_ref(L, LUA_REGISTRYINDEX);
    dtr_sandbox_library(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
    return 0;
}

int dtr_sandbox_open(struct dtr_sandbox *box, size_t memory, struct dtr_error *err)
{
    *box = (struct dtr_sandbox){.memory = memory};
    box->lua = lua_newstate(allocate, box);
    if (!box->lua)
        return dtr_error_set(err, box->overrun ? DTR_ELIMIT : DTR_ENOMEM, DTR_RETRY_NEVER,
                             "no memory for a Lua state");
    return dtr_sandbox_call(box, prepare, NULL, err);
}

void dtr_sandbox_close(struct dtr_sandbox *box)
{
    if (box->lua)
        lua_close(box->lua);
    box->lua = NULL;
}
