/* Answering a call, once all of it is here. */
#ifndef DTR_MANAGER_REST_SERVE_H
#define DTR_MANAGER_REST_SERVE_H

#include "core/manager/rest/call.h"

/* First of all, once: when what is known of the head is in the call. */
void serve_open(struct rest_call *call);
/* Everything from "who asks" to the bytes of the answer, with the audit row; or as far as a call comes that
 * `awaits` something. Blocks: on a worker thread. */
void serve_call(struct rest_call *call);
/* The rest of a call that was left with `awaits`, when that is over. */
void serve_resume(struct rest_call *call);
/* Nobody waits any more for such a call: only the audit row. On the loop. */
void serve_abandon(struct rest_call *call);
/* The same for calls that need neither database nor body: unknown paths, preflight, WORK_HERE. At once;
 * false: it is not such a call. */
bool serve_here(struct rest_call *call);
/* The answer to a call that no handler gets, or that could not be read, with the audit row if its handler
 * would have left one. At once. */
void serve_refusal(struct rest_call *call, int status, const char *text);

#endif
