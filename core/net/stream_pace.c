/* See stream_pace.h. */
#include "core/net/stream_pace.h"

#include "core/base/clock.h"

static void on_turn(void *context)
{
    struct stream_pace *paced = context;
    paced->waits = false;
    paced->go(paced->context);
}

int stream_pace_set(struct stream_pace *paced, struct dtr_loop *loop, struct dtr_pace *pace,
                    void (*go)(void *context), void *context, struct dtr_error *err)
{
    *paced = (struct stream_pace){.pace = pace, .go = go, .context = context};
    return dtr_timer_open(loop, on_turn, paced, &paced->timer, err);
}

uint64_t stream_pace_room(struct stream_pace *paced, uint64_t wanted)
{
    if (!paced->pace)
        return wanted;
    if (paced->waits)
        return 0;
    if (paced->granted == 0) {
        paced->granted = dtr_pace_turn(paced->pace);
        uint64_t wait_ns = dtr_pace_take(paced->pace, dtr_now_ns(), paced->granted);
        if (wait_ns > 0) {
            paced->waits = true;
            dtr_timer_set(paced->timer, (wait_ns + 999999) / 1000000);
            return 0;
        }
    }
    return wanted < paced->granted ? wanted : paced->granted;
}

void stream_pace_moved(struct stream_pace *paced, uint64_t bytes)
{
    if (!paced->pace)
        return;
    /* A TLS record may be longer than what was left of the turn. */
    if (bytes > paced->granted)
        (void)dtr_pace_take(paced->pace, dtr_now_ns(), bytes - paced->granted);
    paced->granted -= bytes < paced->granted ? bytes : paced->granted;
}

void stream_pace_end(struct stream_pace *paced)
{
    dtr_pace_give_back(paced->pace, paced->granted);
    dtr_timer_close(paced->timer);
    *paced = (struct stream_pace){0};
}
