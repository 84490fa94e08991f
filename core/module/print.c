/* What `darter module list` and `darter module describe` print. */
#include "core/module/registry.h"

#include "core/module/load.h"

#include <stdlib.h>

/* --- list -------------------------------------------------------------------------------------------- */

static void print_features(const struct dtr_module *module, FILE *out)
{
    const char *before = "";
    for (const struct dtr_feature *feature = module->features; feature->kind; feature++, before = ", ")
        (void)fprintf(out, "%s%s %s", before, feature->kind, feature->name);
}

/* A list under way. */
struct listing {
    FILE *out;
    size_t count;
};

static void list_one(void *context, const char *name, const char *path)
{
    struct listing *listing = context;
    const struct dtr_module *module;
    struct dtr_error err = {0};
    listing->count++;
    if (dtr_module_load(path, name, &module, &err) == DTR_OK)
        (void)fprintf(listing->out, "%-20s %-8s %s\n", name, module->version, module->summary);
    else
        (void)fprintf(listing->out, "%-20s %-8s refused: %s\n", name, "-", err.text);
}

int dtr_modules_list(struct dtr_modules *modules, FILE *out, struct dtr_error *err)
{
    struct listing listing = {.out = out};
    dtr_modules_each(modules, list_one, &listing);
    if (listing.count == 0)
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
    if (!dtr_module_name_of_file(slash + 1, name))
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
