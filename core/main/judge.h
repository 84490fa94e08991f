/* What keeps a role from starting although its file is well formed: modules that are not there or do not take
 * their options, rules and policies that cannot be used, listeners in each other's way, certificates. The
 * start of each role and `darter config check` both ask this, so that they say the same.
 *
 * Not for what depends on the moment: ports of other programs, a full disk, rights. */
#ifndef DTR_MAIN_JUDGE_H
#define DTR_MAIN_JUDGE_H

#include "core/conf/conf.h"

/* Judges the configuration of any role. Modules and policies are loaded, nothing is started. One at a time,
 * on any thread. */
dtr_conf_judge_fn judge;
/* The part of it that judges certificates and keys. */
dtr_conf_judge_fn judge_tls;

#endif
