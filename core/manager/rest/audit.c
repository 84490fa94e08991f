/* The audit log; see audit.h. */
#include "core/manager/rest/audit.h"

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/str.h"
#include "core/obs/log.h"

#include <pthread.h>
#include <stdlib.h>

enum { MINUTE_MS = 60000 };

struct row {
    struct dtr_list link;
    char actor_type[8], actor_name[64], operation[16];
    char path[256], detail[256];
    int status;
    int64_t at_ms;
};

struct audit {
    pthread_mutex_t lock; /* what follows */
    struct dtr_list rows;
    size_t count;
    struct lost {
        uint64_t late, strange; /* the database was too slow for it; beyond AUDIT_STRANGERS */
    } lost;                     /* since the last time it was logged */
    struct {
        uint64_t since_ms; /* a minute */
        unsigned count;
    } strangers;
    pthread_mutex_t writing;
};

struct audit *audit_new(void)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    if (!audit)
        return NULL;
    (void)pthread_mutex_init(&audit->lock, NULL);
    (void)pthread_mutex_init(&audit->writing, NULL);
    dtr_list_init(&audit->rows);
    return audit;
}

static void drop_rows(struct dtr_list *rows)
{
    for (struct dtr_list *node; (node = dtr_list_pop(rows));)
        free(dtr_container(node, struct row, link));
}

void audit_free(struct audit *audit)
{
    if (!audit)
        return;
    drop_rows(&audit->rows);
    (void)pthread_mutex_destroy(&audit->lock);
    (void)pthread_mutex_destroy(&audit->writing);
    free(audit);
}

/* One text that the database does not take would cost all those that are written with it. */
static void cut(char *field, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    /* Not within a character of several bytes. */
    while (length > 0 && text[length] && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    memcpy(field, text, length);
    field[length] = 0;
    for (size_t i = 0, good = dtr_db_is_text(field, length); !good && i < length; i++)
        field[i] = (unsigned char)field[i] < 0x80 ? field[i] : '?';
}

static bool is_too_strange(struct audit *audit, const struct audit_entry *entry)
{
    uint64_t now_ms = dtr_now_ms();
    if (strcmp(entry->actor_type, AUDIT_UNKNOWN) != 0)
        return false;
    if (audit->strangers.count == 0 || now_ms - audit->strangers.since_ms >= MINUTE_MS) {
        audit->strangers.since_ms = now_ms;
        audit->strangers.count = 0;
    }
    return audit->strangers.count++ >= AUDIT_STRANGERS;
}

void audit_add(struct audit *audit, const struct audit_entry *entry)
{
    struct row *row = calloc(1, sizeof(*row));
    if (row) {
        cut(row->actor_type, sizeof(row->actor_type), entry->actor_type);
        cut(row->actor_name, sizeof(row->actor_name), entry->actor_name);
        cut(row->operation, sizeof(row->operation), entry->operation);
        cut(row->path, sizeof(row->path), entry->path);
        cut(row->detail, sizeof(row->detail), entry->detail);
        row->status = entry->status;
        row->at_ms = store_now_ms();
    }
    (void)pthread_mutex_lock(&audit->lock);
    bool strange = is_too_strange(audit, entry), kept = row && audit->count < AUDIT_MOST && !strange;
    if (kept) {
        dtr_list_add_tail(&audit->rows, &row->link);
        audit->count++;
    } else {
        audit->lost.late += !strange;
        audit->lost.strange += strange;
    }
    (void)pthread_mutex_unlock(&audit->lock);
    if (!kept)
        free(row);
}

size_t audit_waiting(struct audit *audit)
{
    (void)pthread_mutex_lock(&audit->lock);
    size_t count = audit->count;
    (void)pthread_mutex_unlock(&audit->lock);
    return count;
}

/* --- writing ---------------------------------------------------------------------------------------------
 */

static size_t take(struct audit *audit, struct dtr_list *rows, struct lost *ret_lost)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&audit->lock);
    while (count < AUDIT_BATCH && !dtr_list_empty(&audit->rows)) {
        dtr_list_add_tail(rows, dtr_list_pop(&audit->rows));
        count++;
    }
    audit->count -= count;
    *ret_lost = audit->lost;
    audit->lost = (struct lost){0};
    (void)pthread_mutex_unlock(&audit->lock);
    return count;
}

static void put_back(struct audit *audit, struct dtr_list *rows, size_t count)
{
    (void)pthread_mutex_lock(&audit->lock);
    /* Those that came meanwhile are newer. */
    while (!dtr_list_empty(&audit->rows))
        dtr_list_add_tail(rows, dtr_list_pop(&audit->rows));
    while (!dtr_list_empty(rows))
        dtr_list_add_tail(&audit->rows, dtr_list_pop(rows));
    audit->count += count;
    (void)pthread_mutex_unlock(&audit->lock);
}

static int insert(struct store_db *db, void *context, struct dtr_error *err)
{
    struct dtr_list *rows = context;
    int rc = DTR_OK;
    for (struct dtr_list *node = rows->next; node != rows && rc == DTR_OK; node = node->next) {
        const struct row *row = dtr_container(node, struct row, link);
        bool success = row->status >= 200 && row->status < 300;
        rc = store_run(
            db,
            "INSERT INTO audits (actor_type, actor_name, event_type, operation, operated_at, state, path, "
            "status_code, detail, created_at, updated_at) VALUES (?, ?, 'API', ?, ?, ?, ?, ?, ?, ?, ?)",
            STORE_VALUES(store_text(row->actor_type), store_text(row->actor_name), store_text(row->operation),
                         STORE_NUMBER(row->at_ms), store_text(success ? "SUCCESS" : "FAILURE"),
                         store_text(row->path), STORE_NUMBER(row->status), store_text(row->detail),
                         STORE_NUMBER(row->at_ms), STORE_NUMBER(row->at_ms)),
            NULL, err);
    }
    return rc;
}

static void log_lost(const struct lost *lost)
{
    if (lost->late > 0)
        dtr_log(DTR_LOG_WARN, NULL,
                "%llu entries of the audit log were dropped: the database did not take them in time",
                (unsigned long long)lost->late);
    if (lost->strange > 0)
        dtr_log(DTR_LOG_WARN, NULL,
                "%llu requests of callers that nobody knows are not in the audit log: more than %d a minute",
                (unsigned long long)lost->strange, (int)AUDIT_STRANGERS);
}

int audit_write(struct audit *audit, struct store *store, struct dtr_error *err)
{
    int rc = DTR_OK;
    (void)pthread_mutex_lock(&audit->writing);
    for (;;) {
        struct dtr_list rows;
        struct lost lost;
        dtr_list_init(&rows);
        size_t count = take(audit, &rows, &lost);
        log_lost(&lost);
        if (count == 0)
            break;
        rc = store_do(store, insert, &rows, err);
        if (rc == DTR_OK || rc == DTR_EINVALID) /* which it would stay */
            drop_rows(&rows);
        else
            put_back(audit, &rows, count);
        if (rc != DTR_OK)
            break;
    }
    (void)pthread_mutex_unlock(&audit->writing);
    return rc;
}
