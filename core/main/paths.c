/* Where files lie; see paths.h and the XDG base directory specification (0.8). */
#include "core/main/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool command_file_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The specification: paths that are not absolute are ignored. */
static const char *folder_in_environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] == '/' ? value : NULL;
}

void paths_socket(char *path, size_t size)
{
    const char *runtime = folder_in_environment("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        (void)snprintf(path, size, "/var/run/dragonfly/dfdaemon.sock");
    else if (runtime)
        (void)snprintf(path, size, "%s/darter/dfdaemon.sock", runtime);
    else
        (void)snprintf(path, size, "/tmp/darter-%u/dfdaemon.sock", (unsigned)geteuid());
}

/* <folder of the variable>/<rest>, or ~/<usual>/<rest>; `what` is to lie there. */
static int place(const char *variable, const char *usual, const char *rest, const char *what, char *path,
                 size_t size, struct dtr_error *err)
{
    const char *folder = folder_in_environment(variable), *home = folder_in_environment("HOME");
    if (folder)
        (void)snprintf(path, size, "%s/%s", folder, rest);
    else if (home)
        (void)snprintf(path, size, "%s/%s/%s", home, usual, rest);
    else
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no place for the %s: set HOME, or %s",
                             what, variable);
    return DTR_OK;
}

int paths_store(char *path, size_t size, struct dtr_error *err)
{
    if (geteuid() != 0)
        return place("XDG_CACHE_HOME", ".cache", "darter", "store (storage.dir)", path, size, err);
    (void)snprintf(path, size, "/var/lib/dragonfly");
    return DTR_OK;
}

int paths_data(char *path, size_t size, struct dtr_error *err)
{
    if (geteuid() != 0)
        return place("XDG_DATA_HOME", ".local/share", "darter", "database (database.sqlite.path)", path, size,
                     err);
    (void)snprintf(path, size, "/var/lib/dragonfly");
    return DTR_OK;
}

int paths_session(char *path, size_t size, struct dtr_error *err)
{
    return place("XDG_CONFIG_HOME", ".config", "darter/manager.json", "session", path, size, err);
}

int paths_make(const char *folder, struct dtr_error *err)
{
    char path[256];
    size_t length = strlen(folder);
    if (length >= sizeof(path))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the folder %.100s... has too long a name",
                             folder);
    for (size_t i = 1; i <= length; i++) {
        if (folder[i] != '/' && folder[i] != '\0')
            continue;
        memcpy(path, folder, i);
        path[i] = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "cannot make %s: %s", path, strerror(errno));
    }
    return DTR_OK;
}

int paths_private(const char *folder, struct dtr_error *err)
{
    struct stat st;
    if (lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
        !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return DTR_OK;
    return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                         "others can write to %s, and so stand in for the daemon's socket: remove it, or set "
                         "XDG_RUNTIME_DIR",
                         folder);
}
