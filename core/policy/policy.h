/* Lua policies: a script that an operator edits ranks candidate parents for a child (scheduling), or clusters
 * for a peer (scope), in a sandbox, and a better or a broken version of it takes over, or not, while the
 * scheduler or the manager runs.
 *
 * A script is one text file, a pure function over columns (arrays by field, one call per decision). One of
 * the kind scheduling:
 *
 *     return {
 *         name = "nearest",
 *         needs = { "rtt_ms", "idc_match" },      -- names of DTR_RANK_COLUMNS, or "idc", "location"
 *         acyclic = true, late_offers = false,    -- these five are what struct dtr_swarm_policy says and
 *         sample = 40, keep = 4, newcomers = 0,   -- may be left out: true, false, 0, 0, 0
 *         rank = function(c, s)                   -- c.rtt_ms[i], i = 1..s.count; returns one finite number
 *             local scores = {}                   -- per candidate, higher is better
 *             for i = 1, s.count do
 *                 scores[i] = c.idc_match[i] - (c.rtt_ms[i] or 1000) / 1000
 *             end
 *             return scores
 *         end,
 *         tests = {                               -- at least one; run before the script may decide anything
 *             { "same room wins", c = { rtt_ms = { 1, 2 }, idc_match = { 0, 1 } }, order = { 2, 1 } },
 *             { "no round trip", c = { rtt_ms = { 0/0 } }, s = { count = 1 }, scores = { -1 } },
 *         },
 *     }
 *
 * A value that is not known (NAN in C) is nil; so is content_length or piece_length when unknown. `s` holds
 * count, child_idc, child_location, child_host_type, child_priority, content_length, piece_length, now_ms and
 * random (0 <= random < 1). STATE.Running and so on are the values of the column state. In a test, columns
 * left out are 0 (labels ""), 0/0 is not known, `scores` are compared to 1e-9, `order` lists candidates best
 * first. Instead of scores, rank may return { order = { 2, 1, 3 } }: every candidate once, best first. What
 * else a script can name stands at the top of library.c.
 *
 * One of the kind scope has the same form; its candidates are clusters. It needs names of DTR_SCOPE_COLUMNS
 * and DTR_SCOPE_LABELS, declares nothing but its name, and its `s` holds count, peer_ip, peer_hostname,
 * peer_idc and peer_location. Equal scores go by the cluster's id.
 *
 * Nothing of an earlier decision may be remembered: each test case runs twice and must give the same.
 * One thread at a time, like the swarm that asks. */
#ifndef DTR_POLICY_POLICY_H
#define DTR_POLICY_POLICY_H

#include "core/brain/rank.h"
#include "core/brain/scope.h"
#include <stddef.h>
#include <sys/types.h>

/* What a script decides, which is also the folder that it lies in. */
enum dtr_policy_kind {
    DTR_POLICY_SCHEDULING, /* "scheduling": a dtr_rank_fn */
    DTR_POLICY_SCOPE,      /* "scope": a dtr_scope_fn */
};

#define DTR_POLICY_CANDIDATES_MAX 1024
#define DTR_POLICY_FILE_MAX       ((size_t)64 << 10) /* bytes of a script */
#define DTR_POLICY_NAME_MAX       32

/* type, name, default, what it says. Times are the thread's processor time, so a busy machine stops nobody;
 * 0: the clock is not looked at (simulation, replay). */
#define DTR_POLICY_LIMITS(X)                                                                                 \
    X(uint32_t, instructions, 200000, "of one decision")                                                     \
    X(uint32_t, load_instructions, 2000000, "of running the file once, before its test cases")               \
    X(uint32_t, time_ms, 50, "of one decision")                                                              \
    X(uint32_t, load_time_ms, 1000, "of loading, test cases included")                                       \
    X(size_t, memory, (size_t)1 << 20, "bytes of one script's state")

struct dtr_policy_limits {
#define DTR_POLICY_LIMIT_FIELD(type, name, value, help) type name;
    DTR_POLICY_LIMITS(DTR_POLICY_LIMIT_FIELD)
#undef DTR_POLICY_LIMIT_FIELD
};
/* The defaults of the table. */
struct dtr_policy_limits dtr_policy_limits_default(void);

/* What a script declares; the owner of the swarm puts the last five into its struct dtr_swarm_policy. Those
 * are zero where the kind is not scheduling. */
struct dtr_policy_settings {
    char name[DTR_POLICY_NAME_MAX];
    bool acyclic, late_offers;
    uint32_t sample, keep; /* 0: as the cluster is configured */
    uint32_t newcomers;
};

/* --- one script --------------------------------------------------------------------------------------- */

struct dtr_policy;

/* Compiles a script of this kind, runs it and its test cases. `limits` NULL: the defaults. On failure nothing
 * is returned and *err begins with file:line where there is one. The result is freed with dtr_policy_free().
 */
int dtr_policy_load(enum dtr_policy_kind kind, const char *path, const struct dtr_policy_limits *limits,
                    struct dtr_policy **ret_policy, struct dtr_error *err);
/* The same from memory; `name` stands for the file in errors. */
int dtr_policy_load_text(enum dtr_policy_kind kind, const char *name, const char *text, size_t length,
                         const struct dtr_policy_limits *limits, struct dtr_policy **ret_policy,
                         struct dtr_error *err);
void dtr_policy_free(struct dtr_policy *policy);
const struct dtr_policy_settings *dtr_policy_settings(const struct dtr_policy *policy);

/* A dtr_rank_fn whose context is a struct dtr_policy of the kind scheduling. DTR_ELIMIT: a ceiling was hit;
 * DTR_EINVALID: an error of the script, or a result that is not one finite number per candidate; ret_scores
 * are then undefined. The script can be asked again. Columns that it does not need may be NULL. */
int dtr_policy_rank(void *policy, const struct dtr_rank_input *input, double *ret_scores,
                    struct dtr_error *err);
/* The same as a dtr_scope_fn, of the kind scope. */
int dtr_policy_scope(void *policy, const struct dtr_scope_input *input, double *ret_scores,
                     struct dtr_error *err);

/* --- where scripts are --------------------------------------------------------------------------------- */

/* The file NAME.lua in the first of these folders that has it: /etc/darter/KIND (the operator's own), KIND
 * below <datadir>/darter/scripts of the prefix that the program was installed to, scripts/KIND beside the
 * program (a build tree). `kind` is "scheduling" or "scope". *ret_path is freed with free(). DTR_EINVALID: no
 * name for a script; DTR_ENOT_FOUND names the folders. */
int dtr_policy_find(const char *kind, const char *name, char **ret_path, struct dtr_error *err);

/* --- the script in charge ----------------------------------------------------------------------------- */

/* What tells whether a file was changed. All zero: it was not there. */
struct dtr_policy_stamp {
    int64_t mtime_ns;
    off_t size;
    ino_t inode;
};

/* Zeroed, or with `kind` and `limits` set, it is ready and nobody is in charge. */
struct dtr_policy_slot {
    enum dtr_policy_kind kind;       /* of the scripts it takes */
    struct dtr_policy_limits limits; /* all zero: the defaults */
    struct dtr_policy *current;      /* NULL: every decision is the C default's */
    char *path;                      /* of the last dtr_policy_slot_load() */
    struct dtr_policy_stamp stamp;   /* of the file when it was last looked at, good or bad */
    uint64_t generation;             /* of current: 1, 2, ...; 0: never any */
    uint64_t decisions;              /* asked of scripts, ever */
    uint64_t failures;               /* of these, taken over by the C default */
    uint64_t failures_logged;        /* the count at which a failure of `current` is logged next */
    uint64_t load_failures;          /* scripts that did not get in charge */
    char last_error[256];            /* of a decision or a load; "" when none yet */
};

/* Puts `policy`, which is of the slot's kind and which the slot then owns, in charge between two decisions;
 * the old one is freed. NULL leaves decisions to the C default. */
void dtr_policy_swap(struct dtr_policy_slot *slot, struct dtr_policy *policy);
/* Loads the file and swaps. On failure the old script stays in charge, and reload watches `path` anyway. The
 * owner logs the error and, after DTR_OK, takes over the settings. */
int dtr_policy_slot_load(struct dtr_policy_slot *slot, const char *path, struct dtr_error *err);
/* The same for the path loaded last, if the file's time, size or inode changed since it was last looked at;
 * a bad file is not tried again until then. *ret_swapped says whether another script is in charge now. */
int dtr_policy_reload(struct dtr_policy_slot *slot, bool *ret_swapped, struct dtr_error *err);

/* The same in three steps, so that another thread may read, compile and test: the slot's owner sees that the
 * file changed, any thread runs dtr_policy_read() on a zeroed struct with `kind`, `path` and `limits` set,
 * the owner takes over. `path` must live until then. */
struct dtr_policy_loading {
    enum dtr_policy_kind kind; /* of the slot */
    const char *path;
    struct dtr_policy_limits limits; /* all zero: the defaults */
    struct dtr_policy *policy;       /* NULL: `err` says why */
    struct dtr_policy_stamp stamp;
    struct dtr_error err;
};
/* Whether the file of the last load is another than it was then. */
bool dtr_policy_slot_changed(const struct dtr_policy_slot *slot);
void dtr_policy_read(struct dtr_policy_loading *loading);
/* What dtr_policy_slot_load() does once the file was read. The script is the slot's then, or freed. */
int dtr_policy_slot_take(struct dtr_policy_slot *slot, struct dtr_policy_loading *loading,
                         struct dtr_error *err);

/* A dtr_rank_fn whose context is a slot: asks the script in charge, counts, keeps and logs its errors (the
 * first of each script, then ever more rarely). DTR_EUNAVAILABLE while nobody is in charge. */
int dtr_policy_slot_rank(void *slot, const struct dtr_rank_input *input, double *ret_scores,
                         struct dtr_error *err);
/* The same as a dtr_scope_fn, of a slot of the kind scope. */
int dtr_policy_slot_scope(void *slot, const struct dtr_scope_input *input, double *ret_scores,
                          struct dtr_error *err);
/* Frees the script and the path; the slot is zero afterwards, its kind and limits too. */
void dtr_policy_slot_clear(struct dtr_policy_slot *slot);

#endif
