/* What the first start puts into the database, and what each start sees to. */
#ifndef DTR_MANAGER_REST_SEED_H
#define DTR_MANAGER_REST_SEED_H

#include "core/manager/rest/call.h"

#define SEED_KEY 512 /* bytes of a key of session tokens, with the NUL */

/* Whether realm, key, root's password and token are such as can be used. */
int seed_check(const struct rest_options *options, struct dtr_error *err);
/* See rest_seed(). The key of session tokens, given or kept, goes to `key`. */
int seed_run(const struct rest_parts *parts, char key[SEED_KEY], struct dtr_error *err);

#endif
