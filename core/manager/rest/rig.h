/* What the tests of this folder share: the REST API on loopback over a real database in a folder of its own,
 * and a client that asks one thing at a time. Not part of the product. */
#ifndef DTR_MANAGER_REST_RIG_H
#define DTR_MANAGER_REST_RIG_H

#include "core/http/rig.h"
#include "core/manager/fleet/fleet.h"
#include "core/manager/fleet/ranker.h"
#include "core/manager/rest/call.h"
#include "core/manager/rest/rest.h"
#include "core/manager/store/rig.h"

#include <stdatomic.h>

struct rest_rig {
    struct rig http;
    struct dtr_pool *pool;
    struct store *store;
    struct fleet_view *view;
    struct ranker *ranker; /* the formula in the program */
    struct rest *rest;
    struct rest_options options;
    struct store_rig database;
    atomic_bool away;    /* nothing reaches the database */
    const char *changed; /* the last table, of the hook; guarded by the call's way to the loop and back */
    unsigned changes;

    /* Of the last answer. */
    int status;
    json_t *json; /* NULL: none */
    char *head, *body;
    char session[600]; /* sent as a bearer token, unless "" */
};

void rest_rig_open(struct rest_rig *rig);
/* With options of the test's own: loop, pool, store and the hook are filled in. */
void rest_rig_open_with(struct rest_rig *rig, const struct rest_options *options);
/* Ends the API and begins it again over the same database. */
void rest_rig_restart(struct rest_rig *rig, const struct rest_options *options);
void rest_rig_close(struct rest_rig *rig);
/* For cmocka: one in *state. */
int rest_rig_set_up(void **state);
int rest_rig_tear_down(void **state);

/* Asks, with a JSON body unless NULL and lines of headers ("A: b\r\n") unless NULL; fails the test unless the
 * answer has this status (0: whichever). */
void ask(struct rest_rig *rig, int status, const char *method, const char *target, const char *body);
void ask_with(struct rest_rig *rig, int status, const char *method, const char *target, const char *headers,
              const char *body);
/* Becomes somebody. */
void sign_in(struct rest_rig *rig, const char *name, const char *password);
/* The answer's member by path, "a.b.0.c"; NULL when it is not there. */
const json_t *at(const struct rest_rig *rig, const char *path);
const char *text_at(const struct rest_rig *rig, const char *path); /* "" when not there */
int64_t number_at(const struct rest_rig *rig, const char *path);   /* -1 when not there */
/* A header of the answer, to be freed with the next one; "" when not there. */
const char *header(struct rest_rig *rig, const char *name);
/* Runs a statement at the database. */
void run_sql(struct rest_rig *rig, const char *sql);

#endif
