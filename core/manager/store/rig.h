/* For tests: a real database of the module that the command line names, empty at the beginning of each test.
 */
#ifndef DTR_MANAGER_STORE_RIG_H
#define DTR_MANAGER_STORE_RIG_H

#include <darter/database.h>
#include <darter/testhost.h>

struct store_rig {
    char folder[32], setting[64]; /* of a database in a file */
    struct dtr_testmodule module;
    const struct dtr_database_ops *ops;
};

/* The command line of a test: the module's file, and for a database on a server its settings, "name=value";
 * each test empties it. */
void store_rig_arguments(int argc, char **argv);
void store_rig_open(struct store_rig *rig);
/* After all connections. */
void store_rig_close(struct store_rig *rig);

#endif
