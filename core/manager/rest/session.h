/* Sign-in, sign-up, passwords: the handlers that need no session. */
#ifndef DTR_MANAGER_REST_SESSION_H
#define DTR_MANAGER_REST_SESSION_H

#include "core/manager/rest/call.h"

rest_handler session_sign_in, session_sign_out, session_refresh, session_sign_up, session_reset_password;
extern const struct field session_fields[], session_signup_fields[], session_reset_fields[];

#endif
