/* Making configurations: defaults, file, command line, checks across keys. */
#include "core/conf/conf.h"

#include "core/base/str.h"
#include "core/conf/internal.h"

#include <stdlib.h>

static const struct {
    const char *name, *file;
} roles[DTR_ROLE_COUNT] = {
#define CONF_ROLE(id, name, file, type, get) [DTR_ROLE_##id] = {name, file},
    DTR_CONF_ROLES(CONF_ROLE)
#undef CONF_ROLE
};

const struct dtr_conf_schema *dtr_conf_schema(enum dtr_conf_role role)
{
    static const struct dtr_conf_schema *const schemas[DTR_ROLE_COUNT] = {
        [DTR_ROLE_DAEMON] = &dtr_conf_daemon_schema,       [DTR_ROLE_SCHEDULER] = &dtr_conf_scheduler_schema,
        [DTR_ROLE_MANAGER] = &dtr_conf_manager_schema,     [DTR_ROLE_INIT] = &dtr_conf_init_schema,
        [DTR_ROLE_DYNCONFIG] = &dtr_conf_dynconfig_schema,
    };
    return schemas[role];
}

const char *dtr_conf_effect_word(enum dtr_conf_effect effect)
{
    static const char *const list[] = {
#define EFFECT_WORD(id, word, words) [DTR_EFFECT_##id] = word,
        DTR_CONF_EFFECTS(EFFECT_WORD)
#undef EFFECT_WORD
    };
    return list[effect];
}

const char *dtr_conf_effect_words(enum dtr_conf_effect effect)
{
    static const char *const list[] = {
#define EFFECT_WORDS(id, word, words) [DTR_EFFECT_##id] = words,
        DTR_CONF_EFFECTS(EFFECT_WORDS)
#undef EFFECT_WORDS
    };
    return list[effect];
}

const char *dtr_conf_role_name(enum dtr_conf_role role)
{
    return roles[role].name;
}

const char *dtr_conf_role_file(enum dtr_conf_role role)
{
    return roles[role].file;
}

bool dtr_conf_role_parse(const char *name, enum dtr_conf_role *ret_role)
{
    for (int i = 0; i < DTR_ROLE_COUNT; i++) {
        size_t stem = strlen(roles[i].file) - strlen(".yaml");
        bool is_stem = strlen(name) == stem && dtr_conf_prefix(roles[i].file, name, stem);
        if (is_stem || dtr_casecmp(name, roles[i].name) == 0 || dtr_casecmp(name, roles[i].file) == 0) {
            *ret_role = (enum dtr_conf_role)i;
            return true;
        }
    }
    return false;
}

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "no memory for the configuration");
}

void dtr_conf_free(struct dtr_conf *conf)
{
    if (!conf)
        return;
    dtr_conf_free(conf->taken);
    dtr_arena_free(&conf->arena);
    free(conf);
}

static struct dtr_scope scope_of(struct dtr_conf *conf, enum dtr_conf_source source)
{
    return (struct dtr_scope){conf, conf->schema, conf->config, conf->sources, conf->lines, source, ""};
}

/* A configuration with its defaults, collecting into `report`. */
static int new_conf(enum dtr_conf_role role, struct dtr_conf_report *report, struct dtr_conf **ret_conf)
{
    struct dtr_conf *conf = calloc(1, sizeof(*conf));
    if (!conf)
        return DTR_ENOMEM;
    conf->role = role;
    conf->schema = dtr_conf_schema(role);
    conf->report = report;
    conf->config = dtr_arena_get(&conf->arena, conf->schema->size);
    conf->sources = dtr_arena_get(&conf->arena, conf->schema->count);
    conf->lines = dtr_arena_get(&conf->arena, conf->schema->count * sizeof(*conf->lines));
    struct dtr_scope scope = scope_of(conf, DTR_FROM_DEFAULT);
    int code = DTR_ENOMEM;
    if (conf->config && conf->sources && conf->lines)
        code = dtr_apply_defaults(&scope);
    if (code == DTR_OK)
        *ret_conf = conf;
    else
        dtr_conf_free(conf);
    return code;
}

/* The text's tree into the configuration. A text that is no YAML is a finding. */
static int fill(struct dtr_conf *conf, const char *text, size_t length)
{
    struct dtr_node *root = NULL;
    struct dtr_error wrong = {0};
    unsigned line = 0;
    struct dtr_scope scope = scope_of(conf, DTR_FROM_FILE);
    conf->filling = true;
    int code = dtr_tree_parse(&conf->arena, text, length, false, &root, &line, &wrong);
    if (code == DTR_ENOMEM)
        return code;
    if (code != DTR_OK) {
        dtr_conf_note(conf->report, DTR_CONF_ERROR, line, "%s", wrong.text);
        return DTR_OK;
    }
    code = dtr_walk_map(&scope, root, "");
    if (code == DTR_OK && conf->schema->finish)
        conf->schema->finish(conf, conf->config);
    return code;
}

int dtr_conf_parse(enum dtr_conf_role role, const char *name, const char *text, size_t length,
                   struct dtr_conf **ret_conf, struct dtr_conf_report *report, struct dtr_error *err)
{
    struct dtr_conf_report own = {0};
    struct dtr_conf *conf = NULL;
    *ret_conf = NULL;
    if (!report)
        report = &own;
    free(report->file);
    report->file = strdup(name);
    size_t errors = report->counts[DTR_CONF_ERROR];
    int code = report->file ? new_conf(role, report, &conf) : DTR_ENOMEM;
    if (code == DTR_OK)
        conf->file = dtr_arena_text(&conf->arena, name, strlen(name));
    if (code == DTR_OK)
        code = conf->file ? fill(conf, text, length) : DTR_ENOMEM;
    if (code == DTR_ENOMEM)
        (void)no_memory(err);
    else if (report->counts[DTR_CONF_ERROR] > errors)
        code = dtr_conf_report_error(report, err);
    dtr_conf_report_free(&own);
    if (code != DTR_OK) {
        dtr_conf_free(conf);
        return code;
    }
    conf->report = NULL;
    conf->filling = false;
    *ret_conf = conf;
    return DTR_OK;
}

int dtr_conf_load(enum dtr_conf_role role, const char *path, struct dtr_conf **ret_conf,
                  struct dtr_conf_report *report, struct dtr_error *err)
{
    char *text;
    size_t length;
    *ret_conf = NULL;
    int code = dtr_conf_read_file(path, &text, &length, err);
    if (code == DTR_OK)
        code = dtr_conf_parse(role, path, text, length, ret_conf, report, err);
    free(text);
    return code;
}

int dtr_conf_defaults(enum dtr_conf_role role, struct dtr_conf **ret_conf, struct dtr_error *err)
{
    return dtr_conf_parse(role, "defaults", "", 0, ret_conf, NULL, err);
}

/* --- the command line ------------------------------------------------------------------------------------
 */

static int set_row(struct dtr_conf *conf, const struct dtr_conf_row *row, const char *value,
                   struct dtr_error *err)
{
    struct dtr_node scalar = {.kind = DTR_NODE_SCALAR, .text = NULL}, *node = &scalar;
    struct dtr_scope scope = scope_of(conf, DTR_FROM_COMMAND_LINE);
    unsigned line;
    scalar.text = dtr_arena_text(&conf->arena, value, strlen(value));
    if (!scalar.text)
        return no_memory(err);
    if (row->type >= DTR_CONF_STRINGS) {
        int code = dtr_tree_parse(&conf->arena, value, strlen(value), true, &node, &line, err);
        if (code != DTR_OK)
            return code;
    }
    if (dtr_apply_row(&scope, row, node) != DTR_OK)
        return no_memory(err);
    if (conf->schema->finish && conf->report->counts[DTR_CONF_ERROR] == 0)
        conf->schema->finish(conf, conf->config);
    return dtr_conf_report_error(conf->report, err);
}

int dtr_conf_set(struct dtr_conf *conf, const char *key, const char *value, struct dtr_error *err)
{
    const struct dtr_conf_row *row = dtr_conf_find_row(conf->schema, key);
    char found[128];
    if (!row) {
        const char *near = dtr_conf_nearest(conf->schema, key, found);
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.80s is not a known key%s%s%s", key,
                             near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    size_t index = (size_t)(row - conf->schema->rows);
    size_t size = row->offset == DTR_NO_FIELD ? 0 : dtr_conf_field_size(row->type);
    unsigned char old[sizeof(struct dtr_conf_modules)], old_source = conf->sources[index];
    char *field = (char *)conf->config + (size ? row->offset : 0);
    struct dtr_conf_report report = {.file = strdup("command line")};
    memcpy(old, field, size);
    conf->report = &report;
    int code = set_row(conf, row, value, err);
    conf->report = NULL;
    dtr_conf_report_free(&report);
    if (code != DTR_OK) {
        memcpy(field, old, size);
        conf->sources[index] = old_source;
    }
    return code;
}

/* --- asking -------------------------------------------------------------------------------------------- */

enum dtr_conf_source dtr_conf_source(const struct dtr_conf *conf, const char *key, unsigned *ret_line)
{
    const struct dtr_conf_row *row = dtr_conf_find_row(conf->schema, key);
    size_t index = row ? (size_t)(row - conf->schema->rows) : 0;
    enum dtr_conf_source source = row ? (enum dtr_conf_source)conf->sources[index] : DTR_FROM_DEFAULT;
    if (ret_line)
        *ret_line = source == DTR_FROM_FILE ? conf->lines[index] : 0;
    return source;
}

/* --- judging ------------------------------------------------------------------------------------------- */

int dtr_conf_judge(struct dtr_conf *conf, dtr_conf_judge_fn *judge, struct dtr_conf_report *report,
                   struct dtr_error *err)
{
    struct dtr_conf_report own = {0};
    if (!report)
        report = &own;
    free(report->file);
    report->file = strdup(conf->file);
    conf->report = report;
    conf->filling = true;
    judge(conf);
    conf->report = NULL;
    conf->filling = false;
    int code = dtr_conf_report_error(report, err);
    dtr_conf_report_free(&own);
    return code;
}

/* A value of the command line has no line, and its file is not to blame. */
static void note_at_key(struct dtr_conf *conf, const char *key, const char *text)
{
    unsigned line = 0;
    bool ordered = conf->filling && dtr_conf_source(conf, key, &line) == DTR_FROM_COMMAND_LINE;
    dtr_conf_note(conf->report, DTR_CONF_ERROR, line, "%s%s", text,
                  ordered ? " (from the command line)" : "");
}

void dtr_conf_complain(struct dtr_conf *conf, const char *key, const char *format, ...)
{
    char text[512];
    int length = snprintf(text, sizeof(text), "%s ", key);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + length, sizeof(text) - (size_t)length, format, args);
    va_end(args);
    note_at_key(conf, key, text);
}

void dtr_conf_blame(struct dtr_conf *conf, const struct dtr_error *err)
{
    char key[128];
    (void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(err->text, "[: "), err->text);
    note_at_key(conf, key, err->text);
}

void dtr_conf_remark(struct dtr_conf *conf, enum dtr_conf_severity severity, unsigned line,
                     const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    dtr_conf_note(conf->report, severity, line, "%s", text);
}

#define CONF_GETTER(id, name, file, type, get)                                                               \
    const type *get(const struct dtr_conf *conf)                                                             \
    {                                                                                                        \
        return conf->role == DTR_ROLE_##id ? conf->config : NULL;                                            \
    }
DTR_CONF_ROLES(CONF_GETTER)
#undef CONF_GETTER
