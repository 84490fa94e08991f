/* What happens to a part of a job. Only for machine.c and machine_targets.c. */
#ifndef DTR_MANAGER_JOBS_MACHINE_PART_H
#define DTR_MANAGER_JOBS_MACHINE_PART_H

#include "core/manager/jobs/machine.h"

/* All schedulers of a cluster are asked, not the first that can. */
bool machine_asks_all(const struct machine *machine);
/* It is over. */
__attribute__((format(printf, 2, 3))) void part_fail(struct part *part, const char *format, ...);
/* It may be better later, with whoever is there then; or it has been tried often enough. */
void part_pause(const struct machine *machine, struct part *part, const char *why, uint64_t now_ms);

#endif
