/* Any bytes as an ELF file: the reader must stay in bounds and end. */
#include "core/module/note.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_abi_note note;
    struct dtr_error err;
    uint8_t *exact = malloc(size ? size : 1);
    int status;

    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    err.text[0] = 0;
    status = dtr_note_parse(exact, size, &note, &err);
    if (status > 0 || (status < 0 && err.text[0] == 0))
        abort();
    free(exact);
    return 0;
}
