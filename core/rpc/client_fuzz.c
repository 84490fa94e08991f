/* Bytes that a server may send, into a client session with a call of each kind under way. */
#include "core/rpc/echo.h"
#include "core/rpc/pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(struct pair *pair, const struct dtr_rpc_method *method, struct record *record)
{
    record->call = pair_call(pair, method, &record_events, record);
    if (record->call && echo_send(record->call, "2 10") == 0 && method->kind <= DTR_RPC_SERVER_STREAM)
        dtr_rpc_call_end(record->call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dtr_rpc_limits limits = {.message = 1 << 16};
    static struct pair pair;
    struct echo echo = {0};
    struct record records[4] = {0};
    struct dtr_error err;
    if (size < 1)
        return 0;
    pair_open(&pair, echo_handlers, 4, &echo, &limits);
    pair.cut = true;
    begin(&pair, &echo_unary, &records[0]);
    begin(&pair, &echo_server_stream, &records[1]);
    begin(&pair, &echo_client_stream, &records[2]);
    begin(&pair, &echo_bidi, &records[3]);
    pair_run(&pair);
    size_t step = data[0] ? data[0] : size;
    for (size_t at = 1; at < size && !pair.client.over; at += step) {
        if (dtr_rpc_session_receive(pair.client.session, data + at, size - at < step ? size - at : step,
                                    &err) != DTR_OK)
            break;
        pair_run(&pair);
    }
    pair_close(&pair);
    return 0;
}
