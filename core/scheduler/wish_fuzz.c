/* Any bytes as a request of a job (the first byte says which): what is taken keeps its promises. */
#include "core/rpc/methods.h"
#include "core/scheduler/wish.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_taken(const struct wish *wish)
{
    char id[DTR_TASK_ID_SIZE];
    require(wish->url[0] && wish->filter_count > 0 && wish->timeout_ms > 0 && wish->timeout_ms <= INT32_MAX);
    require(wish->limits.objects >= 1 && wish->limits.objects <= WISH_TASKS_MOST);
    require(wish->limits.hosts >= 1 && wish->limits.hosts <= WISH_PEERS_MOST);
    require(wish->header_count <= WISH_HEADERS_MOST && wish->choice.ip_count <= WISH_IPS_MOST);
    for (size_t i = 0; i < wish->header_count; i++)
        require(!strpbrk(wish->headers[i].name, "\r\n") && !strpbrk(wish->headers[i].value, "\r\n"));
    if (wish_task_id(wish, wish->url, id, NULL) == DTR_OK)
        require(strlen(id) == DTR_TASK_ID_LENGTH);
    (void)wish_is_folder(wish);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct dtr_rpc_method *const methods[] = {
        &dtr_rpc_scheduler_preheat_image, &dtr_rpc_scheduler_stat_image, &dtr_rpc_scheduler_preheat_file,
        &dtr_rpc_scheduler_stat_file};
    struct dtr_error err = {0};
    struct wish wish;
    if (size == 0)
        return 0;
    if (wish_read(&wish, methods[data[0] % 4], data + 1, size - 1, &err) == DTR_OK)
        check_taken(&wish);
    else
        require(err.text[0] != '\0');
    wish_free(&wish);
    return 0;
}
