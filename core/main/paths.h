/* Where files lie: below /var for root, in the XDG base directories for everybody else. */
#ifndef DTR_MAIN_PATHS_H
#define DTR_MAIN_PATHS_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>

/* The daemon's unix socket: /var/run/dragonfly/dfdaemon.sock, or darter/dfdaemon.sock in $XDG_RUNTIME_DIR
 * (or, without one, darter-<uid>/dfdaemon.sock in /tmp). The folder is not made. */
void paths_socket(char *path, size_t size);
/* The store: /var/lib/dragonfly, or darter in $XDG_CACHE_HOME (or ~/.cache). DTR_ENOT_FOUND without a home.
 */
int paths_store(char *path, size_t size, struct dtr_error *err);
/* What must last (the manager's database): /var/lib/dragonfly, or darter in $XDG_DATA_HOME (or
 * ~/.local/share). DTR_ENOT_FOUND without a home. */
int paths_data(char *path, size_t size, struct dtr_error *err);
/* The session of `darter ctl` at a manager: darter/manager.json in $XDG_CONFIG_HOME (or ~/.config), for root
 * too. DTR_ENOT_FOUND without a home. */
int paths_session(char *path, size_t size, struct dtr_error *err);
/* Whether there is such a file; a default path that is not there is no error. */
bool command_file_there(const char *path);
/* Makes the folder, with those above it, for its owner only where it is missing. */
int paths_make(const char *folder, struct dtr_error *err);
/* Whether nobody else can put things into this folder. DTR_EDENIED says what to do. */
int paths_private(const char *folder, struct dtr_error *err);

#endif
