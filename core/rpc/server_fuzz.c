/* Bytes that a client may send, into a server session with all kinds of methods. The first byte says in
 * what pieces they come. */
#include "core/rpc/echo.h"
#include "core/rpc/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dtr_rpc_limits limits = {.message = 1 << 16, .send_queue = 1 << 16, .streams = 16};
    static struct pair pair;
    struct echo echo = {.slow = size > 0 && data[0] & 1, .credit = 2};
    if (size < 1)
        return 0;
    size_t step = data[0] >> 1 ? data[0] >> 1 : size;
    pair_open(&pair, echo_handlers, 4, &echo, &limits);
    if (step % 3 == 0) /* some calls wait, some are refused */
        dtr_rpc_table_limit(pair.table, &(struct dtr_rpc_rate){.per_s = 5, .burst = 1, .waiting = 2});
    pair.cut = true;
    pair_run(&pair);
    for (size_t at = 1; at < size && !pair.server.over; at += step) {
        pair_inject(&pair, data + at, size - at < step ? size - at : step);
        pair.now_ms += 100; /* deadlines pass as well */
        pair.server.wakes = true;
    }
    pair_close(&pair);
    return 0;
}
