/* `darter init`; the contract is init.h. */
#include "core/tools/init.h"

#include "core/tools/plan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_colour(FILE *out)
{
    int fd = fileno(out);
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    return fd >= 0 && isatty(fd) && !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
}

static void print_dry(FILE *out)
{
    (void)fprintf(out, "Nothing was written (dry run).\n");
}

/* Shows what a plan would do; DTR_ENOMEM or nothing. */
static int show(const char *name, const struct dtr_runtime_plan *plan, FILE *out, struct dtr_error *err)
{
    struct dtr_str text = {0};
    bool colour = wants_colour(out);
    if (plan->change_count == 0)
        (void)fprintf(out, "%s: set up already, nothing to change\n", name);
    else
        (void)fprintf(out, "%s: %zu file%s to change\n", name, plan->change_count,
                      plan->change_count == 1 ? "" : "s");
    for (size_t i = 0; i < plan->change_count; i++)
        dtr_plan_diff(&plan->changes[i], colour, &text);
    int rc =
        dtr_str_ok(&text) ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a diff");
    if (rc == DTR_OK)
        (void)fputs(dtr_str_text(&text), out);
    if (rc == DTR_OK && plan->note)
        (void)fprintf(out, "%s: note: %s\n", name, plan->note);
    dtr_str_free(&text);
    return rc;
}

/* *ret_plan stays NULL for a runtime that is not on this machine. */
static int make_plan(const struct dtr_init_runtime *runtime, const struct dtr_init_options *options,
                     FILE *out, struct dtr_runtime_plan **ret_plan, struct dtr_error *err)
{
    struct dtr_runtime_request request = {
        .proxy_url = options->proxy_url ? options->proxy_url : DTR_INIT_PROXY,
        .config_path = options->config_path,
        .all_registries = options->all_registries || options->registry_count == 0,
        .registries = options->registries,
        .registry_count = options->registry_count,
    };
    if (!options->config_path) {
        bool found = false;
        const char *detail = NULL;
        int rc = runtime->ops->detect(runtime->instance, &found, &detail, err);
        if (rc)
            return rc;
        if (!found) {
            (void)fprintf(out, "%s: not on this machine (%s)\n", runtime->name,
                          detail ? detail : "not found");
            return DTR_OK;
        }
    }
    int rc = runtime->ops->plan(runtime->instance, &request, ret_plan, err);
    return rc ? rc : show(runtime->name, *ret_plan, out, err);
}

static void print_restart(const struct dtr_init_runtime *runtime, const struct dtr_runtime_plan *plan,
                          bool dry_run, FILE *out)
{
    if (plan->change_count == 0)
        return;
    if (plan->restart)
        (void)fprintf(out, "%s: %s %s for this to take effect, for example: systemctl restart %s\n",
                      runtime->name, dry_run ? "one would have to restart" : "restart", plan->restart,
                      plan->restart);
    else
        (void)fprintf(out, "%s: takes effect with the next pull, no restart needed\n", runtime->name);
}

static int write_plan(const struct dtr_init_runtime *runtime, const struct dtr_runtime_plan *plan,
                      const struct dtr_init_options *options, FILE *out, struct dtr_error *err)
{
    const struct dtr_plan_options writing = {.journal = options->journal_path};
    int rc = options->dry_run ? DTR_OK : dtr_plan_apply(plan, &writing, err);
    if (rc == DTR_OK)
        print_restart(runtime, plan, options->dry_run, out);
    else
        (void)fprintf(out, "%s: not finished; darter init --undo takes back what was written\n",
                      runtime->name);
    return rc;
}

static int set_up(const struct dtr_init_options *options, struct dtr_runtime_plan **plans, FILE *out,
                  struct dtr_error *err)
{
    size_t found = 0, changes = 0;
    for (size_t i = 0; i < options->runtime_count; i++) {
        int rc = make_plan(&options->runtimes[i], options, out, &plans[i], err);
        if (rc)
            return rc;
        found += plans[i] != NULL;
        changes += plans[i] ? plans[i]->change_count : 0;
    }
    if (found == 0)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                             "no container runtime found on this machine; name its configuration file");
    for (size_t i = 0; i < options->runtime_count; i++) {
        int rc = plans[i] ? write_plan(&options->runtimes[i], plans[i], options, out, err) : DTR_OK;
        if (rc)
            return rc;
    }
    if (options->dry_run)
        print_dry(out);
    else if (changes > 0)
        (void)fprintf(out, "Done. darter init --undo takes it back.\n");
    return DTR_OK;
}

static int take_back(const struct dtr_init_options *options, FILE *out, struct dtr_error *err)
{
    const struct dtr_plan_options undoing = {.journal = options->journal_path, .dry_run = options->dry_run};
    int rc = dtr_plan_undo(&undoing, out, err);
    if (rc == DTR_OK && options->dry_run)
        print_dry(out);
    return rc;
}

int dtr_tool_init(const struct dtr_init_options *options, FILE *out, struct dtr_error *err)
{
    if (options->undo)
        return take_back(options, out, err);
    if (options->config_path && *options->config_path != '/')
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "\"%.120s\": write the full path, from /",
                             options->config_path);
    struct dtr_runtime_plan **plans = calloc(options->runtime_count + 1, sizeof(struct dtr_runtime_plan *));
    if (!plans)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for the plans");
    int rc = set_up(options, plans, out, err);
    for (size_t i = 0; i < options->runtime_count; i++)
        options->runtimes[i].ops->plan_free(plans[i]);
    free(plans);
    return rc;
}
