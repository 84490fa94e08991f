/* Who holds a task or an image, and who has deleted one; see making.h. */
#include "core/manager/jobs/making.h"
#include "core/manager/rest/field.h"
#include "proto/darter.pb-c.h"
#include "proto/scheduler.pb-c.h"

/* --- tasks ---------------------------------------------------------------------------------------------
 */

static json_t *time_text(int64_t ms)
{
    char text_of_it[FIELD_TIME_TEXT] = "";
    if (ms >= 0)
        field_time_text(ms, text_of_it);
    return json_string(text_of_it);
}

static void add_peer(struct making *making, json_t *peers, const Darter__V1__TaskHost *host)
{
    json_t *row =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "id", making_text(making, host->host_id), "hostname",
                  making_text(making, host->hostname), "ip", making_text(making, host->ip), "host_type",
                  making_text(making, host->host_type), "created_at", time_text(host->created_ms),
                  "updated_at", time_text(host->updated_ms), "IsFinished", host->finished);
    making_add(making, peers, row);
}

static void add_failure(struct making *making, json_t *list, const Darter__V1__TaskHost *host)
{
    making_add(making, list,
               json_pack("{s:o, s:o, s:o, s:o}", "hostname", making_text(making, host->hostname), "ip",
                         making_text(making, host->ip), "host_type", making_text(making, host->host_type),
                         "description", making_said(making, host->error)));
}

/* Hosts that could not be asked are in a list of their own, which Dragonfly has not. */
void answer_found(struct making *making, const ProtobufCMessage *message, struct answer *answer)
{
    const Darter__V1__FindTaskResponse *response = (const void *)message;
    json_t *peers = json_array(), *bad = json_array();
    answer->result = json_pack("{s:o, s:o}", "peers", peers, "failure_tasks", bad);
    for (size_t i = 0; i < response->n_hosts && making->ok; i++) {
        const Darter__V1__TaskHost *host = response->hosts[i];
        answer->failed += host->error[0] != 0;
        answer->done += host->error[0] == 0;
        if (!making_has_room(making))
            continue;
        if (host->error[0])
            add_failure(making, bad, host);
        else
            add_peer(making, peers, host);
    }
}

void answer_dropped(struct making *making, const ProtobufCMessage *message, char say[ANSWER_TEXT],
                    struct answer *answer)
{
    const Darter__V1__DropTaskResponse *response = (const void *)message;
    json_t *good, *bad;
    answer->result = making_two_lists(&good, &bad);
    for (size_t i = 0; i < response->n_hosts && making->ok; i++) {
        const Darter__V1__TaskHost *host = response->hosts[i];
        answer->failed += host->error[0] != 0;
        answer->done += host->error[0] == 0;
        if (host->error[0] && answer->failed == 1)
            (void)snprintf(say, ANSWER_TEXT, "host %.100s (%.50s) keeps it: %.300s", host->hostname, host->ip,
                           host->error);
        if (!making_has_room(making))
            continue;
        if (host->error[0])
            add_failure(making, bad, host);
        else
            making_add(making, good,
                       json_pack("{s:o, s:o, s:o}", "hostname", making_text(making, host->hostname), "ip",
                                 making_text(making, host->ip), "host_type",
                                 making_text(making, host->host_type)));
    }
    answer->ended = true;
    answer->error = answer->failed > 0 ? say : NULL;
}

void answer_file_found(struct making *making, const ProtobufCMessage *message, struct answer *answer)
{
    const Scheduler__V2__StatFileResponse *response = (const void *)message;
    json_t *peers = json_array();
    answer->result = json_pack("{s:o}", "peers", peers);
    for (size_t i = 0; i < response->n_peers && making->ok; i++) {
        const Scheduler__V2__PeerFile *peer = response->peers[i];
        const Scheduler__V2__File *file = peer->n_cached_files > 0 ? peer->cached_files[0] : NULL;
        Darter__V1__TaskHost host = DARTER__V1__TASK_HOST__INIT;
        host.hostname = peer->hostname;
        host.ip = peer->ip;
        host.created_ms = host.updated_ms = -1;
        host.finished = file && file->has_is_finished_case && file->is_finished;
        answer->done++;
        if (making_has_room(making))
            add_peer(making, peers, &host);
    }
}

/* --- images --------------------------------------------------------------------------------------------
 */

static json_t *layer_list(struct making *making, Scheduler__V2__Layer *const *layers, size_t count,
                          bool whole_only)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count && making->ok; i++) {
        const bool whole = layers[i]->has_is_finished_case && layers[i]->is_finished;
        if ((whole || !whole_only) && making_has_room(making))
            making_add(making, list, json_pack("{s:o}", "url", making_url(making, layers[i]->url)));
    }
    return list;
}

void answer_image(struct making *making, const ProtobufCMessage *message, struct answer *answer)
{
    const Scheduler__V2__StatImageResponse *response = (const void *)message;
    const Scheduler__V2__Image *image = response->image;
    json_t *peers = json_array();
    json_t *layers = layer_list(making, image ? image->layers : NULL, image ? image->n_layers : 0, false);
    answer->result = json_pack("{s:{s:o}, s:o}", "image", "layers", layers, "peers", peers);
    for (size_t i = 0; i < response->n_peers && making->ok; i++) {
        const Scheduler__V2__PeerImage *peer = response->peers[i];
        answer->done++;
        if (!making_has_room(making))
            continue;
        making_add(making, peers,
                   json_pack("{s:o, s:o, s:o}", "ip", making_text(making, peer->ip), "hostname",
                             making_text(making, peer->hostname), "cached_layers",
                             layer_list(making, peer->cached_layers, peer->n_cached_layers, true)));
    }
}
