/* See ctl_print.h. */
#include "core/tools/ctl_print.h"

#include "core/tools/ctl_text.h"
#include "core/tools/progress.h"
#include <darter/error.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef Dfdaemon__V2__StatLocalTaskResponse Task;
typedef Common__V2__Host Host;

/* --- numbers and texts ---------------------------------------------------------------------------- */

void ctl_age_text(int64_t then_s, int64_t now_s, char text[CTL_AGE_TEXT])
{
    int64_t age = now_s > then_s ? now_s - then_s : 0;
    if (then_s == 0)
        (void)snprintf(text, CTL_AGE_TEXT, "-");
    else if (age < 120)
        (void)snprintf(text, CTL_AGE_TEXT, "%" PRId64 "s", age);
    else if (age < 7200)
        (void)snprintf(text, CTL_AGE_TEXT, "%" PRId64 "m", age / 60);
    else if (age < (int64_t)2 * 86400)
        (void)snprintf(text, CTL_AGE_TEXT, "%" PRId64 "h", age / 3600);
    else
        (void)snprintf(text, CTL_AGE_TEXT, "%" PRId64 "d", age / 86400);
}

static int64_t seconds(const Google__Protobuf__Timestamp *time)
{
    return time ? time->seconds : 0;
}

static json_t *time_json(const Google__Protobuf__Timestamp *at)
{
    char text[40];
    time_t second = at ? (time_t)at->seconds : 0;
    struct tm utc;
    if (!at || !gmtime_r(&second, &utc) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return json_null();
    return json_string(text);
}

/* --- tasks ---------------------------------------------------------------------------------------- */

static bool has_length(const Task *task)
{
    return task->has_content_length_case ==
           DFDAEMON__V2__STAT_LOCAL_TASK_RESPONSE__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
}

static const char *state(const Task *task)
{
    return task->finished_at ? "whole" : task->failed_at ? "failed" : "partial";
}

static void size_text(const Task *task, char text[DTR_SIZE_TEXT])
{
    if (has_length(task))
        dtr_size_text((double)task->content_length, text);
    else
        (void)snprintf(text, DTR_SIZE_TEXT, "-");
}

static json_t *task_json(const Task *task)
{
    json_t *object = json_object(), *headers = json_object();
    for (size_t i = 0; i < task->n_response_header; i++)
        (void)json_object_set_new(headers, task->response_header[i]->key,
                                  ctl_text_json(task->response_header[i]->value));
    (void)json_object_set_new(object, "id", ctl_text_json(task->task_id));
    (void)json_object_set_new(object, "state", json_string(state(task)));
    (void)json_object_set_new(object, "contentLength",
                              has_length(task) ? json_integer((json_int_t)task->content_length)
                                               : json_null());
    (void)json_object_set_new(object, "pieceLength",
                              task->piece_length ? json_integer((json_int_t)task->piece_length)
                                                 : json_null());
    (void)json_object_set_new(object, "createdAt", time_json(task->created_at));
    (void)json_object_set_new(object, "updatedAt", time_json(task->updated_at));
    (void)json_object_set_new(object, "finishedAt", time_json(task->finished_at));
    (void)json_object_set_new(object, "responseHeader", headers);
    return object;
}

static int by_last_use(const void *a, const void *b)
{
    int64_t left = seconds((*(Task *const *)a)->updated_at), right = seconds((*(Task *const *)b)->updated_at);
    return left == right  ? strcmp((*(Task *const *)a)->task_id, (*(Task *const *)b)->task_id)
           : left > right ? -1
                          : 1;
}

static void task_row(const Task *task, int64_t now_s, FILE *out)
{
    char size[DTR_SIZE_TEXT], created[CTL_AGE_TEXT], used[CTL_AGE_TEXT];
    size_text(task, size);
    ctl_age_text(seconds(task->created_at), now_s, created);
    ctl_age_text(seconds(task->updated_at), now_s, used);
    ctl_put(out, 66, task->task_id);
    (void)fprintf(out, "%10s  %-8s %7s  %7s\n", size, state(task), created, used);
}

int ctl_print_tasks(Dfdaemon__V2__ListLocalTasksResponse *list, int64_t now_s, bool json, FILE *out)
{
    json_t *array = json ? json_array() : NULL;
    if (list->n_tasks)
        qsort(list->tasks, list->n_tasks, sizeof(list->tasks[0]), by_last_use);
    if (!json)
        (void)fprintf(out, "%-66s%10s  %-8s %7s  %7s\n", "TASK", "SIZE", "STATE", "CREATED", "USED");
    for (size_t i = 0; i < list->n_tasks; i++) {
        if (json)
            (void)json_array_append_new(array, task_json(list->tasks[i]));
        else
            task_row(list->tasks[i], now_s, out);
    }
    return json ? ctl_dump(array, out) : ctl_written(out);
}

int ctl_print_task(const Task *task, int64_t now_s, bool json, FILE *out)
{
    char size[DTR_SIZE_TEXT], piece[DTR_SIZE_TEXT], created[CTL_AGE_TEXT], used[CTL_AGE_TEXT];
    if (json)
        return ctl_dump(task_json(task), out);
    size_text(task, size);
    dtr_size_text((double)task->piece_length, piece);
    ctl_age_text(seconds(task->created_at), now_s, created);
    ctl_age_text(seconds(task->updated_at), now_s, used);
    (void)fprintf(out, "task:          ");
    ctl_put(out, 0, task->task_id);
    (void)fprintf(out, "\nstate:         %s\nsize:          %s\npiece length:  %s\ncreated:       %s ago\n",
                  state(task), size, task->piece_length ? piece : "-", created);
    (void)fprintf(out, "last used:     %s ago\n", used);
    for (size_t i = 0; i < task->n_response_header; i++) {
        (void)fprintf(out, "header:        ");
        ctl_put(out, 0, task->response_header[i]->key);
        (void)fputs(": ", out);
        ctl_put(out, 0, task->response_header[i]->value);
        (void)fputc('\n', out);
    }
    return ctl_written(out);
}

/* --- hosts ---------------------------------------------------------------------------------------- */

static const char *idc(const Host *host)
{
    bool has = host->network && host->network->has_idc_case == COMMON__V2__NETWORK__HAS_IDC_IDC;
    return has ? host->network->idc : "";
}

static const char *location(const Host *host)
{
    bool has =
        host->network && host->network->has_location_case == COMMON__V2__NETWORK__HAS_LOCATION_LOCATION;
    return has ? host->network->location : "";
}

/* common.v2.HostType: 0 is a node, the others are seeds. */
static const char *type(const Host *host)
{
    return host->type == 0 ? "node" : "seed";
}

static json_t *host_json(const Host *host)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "id", ctl_text_json(host->id));
    (void)json_object_set_new(object, "hostname", ctl_text_json(host->hostname));
    (void)json_object_set_new(object, "type", json_string(type(host)));
    (void)json_object_set_new(object, "ip", ctl_text_json(host->ip));
    (void)json_object_set_new(object, "port", json_integer(host->port));
    (void)json_object_set_new(object, "downloadPort", json_integer(host->download_port));
    (void)json_object_set_new(object, "idc", ctl_text_json(idc(host)));
    (void)json_object_set_new(object, "location", ctl_text_json(location(host)));
    (void)json_object_set_new(object, "disableShared", json_boolean(host->disable_shared));
    (void)json_object_set_new(object, "cpuPercent", host->cpu ? json_real(host->cpu->percent) : json_null());
    (void)json_object_set_new(object, "memoryUsedPercent",
                              host->memory ? json_real(host->memory->used_percent) : json_null());
    (void)json_object_set_new(object, "diskFree",
                              host->disk ? json_integer((json_int_t)host->disk->free) : json_null());
    (void)json_object_set_new(object, "version",
                              host->build ? ctl_text_json(host->build->git_version) : json_null());
    return object;
}

static int by_name(const void *a, const void *b)
{
    const Host *left = *(Host *const *)a, *right = *(Host *const *)b;
    int order = strcmp(left->hostname, right->hostname);
    return order ? order : strcmp(left->id, right->id);
}

static void host_row(const Host *host, FILE *out)
{
    char at[80], disk[DTR_SIZE_TEXT] = "-", cpu[16] = "-", memory[16] = "-";
    bool v6 = strchr(host->ip, ':') != NULL;
    (void)snprintf(at, sizeof(at), "%s%.48s%s:%d", v6 ? "[" : "", host->ip, v6 ? "]" : "", host->port);
    if (host->disk)
        dtr_size_text((double)host->disk->free, disk);
    if (host->cpu)
        (void)snprintf(cpu, sizeof(cpu), "%.0f%%", host->cpu->percent);
    if (host->memory)
        (void)snprintf(memory, sizeof(memory), "%.0f%%", host->memory->used_percent);
    ctl_put(out, 31, host->hostname);
    (void)fputc(' ', out);
    (void)fprintf(out, "%-5s ", type(host));
    ctl_put(out, 23, at);
    (void)fputc(' ', out);
    ctl_put(out, 11, idc(host));
    (void)fprintf(out, " %4s %4s %10s  ", cpu, memory, disk);
    ctl_put(out, 0, host->build ? host->build->git_version : "");
    (void)fputc('\n', out);
}

int ctl_print_hosts(Scheduler__V2__ListHostsResponse *list, bool json, FILE *out)
{
    json_t *array = json ? json_array() : NULL;
    if (list->n_hosts)
        qsort(list->hosts, list->n_hosts, sizeof(list->hosts[0]), by_name);
    if (!json)
        (void)fprintf(out, "%-31s %-5s %-23s %-11s %4s %4s %10s  %s\n", "HOST", "TYPE", "ADDRESS", "IDC",
                      "CPU", "MEM", "DISK FREE", "VERSION");
    for (size_t i = 0; i < list->n_hosts; i++) {
        if (json)
            (void)json_array_append_new(array, host_json(list->hosts[i]));
        else
            host_row(list->hosts[i], out);
    }
    return json ? ctl_dump(array, out) : ctl_written(out);
}
