/* What the files of this folder share. Others include conf.h. */
#ifndef DTR_CONF_INTERNAL_H
#define DTR_CONF_INTERNAL_H

#include "core/conf/schema.h"
#include "core/conf/tree.h"

struct dtr_conf {
    enum dtr_conf_role role;
    const struct dtr_conf_schema *schema;
    struct dtr_arena arena;
    void *config;                   /* the role's struct */
    unsigned char *sources;         /* enum dtr_conf_source of each row */
    unsigned *lines;                /* of each row that came from the file */
    const char *file;               /* as messages name it */
    struct dtr_conf_report *report; /* while loading, setting or judging */
    bool filling;                   /* from a file, or judging it: lines mean something */
    struct dtr_conf *taken;         /* whose values of reloadable keys are in `config` (change.h), or NULL */
};

/* One struct being filled: the role's, or one element of a list in it. */
struct dtr_scope {
    struct dtr_conf *conf;
    const struct dtr_conf_schema *schema;
    void *config;
    unsigned char *sources;
    unsigned *lines;
    enum dtr_conf_source source; /* of what is being applied */
    const char *label;           /* before keys in messages: "proxy.rules[0]." */
};

/* report.c. Keeps a finding, or only counts it when there are many or memory is short. */
__attribute__((format(printf, 4, 5))) void dtr_conf_note(struct dtr_conf_report *report,
                                                         enum dtr_conf_severity severity, unsigned line,
                                                         const char *format, ...);
/* Puts the first error into *err as "file:line: text". Returns DTR_EINVALID, or DTR_OK when there is none. */
int dtr_conf_report_error(const struct dtr_conf_report *report, struct dtr_error *err);

/* nearest.c. The known key most like the unknown `path`, written whole, or NULL when none is near. */
const char *dtr_conf_nearest(const struct dtr_conf_schema *schema, const char *path, char found[128]);
/* Whether the first `length` characters of `whole` are `text` in any case. */
bool dtr_conf_prefix(const char *whole, const char *text, size_t length);

/* apply.c. Errors in values become findings; the result is DTR_OK or DTR_ENOMEM. */
int dtr_apply_row(struct dtr_scope *scope, const struct dtr_conf_row *row, const struct dtr_node *node);
/* Fills a zeroed struct with its rows' defaults. */
int dtr_apply_defaults(struct dtr_scope *scope);
/* Bytes of a field of this type. */
size_t dtr_conf_field_size(enum dtr_conf_type type);

/* walk.c. Matches a map's keys with the scope's rows. */
int dtr_walk_map(struct dtr_scope *scope, const struct dtr_node *map, const char *prefix);
const struct dtr_conf_row *dtr_conf_find_row(const struct dtr_conf_schema *schema, const char *path);

/* show.c. A value as a file would write it, secrets masked. */
struct dtr_str;
void dtr_conf_put_value(struct dtr_str *text, const struct dtr_conf_row *row, const void *config);

/* read.c. Reads a small file into *ret_text (free()). */
int dtr_conf_read_file(const char *path, char **ret_text, size_t *ret_length, struct dtr_error *err);

#endif
