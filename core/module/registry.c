/* Finding, starting, looking up and stopping modules. */
#include "core/module/registry.h"

#include "core/base/program.h"
#include "core/base/str.h"
#include "core/module/load.h"
#include "core/obs/log.h"

#include <stdlib.h>
#include <unistd.h>

/* --- folders ----------------------------------------------------------------------------------------- */

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

bool dtr_module_name_ok(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length < DTR_MODULE_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
}

int dtr_modules_path(const struct dtr_modules *modules, const char *name, char **ret_path,
                     struct dtr_error *err)
{
    struct dtr_str looked = {0};
    if (!dtr_module_name_ok(name))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "\"%.60s\" cannot be a module's name", name);
    for (size_t i = 0; i < DTR_MODULE_FOLDERS; i++) {
        char *path;
        if (!modules->folders[i])
            continue;
        if (asprintf(&path, "%s/%s.so", modules->folders[i], name) < 0)
            return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
        if (access(path, F_OK) == 0) {
            dtr_str_free(&looked);
            *ret_path = path;
            return DTR_OK;
        }
        free(path);
        dtr_str_printf(&looked, "%s%s", looked.length ? ", " : "", modules->folders[i]);
    }
    (void)dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no module %s (looked for %s.so in %s)", name,
                        name, dtr_str_text(&looked));
    dtr_str_free(&looked);
    return DTR_ENOT_FOUND;
}

/* --- starting and stopping --------------------------------------------------------------------------- */

static int start(struct dtr_running *running, const struct dtr_option_text *options, size_t count,
                 struct dtr_error *err)
{
    struct dtr_error why = {0};
    int status = dtr_options_read(running->module, options, count, &running->options, err);
    if (status == DTR_OK)
        status = dtr_host_metrics(running->module, err);
    if (status != DTR_OK)
        return status;
    status = running->module->start(running->options, &running->instance, &why);
    if (status != DTR_OK)
        return dtr_error_set(err, status, why.retry, "module %s does not start: %s", running->module->name,
                             why.text[0] ? why.text : dtr_code_text(status));
    return DTR_OK;
}

static int load_and_start(struct dtr_modules *modules, const char *name,
                          const struct dtr_option_text *options, size_t count, struct dtr_error *err)
{
    struct dtr_running **last = &modules->first;
    struct dtr_running *running = calloc(1, sizeof(*running));
    char *path = NULL;
    int status;

    if (!running)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    status = dtr_modules_path(modules, name, &path, err);
    if (status == DTR_OK)
        status = dtr_module_load(path, name, &running->module, err);
    if (status == DTR_OK)
        status = start(running, options, count, err);
    free(path);
    if (status != DTR_OK) {
        free(running->options);
        free(running);
        return status;
    }
    while (*last)
        last = &(*last)->next;
    *last = running;
    return DTR_OK;
}

int dtr_modules_require(struct dtr_modules *modules, const char *kind, const char *name,
                        const struct dtr_option_text *options, size_t count, struct dtr_error *err)
{
    char file[DTR_MODULE_NAME + 1];
    struct dtr_offer offer;
    int status;

    if (dtr_modules_find(modules, kind, name, &offer))
        return DTR_OK;
    (void)snprintf(file, sizeof(file), "%s_%s", kind, name);
    status = load_and_start(modules, file, options, count, err);
    if (status == DTR_OK && !dtr_modules_find(modules, kind, name, &offer))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "module %s does not offer %s %.60s", file,
                             kind, name);
    return status;
}

bool dtr_modules_try(struct dtr_modules *modules, const char *kind, const char *name,
                     const struct dtr_option_text *options, size_t count)
{
    struct dtr_error err = {0};
    if (dtr_modules_require(modules, kind, name, options, count, &err) == DTR_OK)
        return true;
    dtr_log(DTR_LOG_WARN, NULL, "going on without %s %s: %s", kind, name, err.text);
    return false;
}

/* The last started first, as later ones may use what earlier ones hold. */
static void stop_all(struct dtr_running *running)
{
    struct dtr_running *reversed = NULL;
    while (running) {
        struct dtr_running *next = running->next;
        running->next = reversed;
        reversed = running;
        running = next;
    }
    while (reversed) {
        struct dtr_running *next = reversed->next;
        reversed->module->stop(reversed->instance);
        free(reversed->options);
        free(reversed);
        reversed = next;
    }
}

void dtr_modules_free(struct dtr_modules *modules)
{
    if (!modules)
        return;
    stop_all(modules->first);
    for (size_t i = 0; i < DTR_MODULE_FOLDERS; i++)
        free(modules->folders[i]);
    free(modules);
}

/* --- looking up -------------------------------------------------------------------------------------- */

bool dtr_modules_next(const struct dtr_modules *modules, const char *kind, size_t *position,
                      struct dtr_offer *ret_offer)
{
    size_t at = 0;
    for (const struct dtr_running *running = modules->first; running; running = running->next) {
        for (const struct dtr_feature *feature = running->module->features; feature->kind; feature++) {
            if (strcmp(feature->kind, kind) != 0 || at++ < *position)
                continue;
            *position = at;
            *ret_offer = (struct dtr_offer){feature, running->module, running->instance};
            return true;
        }
    }
    return false;
}

bool dtr_modules_find(const struct dtr_modules *modules, const char *kind, const char *name,
                      struct dtr_offer *ret_offer)
{
    size_t position = 0;
    while (dtr_modules_next(modules, kind, &position, ret_offer))
        if (!name || strcmp(ret_offer->feature->name, name) == 0)
            return true;
    return false;
}
