/* One request as its handler sees it, on a worker thread: what was asked, who asks, what to answer. */
#ifndef DTR_MANAGER_REST_CALL_H
#define DTR_MANAGER_REST_CALL_H

#include "core/base/str.h"
#include "core/manager/rest/field.h"
#include "core/manager/rest/query.h"
#include "core/manager/rest/rest.h"
#include "core/manager/rest/route.h"

#include <netinet/in.h>
#include <stdatomic.h>

enum who_kind { WHO_NOBODY, WHO_USER, WHO_TOKEN };

/* Who asks. */
struct who {
    enum who_kind kind;
    int64_t user_id;
    char name[64]; /* of the user, or of the token */
    bool root;     /* has the role root */
};

enum { CALL_HEADERS = 8 };

/* A handler: DTR_OK, or an error whose `status` is the HTTP status (rest_refuse()); without one it is made
 * from the code. May be run several times (see store_do), so it sets the answer from nothing. `db` is NULL
 * for routes with WORK_SELF. */
struct rest_call;
typedef int rest_handler(struct rest_call *call, struct store_db *db, struct dtr_error *err);

struct rest_call {
    struct rest *rest;
    struct route_match match;
    char *method, *path; /* without the query */
    struct query query;
    char *body_text;
    size_t body_length;
    json_t *body;                                       /* NULL: none */
    char *cookie, *authorization, *origin, *fetch_site; /* as sent; NULL: none */
    bool takes_gzip;
    char client[INET6_ADDRSTRLEN];
    struct who who;

    /* A job that has to be over before the answer, which `resume` makes then, as the handler would; 0: none.
     * `awaited` is for that. */
    int64_t awaits, awaited;
    rest_handler *resume;

    /* The answer. */
    int status;
    json_t *answer;          /* NULL: no body */
    char *json;              /* instead of `answer`: its text, of the call's own (free()) */
    const char *text, *type; /* instead of `answer`: what outlives the call, and its media type */
    const char *changed;     /* table */
    char secret[64];         /* a token that this answer, and no other, shows */
    unsigned retry_after;    /* seconds; 0: none */
    char detail[256];        /* for the audit log */
    struct dtr_header headers[CALL_HEADERS];
    char *header_texts[CALL_HEADERS]; /* what `headers` points to */
    size_t header_count;
    uint8_t *bytes; /* as it goes out */
    size_t length;
};

/* Fills *err, with a HTTP status. Returns its code. */
__attribute__((format(printf, 3, 4))) int rest_refuse(struct dtr_error *err, int status, const char *format,
                                                      ...);
/* Sets the answer; takes over `answer`, which may be NULL for "out of memory". */
int call_answer(struct rest_call *call, json_t *answer, struct dtr_error *err);
/* Sets the answer to a JSON text; takes it over. */
int call_answer_text(struct rest_call *call, struct dtr_str *json, struct dtr_error *err);
/* A header of the answer; the name lives on. */
__attribute__((format(printf, 3, 4))) void call_header(struct rest_call *call, const char *name,
                                                       const char *format, ...);
/* A body checked by the route's fields. *ret_values is the caller's. */
int call_values(struct rest_call *call, unsigned mode, json_t **ret_values, struct dtr_error *err);
/* The value of a parameter that the route takes with F_FILTER; NULL when it was not given and need not be. */
int call_query(const struct rest_call *call, const char *name, struct dtr_value *ret_value,
               struct dtr_error *err);
/* The number or the word in the path called `name`. */
int64_t call_number(const struct rest_call *call, const char *name);
const char *call_word(const struct rest_call *call, const char *name);
const char *call_text(const json_t *values, const char *name); /* "" when not there */

/* Paging: "page" from 1, "per_page". */
struct paging {
    int64_t page, per_page;
};
int call_paging(const struct rest_call *call, struct paging *ret_paging, struct dtr_error *err);
/* The Link header. */
void call_link(struct rest_call *call, const struct paging *paging, int64_t total);

/* Turns `rc` and *err into the status and body of an answer. */
void call_fail(struct rest_call *call, int rc, const struct dtr_error *err);
/* Makes the bytes that go out of the answer, compressed if it is worth it and wanted, and counts it. */
void call_finish(struct rest_call *call);
/* It needs its body no more. */
void call_drop_body(struct rest_call *call);
void call_free(struct rest_call *call);

/* A Warning header that something was given that there is not: "vlaue is not a field that can be given here;
 * it was ignored". Nothing is said of a name that no header can carry. */
void call_warn_unknown(struct rest_call *call, const char *name, const char *what);

/* What handlers need of the whole. */
struct throttle;
struct audit;
struct rest_parts {
    struct rest_options options;
    char *jwt_key, *jwt_realm, *root_password, *token; /* copies */
    /* Of the options, or of a later configuration. */
    atomic_uint_least64_t jwt_timeout_s, jwt_max_refresh_s;
    struct throttle *throttle;
    struct audit *audit;
    char *openapi;
};
const struct rest_parts *rest_parts(const struct rest *rest);
/* The key of session tokens; "" before rest_seed(). */
const char *rest_key(struct rest *rest);

#endif
