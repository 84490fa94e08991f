/* Where files lie: below /var for root, in the XDG base directories for everybody else. */
#ifndef DTR_MAIN_PATHS_H
#define DTR_MAIN_PATHS_H

#include <darter/error.h>
#include <stddef.h>

/* The daemon's unix socket: /var/run/dragonfly/dfdaemon.sock, or darter/dfdaemon.sock in $XDG_RUNTIME_DIR
 * (or, without one, darter-<uid>/dfdaemon.sock in /tmp). The folder is not made. */
void paths_socket(char *path, size_t size);
/* The store: /var/lib/dragonfly, or darter in $XDG_CACHE_HOME (or ~/.cache). DTR_ENOT_FOUND without a home.
 */
int paths_store(char *path, size_t size, struct dtr_error *err);
/* Makes the folder, with those above it, for its owner only where it is missing. */
int paths_make(const char *folder, struct dtr_error *err);
/* Whether nobody else can put things into this folder. DTR_EDENIED says what to do. */
int paths_private(const char *folder, struct dtr_error *err);

#endif
