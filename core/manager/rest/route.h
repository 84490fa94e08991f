/* The table of routes, and finding the one for a request. Pure; any thread. */
#ifndef DTR_MANAGER_REST_ROUTE_H
#define DTR_MANAGER_REST_ROUTE_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rest_call;
struct store_db;
struct field;
struct resource;

/* Whom a route is for. */
enum access {
    ACCESS_UNSTATED, /* nobody: such a table is refused */
    ACCESS_OPEN,     /* everybody */
    ACCESS_SIGNED_IN,
    ACCESS_ROLE, /* who has a role with the permission; the object is the first part of the path, the action
                  * "read" for GET, else "*" */
    ACCESS_OWN,  /* the user with the {id} of the path; else as ACCESS_ROLE */
};

/* Where it is. */
enum base {
    BASE_ROOT, /* the path as it stands */
    BASE_API,  /* below /api/v1, with a session token */
    BASE_BOTH, /* also below /oapi/v1, with a personal access token */
};

/* How its handler works. */
enum work {
    WORK_HERE,  /* on the loop, at once */
    WORK_READ,  /* with a connection */
    WORK_WRITE, /* in a transaction */
    WORK_SELF,  /* takes connections itself */
};

struct route {
    const char *method;
    enum base base;
    const char *path; /* "/users/{id}/roles/{role}"; names that end in "id" are numbers from 1 */
    enum access access;
    enum work work;
    int (*handle)(struct rest_call *call, struct store_db *db, struct dtr_error *err);
    const char *summary;
    const struct resource *resource; /* of the generic handlers */
    /* What it takes, when not the resource's: its body, or, with F_FILTER, its query. */
    const struct field *body;
};

extern const struct route routes[];
extern const size_t route_count;

enum { ROUTE_PARAMETERS = 2, ROUTE_WORD = 128 };

struct route_match {
    const struct route *route; /* NULL: there is none */
    bool with_token;           /* below /oapi/v1 */
    bool below_api;            /* whether the path is below one of the two, also when nothing is there */
    char allow[64];            /* the methods that the path has when it does not have this one */
    struct {
        const char *name; /* in the pattern */
        size_t name_length;
        char word[ROUTE_WORD];
        int64_t number;
    } parameters[ROUTE_PARAMETERS];
};

/* `path` without query; a slash at the end does not count. HEAD goes where GET does. */
void route_find(const char *method, const char *path, struct route_match *ret_match);
/* The first part of the path below the base, which permissions name; at most ROUTE_WORD - 1 bytes. */
void route_object(const struct route *route, char object[ROUTE_WORD]);
/* DTR_EINVALID: a route of the table is not whole. */
int routes_check(const struct route *table, size_t count, struct dtr_error *err);

#endif
