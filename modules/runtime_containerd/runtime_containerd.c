/* containerd as a runtime: detects it and plans its config.toml and hosts.toml files. Writes nothing; the
 * texts are made in config.c and hosts.c.
 *
 * containerd reads hosts.toml anew for each pull, so only a change of config.toml asks for a restart. */
#include "containerd.h"

#include <darter/module.h>
#include <darter/runtime.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Configuration files are small; more than this is not one. */
#define FILE_LIMIT ((size_t)4 << 20)

struct containerd_options {
    const char *config_path;
    const char *certs_path;
    const char *socket_path;
};

/* A plan with what it owns: every text in it is on the heap. */
struct plan {
    struct dtr_runtime_plan plan;
    size_t capacity;
    const char *config_path;
    struct config_edit edit;
    char note[400];
};

static const char *const programs[] = {"/usr/bin/containerd", "/usr/local/bin/containerd", "/bin/containerd"};

static int detect(void *instance, bool *ret_found, const char **ret_detail, struct dtr_error *err)
{
    const struct containerd_options *options = instance;
    (void)err;
    *ret_found = true;
    if (access(options->socket_path, F_OK) == 0) {
        *ret_detail = "containerd is running";
        return DTR_OK;
    }
    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
        if (access(programs[i], X_OK) == 0) {
            *ret_detail = programs[i];
            return DTR_OK;
        }
    }
    *ret_found = access(options->config_path, F_OK) == 0;
    *ret_detail = *ret_found ? options->config_path : "no containerd program, socket or configuration";
    return DTR_OK;
}

static int file_error(const char *path, int number, struct dtr_error *err)
{
    if (number == EACCES || number == EPERM)
        return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, "%s may not be read; run as root", path);
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "%s cannot be read: %s", path, strerror(number));
}

static int read_all(FILE *file, const char *path, char **ret_text, struct dtr_error *err)
{
    size_t size = 0, got;
    char block[8192], *text = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for %s", path);
    bool odd = false;
    size_t total = 0;
    while (!odd && (got = fread(block, 1, sizeof(block), file)) > 0) {
        total += got;
        odd = memchr(block, '\0', got) || total > FILE_LIMIT;
        (void)fwrite(block, 1, got, out);
    }
    int number = ferror(file) ? errno : 0;
    int rc = text_close(out, &text, err);
    if (rc == DTR_OK && number)
        rc = file_error(path, number, err);
    else if (rc == DTR_OK && odd)
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s is not a configuration file", path);
    if (rc)
        free(text);
    else
        *ret_text = text;
    return rc;
}

/* The text of a file, NULL when there is none. */
static int read_text(const char *path, char **ret_text, struct dtr_error *err)
{
    *ret_text = NULL;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? DTR_OK : file_error(path, errno, err);
    int rc = read_all(file, path, ret_text, err);
    (void)fclose(file);
    return rc;
}

/* Takes over both texts, also when it fails. */
static int add_change(struct plan *plan, const char *path, char *old_text, char *new_text,
                      struct dtr_error *err)
{
    char *name = strdup(path);
    if (!name || plan->plan.change_count == plan->capacity) {
        free(name);
        free(old_text);
        free(new_text);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for the plan of %s", path);
    }
    plan->plan.changes[plan->plan.change_count++] =
        (struct dtr_runtime_change){.path = name, .old_text = old_text, .new_text = new_text};
    return DTR_OK;
}

static int plan_config(struct plan *plan, const struct containerd_options *options, struct dtr_error *err)
{
    char *old_text;
    int rc = read_text(plan->config_path, &old_text, err);
    if (rc == DTR_OK)
        rc = config_edit_text(plan->config_path, old_text, options->certs_path, &plan->edit, err);
    if (rc || !plan->edit.text) {
        free(old_text);
        return rc;
    }
    char *text = plan->edit.text;
    plan->edit.text = NULL;
    plan->plan.restart = "containerd";
    return add_change(plan, plan->config_path, old_text, text, err);
}

/* containerd looks for "host_port_" before "host:port"; the first that exists is the one it reads. */
static int hosts_path(const char *folder, const char *host, char path[CONTAINERD_PATH], struct dtr_error *err)
{
    const char *colon = strrchr(host, ':');
    int length = 0;
    bool found = false;
    if (colon) {
        length = snprintf(path, CONTAINERD_PATH, "%s/%.*s_%s_/hosts.toml", folder, (int)(colon - host), host,
                          colon + 1);
        if (length > 0 && length < CONTAINERD_PATH) {
            char *slash = strrchr(path, '/');
            *slash = '\0';
            found = access(path, F_OK) == 0;
            *slash = '/';
        }
    }
    if (!found)
        length = snprintf(path, CONTAINERD_PATH, "%s/%s/hosts.toml", folder, host);
    if (length > 0 && length < CONTAINERD_PATH)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the folder for %s has too long a name", host);
}

/* A registry's name becomes a folder's name. */
static int check_host(const char *host, struct dtr_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    if (host && *host && *host != '.' && strlen(host) < 256 && host[strspn(host, allowed)] == '\0')
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "\"%.80s\" is not the name of a registry: write host or host:port",
                         host ? host : "");
}

static int check_url(const char *what, const char *url, struct dtr_error *err)
{
    size_t skip = 0;
    if (url && strncmp(url, "http://", 7) == 0)
        skip = 7;
    else if (url && strncmp(url, "https://", 8) == 0)
        skip = 8;
    if (skip && url[skip] && strlen(url) < 1024 && !strpbrk(url, " \t\r\n\"'\\"))
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s \"%.80s\" is not an http or https URL", what,
                         url ? url : "");
}

static int plan_hosts(struct plan *plan, const char *host, const struct hosts_wish *wish,
                      struct dtr_error *err)
{
    char path[CONTAINERD_PATH], *old_text, *text;
    int rc = hosts_path(plan->edit.folder, host, path, err);
    if (rc == DTR_OK)
        rc = read_text(path, &old_text, err);
    if (rc)
        return rc;
    rc = hosts_edit_text(path, old_text, wish, &text, err);
    if (rc || !text) {
        free(old_text);
        return rc;
    }
    return add_change(plan, path, old_text, text, err);
}

static int plan_registry(struct plan *plan, const char *proxy, const struct dtr_runtime_registry *registry,
                         struct dtr_error *err)
{
    char server[300];
    struct hosts_wish wish = {.proxy = proxy,
                              .server = registry->server,
                              .capabilities = registry->capabilities,
                              .skip_verify = registry->skip_verify,
                              .ca = registry->ca};
    int rc = check_host(registry->host, err);
    if (rc)
        return rc;
    if (!wish.server || !*wish.server) {
        /* docker.io is a name only; its registry has another */
        const char *real = strcmp(registry->host, "docker.io") == 0 ? "index.docker.io" : registry->host;
        (void)snprintf(server, sizeof(server), "https://%s", real);
        wish.server = server;
    }
    if (!wish.capabilities || !*wish.capabilities)
        wish.capabilities = "pull,resolve";
    rc = check_url("server", wish.server, err);
    return rc ? rc : plan_hosts(plan, registry->host, &wish, err);
}

static bool is_planned(const struct plan *plan, const char *path)
{
    for (size_t i = 0; i < plan->plan.change_count; i++) {
        if (strcmp(plan->plan.changes[i].path, path) == 0)
            return true;
    }
    return false;
}

/* Whether containerd asks somebody else for this registry, whatever _default says. */
static bool goes_elsewhere(const struct plan *plan, const char *name, const char *proxy)
{
    char path[CONTAINERD_PATH], *text = NULL;
    if (name[0] == '.' || strcmp(name, "_default") == 0 ||
        hosts_path(plan->edit.folder, name, path, NULL) != DTR_OK || is_planned(plan, path) ||
        read_text(path, &text, NULL) != DTR_OK || !text)
        return false;
    bool elsewhere = strstr(text, proxy) == NULL;
    free(text);
    return elsewhere;
}

/* A registry with a hosts.toml of its own does not see _default. */
static void note_others(struct plan *plan, const char *proxy)
{
    DIR *folder = opendir(plan->edit.folder);
    size_t length = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        if (goes_elsewhere(plan, entry->d_name, proxy) && length + strlen(entry->d_name) < 200)
            length += (size_t)snprintf(plan->note + length, sizeof(plan->note) - length, "%s%s",
                                       length ? ", " : "", entry->d_name);
    }
    if (folder)
        (void)closedir(folder);
    if (length == 0)
        return;
    (void)snprintf(
        plan->note + length, sizeof(plan->note) - length,
        ": a hosts.toml of its own goes before _default, so images from there do not pass through the "
        "daemon; list it in dfinit.yaml to change that");
    plan->plan.note = plan->note;
}

static int plan_files(struct plan *plan, const struct containerd_options *options,
                      const struct dtr_runtime_request *request, struct dtr_error *err)
{
    int rc = check_url("proxy", request->proxy_url, err);
    if (rc == DTR_OK)
        rc = plan_config(plan, options, err);
    if (rc == DTR_OK && request->all_registries) {
        struct hosts_wish wish = {.proxy = request->proxy_url, .capabilities = "pull,resolve"};
        rc = plan_hosts(plan, "_default", &wish, err);
    }
    for (size_t i = 0; rc == DTR_OK && i < request->registry_count; i++)
        rc = plan_registry(plan, request->proxy_url, &request->registries[i], err);
    if (rc == DTR_OK && request->all_registries)
        note_others(plan, request->proxy_url);
    if (rc == DTR_OK && plan->edit.cri_disabled)
        plan->plan.note = "disabled_plugins switches the CRI plugin off: Kubernetes and crictl cannot pull "
                          "through containerd until it is removed there";
    else if (rc == DTR_OK && plan->edit.imports)
        plan->plan.note = "imports names other files, which were not read: a config_path or mirrors there "
                          "count as well";
    return rc;
}

static void plan_free(struct dtr_runtime_plan *plan)
{
    if (!plan)
        return;
    struct plan *own = plan->memory;
    for (size_t i = 0; i < plan->change_count; i++) {
        free((void *)plan->changes[i].path);
        free((void *)plan->changes[i].old_text);
        free((void *)plan->changes[i].new_text);
    }
    free(plan->changes);
    free(own->edit.text);
    free(own);
}

static int make_plan(void *instance, const struct dtr_runtime_request *request,
                     struct dtr_runtime_plan **ret_plan, struct dtr_error *err)
{
    const struct containerd_options *options = instance;
    struct plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a plan");
    plan->plan.memory = plan;
    plan->config_path = request->config_path ? request->config_path : options->config_path;
    plan->capacity = request->registry_count + 2;
    plan->plan.changes = calloc(plan->capacity, sizeof(*plan->plan.changes));
    int rc = plan->plan.changes ? plan_files(plan, options, request, err)
                                : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a plan");
    if (rc)
        plan_free(&plan->plan);
    else
        *ret_plan = &plan->plan;
    return rc;
}

static int start(const void *options, void **ret_instance, struct dtr_error *err)
{
    (void)err;
    *ret_instance = (void *)options;
    return DTR_OK;
}

static void stop(void *instance)
{
    (void)instance;
}

static const struct dtr_option options_table[] = {
    {"configPath", DTR_OPTION_STRING, offsetof(struct containerd_options, config_path),
     "/etc/containerd/config.toml", "", 0, 0, "containerd's configuration file"},
    {"certsPath", DTR_OPTION_STRING, offsetof(struct containerd_options, certs_path),
     "/etc/containerd/certs.d", "", 0, 0, "folder for hosts.toml files when config_path names none"},
    {"socketPath", DTR_OPTION_STRING, offsetof(struct containerd_options, socket_path),
     "/run/containerd/containerd.sock", "", 0, 0, "socket that shows that containerd is running"},
    {0},
};

static const struct dtr_runtime_ops ops = {
    .size = sizeof(ops), .detect = detect, .plan = make_plan, .plan_free = plan_free};

static const struct dtr_feature features[] = {{"runtime", "containerd", DTR_CALL_BLOCKING, &ops}, {0}};

static const struct dtr_module module = {
    .magic = DTR_MODULE_MAGIC,
    .abi_major = DTR_ABI_MAJOR,
    .abi_minor = DTR_ABI_MINOR,
    .size = sizeof(module),
    .name = "runtime_containerd",
    .version = "1.0",
    .summary = "points containerd at the daemon (config.toml and hosts.toml)",
    .options_size = sizeof(struct containerd_options),
    .options = options_table,
    .features = features,
    .start = start,
    .stop = stop,
};

DTR_MODULE_NOTE

DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *host)
{
    (void)host;
    return &module;
}
