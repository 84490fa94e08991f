/* Hash map from byte strings to intrusive nodes. Chained, doubling, keyed with a random seed per process
 * (SipHash-2-4), so that names from the network cannot be chosen to collide.
 *
 * The key bytes belong to the object that holds the node and must not change while it is in the map.
 * One thread at a time. */
#ifndef DTR_BASE_MAP_H
#define DTR_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dtr_map_node {
    struct dtr_map_node *next;
    uint64_t hash;
    const void *key;
    size_t key_length;
};

struct dtr_map {
    struct dtr_map_node **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
};

/* Frees the buckets; the nodes belong to their objects. The map is empty and usable afterwards. */
void dtr_map_clear(struct dtr_map *map);
/* Adds a node whose key is not in the map yet. False: out of memory. */
bool dtr_map_add(struct dtr_map *map, struct dtr_map_node *node, const void *key, size_t key_length);
struct dtr_map_node *dtr_map_get(const struct dtr_map *map, const void *key, size_t key_length);
/* The same for a NUL-terminated key. */
struct dtr_map_node *dtr_map_find(const struct dtr_map *map, const char *key);
/* Removes a node that is in the map. */
void dtr_map_remove(struct dtr_map *map, struct dtr_map_node *node);
/* Walks all nodes, in no order: start with NULL, ends with NULL. Removing the returned node is allowed
 * once its successor has been asked for. */
struct dtr_map_node *dtr_map_next(const struct dtr_map *map, const struct dtr_map_node *node);

/* SipHash-2-4 with the given 16-byte key (Aumasson and Bernstein, 2012). */
uint64_t dtr_siphash(const uint8_t key[16], const void *bytes, size_t length);

#endif
