/* Loading one module. Its constructors run inside dlopen(), so everything that can be judged from
 * outside is judged before, and through the descriptor that dlopen() then gets: a file exchanged in
 * between changes nothing.
 *
 * The descriptor stays open for good. The dynamic linker takes two files of one name for one, so the name
 * /proc/self/fd/N must not come back for another module. */
#include "core/module/load.h"

#include "core/module/host.h"
#include "core/module/note.h"
#include "core/module/options.h"

#include <darter/cache.h>
#include <darter/database.h>
#include <darter/origin.h>
#include <darter/runtime.h>
#include <darter/storage.h>
#include <darter/transport.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SHOWN = 110, METRICS_MOST = 64 };

/* Ops tables by kind. In each, `size` comes first and every pointer from the second word on is needed
 * (a smaller number in between stands in that first word), up to the size that is given here. */
#define KINDS(X)                                                                                             \
    X("storage", DTR_STORAGE_OPS_FIRST)                                                                      \
    X("origin", sizeof(struct dtr_origin_ops))                                                               \
    X("transport", sizeof(struct dtr_transport_ops))                                                         \
    X("runtime", sizeof(struct dtr_runtime_ops))                                                             \
    X("database", sizeof(struct dtr_database_ops))                                                           \
    X("cache", sizeof(struct dtr_cache_ops))

static const struct {
    const char *name;
    size_t size;
} kinds[] = {
#define KIND_ROW(name, size) {name, size},
    KINDS(KIND_ROW)
#undef KIND_ROW
};

/* "<path>: <reason>", a long path without its beginning. */
__attribute__((format(printf, 3, 4))) static int refuse(struct dtr_error *err, const char *path,
                                                        const char *format, ...)
{
    size_t length = strlen(path);
    char reason[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s%s: %s", length > PATH_SHOWN ? "..." : "",
                         length > PATH_SHOWN ? path + length - PATH_SHOWN : path, reason);
}

static int check_file(int fd, const char *path, struct dtr_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return refuse(err, path, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(err, path, "not a regular file");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return refuse(err, path,
                      "owned by uid %u, who is neither root nor the user of this process: chown it",
                      (unsigned)st.st_uid);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return refuse(err, path, "others than its owner may write to it: chmod go-w it");
    return DTR_OK;
}

static int check_abi(unsigned major, unsigned minor, const char *what, struct dtr_error *err)
{
    if (major == DTR_ABI_MAJOR && minor <= DTR_ABI_MINOR)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s for ABI %u.%u, this program has %d.%d: %s",
                         what, major, minor, DTR_ABI_MAJOR, DTR_ABI_MINOR,
                         major > DTR_ABI_MAJOR || (major == DTR_ABI_MAJOR && minor > DTR_ABI_MINOR)
                             ? "update darter, or build the module with this version's SDK"
                             : "build the module anew with this version's SDK");
}

static int check_note(int fd, const char *path, struct dtr_error *err)
{
    struct dtr_abi_note note;
    struct dtr_error why = {0};
    int status = dtr_note_read(fd, &note, &why);
    if (status == DTR_ENOT_FOUND)
        return refuse(err, path,
                      "no Darter ABI note, so not a module of Darter: build it with darter_module() "
                      "and DTR_MODULE_NOTE");
    if (status == DTR_ECORRUPT)
        return refuse(err, path, "%s: install it anew", why.text);
    if (status == DTR_OK)
        status = check_abi(note.abi_major, note.abi_minor, "built", &why);
    return status == DTR_OK ? DTR_OK : refuse(err, path, "%s", why.text);
}

/* --- descriptor -------------------------------------------------------------------------------------- */

static int invalid(struct dtr_error *err, const char *what, const char *name)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s%.60s", what, name);
}

static int check_ops(const struct dtr_feature *feature, size_t size, struct dtr_error *err)
{
    uint32_t has;
    memcpy(&has, feature->ops, sizeof(has));
    if (has < size)
        return invalid(err, "the ops table is too small for a feature of kind ", feature->kind);
    for (size_t at = sizeof(void *); at + sizeof(void *) <= size; at += sizeof(void *)) {
        void *pointer;
        memcpy(&pointer, (const char *)feature->ops + at, sizeof(pointer));
        if (!pointer)
            return invalid(err, "an operation is missing in feature ", feature->name);
    }
    return DTR_OK;
}

static int check_features(const struct dtr_module *module, struct dtr_error *err)
{
    if (!module->features || !module->features->kind)
        return invalid(err, "it offers no feature", "");
    for (const struct dtr_feature *feature = module->features; feature->kind; feature++) {
        size_t i = 0;
        int status;
        while (i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[i].name, feature->kind) != 0)
            i++;
        if (i == sizeof(kinds) / sizeof(kinds[0]))
            return invalid(err, "it offers a feature of unknown kind ", feature->kind);
        if (!feature->name || !feature->ops || (unsigned)feature->calling > DTR_CALL_DATA)
            return invalid(err, "incomplete feature of kind ", feature->kind);
        status = check_ops(feature, kinds[i].size, err);
        if (status != DTR_OK)
            return status;
    }
    return DTR_OK;
}

static int check_metrics(const struct dtr_module *module, struct dtr_error *err)
{
    for (size_t i = 0; module->metrics && module->metrics[i].name; i++)
        if (i == METRICS_MOST || !module->metrics[i].help)
            return invalid(err, "too many metrics, or one without help: ", module->metrics[i].name);
    return DTR_OK;
}

/* Whether a descriptor can be used. err->text is without the file's name. */
static int check(const struct dtr_module *module, const char *name, struct dtr_error *err)
{
    int status;
    if (!module || module->magic != DTR_MODULE_MAGIC)
        return invalid(err, "its descriptor has a wrong magic number", "");
    status = check_abi(module->abi_major, module->abi_minor, "its descriptor is", err);
    if (status != DTR_OK)
        return status;
    if (module->size < sizeof(*module))
        return invalid(err, "its descriptor is too small", "");
    if (!module->name || strcmp(module->name, name) != 0)
        return invalid(err, "the file's name and the module's differ; it calls itself ",
                       module->name ? module->name : "(nothing)");
    if (!module->version || !module->summary || !module->start || !module->stop)
        return invalid(err, "its descriptor lacks version, summary, start or stop", "");
    status = check_features(module, err);
    if (status == DTR_OK)
        status = check_metrics(module, err);
    return status == DTR_OK ? dtr_options_check(module, err) : status;
}

/* --- loading ----------------------------------------------------------------------------------------- */

/* What was loaded before, so that loading a file again costs no descriptor. */
struct loaded {
    struct loaded *next;
    dev_t device;
    ino_t inode;
    const struct dtr_module *module;
};

static struct loaded *all_loaded;

static const struct dtr_module *loaded_before(int fd, const char *name)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    for (const struct loaded *at = all_loaded; at; at = at->next)
        if (at->device == st.st_dev && at->inode == st.st_ino && strcmp(at->module->name, name) == 0)
            return at->module;
    return NULL;
}

static void remember(int fd, const struct dtr_module *module)
{
    struct stat st;
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    if (!loaded || fstat(fd, &st) != 0) {
        free(loaded); /* then it only costs a descriptor the next time */
        return;
    }
    *loaded = (struct loaded){all_loaded, st.st_dev, st.st_ino, module};
    all_loaded = loaded;
}

static int open_loaded(void *handle, const char *path, const char *name, const struct dtr_module **ret_module,
                       struct dtr_error *err)
{
    const struct dtr_module *(*open_module)(const struct dtr_host *);
    struct dtr_error why = {0};
    void *symbol = dlsym(handle, "dtr_module_open");

    if (!symbol)
        return refuse(err, path, "it does not export dtr_module_open: mark that function with DTR_EXPORT");
    memcpy(&open_module, &symbol, sizeof(symbol));
    *ret_module = open_module(dtr_host_table());
    if (check(*ret_module, name, &why) != DTR_OK)
        return refuse(err, path, "%s", why.text);
    return DTR_OK;
}

int dtr_module_load(const char *path, const char *name, const struct dtr_module **ret_module,
                    struct dtr_error *err)
{
    char link[32];
    void *handle;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int status;

    if (fd < 0)
        return refuse(err, path, "%s", strerror(errno));
    status = check_file(fd, path, err);
    if (status == DTR_OK)
        status = check_note(fd, path, err);
    *ret_module = status == DTR_OK ? loaded_before(fd, name) : NULL;
    if (status != DTR_OK || *ret_module) {
        close(fd);
        return status;
    }
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    handle = dlopen(link, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        const char *rest = reason ? strstr(reason, ": ") : NULL;
        close(fd);
        return refuse(err, path, "cannot be loaded: %s", rest ? rest + 2 : "no reason given");
    }
    status = open_loaded(handle, path, name, ret_module, err);
    if (status == DTR_OK)
        remember(fd, *ret_module);
    return status;
}
