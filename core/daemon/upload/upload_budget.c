/* See upload_budget.h. */
#include "core/daemon/upload/upload_budget.h"

#include <assert.h>

void budget_init(struct budget *budget, uint64_t limit)
{
    *budget = (struct budget){.limit = limit};
    dtr_list_init(&budget->waiting);
}

static bool first(const struct budget *budget, const struct dtr_list *turn)
{
    return dtr_list_empty(&budget->waiting) || budget->waiting.next == turn;
}

static bool fits(const struct budget *budget, uint64_t bytes)
{
    return budget->used == 0 || (budget->used < budget->limit && bytes <= budget->limit - budget->used);
}

bool budget_take(struct budget *budget, struct dtr_list *turn, uint64_t bytes)
{
    if (!first(budget, turn) || !fits(budget, bytes)) {
        if (!dtr_list_linked(turn))
            dtr_list_add_tail(&budget->waiting, turn);
        return false;
    }
    dtr_list_remove(turn);
    budget->used += bytes;
    return true;
}

void budget_give(struct budget *budget, uint64_t bytes)
{
    assert(bytes <= budget->used);
    budget->used -= bytes;
}
