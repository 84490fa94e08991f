/* Rows that do not change; see silence.h. */
#include "core/manager/upkeep/silence.h"

#include "core/manager/fleet/fleet.h"

#include <jansson.h>
#include <stdlib.h>

enum { GROW = 64 };
#define NS_PER_MS 1000000

/* A row as it was when it was seen to be so for the first time. */
struct sight {
    int64_t id;
    int64_t mark; /* of an active one when it kept alive, of another when it was changed */
    bool active;
    uint64_t since_ms;
    uint64_t most_ms; /* it may be silent */
};

struct sights {
    struct sight *list; /* by id */
    size_t count, room;
};

struct silence {
    struct fleet_view *view;
    struct sights of[SILENCE_KINDS];
    uint64_t begun_ms, last_ms; /* of looking without a gap */
    bool looking;
};

/* What differs between the two tables. */
static const struct {
    const char *find, *expire, *reap;
} tables[] = {
    [SILENCE_SCHEDULERS] = {"SELECT id, state, last_keep_alive_at, updated_at, config_json FROM schedulers"
                            " ORDER BY id",
                            "UPDATE schedulers SET state = 'inactive', updated_at = ?"
                            " WHERE id = ? AND state = 'active' AND last_keep_alive_at = ?",
                            "DELETE FROM schedulers WHERE id = ? AND state <> 'active' AND updated_at = ?"},
    /* Seed peers do not say how often they keep alive: ours do every 15 s, or more often. */
    [SILENCE_SEEDS] = {"SELECT id, state, last_keep_alive_at, updated_at,"
                       " '{\"manager_keep_alive_interval\":15000000000}' FROM seed_peers ORDER BY id",
                       "UPDATE seed_peers SET state = 'inactive', updated_at = ?"
                       " WHERE id = ? AND state = 'active' AND last_keep_alive_at = ?",
                       "DELETE FROM seed_peers WHERE id = ? AND state <> 'active' AND updated_at = ?"},
};

struct silence *silence_new(struct fleet_view *view)
{
    struct silence *silence = calloc(1, sizeof(*silence));
    if (silence)
        silence->view = view;
    return silence;
}

void silence_free(struct silence *silence)
{
    if (!silence)
        return;
    for (int kind = 0; kind < SILENCE_KINDS; kind++)
        free(silence->of[kind].list);
    free(silence);
}

/* --- looking ---------------------------------------------------------------------------------------------
 */

struct look {
    const struct sights *before; /* empty when what was seen counts no more */
    size_t at;                   /* in it */
    struct sights now;
    uint64_t now_ms;
};

static uint64_t most_of(const struct dtr_value *config)
{
    json_t *root = config->type == DTR_VALUE_TEXT ? json_loadb(config->text, config->length, 0, NULL) : NULL;
    int64_t ms = json_integer_value(json_object_get(root, "manager_keep_alive_interval")) / NS_PER_MS;
    json_decref(root);
    if (ms < 0 || ms > INT32_MAX) /* nonsense */
        ms = 0;
    ms *= SILENCE_INTERVALS;
    return ms < SILENCE_LEAST_MS ? SILENCE_LEAST_MS : (uint64_t)ms;
}

static int on_row(void *context, const struct dtr_value *c, size_t count, struct dtr_error *err)
{
    struct look *look = context;
    struct sights *now = &look->now;
    (void)count;
    if (now->count == now->room) {
        struct sight *grown = realloc(now->list, (now->room + GROW) * sizeof(*grown));
        if (!grown)
            return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the members");
        now->list = grown;
        now->room += GROW;
    }
    bool active = c[1].type == DTR_VALUE_TEXT && strcmp(c[1].text, FLEET_ACTIVE) == 0;
    struct sight *sight = &now->list[now->count++];
    *sight = (struct sight){c[0].number, c[active ? 2 : 3].number, active, look->now_ms, 0};
    while (look->at < look->before->count && look->before->list[look->at].id < sight->id)
        look->at++;
    if (look->at < look->before->count) {
        const struct sight *old = &look->before->list[look->at];
        if (old->id == sight->id && old->active == active && old->mark == sight->mark)
            sight->since_ms = old->since_ms;
    }
    if (active && look->now_ms - sight->since_ms >= SILENCE_LEAST_MS)
        sight->most_ms = most_of(&c[4]);
    return DTR_OK;
}

struct find {
    enum silence_kind kind;
    struct look *look;
};

static int find(struct store_db *db, void *context, struct dtr_error *err)
{
    const struct find *find = context;
    return store_each(db, tables[find->kind].find, NULL, 0, on_row, find->look, err);
}

/* --- changing what was seen ------------------------------------------------------------------------------
 */

struct change {
    const struct sights *sights;
    uint64_t now_ms;
    bool (*concerns)(const struct sight *sight, uint64_t now_ms);
    const char *sql; /* with the row's id and its mark, so that one that has changed stays as it is */
    bool dated;      /* and the date before them */
    size_t changed;
};

static bool is_silent(const struct sight *sight, uint64_t now_ms)
{
    return sight->active && sight->most_ms > 0 && now_ms - sight->since_ms > sight->most_ms;
}

static bool is_gone(const struct sight *sight, uint64_t now_ms)
{
    return !sight->active && now_ms - sight->since_ms >= SILENCE_REAP_MS;
}

static int change_all(struct store_db *db, void *context, struct dtr_error *err)
{
    struct change *change = context;
    int rc = DTR_OK;
    change->changed = 0;
    for (size_t i = 0; i < change->sights->count && rc == DTR_OK; i++) {
        const struct sight *sight = &change->sights->list[i];
        const struct dtr_value values[] = {STORE_NUMBER(store_now_ms()), STORE_NUMBER(sight->id),
                                           STORE_NUMBER(sight->mark)};
        const size_t skipped = change->dated ? 0 : 1;
        struct dtr_ran ran = {0};
        if (!change->concerns(sight, change->now_ms))
            continue;
        rc = store_run(db, change->sql, values + skipped, 3 - skipped, &ran, err);
        change->changed += ran.changed;
    }
    return rc;
}

static bool has_changed(const void *context)
{
    return ((const struct change *)context)->changed > 0;
}

/* Without a transaction where nothing is to be done, which is nearly always. */
static int change_those(struct change *change, struct fleet_view *view, struct dtr_error *err)
{
    bool any = false;
    for (size_t i = 0; i < change->sights->count && !any; i++)
        any = change->concerns(&change->sights->list[i], change->now_ms);
    return any ? fleet_do(view, change_all, change, has_changed, err) : DTR_OK;
}

/* --- from outside ----------------------------------------------------------------------------------------
 */

static int look_at(struct silence *silence, enum silence_kind kind, struct store *store, uint64_t now_ms,
                   struct dtr_error *err)
{
    struct look look = {.before = &silence->of[kind], .now_ms = now_ms};
    struct find finding = {kind, &look};
    int rc = store_read(store, find, &finding, err);
    struct change change = {&look.now, now_ms, is_silent, tables[kind].expire, true, 0};
    if (rc == DTR_OK && now_ms - silence->begun_ms >= SILENCE_BEGIN_MS)
        rc = change_those(&change, silence->view, err);
    free(silence->of[kind].list);
    silence->of[kind] = look.now;
    return rc;
}

static void begin_anew(struct silence *silence, uint64_t now_ms)
{
    for (int kind = 0; kind < SILENCE_KINDS; kind++)
        silence->of[kind].count = 0;
    silence->begun_ms = now_ms;
    silence->looking = true;
}

int silence_look(struct silence *silence, struct store *store, uint64_t now_ms, struct dtr_error *err)
{
    int rc = DTR_OK;
    if (!silence->looking || now_ms - silence->last_ms > SILENCE_GAP_MS)
        begin_anew(silence, now_ms);
    silence->last_ms = now_ms;
    for (int kind = 0; kind < SILENCE_KINDS && rc == DTR_OK; kind++)
        rc = look_at(silence, (enum silence_kind)kind, store, now_ms, err);
    if (rc != DTR_OK)
        silence->looking = false;
    return rc;
}

int silence_reap(struct silence *silence, enum silence_kind kind, int64_t *ret_reaped, struct dtr_error *err)
{
    struct change change = {&silence->of[kind], silence->last_ms, is_gone, tables[kind].reap, false, 0};
    int rc = silence->looking ? change_those(&change, silence->view, err) : DTR_OK;
    *ret_reaped = rc == DTR_OK ? (int64_t)change.changed : 0;
    return rc;
}
