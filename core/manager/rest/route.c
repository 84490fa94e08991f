/* Finding routes; see route.h. */
#include "core/manager/rest/route.h"

#include "core/base/str.h"

#include <string.h>

static const char api[] = "/api/v1", oapi[] = "/oapi/v1";

/* The rest of the path below a base; NULL when it is not below. */
static const char *below(const char *path, const char *base)
{
    size_t length = strlen(base);
    if (strncmp(path, base, length) != 0 || (path[length] != '/' && path[length] != 0))
        return NULL;
    return path + length;
}

static bool is_id(const char *name, size_t length)
{
    return length >= 2 && memcmp(name + length - 2, "id", 2) == 0;
}

/* One part of the path that stands for a parameter. */
static bool take(struct route_match *match, size_t *count, const char *name, size_t name_length,
                 const char *part, size_t length)
{
    uint64_t number = 0;
    if (*count == ROUTE_PARAMETERS || length == 0 || length >= ROUTE_WORD)
        return false;
    if (is_id(name, name_length) &&
        (!dtr_parse_u64(part, length, &number) || number == 0 || number > INT64_MAX))
        return false;
    match->parameters[*count].name = name;
    match->parameters[*count].name_length = name_length;
    match->parameters[*count].number = (int64_t)number;
    memcpy(match->parameters[*count].word, part, length);
    match->parameters[(*count)++].word[length] = 0;
    return true;
}

static bool fits(const char *pattern, const char *path, struct route_match *match)
{
    size_t count = 0;
    while (*pattern && *path) {
        size_t wanted = strcspn(pattern + 1, "/") + 1, got = strcspn(path + 1, "/") + 1;
        if (pattern[1] == '{') {
            if (!take(match, &count, pattern + 2, wanted - 3, path + 1, got - 1))
                return false;
        } else if (wanted != got || memcmp(pattern, path, got) != 0) {
            return false;
        }
        pattern += wanted;
        path += got;
    }
    return *pattern == 0 && (*path == 0 || strcmp(path, "/") == 0);
}

static void allow(struct route_match *match, const char *method)
{
    size_t length = strlen(match->allow);
    (void)snprintf(match->allow + length, sizeof(match->allow) - length, "%s%s", length > 0 ? ", " : "",
                   method);
}

void route_find(const char *method, const char *path, struct route_match *ret_match)
{
    const char *in_api = below(path, api), *in_oapi = below(path, oapi);
    *ret_match = (struct route_match){.with_token = in_oapi, .below_api = in_api || in_oapi};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &routes[i];
        const char *here = route->base == BASE_ROOT   ? path
                           : in_api                   ? in_api
                           : route->base == BASE_BOTH ? in_oapi
                                                      : NULL;
        if (!here || !fits(route->path, here, ret_match))
            continue;
        if (strcmp(route->method, method) == 0) {
            ret_match->route = route;
            return;
        }
        allow(ret_match, route->method);
    }
}

void route_object(const struct route *route, char object[ROUTE_WORD])
{
    size_t length = strcspn(route->path + 1, "/");
    memcpy(object, route->path + 1, length);
    object[length] = 0;
}

int routes_check(const struct route *table, size_t count, struct dtr_error *err)
{
    for (const struct route *route = table; route < table + count; route++) {
        const char *what = NULL;
        if (route->access == ACCESS_UNSTATED)
            what = "does not say whom it is for";
        else if (!route->handle || !route->summary)
            what = "has no handler or no summary";
        else if (strcspn(route->path + 1, "/") >= ROUTE_WORD)
            what = "has too long a path";
        else if (route->base == BASE_ROOT && route->access != ACCESS_OPEN)
            what = "is outside the API and not open";
        if (what)
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the route %s %s %s", route->method,
                                 route->path, what);
    }
    return DTR_OK;
}
