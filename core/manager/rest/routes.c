/* The routes of the REST API (features page 1.3). The router, the checks of bodies and the OpenAPI document
 * come from here. */
#include "core/manager/rest/cluster.h"
#include "core/manager/rest/jobs.h"
#include "core/manager/rest/kinds.h"
#include "core/manager/rest/pages.h"
#include "core/manager/rest/persistent.h"
#include "core/manager/rest/ranking.h"
#include "core/manager/rest/session.h"
#include "core/manager/rest/users.h"

static int features_list(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    (void)db;
    return call_answer(call, json_pack("[s, s]", "schedule", "preheat"), err);
}

/* {method, base, path, access, work, handler, summary, resource, body} */
#define MAKE(base, path, kind)                                                                               \
    {                                                                                                        \
        "POST", base, path, ACCESS_ROLE, WORK_WRITE, resource_create, "make one", kind, NULL                 \
    }
#define LOOK(base, path, kind)                                                                               \
    {"GET", base, path, ACCESS_ROLE, WORK_READ, resource_list, "list", kind, NULL},                          \
    {                                                                                                        \
        "GET", base, path "/{id}", ACCESS_ROLE, WORK_READ, resource_get, "read one", kind, NULL              \
    }
#define CHANGE(base, path, kind)                                                                             \
    {                                                                                                        \
        "PATCH", base, path "/{id}", ACCESS_ROLE, WORK_WRITE, resource_update, "change one", kind, NULL      \
    }
#define DELETE(base, path, kind)                                                                             \
    {                                                                                                        \
        "DELETE", base, path "/{id}", ACCESS_ROLE, WORK_WRITE, resource_delete, "delete one", kind, NULL     \
    }
#define ALL_OF(base, path, kind)                                                                             \
    MAKE(base, path, kind), LOOK(base, path, kind), CHANGE(base, path, kind), DELETE(base, path, kind)
#define ROUTE(method, path, access, work, handler, summary, body)                                            \
    {                                                                                                        \
        method, BASE_API, path, access, work, handler, summary, NULL, body                                   \
    }
#define PAGE(path, handler, summary)                                                                         \
    {                                                                                                        \
        "GET", BASE_ROOT, path, ACCESS_OPEN, WORK_HERE, handler, summary, NULL, NULL                         \
    }

const struct route routes[] = {
    PAGE("/", page_home, "what this is"),
    PAGE("/healthy", page_healthy, "whether it runs"),
    PAGE("/swagger", page_swagger, "where the OpenAPI document is"),
    PAGE("/swagger/index.html", page_swagger, "where the OpenAPI document is"),
    PAGE("/swagger/doc.json", page_openapi, "the OpenAPI document"),

    ROUTE("POST", "/users/signin", ACCESS_OPEN, WORK_READ, session_sign_in, "begin a session",
          session_fields),
    ROUTE("POST", "/users/signout", ACCESS_OPEN, WORK_SELF, session_sign_out, "end a session", NULL),
    ROUTE("POST", "/users/refresh_token", ACCESS_OPEN, WORK_READ, session_refresh, "make a session longer",
          NULL),
    {"POST", BASE_API, "/users/signup", ACCESS_OPEN, WORK_SELF, session_sign_up,
     "make a user with the role guest", &kind_user, session_signup_fields},
    ROUTE("POST", "/users/{id}/reset_password", ACCESS_OPEN, WORK_SELF, session_reset_password,
          "change the password, with the old one", session_reset_fields),

    {"GET", BASE_API, "/users", ACCESS_ROLE, WORK_READ, resource_list, "list", &kind_user, NULL},
    {"GET", BASE_API, "/users/{id}", ACCESS_OWN, WORK_READ, resource_get, "read one", &kind_user, NULL},
    {"PATCH", BASE_API, "/users/{id}", ACCESS_OWN, WORK_WRITE, resource_update, "change one", &kind_user,
     NULL},
    ROUTE("GET", "/users/{id}/roles", ACCESS_OWN, WORK_READ, users_roles, "the roles of a user", NULL),
    ROUTE("PUT", "/users/{id}/roles/{role}", ACCESS_ROLE, WORK_WRITE, users_give_role, "give a role", NULL),
    ROUTE("DELETE", "/users/{id}/roles/{role}", ACCESS_ROLE, WORK_WRITE, users_take_role, "take a role",
          NULL),

    ROUTE("POST", "/roles", ACCESS_ROLE, WORK_WRITE, roles_create, "make a role", role_fields),
    ROUTE("GET", "/roles", ACCESS_ROLE, WORK_READ, roles_list, "the names of the roles", NULL),
    ROUTE("GET", "/roles/{role}", ACCESS_ROLE, WORK_READ, roles_get, "what a role may", NULL),
    ROUTE("DELETE", "/roles/{role}", ACCESS_ROLE, WORK_WRITE, roles_delete, "delete a role", NULL),
    ROUTE("POST", "/roles/{role}/permissions", ACCESS_ROLE, WORK_WRITE, roles_allow, "give a permission",
          permission_fields),
    ROUTE("DELETE", "/roles/{role}/permissions", ACCESS_ROLE, WORK_WRITE, roles_deny, "take a permission",
          permission_fields),
    ROUTE("GET", "/permissions", ACCESS_ROLE, WORK_SELF, permissions_list, "what roles can be allowed to do",
          NULL),

    ALL_OF(BASE_BOTH, "/clusters", &kind_cluster),
    {"GET", BASE_BOTH, "/clusters/ranking", ACCESS_ROLE, WORK_SELF, ranking_get,
     "which cluster suits a peer, and why", NULL, ranking_fields},
    ALL_OF(BASE_API, "/scheduler-clusters", &kind_scheduler_cluster),
    ROUTE("PUT", "/scheduler-clusters/{id}/schedulers/{scheduler_id}", ACCESS_ROLE, WORK_WRITE,
          cluster_move_scheduler, "move a scheduler to this cluster", NULL),
    ALL_OF(BASE_API, "/seed-peer-clusters", &kind_seed_peer_cluster),
    ROUTE("PUT", "/seed-peer-clusters/{id}/seed-peers/{seed_peer_id}", ACCESS_ROLE, WORK_WRITE,
          cluster_move_seed_peer, "move a seed peer to this cluster", NULL),
    ROUTE("PUT", "/seed-peer-clusters/{id}/scheduler-clusters/{scheduler_cluster_id}", ACCESS_ROLE,
          WORK_WRITE, cluster_link_halves, "make this the seed peer cluster of a scheduler cluster", NULL),

    ALL_OF(BASE_API, "/schedulers", &kind_scheduler),
    ROUTE("GET", "/scheduler-features", ACCESS_ROLE, WORK_SELF, features_list, "what schedulers can do",
          NULL),
    ALL_OF(BASE_API, "/seed-peers", &kind_seed_peer),
    MAKE(BASE_API, "/peers", &kind_peer),
    LOOK(BASE_API, "/peers", &kind_peer),
    DELETE(BASE_API, "/peers", &kind_peer),

    {"POST", BASE_BOTH, "/jobs", ACCESS_ROLE, WORK_SELF, job_create,
     "begin one; some kinds are answered when it is over", &kind_job, NULL},
    LOOK(BASE_BOTH, "/jobs", &kind_job),
    CHANGE(BASE_BOTH, "/jobs", &kind_job),
    DELETE(BASE_BOTH, "/jobs", &kind_job),

    ALL_OF(BASE_API, "/configs", &kind_config),
    ALL_OF(BASE_API, "/applications", &kind_application),
    ALL_OF(BASE_API, "/personal-access-tokens", &kind_token),
    ROUTE("GET", "/persistent-cache-tasks", ACCESS_ROLE, WORK_READ, persistent_list, "list, of one cluster",
          persistent_query),
    ROUTE("GET", "/persistent-cache-tasks/{task}", ACCESS_ROLE, WORK_READ, persistent_find, "read one",
          persistent_query),
    ROUTE("DELETE", "/persistent-cache-tasks/{task}", ACCESS_ROLE, WORK_READ, persistent_find, "delete one",
          persistent_query),
    {"GET", BASE_API, "/audits", ACCESS_ROLE, WORK_READ, audits_list, "list, the newest first", &kind_audit,
     NULL},
};
const size_t route_count = sizeof(routes) / sizeof(routes[0]);
