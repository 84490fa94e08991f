/* Any bytes as a Download: what comes out must be protobuf again. */
#include "core/base/buf.h"
#include "core/scheduler/role.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *value;
    size_t length;
    struct dtr_buf *request = wire_seed_request(data, size);
    if (request) {
        assert(wire_find(request->data, request->length, 1, &value, &length));
        assert(length >= 2 && value[length - 2] == (14 << 3) && value[length - 1] == 1);
    }
    dtr_buf_drop(request);
    return 0;
}
