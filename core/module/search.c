/* Where modules are: the folders, the file of a name, and all files. */
#include "core/module/registry.h"

#include "core/base/program.h"
#include "core/base/str.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static bool add_folder(struct dtr_modules *modules, size_t at, const char *folder, const char *rest)
{
    return asprintf(&modules->folders[at], "%s%s", folder, rest) >= 0;
}

int dtr_modules_new(const char *folder, struct dtr_modules **ret_modules, struct dtr_error *err)
{
    struct dtr_modules *modules = calloc(1, sizeof(*modules));
    char own[DTR_PROGRAM_PATH];
    bool good = modules != NULL;

    dtr_program_folder(own);
    if (good && folder && *folder)
        good = add_folder(modules, 0, folder, "");
    good = good && add_folder(modules, 1, own, "/" DTR_INSTALLED_MODULES) &&
           add_folder(modules, 2, own, "/modules") && add_folder(modules, 3, own, "/../modules");
    if (!good) {
        dtr_modules_free(modules);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    }
    *ret_modules = modules;
    return DTR_OK;
}

/* Whether a name can be a module's: letters, digits, '_' and '-', at most DTR_MODULE_NAME - 1. */
static bool name_ok(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < DTR_MODULE_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
}

/* --- a name ----------------------------------------------------------------------------------------------
 */

/* What there is instead of a module that is not there. */
static int not_found(const struct dtr_modules *modules, const char *name, const char *looked,
                     struct dtr_error *err)
{
    struct dtr_module_names names = {0};
    struct dtr_str others = {0};
    char kind[DTR_MODULE_NAME];
    (void)snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(name, "_"), name);
    dtr_modules_of_kind(modules, kind, &names);
    for (size_t i = 0; i < names.count; i++)
        dtr_str_printf(&others, "%s%s_%s", i ? ", " : "; there are ", kind, names.list[i]);
    (void)dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no module %s%.100s (looked for %s.so in %s)",
                        name, dtr_str_text(&others), name, looked);
    dtr_str_free(&others);
    return DTR_ENOT_FOUND;
}

/* *ret_path stays NULL when no folder has the file; `looked` gets the folders. */
static int look_in_folders(const struct dtr_modules *modules, const char *name, struct dtr_str *looked,
                           char **ret_path)
{
    *ret_path = NULL;
    for (size_t i = 0; i < DTR_MODULE_FOLDERS; i++) {
        char *path;
        if (!modules->folders[i])
            continue;
        if (asprintf(&path, "%s/%s.so", modules->folders[i], name) < 0)
            return DTR_ENOMEM;
        if (access(path, F_OK) == 0) {
            *ret_path = path;
            return DTR_OK;
        }
        free(path);
        dtr_str_printf(looked, "%s%s", looked->length ? ", " : "", modules->folders[i]);
    }
    return DTR_OK;
}

int dtr_modules_path(const struct dtr_modules *modules, const char *name, char **ret_path,
                     struct dtr_error *err)
{
    struct dtr_str looked = {0};
    if (!name_ok(name))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "\"%.60s\" cannot be a module's name", name);
    int status = look_in_folders(modules, name, &looked, ret_path);
    if (status != DTR_OK)
        (void)dtr_error_set(err, status, DTR_RETRY_SAME, "out of memory");
    else if (!*ret_path)
        status = not_found(modules, name, dtr_str_text(&looked), err);
    dtr_str_free(&looked);
    return status;
}

/* --- all -------------------------------------------------------------------------------------------------
 */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

bool dtr_module_name_of_file(const char *file, char name[DTR_MODULE_NAME])
{
    size_t length = strlen(file);
    if (length <= 3 || length - 3 >= DTR_MODULE_NAME || strcmp(file + length - 3, ".so") != 0)
        return false;
    memcpy(name, file, length - 3);
    name[length - 3] = 0;
    return name_ok(name);
}

/* Whether an earlier folder has the file too, so that this one would not be used. */
static bool is_shadowed(const struct dtr_modules *modules, size_t folder, const char *file)
{
    for (size_t i = 0; i < folder; i++) {
        char *path = NULL;
        bool there = modules->folders[i] && asprintf(&path, "%s/%s", modules->folders[i], file) >= 0 &&
                     access(path, F_OK) == 0;
        free(path);
        if (there)
            return true;
    }
    return false;
}

void dtr_modules_each(const struct dtr_modules *modules,
                      void (*visit)(void *context, const char *name, const char *path), void *context)
{
    for (size_t folder = 0; folder < DTR_MODULE_FOLDERS; folder++) {
        struct dirent **entries = NULL;
        int count = modules->folders[folder] ? scandir(modules->folders[folder], &entries, NULL, by_name) : 0;
        for (int i = 0; i < count; i++) {
            char name[DTR_MODULE_NAME], *path = NULL;
            if (dtr_module_name_of_file(entries[i]->d_name, name) &&
                !is_shadowed(modules, folder, entries[i]->d_name) &&
                asprintf(&path, "%s/%s", modules->folders[folder], entries[i]->d_name) >= 0)
                visit(context, name, path);
            free(path);
            free(entries[i]);
        }
        free(entries);
    }
}

/* Those of one kind on their way into a list. */
struct gathering {
    const char *kind;
    struct dtr_module_names *names;
};

static void gather(void *context, const char *name, const char *path)
{
    const struct gathering *gathering = context;
    struct dtr_module_names *names = gathering->names;
    size_t length = strlen(gathering->kind);
    (void)path;
    if (strncmp(name, gathering->kind, length) == 0 && name[length] == '_' &&
        names->count < DTR_MODULES_OF_KIND)
        (void)dtr_copy_text(names->list[names->count++], DTR_MODULE_NAME, name + length + 1);
}

void dtr_modules_of_kind(const struct dtr_modules *modules, const char *kind,
                         struct dtr_module_names *ret_names)
{
    struct gathering gathering = {kind, ret_names};
    ret_names->count = 0;
    dtr_modules_each(modules, gather, &gathering);
}
