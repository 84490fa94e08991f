/* Starting, looking up and stopping modules. Finding them: search.c. */
#include "core/module/registry.h"

#include "core/module/load.h"

#include <stdlib.h>

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

static bool offers(const struct dtr_module *module, const char *kind, const char *name)
{
    for (const struct dtr_feature *feature = module->features; feature->kind; feature++)
        if (strcmp(feature->kind, kind) == 0 && strcmp(feature->name, name) == 0)
            return true;
    return false;
}

int dtr_modules_look(const struct dtr_modules *modules, const char *kind, const char *name,
                     const struct dtr_module **ret_module, struct dtr_error *err)
{
    char file[DTR_MODULE_NAME + 1], *path = NULL;
    (void)snprintf(file, sizeof(file), "%s_%s", kind, name);
    int status = dtr_modules_path(modules, file, &path, err);
    if (status == DTR_OK)
        status = dtr_module_load(path, file, ret_module, err);
    free(path);
    if (status == DTR_OK && !offers(*ret_module, kind, name))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "module %s does not offer %s %.60s", file,
                             kind, name);
    return status;
}

static int load_and_start(struct dtr_modules *modules, const char *kind, const char *name,
                          const struct dtr_option_text *options, size_t count, struct dtr_error *err)
{
    struct dtr_running **last = &modules->first;
    struct dtr_running *running = calloc(1, sizeof(*running));
    int status;

    if (!running)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    status = dtr_modules_look(modules, kind, name, &running->module, err);
    if (status == DTR_OK)
        status = start(running, options, count, err);
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
    struct dtr_offer offer;
    return dtr_modules_find(modules, kind, name, &offer)
               ? DTR_OK
               : load_and_start(modules, kind, name, options, count, err);
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
