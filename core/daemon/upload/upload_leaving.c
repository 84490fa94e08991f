/* See upload_leaving.h. */
#include "core/daemon/upload/upload_leaving.h"

enum {
    STUCK_MIN_MS = 1000, /* nothing is stuck before, */
    STUCK_MEANS = 4,     /* nor before it has taken so many times as long as others */
};

void leaving_open(struct leaving *leaving)
{
    (void)pthread_mutex_init(&leaving->lock, NULL);
    dtr_list_init(&leaving->pieces);
    leaving->mean_ms = 0;
}

void leaving_close(struct leaving *leaving)
{
    (void)pthread_mutex_destroy(&leaving->lock);
}

void leaving_begin(struct leaving *leaving, struct leaving_piece *piece, uint64_t now_ms)
{
    *piece = (struct leaving_piece){.since_ms = now_ms};
    (void)pthread_mutex_lock(&leaving->lock);
    dtr_list_add_tail(&leaving->pieces, &piece->link);
    (void)pthread_mutex_unlock(&leaving->lock);
}

/* Without a mean nobody can tell. */
static uint64_t stuck_ms(const struct leaving *leaving)
{
    const uint64_t ms = leaving->mean_ms * STUCK_MEANS;
    return ms == 0 ? UINT64_MAX : ms > STUCK_MIN_MS ? ms : STUCK_MIN_MS;
}

/* With the lock. */
static uint32_t count_moving(const struct leaving *leaving, uint64_t now_ms)
{
    const uint64_t most_ms = stuck_ms(leaving);
    uint32_t moving = 0;
    dtr_list_each (node, &leaving->pieces) {
        const uint64_t since_ms = dtr_container(node, struct leaving_piece, link)->since_ms;
        moving += now_ms < since_ms || now_ms - since_ms < most_ms; /* another thread may be ahead */
    }
    return moving;
}

/* One that was stuck says no more than that they may take longer than they did. */
static void learn(struct leaving *leaving, uint64_t took_ms)
{
    const uint64_t most_ms = stuck_ms(leaving);
    took_ms = took_ms < 1 ? 1 : took_ms < most_ms ? took_ms : most_ms;
    leaving->mean_ms = leaving->mean_ms ? (leaving->mean_ms * 7 + took_ms) / 8 : took_ms;
    if (leaving->mean_ms == 0)
        leaving->mean_ms = 1;
}

uint32_t leaving_end(struct leaving *leaving, struct leaving_piece *piece, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&leaving->lock);
    dtr_list_remove(&piece->link);
    learn(leaving, now_ms - piece->since_ms);
    const uint32_t moving = count_moving(leaving, now_ms);
    (void)pthread_mutex_unlock(&leaving->lock);
    return moving;
}

uint32_t leaving_moving(struct leaving *leaving, uint64_t now_ms, uint64_t *ret_piece_ms)
{
    (void)pthread_mutex_lock(&leaving->lock);
    const uint32_t moving = count_moving(leaving, now_ms);
    *ret_piece_ms = leaving->mean_ms;
    (void)pthread_mutex_unlock(&leaving->lock);
    return moving;
}
