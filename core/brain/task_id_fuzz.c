/* Blob URLs and task ids from any text: what is found lies inside the text, and an id is always 64 hex
 * digits, the same for the same text. */
#include "core/base/str.h"
#include "core/brain/task_id.h"
#include "core/brain/url.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_blob(const char *text, size_t size)
{
    struct dtr_blob_url blob;

    if (!dtr_url_blob(text, size, &blob))
        return;
    must(blob.name > text && blob.name_length > 0 && blob.name + blob.name_length < blob.digest);
    must(blob.hex + blob.hex_length == blob.digest + blob.digest_length);
    must(blob.hex + blob.hex_length <= text + size);
    must(dtr_is_hex(blob.hex, blob.hex_length));
}

static void check_id(const char *text, bool blob_digest)
{
    struct dtr_task_key key = {.url = text, .blob_digest = blob_digest};
    char first[DTR_TASK_ID_SIZE], second[DTR_TASK_ID_SIZE];
    struct dtr_error err;

    if (dtr_task_id(first, &key, &err))
        return;
    must(strlen(first) == DTR_TASK_ID_LENGTH && dtr_is_hex(first, DTR_TASK_ID_LENGTH));
    must(dtr_task_id(second, &key, &err) == DTR_OK && strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    check_blob(text, size);
    check_id(text, false);
    check_id(text, true);
    free(text);
    return 0;
}
