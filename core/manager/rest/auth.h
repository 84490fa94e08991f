/* Who asks, and whether they may. */
#ifndef DTR_MANAGER_REST_AUTH_H
#define DTR_MANAGER_REST_AUTH_H

#include "core/manager/rest/call.h"
#include "core/manager/rest/jwt.h"

/* Finds out who asks, by session token (header, query, cookie) or by personal access token (header, query);
 * fills call->who. 401 when neither is good, 403 for a token that is not to be used any more. */
int auth_identify(struct rest_call *call, struct store_db *db, struct dtr_error *err);
/* The session token in the Cookie header, copied to `text`; NULL: there is none, or a page of others asks. */
enum { AUTH_TOKEN = 1024 };
const char *auth_cookie(const struct rest_call *call, char text[AUTH_TOKEN]);
/* Whether call->who may use the route. 401: sign in first; 403: they may not. */
int auth_allow(struct rest_call *call, struct store_db *db, struct dtr_error *err);

/* The session token of a request, whose signature is good and whose user is there with the same password;
 * its times are not looked at. */
int auth_session(struct rest_call *call, struct store_db *db, struct jwt_claims *ret_claims,
                 struct dtr_error *err);

#endif
