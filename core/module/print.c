/* What `darter module list` and `darter module describe` print. */
#include "core/module/registry.h"

#include "core/base/str.h"
#include "core/module/load.h"

#include <dirent.h>
#include <stdlib.h>

/* --- list -------------------------------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The module's name in a file's name; false when it is no module file. */
static bool name_of_file(const char *file, char name[DTR_MODULE_NAME])
{
    size_t length = strlen(file);
    if (length <= 3 || length - 3 >= DTR_MODULE_NAME || strcmp(file + length - 3, ".so") != 0)
        return false;
    memcpy(name, file, length - 3);
    name[length - 3] = 0;
    return dtr_module_name_ok(name);
}

static void print_features(const struct dtr_module *module, FILE *out)
{
    const char *before = "";
    for (const struct dtr_feature *feature = module->features; feature->kind; feature++, before = ", ")
        (void)fprintf(out, "%s%s %s", before, feature->kind, feature->name);
}

static void list_one(const char *path, const char *name, FILE *out)
{
    const struct dtr_module *module;
    struct dtr_error err = {0};
    if (dtr_module_load(path, name, &module, &err) == DTR_OK)
        (void)fprintf(out, "%-20s %-8s %s\n", name, module->version, module->summary);
    else
        (void)fprintf(out, "%-20s %-8s refused: %s\n", name, "-", err.text);
}

/* A file that an earlier folder shadows is not shown: it is not the one that would be used. */
static void list_folder(const struct dtr_modules *modules, const char *folder, size_t *found, FILE *out)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        char name[DTR_MODULE_NAME];
        char *used = NULL;
        size_t length = strlen(folder);
        if (name_of_file(entries[i]->d_name, name) &&
            dtr_modules_path(modules, name, &used, NULL) == DTR_OK && strncmp(used, folder, length) == 0 &&
            used[length] == '/' && strcmp(used + length + 1, entries[i]->d_name) == 0) {
            list_one(used, name, out);
            (*found)++;
        }
        free(used);
        free(entries[i]);
    }
    free(entries);
}

int dtr_modules_list(struct dtr_modules *modules, FILE *out, struct dtr_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < DTR_MODULE_FOLDERS; i++)
        if (modules->folders[i])
            list_folder(modules, modules->folders[i], &found, out);
    if (found == 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no modules in %s%s%s, %s or %s",
                             modules->folders[0] ? modules->folders[0] : "", modules->folders[0] ? ", " : "",
                             modules->folders[1], modules->folders[2], modules->folders[3]);
    return DTR_OK;
}

/* --- describe ---------------------------------------------------------------------------------------- */

static void describe_option(const struct dtr_option *option, FILE *out)
{
    char range[DTR_OPTION_RANGE];
    dtr_option_range(option, range);
    (void)fprintf(out, "  %-20s %s\n", option->name, option->help);
    const char *unit = option->type == DTR_OPTION_DURATION ? "ms"
                       : option->type == DTR_OPTION_SIZE   ? "bytes"
                                                           : option->unit;
    (void)fprintf(out, "  %-20s %s%s%s%s%s; default %s\n", "", dtr_option_type_words(option->type),
                  *range ? ", " : "", range, *range && *unit ? " " : "", *range ? unit : "",
                  *option->initial ? option->initial : "\"\"");
}

static void describe(const struct dtr_module *module, const char *path, FILE *out)
{
    (void)fprintf(out, "%s %s: %s\n", module->name, module->version, module->summary);
    (void)fprintf(out, "file      %s\n", path);
    (void)fprintf(out, "ABI       %u.%u\n", module->abi_major, module->abi_minor);
    (void)fprintf(out, "features  ");
    print_features(module, out);
    (void)fprintf(out, "\n");
    if (module->options && module->options->name)
        (void)fprintf(out, "\noptions (modules.options.%s):\n", module->name);
    for (const struct dtr_option *option = module->options; option && option->name; option++)
        describe_option(option, out);
    if (module->metrics && module->metrics->name)
        (void)fprintf(out, "\nmetrics (darter_module_%s_...):\n", module->name);
    for (const struct dtr_metric *metric = module->metrics; metric && metric->name; metric++)
        (void)fprintf(out, "  %-28s %s\n", metric->name, metric->help);
}

/* The file that is meant, and the name that its module must have. */
static int find_file(const struct dtr_modules *modules, const char *said, char name[DTR_MODULE_NAME],
                     char **ret_path, struct dtr_error *err)
{
    const char *slash = strrchr(said, '/');
    if (!slash) {
        (void)snprintf(name, DTR_MODULE_NAME, "%s", said);
        return dtr_modules_path(modules, said, ret_path, err);
    }
    if (!name_of_file(slash + 1, name))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "%.180s is no module's file: those are called NAME.so", said);
    *ret_path = strdup(said);
    return *ret_path ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
}

int dtr_modules_describe(struct dtr_modules *modules, const char *name, FILE *out, struct dtr_error *err)
{
    const struct dtr_module *module;
    char own_name[DTR_MODULE_NAME];
    char *path;
    int status = find_file(modules, name, own_name, &path, err);
    if (status != DTR_OK)
        return status;
    status = dtr_module_load(path, own_name, &module, err);
    if (status == DTR_OK)
        describe(module, path, out);
    free(path);
    return status;
}
