/* All kinds of answers, and what they are made with; see answer.h. */
#include "core/manager/jobs/making.h"

#include "core/rpc/methods.h"

#include <string.h>

enum { ROW_BYTES = 64 }; /* what a row takes besides its texts */

/* --- what they are made with ---------------------------------------------------------------------------
 */

/* As JSON has it. */
static size_t size_of(const char *bytes)
{
    size_t size = 0;
    for (; *bytes; bytes++)
        size += (unsigned char)*bytes < ' ' ? 6 : *bytes == '"' || *bytes == '\\' ? 2 : 1;
    return size;
}

json_t *making_text(struct making *making, const char *bytes)
{
    const size_t size = size_of(bytes);
    json_t *made = json_string(size <= making->room ? bytes : "");
    making->room -= size <= making->room ? size : making->room;
    making->ok &= made != NULL;
    return made;
}

static json_t *safe_text(struct making *making, const char *bytes,
                         void (*show)(const char *bytes, struct dtr_str *text))
{
    struct dtr_str safe = {0};
    show(bytes, &safe);
    json_t *made = making_text(making, dtr_str_text(&safe));
    making->ok &= dtr_str_ok(&safe);
    dtr_str_free(&safe);
    return made;
}

json_t *making_url(struct making *making, const char *url)
{
    return safe_text(making, url, args_show_url);
}

json_t *making_said(struct making *making, const char *bytes)
{
    return safe_text(making, bytes, args_show_text);
}

static void hide(char say[ANSWER_TEXT])
{
    struct dtr_str safe = {0};
    args_show_text(say, &safe);
    (void)snprintf(say, ANSWER_TEXT, "%s", dtr_str_ok(&safe) ? dtr_str_text(&safe) : "out of memory");
    dtr_str_free(&safe);
}

void making_add(struct making *making, json_t *list, json_t *row)
{
    making->ok &= row != NULL && json_array_append_new(list, row) == 0;
}

bool making_has_room(struct making *making)
{
    const bool room = making->room > ROW_BYTES;
    making->room -= room ? ROW_BYTES : making->room;
    return room;
}

json_t *making_two_lists(json_t **ret_good, json_t **ret_bad)
{
    *ret_good = json_array();
    *ret_bad = json_array();
    return json_pack("{s:o, s:o}", "success_tasks", *ret_good, "failure_tasks", *ret_bad);
}

/* --- all of them ---------------------------------------------------------------------------------------
 */

static void read_any(struct making *making, const struct ask *ask, const struct dtr_rpc_method *method,
                     const ProtobufCMessage *response, const struct holder_hosts *hosts,
                     char say[ANSWER_TEXT], struct answer *answer)
{
    switch (ask->kind) {
    case ASK_PROGRESS:
        answer_progress(making, response, say, answer);
        break;
    case ASK_HOLDERS:
        if (method == &dtr_rpc_scheduler_stat_image)
            answer_image_holders(making, response, hosts, answer);
        else
            answer_file_holders(making, response, hosts, answer);
        break;
    case ASK_FIND:
        answer_found(making, response, answer);
        break;
    case ASK_FIND_URL:
        answer_file_found(making, response, answer);
        break;
    case ASK_DROP:
        answer_dropped(making, response, say, answer);
        break;
    case ASK_IMAGE:
        answer_image(making, response, answer);
        break;
    default:
        break;
    }
}

int answer_read(const struct ask *ask, const struct dtr_rpc_method *method, const ProtobufCMessage *response,
                const struct holder_hosts *hosts, char say[ANSWER_TEXT], struct answer *ret_answer,
                struct dtr_error *err)
{
    struct making making = {.room = ask->room, .ok = true};
    *ret_answer = (struct answer){.heard = HEARD_OK};
    read_any(&making, ask, method, response, hosts, say, ret_answer);
    if (ret_answer->error)
        hide(say);
    const bool needed = ask->kind != ASK_PREHEAT && ask->kind != ASK_HOSTS;
    if (making.ok && (ret_answer->result || !needed))
        return DTR_OK;
    json_decref(ret_answer->result);
    ret_answer->result = NULL;
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an answer");
}

void answer_failed(const struct dtr_rpc_status *status, char say[ANSWER_TEXT], struct answer *ret_answer)
{
    /* What is not here may be better later. */
    static const struct {
        enum dtr_rpc_code code;
        enum heard heard;
    } meanings[] = {
        {DTR_RPC_INVALID_ARGUMENT, HEARD_NO},     {DTR_RPC_FAILED_PRECONDITION, HEARD_NO},
        {DTR_RPC_OUT_OF_RANGE, HEARD_NO},         {DTR_RPC_PERMISSION_DENIED, HEARD_NO},
        {DTR_RPC_UNAUTHENTICATED, HEARD_NO},      {DTR_RPC_ALREADY_EXISTS, HEARD_NO},
        {DTR_RPC_UNIMPLEMENTED, HEARD_UNKNOWN},   {DTR_RPC_NOT_FOUND, HEARD_NOTHING},
        {DTR_RPC_RESOURCE_EXHAUSTED, HEARD_BUSY},
    };
    *ret_answer = (struct answer){.heard = HEARD_LATER, .why = say};
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].code == status->code)
            ret_answer->heard = meanings[i].heard;
    }
    (void)snprintf(say, ANSWER_TEXT, "%s: %.450s", dtr_rpc_code_name(status->code), status->message);
    hide(say);
}
