/* Who asks, and whether they may. */
#ifndef DTR_MANAGER_REST_AUTH_H
#define DTR_MANAGER_REST_AUTH_H

#include "core/manager/rest/call.h"
#include "core/manager/rest/jwt.h"

/* Finds out who asks, by session token (header, query, cookie) or by personal access token (header, query);
 * fills call->who. 401 when neither is good, 403 for a token that is not to be used any more. */
int auth_identify(struct rest_call *call, struct store_db *db, struct dtr_error *err);
/* Whether call->who may use the route. 401: sign in first; 403: they may not. */
int auth_allow(struct rest_call *call, struct store_db *db, struct dtr_error *err);

/* The session token of a request, whose signature is good and whose user is there with the same password;
 * its times are not looked at. */
int auth_session(struct rest_call *call, struct store_db *db, struct jwt_claims *ret_claims,
                 struct dtr_error *err);
/* Whether a user has a role that grants `action` on `object`. */
int auth_may(struct store_db *db, int64_t user_id, const char *object, const char *action, bool *ret_may,
             struct dtr_error *err);
int auth_is_root(struct store_db *db, int64_t user_id, bool *ret_is, struct dtr_error *err);

#endif
