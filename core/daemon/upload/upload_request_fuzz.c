/* Any bytes as a Download message, and as a task's header lines: what is taken keeps its promises. */
#include "core/base/str.h"
#include "core/daemon/header_lines.h"
#include "core/daemon/upload/upload_request.h"
#include "core/rpc/unpack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Lines that this program wrote must come back whole: no value may hold a line end. */
static void check_lines(const char *lines)
{
    struct dtr_header headers[HEADER_LINES];
    char *copy = strdup(lines);
    if (!copy)
        return;
    size_t count = header_lines_cut(copy, headers);
    for (size_t i = 0; i < count; i++)
        require(!strchr(headers[i].name, '\n') && !strchr(headers[i].value, '\n'));
    free(copy);
}

static void check_taken(const struct download *download)
{
    const struct dtr_read_request *read = &download->read;
    require(strlen(download->task_id) == DTR_TASK_ID_LENGTH && read->url && read->headers);
    require(!strchr(read->headers, '\r') && read->priority <= 6 && read->length > 0);
    require(read->length == DTR_LENGTH_UNKNOWN || read->offset <= UINT64_MAX - read->length);
    require(!download->output_path || download->output_path[0] == '/');
    check_lines(read->headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_rpc_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    struct download download;
    struct dtr_error err;
    if (dtr_rpc_unpack(&arena, (size_t)1 << 22, &common__v2__download__descriptor, data, size, &message,
                       NULL) == DTR_OK) {
        err.text[0] = '\0';
        if (download_take(&download, (const Common__V2__Download *)message, &err) == DTR_OK)
            check_taken(&download);
        else
            require(err.text[0] != '\0');
        download_free(&download);
    }
    dtr_rpc_arena_free(&arena);
    char *text = dtr_text_dup(data, size);
    if (text)
        check_lines(text);
    free(text);
    return 0;
}
