/* Peers that no refresh sees any more; see upkeep.h. */
#include "core/manager/upkeep/age.h"
#include "core/manager/upkeep/upkeep.h"
#include "core/obs/log.h"

/* A longer time is for ever; dates and it can be added. */
static const int64_t most_ms = (int64_t)1000 * 365 * 24 * 3600 * 1000;

struct expiry {
    int64_t now_ms, unseen_ms;
    int64_t possible_ms; /* no row can be younger */
    uint64_t expired;
};

static int expire(struct store_db *db, void *context, struct dtr_error *err)
{
    struct expiry *expiry = context;
    struct dtr_ran ran = {0};
    int rc =
        store_run(db, "UPDATE peers SET updated_at = ? WHERE updated_at > ?",
                  STORE_VALUES(STORE_NUMBER(expiry->now_ms), STORE_NUMBER(expiry->possible_ms)), NULL, err);
    if (rc == DTR_OK)
        rc = store_run(
            db,
            "UPDATE peers SET state = 'inactive', updated_at = ? WHERE state = 'active' AND updated_at < ?",
            STORE_VALUES(STORE_NUMBER(expiry->now_ms), STORE_NUMBER(expiry->now_ms - expiry->unseen_ms)),
            &ran, err);
    expiry->expired = ran.changed;
    return rc;
}

int upkeep_expire_peers(struct store *store, uint64_t sync_every_ms, struct dtr_error *err)
{
    const int64_t every_ms =
        sync_every_ms < (uint64_t)most_ms / UPKEEP_SYNCS ? (int64_t)sync_every_ms : most_ms / UPKEEP_SYNCS;
    struct expiry expiry = {.now_ms = age_now_ms(), .unseen_ms = UPKEEP_SYNCS * every_ms};
    /* Refreshes write the machine's date, also one that age.h doubts. */
    const int64_t date_ms = store_now_ms();
    expiry.possible_ms = (date_ms > expiry.now_ms ? date_ms : expiry.now_ms) + expiry.unseen_ms;
    int rc = sync_every_ms == 0 ? DTR_OK : store_do(store, expire, &expiry, err);
    if (rc == DTR_OK && expiry.expired > 0)
        dtr_log(DTR_LOG_INFO, NULL, "%llu peers are inactive: no refresh has seen them for %lld h",
                (unsigned long long)expiry.expired, (long long)(expiry.unseen_ms / 3600000));
    return rc;
}
