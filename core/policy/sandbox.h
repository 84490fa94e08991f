/* A Lua 5.4 state in which a script that nobody trusts can run: text only, a short list of names, ceilings
 * on memory, instructions and time. Inside core/policy; others use policy.h.
 *
 * Not for: what a policy is (script.h). One thread at a time. */
#ifndef DTR_POLICY_SANDBOX_H
#define DTR_POLICY_SANDBOX_H

#include <darter/error.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTR_SANDBOX_TEXT_MAX   1024 /* bytes of the longest string a script may make */
#define DTR_SANDBOX_SORT_PRICE 16   /* instructions that table.sort costs per element */

enum dtr_sandbox_alarm { DTR_ALARM_NONE, DTR_ALARM_MEMORY, DTR_ALARM_TEXT };

struct dtr_sandbox {
    lua_State *lua;
    size_t memory;      /* bytes above which the script is stopped; four times that are refused outright */
    size_t used;        /* bytes that the state holds */
    uint64_t allocated; /* bytes asked for since dtr_sandbox_arm() */
    uint64_t spent;     /* instructions and charges since then */
    uint64_t budget;    /* ceiling of spent and what allocated bytes cost */
    uint64_t start_ns;  /* when it was armed: monotonic */
    uint64_t start_thread_ns; /* and the thread's processor time */
    uint32_t time_ms;         /* ceiling of processor time since then; 0: not watched */
    enum dtr_sandbox_alarm alarm;
    bool overrun; /* the last call hit a ceiling */
    bool starved; /* the last call found the process out of memory */
};

/* Makes the state with its library. *box must not move until dtr_sandbox_close(). */
int dtr_sandbox_open(struct dtr_sandbox *box, size_t memory, struct dtr_error *err);
/* Also after a failed open, or of a zeroed box. */
void dtr_sandbox_close(struct dtr_sandbox *box);

/* Calls `function` in protected mode with `argument` as light userdata. Whatever it raises becomes *err:
 * DTR_ELIMIT for a ceiling, DTR_ENOMEM, else DTR_EINVALID, with file:line where a Lua function runs. */
int dtr_sandbox_call(struct dtr_sandbox *box, lua_CFunction function, void *argument, struct dtr_error *err);

/* From here on a new budget counts. `time_ms` 0: the clock is not watched. */
void dtr_sandbox_arm(struct dtr_sandbox *box, uint32_t instructions, uint32_t time_ms);
/* A new budget of instructions; the clock runs on. */
void dtr_sandbox_refill(struct dtr_sandbox *box, uint32_t instructions);

/* --- only inside dtr_sandbox_call(): these raise Lua errors ------------------------------------------- */

/* Compiles a text chunk whose globals are the library and calls it; its one result is left on the stack.
 * `chunk` is "@" and the file's name. */
void dtr_sandbox_run(lua_State *L, const char *text, size_t length, const char *chunk);
/* Counts work that a C function does in the script's name. */
void dtr_sandbox_charge(lua_State *L, uint64_t instructions);

/* Replaces the table on top by an empty one that shows its fields and cannot be written to. `what` names
 * it in errors, a literal. With `strict`, reading a field that is not there is an error. `rows`: for an
 * array, how many places the empty table has, as Lua finds faster that one of these is empty than that there
 * is none. */
void dtr_sandbox_freeze(lua_State *L, const char *what, int rows, bool strict);
/* Pushes what a script's globals are (library.c). */
void dtr_sandbox_library(lua_State *L);

#endif
