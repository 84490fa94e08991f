/* Where a script of a name is; see policy.h. */
#include "core/base/program.h"
#include "core/base/str.h"
#include "core/policy/policy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDERS = 3 };

static bool name_ok(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < DTR_POLICY_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
}

static void list_folders(const char *kind, struct dtr_str folders[FOLDERS])
{
    char own[DTR_PROGRAM_PATH];
    dtr_program_folder(own);
    const char *slash = strrchr(own, '/');
    int above = slash ? (int)(slash - own) : 0; /* <prefix>/bin */
    dtr_str_printf(&folders[0], "/etc/darter/%s", kind);
    dtr_str_printf(&folders[1], "%.*s/" DTR_DATADIR "/darter/scripts/%s", above, own, kind);
    dtr_str_printf(&folders[2], "%s/scripts/%s", own, kind);
}

/* "<folder>/<name>.lua" where there is such a file. */
static char *look_in(const struct dtr_str *folder, const char *name)
{
    struct dtr_str path = {0};
    dtr_str_printf(&path, "%s/%s.lua", dtr_str_text(folder), name);
    if (dtr_str_ok(folder) && dtr_str_ok(&path) && access(dtr_str_text(&path), F_OK) == 0)
        return dtr_str_take(&path);
    dtr_str_free(&path);
    return NULL;
}

int dtr_policy_find(const char *kind, const char *name, char **ret_path, struct dtr_error *err)
{
    struct dtr_str folders[FOLDERS] = {{0}};
    char *path = NULL;
    int code = DTR_OK;
    if (!name_ok(name))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "\"%.60s\" cannot be a script's name", name);
    list_folders(kind, folders);
    for (size_t i = 0; i < FOLDERS && !path; i++)
        path = look_in(&folders[i], name);
    if (!path)
        code = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                             "there is no %s.lua in %.60s, %.80s, %.80s", name, dtr_str_text(&folders[0]),
                             dtr_str_text(&folders[1]), dtr_str_text(&folders[2]));
    for (size_t i = 0; i < FOLDERS; i++)
        dtr_str_free(&folders[i]);
    *ret_path = path;
    return code;
}
