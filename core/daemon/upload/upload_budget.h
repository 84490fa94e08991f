/* Memory for pieces on their way to callers: how many bytes may be read or queued at once, and who waits for
 * room. First come, first served; one piece always fits when there is no other, whatever its size, so that
 * nobody waits for ever. Control thread. */
#ifndef DTR_DAEMON_UPLOAD_BUDGET_H
#define DTR_DAEMON_UPLOAD_BUDGET_H

#include "core/base/list.h"
#include <stdint.h>

struct budget {
    uint64_t limit, used;    /* bytes */
    struct dtr_list waiting; /* nodes of those who asked in vain, the first is the next */
};

void budget_init(struct budget *budget, uint64_t limit);
/* Takes `bytes` and takes `turn` off the list, or puts it there and says false. */
bool budget_take(struct budget *budget, struct dtr_list *turn, uint64_t bytes);
/* Gives back what was taken. The first of `waiting` may ask again then. */
void budget_give(struct budget *budget, uint64_t bytes);

#endif
