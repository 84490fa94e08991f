/* Any text as Retry-After: a time that has passed asks for no wait, and the wait does not depend on luck. */
#include "core/daemon/tasks/retry_after.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t seconds = 0, again = 0;
    char *text = calloc(1, size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    bool understood = retry_after(text, 1445412480, &seconds);
    if (understood != retry_after(text, 1445412480, &again) || seconds != again)
        abort();
    if (understood && strchr(text, ',') && retry_after(text, INT64_MAX, &again) && again != 0)
        abort();
    free(text);
    return 0;
}
