/* The scheduler ring; see ring.h. Addresses and task ids are hashed in the byte form that Rust gives its
 * hashers: a discriminant of eight bytes, the octets, then integers little-endian; texts end in FF. */
#include "core/brain/ring.h"
#include "core/base/map.h"
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { TASK_PREFIX = 5 }; /* only so many characters of the task id count */

static const uint8_t zero_key[16];

static size_t put_le(uint8_t *at, uint32_t value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return length;
}

uint64_t dtr_ring_address_key(const struct sockaddr_storage *address)
{
    uint8_t bytes[8 + 16 + 2 + 8] = {0};
    size_t length = 8;

    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        bytes[0] = 1;
        memcpy(bytes + length, &in6->sin6_addr, 16);
        length += 16;
        length += put_le(bytes + length, ntohs(in6->sin6_port), 2);
        length += put_le(bytes + length, ntohl(in6->sin6_flowinfo), 4);
        length += put_le(bytes + length, in6->sin6_scope_id, 4);
    } else {
        const struct sockaddr_in *in = (const void *)address;
        memcpy(bytes + length, &in->sin_addr, 4);
        length += 4;
        length += put_le(bytes + length, ntohs(in->sin_port), 2);
    }
    return dtr_siphash(zero_key, bytes, length);
}

uint64_t dtr_ring_task_key(const char *task_id)
{
    uint8_t bytes[TASK_PREFIX + 1];
    size_t length = strnlen(task_id, TASK_PREFIX);

    memcpy(bytes, task_id, length);
    bytes[length] = 0xff;
    return dtr_siphash(zero_key, bytes, length + 1);
}

static int by_key(const void *a, const void *b)
{
    const struct dtr_ring_point *left = a, *right = b;

    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

int dtr_ring_build(struct dtr_ring *ring, const struct sockaddr_storage *addresses, size_t count,
                   struct dtr_error *err)
{
    *ring = (struct dtr_ring){0};
    if (count == 0)
        return DTR_OK;
    ring->points = calloc(count, sizeof(*ring->points));
    if (!ring->points)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (addresses[i].ss_family != AF_INET && addresses[i].ss_family != AF_INET6) {
            dtr_ring_free(ring);
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "scheduler %zu has no IP address", i);
        }
        ring->points[i] = (struct dtr_ring_point){dtr_ring_address_key(&addresses[i]), i};
    }
    ring->count = count;
    qsort(ring->points, count, sizeof(*ring->points), by_key);
    return DTR_OK;
}

void dtr_ring_free(struct dtr_ring *ring)
{
    free(ring->points);
    *ring = (struct dtr_ring){0};
}

size_t dtr_ring_pick(const struct dtr_ring *ring, const char *task_id, size_t nth)
{
    uint64_t key = dtr_ring_task_key(task_id);
    size_t at = 0;

    assert(ring->count > 0);
    while (at < ring->count && ring->points[at].key < key)
        at++;
    return ring->points[(at + nth % ring->count) % ring->count].index;
}
