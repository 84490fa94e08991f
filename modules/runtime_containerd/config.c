/* Edits containerd's config.toml: the one key that makes containerd read hosts.toml files. Not for
 * anything else in that file, which keeps its comments and order. */
#include "containerd.h"
#include "toml.h"

#include <stdlib.h>
#include <string.h>

/* What was found about the registry table of the CRI plugin. Lines are 0 when there is nothing. */
struct view {
    long version;    /* of the file; 1 when it does not say */
    size_t items;    /* tables and keys in the file */
    bool has_path;   /* config_path stands there */
    bool has_header; /* [plugins."...".registry] stands there */
    struct toml_slice value, indent;
    size_t header_end;
    unsigned path_line, conflict_line, inline_line;
    const char *conflict;
};

static const char *plugin_name(long version)
{
    if (version == 1)
        return "cri";
    return version == 2 ? "io.containerd.grpc.v1.cri" : "io.containerd.cri.v1.images";
}

static bool slice_has(struct toml_slice slice, const char *text)
{
    return memmem(slice.at, slice.length, text, strlen(text)) != NULL;
}

static int not_understood(const char *path, unsigned line, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "%s:%u: this line is not understood; correct it or set config_path by hand", path,
                         line);
}

/* The version and the keys before the first table. */
static int scan_top(const char *path, const char *text, struct view *view, struct config_edit *edit,
                    struct dtr_error *err)
{
    struct toml_reader reader = toml_open(text, strlen(text));
    struct toml_item item;
    int more;
    view->version = 1;
    while ((more = toml_next(&reader, &item)) > 0) {
        view->items++;
        if (item.is_table || item.path.count != 1)
            continue;
        if (toml_part_is(&item.path, 0, "version"))
            view->version = strtol(item.value.at, NULL, 10);
        if (toml_part_is(&item.path, 0, "disabled_plugins"))
            edit->cri_disabled = slice_has(item.value, "\"cri\"") || slice_has(item.value, "'cri'") ||
                                 slice_has(item.value, ".cri\"") || slice_has(item.value, ".cri'");
        if (toml_part_is(&item.path, 0, "imports"))
            edit->imports = slice_has(item.value, "\"") || slice_has(item.value, "'");
    }
    if (more < 0)
        return not_understood(path, reader.line, err);
    if (view->version < 1)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s: version must be 1 or more", path);
    return DTR_OK;
}

/* containerd refuses mirrors and configs.*.tls beside config_path; empty tables are fine. */
static void note_conflict(struct view *view, const struct toml_item *item)
{
    const struct toml_path *path = &item->path;
    bool filled = !item->is_table && slice_has(item->value, "=");
    const char *what = NULL;
    if (toml_part_is(path, 3, "mirrors") && (path->count > 4 || filled))
        what = "mirrors";
    if (toml_part_is(path, 3, "configs") &&
        (toml_part_is(path, 5, "tls") || (filled && slice_has(item->value, "tls"))))
        what = "configs.tls";
    if (what && !view->conflict_line) {
        view->conflict = what;
        view->conflict_line = item->line;
    }
}

static void note_item(struct view *view, const struct toml_item *item, const char *const names[3])
{
    const struct toml_path *path = &item->path;
    if (!toml_under(path, names, path->count < 3 ? path->count : 3))
        return;
    if (path->count < 3 || (path->count == 3 && (!item->is_table || item->is_array))) {
        /* plugins or a part of it written as an inline table */
        if (!item->is_table || item->is_array)
            view->inline_line = item->line;
    } else if (path->count == 3) {
        view->has_header = true;
        view->header_end = item->end;
        view->indent = item->indent;
    } else if (!item->is_table && path->count == 4 && toml_part_is(path, 3, "config_path")) {
        view->has_path = true;
        view->value = item->value;
        view->path_line = item->line;
    } else {
        note_conflict(view, item);
        if (!item->is_table && item->table_depth < 3)
            view->inline_line = item->line;
    }
}

static void scan_registry(const char *text, const char *plugin, struct view *view)
{
    const char *const names[3] = {"plugins", plugin, "registry"};
    struct toml_reader reader = toml_open(text, strlen(text));
    struct toml_item item;
    while (toml_next(&reader, &item) > 0)
        note_item(view, &item, names);
}

/* The first entry of the ':'-list that config_path is. */
static void first_folder(const char *list, char folder[CONTAINERD_PATH])
{
    list += strspn(list, ":");
    size_t length = strcspn(list, ":");
    memcpy(folder, list, length);
    folder[length] = '\0';
}

static int check_editable(const char *path, const char *certs, const struct view *view, struct dtr_error *err)
{
    if (view->conflict_line)
        return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER,
                             "%s:%u: containerd refuses registry.%s together with config_path; move it to "
                             "%s/<registry>/hosts.toml, remove it here, run again",
                             path, view->conflict_line, view->conflict, certs);
    if (view->inline_line && !view->has_path && !view->has_header)
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                             "%s:%u: the registry table is written inline; write it as a [table] of its own "
                             "or set config_path = \"%s\" by hand",
                             path, view->inline_line, certs);
    return DTR_OK;
}

static void write_edited(FILE *out, const char *text, const struct view *view, const char *certs)
{
    const char *newline = text_newline(text);
    const char *quote = view->version >= 3 ? "'" : "\"";
    const char *plugin = plugin_name(view->version);
    if (view->has_path) {
        const char *after = view->value.at + view->value.length;
        (void)fwrite(text, 1, (size_t)(view->value.at - text), out);
        text_put_string(out, certs);
        (void)fputs(after, out);
        return;
    }
    size_t head = view->has_header ? view->header_end : strlen(text);
    (void)fwrite(text, 1, head, out);
    if (head > 0 && text[head - 1] != '\n')
        (void)fputs(newline, out);
    if (!view->has_header) {
        if (view->version == 1)
            quote = "";
        (void)fprintf(out, "%s[plugins.%s%s%s.registry]%s", newline, quote, plugin, quote, newline);
    }
    (void)fprintf(out, "%.*s  config_path = ", (int)view->indent.length,
                  view->indent.at ? view->indent.at : "");
    text_put_string(out, certs);
    (void)fputs(newline, out);
    (void)fputs(text + head, out);
}

/* A missing file, or one without a single key, becomes a version 2 file: containerd 1.x and 2.x read it. */
static void write_fresh(FILE *out, const char *old_text, const char *certs)
{
    const char *newline = text_newline(old_text);
    (void)fputs(old_text, out);
    if (*old_text && old_text[strlen(old_text) - 1] != '\n')
        (void)fputs(newline, out);
    (void)fprintf(out, "version = 2%s%s[plugins.\"%s\".registry]%s  config_path = ", newline, newline,
                  plugin_name(2), newline);
    text_put_string(out, certs);
    (void)fputs(newline, out);
}

int config_edit_text(const char *path, const char *old_text, const char *certs, struct config_edit *ret_edit,
                     struct dtr_error *err)
{
    const char *text = old_text ? old_text : "";
    struct view view = {0};
    size_t size = 0;
    *ret_edit = (struct config_edit){0};
    int rc = scan_top(path, text, &view, ret_edit, err);
    if (rc)
        return rc;
    scan_registry(text, plugin_name(view.version), &view);
    if (view.has_path) {
        char list[CONTAINERD_PATH];
        if (!toml_string(view.value, list, sizeof(list)))
            return not_understood(path, view.path_line, err);
        first_folder(list, ret_edit->folder);
        if (*ret_edit->folder)
            return DTR_OK;
    }
    rc = check_editable(path, certs, &view, err);
    if (rc)
        return rc;
    if (strlen(certs) >= sizeof(ret_edit->folder))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the folder for hosts.toml is too long");
    memcpy(ret_edit->folder, certs, strlen(certs) + 1);
    FILE *out = open_memstream(&ret_edit->text, &size);
    if (!out)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for %s", path);
    if (view.items == 0)
        write_fresh(out, text, certs);
    else
        write_edited(out, text, &view, certs);
    return text_close(out, &ret_edit->text, err);
}
