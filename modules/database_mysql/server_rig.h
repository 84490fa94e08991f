/* For tests: a real server in a folder of its own, and the module on it. Not part of the product. */
#ifndef DATABASE_MYSQL_SERVER_RIG_H
#define DATABASE_MYSQL_SERVER_RIG_H

#include <darter/database.h>
#include <darter/testhost.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { RIG_SETTINGS = 12 };

extern const struct dtr_database_ops *ops; /* the module's */

/* --- the server ----------------------------------------------------------------------------------------- */

/* For main(): whether the command line names the script `server`; else it was said how it is. */
bool rig_arguments(int argc, char **argv);
/* For a group of tests. */
int start_server(void **state);
int stop_server(void **state);

/* The script with a verb, and the folder. */
void server(const char *verb, const char *more);
/* What a file in the folder says: "port", "pid". */
long number_in(const char *name);

/* --- the module ----------------------------------------------------------------------------------------- */

struct fixture {
    struct dtr_testmodule started;
    char texts[RIG_SETTINGS][160];
    struct dtr_error err;
};

#define LIST(...)                                                                                            \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

/* Settings as "name=value", with "@" for the server's folder; what `more` has counts more than the usual,
 * which are the server's login and limits that no server runs into, however busy the machine is. */
int start(struct fixture *f, long port, const char *const *more, size_t count);
void start_usual(struct fixture *f);
struct dtr_db *open_usual(struct fixture *f);
int run(struct fixture *f, struct dtr_db *db, const char *sql);
/* The number that a statement gives. */
int64_t number_of(struct fixture *f, struct dtr_db *db, const char *sql);
/* Starts the module with these settings; open() must answer this code, with words in its text. */
void assert_open(long port, const char *const *settings, size_t count, int code, const char *words);

#endif
