/* Users, their roles, what roles allow, personal access tokens, the audit log: what is special about them. */
#ifndef DTR_MANAGER_REST_USERS_H
#define DTR_MANAGER_REST_USERS_H

#include "core/manager/rest/call.h"

rest_handler users_roles, users_give_role, users_take_role;
rest_handler roles_list, roles_create, roles_get, roles_delete, roles_allow, roles_deny, permissions_list;
rest_handler audits_list;

extern const struct field role_fields[], permission_fields[];

#endif
