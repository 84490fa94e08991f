/* Dragonfly's formula since v2.4 (features page 2.5, "default"): load of the parent's host by what is
 * booked on it, labels, and the kind of host. */
#include "core/brain/rank.h"

#define PIECE_RATE (16.0 * 1024 * 1024) /* bytes/s that one concurrent piece is taken to need */
#define HORIZON_S  60.0                 /* outstanding bytes that take longer count as full load */

static double peak(double max, double tx)
{
    return tx >= max ? 0 : 1 - tx / max;
}

static double duration(double max, double outstanding_bytes)
{
    if (outstanding_bytes <= 0)
        return 1;
    double ratio = outstanding_bytes * 8 / max / HORIZON_S;
    return ratio >= 1 ? 0 : 1 - ratio;
}

static double concurrency(double max, double pieces)
{
    double need = max / PIECE_RATE / 8;
    if (need <= 1)
        return 0;
    if (pieces <= 0)
        return 1;
    double ratio = pieces / need;
    return ratio <= 1 ? 1 : 1 / ratio;
}

static double load(const struct dtr_rank_input *in, uint32_t i)
{
    double max = in->max_tx[i];
    if (!(max > 0)) /* unknown, also as NAN */
        return 0;
    return 0.5 * peak(max, in->tx[i]) + 0.3 * duration(max, in->outstanding_bytes[i]) +
           0.2 * concurrency(max, in->outstanding_pieces[i]);
}

static double host_kind(const struct dtr_rank_input *in, uint32_t i)
{
    if (in->host_type[i] == 0)
        return 0.5;
    return in->state[i] == DTR_PEER_RECEIVED_NORMAL || in->state[i] == DTR_PEER_RUNNING ? 1 : 0;
}

int dtr_rank_dragonfly(void *context, const struct dtr_rank_input *in, double *ret_scores,
                       struct dtr_error *err)
{
    (void)context;
    (void)err;
    for (uint32_t i = 0; i < in->count; i++)
        ret_scores[i] =
            0.6 * load(in, i) + 0.2 * in->idc_match[i] + 0.1 * in->location_match[i] + 0.1 * host_kind(in, i);
    return DTR_OK;
}
