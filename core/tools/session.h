/* Who is signed in at which manager, between two runs of `darter ctl`: a file that only its owner may read.
 */
#ifndef DTR_TOOLS_SESSION_H
#define DTR_TOOLS_SESSION_H

#include <darter/error.h>

/* Texts are on the heap; expire and warning may be NULL. */
struct dtr_session {
    char *url, *user, *token;
    char *expire;  /* RFC 3339 */
    char *warning; /* what the manager said at the sign-in; it holds as long as the session does */
};

/* DTR_ENOT_FOUND: nobody is signed in. A file that others may read, or that is none of ours, is refused. */
int dtr_session_read(const char *path, struct dtr_session *ret_session, struct dtr_error *err);
/* Mode 0600, in one step, with the folders above it. */
int dtr_session_write(const char *path, const struct dtr_session *session, struct dtr_error *err);
/* Removes it; none is fine. */
int dtr_session_forget(const char *path, struct dtr_error *err);
/* A zeroed one is fine; it is zeroed afterwards. */
void dtr_session_free(struct dtr_session *session);

#endif
