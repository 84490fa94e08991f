/* Edits a hosts.toml: containerd asks the proxy first and the registry itself when that fails. Other hosts
 * and comments of an existing file stay. Not for finding the file. */
#include "containerd.h"
#include "toml.h"

#include <stdlib.h>
#include <string.h>

static const char *const known_capabilities[] = {"pull", "resolve", "push"};

/* What an existing file says; offsets into its text. */
struct view {
    bool has_server, has_block;
    struct toml_slice server;
    size_t top_end;                /* after the last key before the first table */
    size_t block_start, block_end; /* the proxy's own tables */
    unsigned bad_line;             /* something that cannot be edited in place */
};

static int put_capabilities(FILE *out, const char *list, struct dtr_error *err)
{
    const char *separator = "";
    (void)fputs("  capabilities = [", out);
    while (*list) {
        size_t i = 0, length;
        list += strspn(list, ", ");
        length = strcspn(list, ", ");
        if (length == 0)
            break;
        while (i < 3 &&
               (strlen(known_capabilities[i]) != length || strncmp(list, known_capabilities[i], length) != 0))
            i++;
        if (i == 3)
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                 "capability \"%.*s\" is not one of pull, resolve, push",
                                 (int)(length < 40 ? length : 40), list);
        (void)fprintf(out, "%s\"%s\"", separator, known_capabilities[i]);
        separator = ", ";
        list += length;
    }
    (void)fputs("]\n", out);
    return DTR_OK;
}

/* The tables of the proxy. */
static int make_block(const struct hosts_wish *wish, char **ret_text, struct dtr_error *err)
{
    size_t size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    (void)fputs("[host.", out);
    text_put_string(out, wish->proxy);
    (void)fputs("]\n", out);
    int rc = put_capabilities(out, wish->capabilities, err);
    if (wish->skip_verify)
        (void)fputs("  skip_verify = true\n", out);
    if (wish->ca) {
        (void)fputs("  ca = ", out);
        text_put_string(out, wish->ca);
        (void)fputc('\n', out);
    }
    if (wish->server) {
        (void)fputs("  [host.", out);
        text_put_string(out, wish->proxy);
        (void)fputs(".header]\n    X-Dragonfly-Registry = ", out);
        text_put_string(out, wish->server);
        (void)fputc('\n', out);
    }
    int closed = text_close(out, &text, rc ? NULL : err);
    if (rc == DTR_OK)
        rc = closed;
    if (rc)
        free(text);
    else
        *ret_text = text;
    return rc;
}

static void note_item(struct view *view, const struct toml_item *item, const char *const names[2])
{
    bool ours = toml_under(&item->path, names, 2);
    if (!item->is_table && item->table_depth == 0) {
        view->top_end = item->end;
        if (toml_part_is(&item->path, 0, "host"))
            view->bad_line = item->line;
        if (item->path.count == 1 && toml_part_is(&item->path, 0, "server")) {
            view->has_server = true;
            view->server = item->value;
        }
    } else if (ours && !view->has_block) {
        view->has_block = true;
        view->block_start = item->start;
        view->block_end = item->end;
        if (!item->is_table)
            view->bad_line = item->line;
    } else if (ours) {
        view->block_end = item->end;
    }
}

/* Tables of others between ours would be lost with the block. */
static bool block_is_whole(const char *text, const struct view *view, const char *const names[2])
{
    struct toml_reader reader = toml_open(text, strlen(text));
    struct toml_item item;
    while (toml_next(&reader, &item) > 0) {
        if (item.start >= view->block_start && item.end <= view->block_end &&
            !toml_under(&item.path, names, 2))
            return false;
    }
    return true;
}

static int scan(const char *path, const char *text, const char *proxy, struct view *view,
                struct dtr_error *err)
{
    const char *const names[2] = {"host", proxy};
    struct toml_reader reader = toml_open(text, strlen(text));
    struct toml_item item;
    int more;
    while ((more = toml_next(&reader, &item)) > 0)
        note_item(view, &item, names);
    if (more < 0)
        view->bad_line = reader.line;
    if (!view->bad_line && view->has_block && !block_is_whole(text, view, names))
        view->bad_line = 1;
    if (view->bad_line)
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                             "%s:%u: cannot be edited in place; write its hosts as one [host.\"URL\"] table "
                             "each, or move the file away and run again",
                             path, view->bad_line);
    return DTR_OK;
}

/* Whether the file asks the proxy already, in these very words. */
static bool says_all(const char *text, const struct hosts_wish *wish, const struct view *view,
                     const char *block)
{
    char server[CONTAINERD_PATH];
    size_t length = view->block_end - view->block_start;
    if (!view->has_block || length != strlen(block) || memcmp(text + view->block_start, block, length) != 0)
        return false;
    return !wish->server || (view->has_server && toml_string(view->server, server, sizeof(server)) &&
                             strcmp(server, wish->server) == 0);
}

static void write_server(FILE *out, const char *text, const struct hosts_wish *wish, const struct view *view)
{
    const char *at = text;
    if (wish->server && view->has_server) {
        (void)fwrite(text, 1, (size_t)(view->server.at - text), out);
        text_put_string(out, wish->server);
        at = view->server.at + view->server.length;
    } else if (wish->server) {
        (void)fputs("server = ", out);
        text_put_string(out, wish->server);
        (void)fputc('\n', out);
        if (!view->top_end && !view->has_block)
            (void)fputc('\n', out);
    }
    size_t until = view->has_block ? view->block_start : view->top_end;
    (void)fwrite(at, 1, (size_t)(text + until - at), out);
    if (until > 0 && text[until - 1] != '\n')
        (void)fputc('\n', out);
    if (!view->has_block && until > 0)
        (void)fputc('\n', out);
}

int hosts_edit_text(const char *path, const char *old_text, const struct hosts_wish *wish, char **ret_text,
                    struct dtr_error *err)
{
    const char *text = old_text ? old_text : "";
    struct view view = {0};
    char *block = NULL;
    size_t size = 0;
    *ret_text = NULL;
    int rc = scan(path, text, wish->proxy, &view, err);
    if (rc == DTR_OK)
        rc = make_block(wish, &block, err);
    if (rc || says_all(text, wish, &view, block))
        goto out;
    FILE *out = open_memstream(ret_text, &size);
    if (!out) {
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for %s", path);
        goto out;
    }
    write_server(out, text, wish, &view);
    (void)fputs(block, out);
    const char *rest = text + (view.has_block ? view.block_end : view.top_end);
    if (!view.has_block && *rest && *rest != '\n' && *rest != '\r')
        (void)fputc('\n', out);
    (void)fputs(rest, out);
    rc = text_close(out, ret_text, err);
out:
    free(block);
    return rc;
}
