/* What the files of this module share. config.c edits config.toml, hosts.c edits a hosts.toml,
 * runtime_containerd.c reads files and makes the plan. Pure apart from that last file. */
#ifndef CONTAINERD_H
#define CONTAINERD_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Room for any path that a system call takes. */
enum { CONTAINERD_PATH = 4096 };

/* What reading config.toml showed and which text it gets. */
struct config_edit {
    char *text;                   /* the new text, free(); NULL: the file stays as it is */
    char folder[CONTAINERD_PATH]; /* where hosts.toml files belong */
    bool cri_disabled;            /* disabled_plugins names the CRI plugin */
    bool imports;                 /* other files are merged in, which are not read here */
};

/* Plans config.toml: `old_text` is NULL when the file does not exist, `path` is for messages, `certs` is
 * the folder that config_path gets when the file names none. Refuses what containerd would refuse
 * (mirrors beside config_path) and what cannot be edited in place, with the line. */
int config_edit_text(const char *path, const char *old_text, const char *certs, struct config_edit *ret_edit,
                     struct dtr_error *err);

/* One registry as hosts.toml says it. */
struct hosts_wish {
    const char *proxy;        /* "http://127.0.0.1:4001" */
    const char *server;       /* NULL: every registry, upstream by the ns= query */
    const char *capabilities; /* "pull,resolve" */
    bool skip_verify;
    const char *ca; /* or NULL */
};

/* The text of a hosts.toml that asks the proxy first; what else an existing file says stays. *ret_text is
 * the caller's (free()), or NULL when the file says all that already. */
int hosts_edit_text(const char *path, const char *old_text, const struct hosts_wish *wish, char **ret_text,
                    struct dtr_error *err);

/* A TOML string with its quotes. */
void text_put_string(FILE *out, const char *text);
/* Closes a memory stream; an incomplete *text is freed and NULL. */
int text_close(FILE *out, char **text, struct dtr_error *err);
/* The end of line that the text uses. */
const char *text_newline(const char *text);

#endif
