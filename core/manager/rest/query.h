/* The query of a request: "name=value&name=value", percent-encoded, '+' for a space. Pure; any thread. */
#ifndef DTR_MANAGER_REST_QUERY_H
#define DTR_MANAGER_REST_QUERY_H

#include <darter/error.h>
#include <stddef.h>

#define QUERY_MOST 32 /* parameters of one request */

struct query {
    char *bytes; /* decoded; the only memory */
    size_t count;
    struct {
        const char *name, *value;
    } items[QUERY_MOST];
};

/* `text` is what follows the '?', NULL or "" for none. DTR_EINVALID: too many parameters, a wrong escape, or
 * a NUL. */
int query_parse(const char *text, struct query *ret_query, struct dtr_error *err);
/* The first value of that name; NULL when there is none. */
const char *query_get(const struct query *query, const char *name);
/* Empty and usable afterwards. */
void query_free(struct query *query);

#endif
