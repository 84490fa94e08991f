/* Hash table, lines by use and a heap by expiry; see table.h. */
#include "table.h"

#include <stdlib.h>
#include <sys/random.h>

/* --- blobs ------------------------------------------------------------------------------------------ */

struct blob *blob_new(const void *bytes, size_t length)
{
    struct blob *blob = malloc(sizeof(*blob) + length);
    if (!blob)
        return NULL;
    *blob = (struct blob){.refs = 1, .length = length};
    if (length > 0)
        memcpy(blob->bytes, bytes, length);
    return blob;
}

struct blob *blob_ref(struct blob *blob)
{
    (void)__atomic_add_fetch(&blob->refs, 1, __ATOMIC_RELAXED);
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob && __atomic_sub_fetch(&blob->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(blob);
}

static uint64_t cost(const struct blob *blob)
{
    return blob ? sizeof(*blob) + blob->length : 0;
}

/* --- the heap: at [0] what expires next ------------------------------------------------------------- */

static void heap_set(struct table *table, size_t at, struct entry *entry)
{
    table->heap[at] = entry;
    entry->heap_at = at;
}

/* Moves an entry whose place is `at` towards the beginning, then towards the end, as far as it belongs. */
static void heap_settle(struct table *table, size_t at, struct entry *entry)
{
    while (at > 0 && table->heap[(at - 1) / 2]->expires_ns > entry->expires_ns) {
        heap_set(table, at, table->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < table->count; at = child) {
        if (child + 1 < table->count && table->heap[child + 1]->expires_ns < table->heap[child]->expires_ns)
            child++;
        if (table->heap[child]->expires_ns >= entry->expires_ns)
            break;
        heap_set(table, at, table->heap[child]);
    }
    heap_set(table, at, entry);
}

/* --- lines by use ----------------------------------------------------------------------------------- */

static enum table_line line_of(const struct entry *entry)
{
    static const enum table_line lines[] = {[HOLDS_VALUE] = LINE_VALUES,
                                            [HOLDS_LOCK] = LINE_KEPT,
                                            [HOLDS_NUMBER] = LINE_KEPT,
                                            [HOLDS_QUEUE] = LINE_QUEUES};
    return lines[entry->holds];
}

static void line_leave(struct table *table, struct entry *entry)
{
    enum table_line line = line_of(entry);
    *(entry->older ? &entry->older->newer : &table->oldest[line]) = entry->newer;
    *(entry->newer ? &entry->newer->older : &table->newest[line]) = entry->older;
}

static void line_join(struct table *table, struct entry *entry)
{
    enum table_line line = line_of(entry);
    entry->newer = NULL;
    entry->older = table->newest[line];
    *(entry->older ? &entry->older->newer : &table->oldest[line]) = entry;
    table->newest[line] = entry;
}

void table_touch(struct table *table, struct entry *entry)
{
    line_leave(table, entry);
    line_join(table, entry);
}

/* --- entries ---------------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct table *table, const char *key)
{
    uint64_t hash = 14695981039346656037u ^ table->seed; /* FNV-1a */
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 1099511628211u;
    return hash ^ hash >> 32;
}

static void charge(struct table *table, struct entry *entry, uint64_t bytes)
{
    entry->charged += bytes;
    table->used += bytes;
    if (entry->holds == HOLDS_QUEUE)
        table->queued += bytes;
}

static void uncharge(struct table *table, struct entry *entry, uint64_t bytes)
{
    entry->charged -= bytes;
    table->used -= bytes;
    if (entry->holds == HOLDS_QUEUE)
        table->queued -= bytes;
}

static struct entry **place_of(struct table *table, uint64_t hash, const char *key)
{
    struct entry **at = &table->buckets[hash & table->mask];
    while (*at && ((*at)->hash != hash || strcmp((*at)->key, key) != 0))
        at = &(*at)->chain;
    return at;
}

void table_drop(struct table *table, struct entry *entry)
{
    *place_of(table, entry->hash, entry->key) = entry->chain;
    line_leave(table, entry);
    struct entry *moved = table->heap[--table->count];
    if (moved != entry)
        heap_settle(table, entry->heap_at, moved);
    uncharge(table, entry, entry->charged);
    table->queues -= entry->holds == HOLDS_QUEUE;
    for (struct blob *blob = entry->first, *next; blob; blob = next) {
        next = blob->next;
        blob_unref(blob);
    }
    free(entry);
}

static void drop_expired(struct table *table, uint64_t now_ns)
{
    while (table->count > 0 && table->heap[0]->expires_ns <= now_ns)
        table_drop(table, table->heap[0]);
}

struct entry *table_find(struct table *table, const char *key, uint64_t now_ns)
{
    struct entry *entry = *place_of(table, hash_of(table, key), key);
    if (!entry || entry->expires_ns > now_ns)
        return entry;
    table_drop(table, entry);
    return NULL;
}

/* --- room ------------------------------------------------------------------------------------------- */

static int full(const struct table *table, uint64_t bytes, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENO_SPACE, DTR_RETRY_SAME,
                         "no room for %llu bytes: waiting work has %llu of %llu bytes and %llu of %llu "
                         "entries; see options memory and size of cache_memory",
                         (unsigned long long)bytes, (unsigned long long)table->queued,
                         (unsigned long long)table->memory, (unsigned long long)table->queues,
                         (unsigned long long)table->size);
}

/* Whether dropping all that may be dropped is enough for `entries` more and `bytes`. */
static bool can_fit(const struct table *table, uint64_t entries, uint64_t bytes, const struct entry *replaced)
{
    bool queue = replaced && replaced->holds == HOLDS_QUEUE;
    uint64_t queues = table->queues - queue, queued = table->queued - (queue ? replaced->charged : 0);
    return queues + entries <= table->size && bytes <= table->memory && queued <= table->memory - bytes;
}

/* Only after can_fit(). */
static void make_room(struct table *table, uint64_t entries, uint64_t bytes, uint64_t now_ns)
{
    drop_expired(table, now_ns);
    while (table->count + entries > table->size || table->used > table->memory - bytes)
        table_drop(table, table->oldest[LINE_VALUES] ? table->oldest[LINE_VALUES] : table->oldest[LINE_KEPT]);
}

static struct entry *new_entry(const char *key, enum holding holds, struct blob *value, uint64_t expires_ns)
{
    size_t length = strlen(key);
    struct entry *entry = calloc(1, sizeof(*entry) + length + 1);
    if (!entry)
        return NULL;
    entry->holds = holds;
    entry->expires_ns = expires_ns;
    entry->first = value;
    memcpy(entry->key, key, length);
    return entry;
}

static void insert(struct table *table, struct entry *entry, uint64_t bytes)
{
    entry->hash = hash_of(table, entry->key);
    *place_of(table, entry->hash, entry->key) = entry;
    line_join(table, entry);
    charge(table, entry, bytes);
    table->queues += entry->holds == HOLDS_QUEUE;
    table->count++;
    heap_settle(table, table->count - 1, entry);
}

int table_put(struct table *table, const char *key, enum holding holds, struct blob *value,
              uint64_t expires_ns, uint64_t now_ns, struct entry **ret_entry, struct dtr_error *err)
{
    struct entry *old = table_find(table, key, now_ns), *entry = NULL;
    uint64_t bytes = sizeof(*entry) + strlen(key) + 1 + cost(value);
    int status = DTR_OK;

    if (!can_fit(table, 1, bytes, old))
        status = full(table, bytes, err);
    else if (!(entry = new_entry(key, holds, value, expires_ns)))
        status = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the cache");
    if (status != DTR_OK) {
        blob_unref(value);
        return status;
    }
    if (old)
        table_drop(table, old);
    make_room(table, 1, bytes, now_ns);
    insert(table, entry, bytes);
    *ret_entry = entry;
    return DTR_OK;
}

/* --- queues ----------------------------------------------------------------------------------------- */

int table_push(struct table *table, struct entry *queue, struct blob *blob, uint64_t now_ns,
               struct dtr_error *err)
{
    if (!can_fit(table, 0, cost(blob), NULL)) {
        int status = full(table, cost(blob), err);
        blob_unref(blob);
        return status;
    }
    make_room(table, 0, cost(blob), now_ns);
    *(queue->last ? &queue->last->next : &queue->first) = blob;
    queue->last = blob;
    queue->count++;
    charge(table, queue, cost(blob));
    return DTR_OK;
}

struct blob *table_pop(struct table *table, struct entry *queue)
{
    struct blob *blob = queue->first;
    queue->first = blob->next;
    blob->next = NULL;
    queue->count--;
    uncharge(table, queue, cost(blob));
    if (!queue->first)
        table_drop(table, queue);
    return blob;
}

void table_forget(struct table *table, const char *prefix)
{
    size_t length = strlen(prefix);
    for (int line = 0; line < LINES; line++) {
        for (struct entry *entry = table->oldest[line], *next; entry; entry = next) {
            next = entry->newer;
            if (strncmp(entry->key, prefix, length) == 0)
                table_drop(table, entry);
        }
    }
}

/* --- life ------------------------------------------------------------------------------------------- */

int table_open(struct table *table, uint64_t size, uint64_t memory, struct dtr_error *err)
{
    uint64_t buckets = 1;
    while (buckets < size)
        buckets *= 2;
    *table = (struct table){.size = size, .memory = memory, .mask = buckets - 1};
    table->buckets = calloc(buckets, sizeof(struct entry *));
    table->heap = calloc(size, sizeof(struct entry *));
    if (getrandom(&table->seed, sizeof(table->seed), 0) != sizeof(table->seed))
        table->seed = (uintptr_t)table->buckets; /* an address is some secret too */
    if (table->buckets && table->heap)
        return DTR_OK;
    table_close(table);
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a cache of %llu entries",
                         (unsigned long long)size);
}

void table_close(struct table *table)
{
    while (table->count > 0)
        table_drop(table, table->heap[table->count - 1]);
    free(table->buckets);
    free(table->heap);
}
