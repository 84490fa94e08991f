/* Hash map of intrusive nodes; see map.h. */
#include "core/base/map.h"

#include "core/base/digest.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static uint8_t process_key[16];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    dtr_random(process_key, sizeof(process_key));
}

static uint64_t hash_of(const void *key, size_t length)
{
    pthread_once(&key_once, make_key);
    return dtr_siphash(process_key, key, length);
}

static bool grow(struct dtr_map *map)
{
    size_t wanted = map->bucket_count ? map->bucket_count * 2 : 16;
    struct dtr_map_node **buckets = calloc(wanted, sizeof(*buckets));
    if (!buckets)
        return false;
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct dtr_map_node *node = map->buckets[i];
        while (node) {
            struct dtr_map_node *next = node->next;
            struct dtr_map_node **bucket = &buckets[node->hash & (wanted - 1)];
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->bucket_count = wanted;
    return true;
}

void dtr_map_clear(struct dtr_map *map)
{
    free(map->buckets);
    *map = (struct dtr_map){0};
}

bool dtr_map_add(struct dtr_map *map, struct dtr_map_node *node, const void *key, size_t key_length)
{
    /* A map that cannot grow stays correct, only slower; the first buckets it must have. */
    if (map->count >= map->bucket_count && !grow(map) && !map->bucket_count)
        return false;
    node->key = key;
    node->key_length = key_length;
    node->hash = hash_of(key, key_length);
    struct dtr_map_node **bucket = &map->buckets[node->hash & (map->bucket_count - 1)];
    node->next = *bucket;
    *bucket = node;
    map->count++;
    return true;
}

struct dtr_map_node *dtr_map_get(const struct dtr_map *map, const void *key, size_t key_length)
{
    if (!map->count)
        return NULL;
    uint64_t hash = hash_of(key, key_length);
    struct dtr_map_node *node = map->buckets[hash & (map->bucket_count - 1)];
    while (node &&
           !(node->hash == hash && node->key_length == key_length && memcmp(node->key, key, key_length) == 0))
        node = node->next;
    return node;
}

struct dtr_map_node *dtr_map_find(const struct dtr_map *map, const char *key)
{
    return dtr_map_get(map, key, strlen(key));
}

void dtr_map_remove(struct dtr_map *map, struct dtr_map_node *node)
{
    struct dtr_map_node **at = &map->buckets[node->hash & (map->bucket_count - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    node->next = NULL;
    map->count--;
}

struct dtr_map_node *dtr_map_next(const struct dtr_map *map, const struct dtr_map_node *node)
{
    size_t i = 0;
    if (node) {
        if (node->next)
            return node->next;
        i = (node->hash & (map->bucket_count - 1)) + 1;
    }
    for (; i < map->bucket_count; i++) {
        if (map->buckets[i])
            return map->buckets[i];
    }
    return NULL;
}
