/* The manager's tables, by version. Each step brings a database from one version to the next; what was
 * released is never changed, only followed by another. */
#ifndef DTR_MANAGER_SCHEMA_H
#define DTR_MANAGER_SCHEMA_H

#include "core/manager/store/store.h"

/* Brings the tables from whatever version they have, none too, to the newest. The caller holds the lock that
 * keeps others from doing the same. Each step is one transaction where the engine can; where it cannot, a
 * step that was cut off goes on where it was. `migrate` false: DTR_EINVALID when they are older. */
int schema_bring_up(struct store_db *db, bool migrate, struct dtr_error *err);
/* The same up to `version`, for tests. */
int schema_bring_to(struct store_db *db, unsigned version, struct dtr_error *err);
unsigned schema_newest(void);

#endif
