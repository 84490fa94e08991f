/* Priorities by application and URL, as dynconfig.yaml has them (features page 2.3). */
#ifndef DTR_SCHEDULER_PRIORITY_H
#define DTR_SCHEDULER_PRIORITY_H

#include "core/conf/dynconfig.h"
#include <darter/error.h>

enum { PRIORITY_MOST = 6 }; /* common.v2.Priority: LEVEL0 to LEVEL6 */

struct priorities;

/* Of dynconfig->applications. Copies what it needs. DTR_EINVALID: an expression is none. */
int priorities_new(const struct dtr_dynconfig *dynconfig, struct priorities **ret_priorities,
                   struct dtr_error *err);
/* NULL is fine, here and below: no application has a priority. */
void priorities_free(struct priorities *priorities);
/* Whether they came from equal applications. */
bool priorities_same(const struct priorities *a, const struct priorities *b);
/* Of a download that names none: the first of the application's expressions that is found in the URL decides,
 * else the application's own value. 0: nothing is known of the application. */
uint32_t priorities_of(const struct priorities *priorities, const char *application, const char *url);

#endif
