/* What a row of a role's table says, and the macros that rows are written with.
 *
 * A row names a field of the role's struct; the macros refuse at compile time a field whose C type does
 * not fit the row's type. */
#ifndef DTR_CONF_SCHEMA_H
#define DTR_CONF_SCHEMA_H

#include "core/conf/conf.h"
#include "core/conf/types.h"
#include "core/conf/value.h"

/* enumerator, C type of the field, what a user calls it */
#define DTR_CONF_TYPES(X)                                                                                    \
    X(BOOL, bool, "true or false")                                                                           \
    X(INT, int64_t, "a whole number")                                                                        \
    X(SIZE, uint64_t, "a size such as 4MiB or 50GB")                                                         \
    X(DURATION, uint64_t, "a duration such as 5m, 500ms or 1h30m")                                           \
    X(STRING, const char *, "a text")                                                                        \
    X(STRINGS, struct dtr_conf_strings, "a list of texts")                                                   \
    X(PAIRS, struct dtr_conf_pairs, "a map of texts")                                                        \
    X(MODULES, struct dtr_conf_modules, "a map of modules, each a map of options")                           \
    X(LIST, struct dtr_conf_items, "a list of maps")                                                         \
    X(SECTION, bool, "a map of keys") /* true when the section is there */                                   \
    X(ANY, bool, "anything")          /* accepted whole, not looked into; true when it is there */

enum dtr_conf_type {
#define DTR_CONF_TYPE_ENUM(id, type, words) DTR_CONF_##id,
    DTR_CONF_TYPES(DTR_CONF_TYPE_ENUM)
#undef DTR_CONF_TYPE_ENUM
};

/* What the list structs of the role headers look like: { struct x *items; size_t count; }. */
struct dtr_conf_items {
    void *items;
    size_t count;
};

/* enumerator, what a user reads: "KEY WORDS: why" */
#define DTR_CONF_EFFECTS(X)                                                                                  \
    X(YES, "yes", "has an effect")                                                                           \
    X(PARTLY, "partly", "has only a part of its effect")                                                     \
    X(LATER, "later", "has no effect yet") /* accepted; the feature is not there yet */                      \
    X(NEVER, "never", "has no effect")     /* accepted; there is nothing it could change */

enum dtr_conf_effect {
#define DTR_CONF_EFFECT_ENUM(id, word, words) DTR_EFFECT_##id,
    DTR_CONF_EFFECTS(DTR_CONF_EFFECT_ENUM)
#undef DTR_CONF_EFFECT_ENUM
};

/* "later" */
const char *dtr_conf_effect_word(enum dtr_conf_effect effect);
/* "has no effect yet" */
const char *dtr_conf_effect_words(enum dtr_conf_effect effect);

struct dtr_conf_schema;

struct dtr_conf_row {
    const char *key;     /* "download.server.socketPath" */
    const char *aliases; /* older spellings, whole keys with a space between; or NULL */
    enum dtr_conf_type type;
    size_t offset;       /* of the field */
    const char *member;  /* the field as code writes it, "download.server.socket_path"; NULL: of ANY */
    const char *initial; /* default as in YAML; NULL: not set, or 0, or empty */
    const char *unset;   /* what stands in for a value that is not set, for readers; or NULL */
    const char *unit;    /* "bytes/s"; or NULL */
    int64_t least, most; /* both 0: any. Durations in milliseconds */
    const char *words;   /* "tcp|quic": nothing else is allowed; or NULL */
    int (*check)(const char *text, struct dtr_error *err); /* of a string, or of each in a list; or NULL */
    enum dtr_conf_effect effect;
    const char *why; /* of an effect that is not YES */
    bool reloadable; /* SIGHUP changes it while the program runs (change.h) */
    bool secret, required;
    bool single;                           /* of STRINGS: a text stands for a list of one */
    bool ours;                             /* Dragonfly has no such key */
    const struct dtr_conf_schema *element; /* of LIST */
    const char *help;                      /* one line */
};

struct dtr_conf_schema {
    const struct dtr_conf_row *rows;
    size_t count;
    size_t size; /* of the struct */
    /* Checks across keys, for a role; may be NULL. Reports errors by dtr_conf_complain(). */
    void (*finish)(struct dtr_conf *conf, void *config);
};

extern const struct dtr_conf_schema dtr_conf_daemon_schema, dtr_conf_scheduler_schema,
    dtr_conf_manager_schema, dtr_conf_init_schema, dtr_conf_dynconfig_schema;
const struct dtr_conf_schema *dtr_conf_schema(enum dtr_conf_role role);

/* --- how rows are written ------------------------------------------------------------------------------- */

/* Name and offset of `field` in ROLE_STRUCT (which the rows file defines), if its type is `ctype`. */
#define DTR_FIELD(field, ctype)                                                                              \
    .member = #field,                                                                                        \
    .offset =                                                                                                \
        offsetof(ROLE_STRUCT, field) +                                                                       \
        0 * sizeof(                                                                                          \
                char[__builtin_types_compatible_p(__typeof__(((ROLE_STRUCT *)0)->field), ctype) ? 1 : -1])
#define DTR_BOOL(k, field)     .key = (k), .type = DTR_CONF_BOOL, DTR_FIELD(field, bool)
#define DTR_INT(k, field)      .key = (k), .type = DTR_CONF_INT, DTR_FIELD(field, int64_t)
#define DTR_SIZE(k, field)     .key = (k), .type = DTR_CONF_SIZE, DTR_FIELD(field, uint64_t)
#define DTR_DURATION(k, field) .key = (k), .type = DTR_CONF_DURATION, DTR_FIELD(field, uint64_t)
#define DTR_STRING(k, field)   .key = (k), .type = DTR_CONF_STRING, DTR_FIELD(field, const char *)
#define DTR_STRINGS(k, field)  .key = (k), .type = DTR_CONF_STRINGS, DTR_FIELD(field, struct dtr_conf_strings)
#define DTR_PAIRS(k, field)    .key = (k), .type = DTR_CONF_PAIRS, DTR_FIELD(field, struct dtr_conf_pairs)
#define DTR_MODULES(k, field)  .key = (k), .type = DTR_CONF_MODULES, DTR_FIELD(field, struct dtr_conf_modules)
#define DTR_SECTION(k, field)  .key = (k), .type = DTR_CONF_SECTION, DTR_FIELD(field, bool)
/* A list of structs { T *items; size_t count; } whose elements follow `schema`. */
#define DTR_LIST(k, field, schema)                                                                           \
    .key = (k), .type = DTR_CONF_LIST, .element = (schema), .member = #field,                                \
    .offset = offsetof(ROLE_STRUCT, field) +                                                                 \
              0 * sizeof(char[sizeof(((ROLE_STRUCT *)0)->field) == sizeof(struct dtr_conf_items) ? 1 : -1])
/* Accepted and forgotten. */
#define DTR_ANY(k)          .key = (k), .type = DTR_CONF_ANY, .offset = DTR_NO_FIELD
#define DTR_NO_FIELD        ((size_t)-1)
#define DTR_RANGE(min, max) .least = (min), .most = (max)
#define DTR_PORT            DTR_RANGE(0, 65535)
#define DTR_PARTLY(reason)  .effect = DTR_EFFECT_PARTLY, .why = (reason)
#define DTR_LATER(reason)   .effect = DTR_EFFECT_LATER, .why = (reason)
#define DTR_NEVER(reason)   .effect = DTR_EFFECT_NEVER, .why = (reason)

#endif
