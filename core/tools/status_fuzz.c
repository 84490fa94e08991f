/* Any bytes as the details of a daemon's status: the user gets words, and never an OK. */
#include "core/tools/get_request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct dtr_get_options options = {.url = "http://origin/file", .endpoint = "/run/socket"};
    struct dtr_rpc_status status = {.message = ""};
    struct dtr_error err = {0};
    if (size < 1)
        return 0;
    status.code = (enum dtr_rpc_code)(1 + data[0] % 16);
    status.remote = data[0] & 0x80;
    status.details = data + 1;
    status.details_length = size - 1;
    if (dtr_get_status(&status, &options, data[0] & 0x40, &err) == DTR_OK || err.text[0] == '\0')
        abort();
    return 0;
}
