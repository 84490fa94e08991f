/* What users ask for: all keys of a role, and whether a file is right. */
#include "core/conf/internal.h"

#include "core/base/str.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- describe ------------------------------------------------------------------------------------------ */

static const char *const type_names[] = {
    [DTR_CONF_BOOL] = "true|false",    [DTR_CONF_INT] = "number",
    [DTR_CONF_SIZE] = "size",          [DTR_CONF_DURATION] = "duration",
    [DTR_CONF_STRING] = "text",        [DTR_CONF_STRINGS] = "list of texts",
    [DTR_CONF_PAIRS] = "map of texts", [DTR_CONF_MODULES] = "map of maps",
    [DTR_CONF_LIST] = "list of maps",  [DTR_CONF_SECTION] = "section",
    [DTR_CONF_ANY] = "anything",
};

static void put_range(const struct dtr_conf_row *row, FILE *out)
{
    const char *unit = row->type == DTR_CONF_DURATION ? "ms" : row->type == DTR_CONF_SIZE ? "B" : "";
    if (row->least == 0 && row->most == 0)
        return;
    if (row->most == INT64_MAX)
        (void)fprintf(out, ", at least %" PRId64 "%s", row->least, unit);
    else
        (void)fprintf(out, ", %" PRId64 "%s to %" PRId64 "%s", row->least, unit, row->most, unit);
}

static void put_default(const struct dtr_conf_row *row, FILE *out)
{
    if (row->required)
        (void)fprintf(out, "; required");
    else if (row->initial)
        (void)fprintf(out, "; default %s", row->initial);
    else if (row->unset)
        (void)fprintf(out, "; default: %s", row->unset);
}

static void put_row(const struct dtr_conf_row *row, const char *prefix, FILE *out)
{
    (void)fprintf(out, "%s%s\n    %s", prefix, row->key, row->words ? row->words : type_names[row->type]);
    if (row->unit)
        (void)fprintf(out, ", %s", row->unit);
    put_range(row, out);
    put_default(row, out);
    (void)fprintf(out, "%s\n    %s\n", row->ours ? "; not in Dragonfly" : "", row->help);
    if (row->aliases)
        (void)fprintf(out, "    Older spellings: %s\n", row->aliases);
    if (row->reloadable)
        (void)fprintf(out, "    SIGHUP makes a change count while the program runs\n");
    if (row->effect != DTR_EFFECT_YES)
        (void)fprintf(out, "    It %s: %s\n", dtr_conf_effect_words(row->effect), row->why);
}

static void put_schema(const struct dtr_conf_schema *schema, const char *prefix, FILE *out)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct dtr_conf_row *row = &schema->rows[i];
        put_row(row, prefix, out);
        if (row->element) {
            char below[160];
            (void)snprintf(below, sizeof(below), "%s%s[].", prefix, row->key);
            put_schema(row->element, below, out);
        }
    }
}

void dtr_conf_describe(enum dtr_conf_role role, FILE *out)
{
    put_schema(dtr_conf_schema(role), "", out);
}

/* --- check --------------------------------------------------------------------------------------------- */

/* Keys at the top of the file that the role knows, in thousandths. */
static unsigned likeness(const struct dtr_conf_schema *schema, const struct dtr_node *root)
{
    unsigned known = 0;
    for (const struct dtr_node *n = root->first; n; n = n->next) {
        size_t length = strlen(n->key);
        for (size_t i = 0; i < schema->count; i++) {
            const char *key = schema->rows[i].key;
            if (dtr_conf_prefix(key, n->key, length) && (key[length] == '.' || !key[length])) {
                known++;
                break;
            }
        }
    }
    return root->count ? known * 1000 / root->count : 0;
}

/* The one role that knows most of the keys. */
static bool role_by_keys(const char *text, size_t length, enum dtr_conf_role *ret_role)
{
    struct dtr_arena arena = {0};
    struct dtr_node *root = NULL;
    unsigned line, best = 0;
    bool one = false;
    if (dtr_tree_parse(&arena, text, length, false, &root, &line, NULL) == DTR_OK) {
        for (int i = 0; i < DTR_ROLE_COUNT; i++) {
            unsigned like = likeness(dtr_conf_schema((enum dtr_conf_role)i), root);
            one = like > best || (one && like < best);
            if (like > best) {
                best = like;
                *ret_role = (enum dtr_conf_role)i;
            }
        }
    }
    dtr_arena_free(&arena);
    return one;
}

int dtr_conf_role_of(const char *path, enum dtr_conf_role *ret_role, struct dtr_error *err)
{
    const char *slash = strrchr(path, '/');
    char *text = NULL;
    size_t length = 0;
    if (dtr_conf_role_parse(slash ? slash + 1 : path, ret_role))
        return DTR_OK;
    int code = dtr_conf_read_file(path, &text, &length, err);
    if (code == DTR_OK && !role_by_keys(text, length, ret_role))
        code = dtr_error_set(
            err, DTR_EINVALID, DTR_RETRY_NEVER,
            "%s: neither its name nor its keys tell whose configuration this is; say it with --role", path);
    free(text);
    return code;
}

static int find_role(const char *role, const char *path, enum dtr_conf_role *ret_role, FILE *out)
{
    struct dtr_error err = {0};
    if (role && dtr_conf_role_parse(role, ret_role))
        return DTR_OK;
    if (role) {
        (void)fprintf(out, "%s is not a role; there are daemon, scheduler, init and dynconfig\n", role);
        return DTR_EINVALID;
    }
    int code = dtr_conf_role_of(path, ret_role, &err);
    if (code != DTR_OK)
        (void)fprintf(out, "%s\n", err.text);
    return code;
}

static int check_text(enum dtr_conf_role role, const char *path, const char *text, size_t length,
                      dtr_conf_judge_fn *judge, FILE *out)
{
    struct dtr_conf_report report = {0};
    struct dtr_conf *conf = NULL;
    struct dtr_error err = {0};
    int code = dtr_conf_parse(role, path, text, length, &conf, &report, &err);
    if (code == DTR_OK && judge)
        code = dtr_conf_judge(conf, judge, &report, &err);
    if (code == DTR_ENOMEM)
        (void)fprintf(out, "%s\n", err.text);
    dtr_conf_report_print(&report, out);
    (void)fprintf(
        out, "%s: %s as configuration of %s: %zu errors, %zu warnings, %zu keys without full effect\n", path,
        code == DTR_OK ? "good" : "refused", dtr_conf_role_name(role), report.counts[DTR_CONF_ERROR],
        report.counts[DTR_CONF_WARNING], report.counts[DTR_CONF_NOTICE]);
    dtr_conf_report_free(&report);
    dtr_conf_free(conf);
    return code;
}

int dtr_conf_check(const char *role, const char *path, dtr_conf_judge_fn *judge, FILE *out)
{
    struct dtr_error err = {0};
    enum dtr_conf_role which = DTR_ROLE_DAEMON;
    char *text;
    size_t length = 0;
    int code = dtr_conf_read_file(path, &text, &length, &err);
    if (code != DTR_OK) {
        (void)fprintf(out, "%s\n", err.text);
        return code;
    }
    code = find_role(role, path, &which, out);
    if (code == DTR_OK)
        code = check_text(which, path, text, length, judge, out);
    free(text);
    return code;
}
