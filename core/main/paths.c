/* Where files lie; see paths.h and the XDG base directory specification (0.8). */
#include "core/main/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int paths_store(char *path, size_t size, struct dtr_error *err)
{
    const char *cache = folder_in_environment("XDG_CACHE_HOME"), *home = folder_in_environment("HOME");
    if (geteuid() == 0)
        (void)snprintf(path, size, "/var/lib/dragonfly");
    else if (cache)
        (void)snprintf(path, size, "%s/darter", cache);
    else if (home)
        (void)snprintf(path, size, "%s/.cache/darter", home);
    else
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                             "no place for the store: set HOME, or XDG_CACHE_HOME, or storage.dir");
    return DTR_OK;
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
