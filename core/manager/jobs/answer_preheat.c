/* How preheats go on: as Darter's schedulers say it, and as it follows from who holds what there is; see
 * making.h. */
#include "core/manager/jobs/making.h"
#include "proto/darter.pb-c.h"
#include "proto/scheduler.pb-c.h"

#include <string.h>

/* --- preheats ------------------------------------------------------------------------------------------
 */

/* Each object has to be somewhere: {URL: on how many hosts}. */
static void count_url(struct making *making, json_t *urls, const char *url, bool there)
{
    json_int_t before = json_integer_value(json_object_get(urls, url));
    making->ok &= json_object_set_new(urls, url, json_integer(before + there)) == 0;
}

static void judge(const Darter__V1__StatPreheatResponse *response, char say[ANSWER_TEXT],
                  struct answer *answer)
{
    struct dtr_str safe = {0};
    answer->done = response->done;
    answer->failed = response->failed;
    answer->waiting = response->waiting;
    answer->ended = response->ended;
    say[0] = 0;
    if (response->error[0]) {
        (void)snprintf(say, ANSWER_TEXT, "%.500s", response->error);
    } else if (response->nowhere[0]) {
        args_show_url(response->nowhere, &safe);
        (void)snprintf(say, ANSWER_TEXT, "no host got %.250s: %.200s", dtr_str_text(&safe), response->why);
        dtr_str_free(&safe);
    }
    answer->error = say[0] ? say : NULL;
}

void answer_progress(struct making *making, const ProtobufCMessage *message, char say[ANSWER_TEXT],
                     struct answer *answer)
{
    const Darter__V1__StatPreheatResponse *response = (const void *)message;
    json_t *good, *bad;
    answer->result = making_two_lists(&good, &bad);
    for (size_t i = 0; i < response->n_rows && making->ok; i++) {
        const Darter__V1__PreheatRow *row = response->rows[i];
        const bool done = strcmp(row->state, "done") == 0, failed = strcmp(row->state, "failed") == 0;
        if ((!done && !failed) || !making_has_room(making))
            continue;
        json_t *shows = json_pack("{s:o, s:o, s:o}", "url", making_url(making, row->url), "hostname",
                                  making_text(making, row->hostname), "ip", making_text(making, row->ip));
        if (failed)
            making->ok &=
                json_object_set_new(shows, "description", making_said(making, row->description)) == 0;
        making_add(making, done ? good : bad, shows);
    }
    judge(response, say, answer);
}

/* --- who holds it, of a scheduler that tells no progress -----------------------------------------------
 */

static bool is_one_of(const json_t *ips, const char *ip)
{
    for (size_t i = 0; i < json_array_size(ips); i++) {
        if (strcmp(json_string_value(json_array_get(ips, i)), ip) == 0)
            return true;
    }
    return false;
}

void answer_count_hosts(const json_t *args, const ProtobufCMessage *message, struct holder_hosts *ret_hosts)
{
    const Scheduler__V2__ListHostsResponse *response = (const void *)message;
    const json_t *ips = json_object_get(args, "ips");
    const bool peers = strcmp(arg_text(args, "scope"), "all_peers") == 0;
    const size_t count = (size_t)arg_number(args, "count"), part = (size_t)arg_number(args, "percentage");
    size_t named = 0;
    *ret_hosts = (struct holder_hosts){0};
    for (size_t i = 0; i < response->n_hosts; i++) {
        const bool seed = response->hosts[i]->type != 0;
        ret_hosts->seeds += seed;
        ret_hosts->peers += !seed;
        named += seed != peers && is_one_of(ips, response->hosts[i]->ip);
    }
    const size_t all = peers ? ret_hosts->peers : ret_hosts->seeds;
    ret_hosts->chosen = all;
    if (strcmp(arg_text(args, "scope"), "single_seed_peer") == 0)
        ret_hosts->chosen = 1;
    else if (json_array_size(ips) > 0)
        ret_hosts->chosen = named;
    else if (count > 0)
        ret_hosts->chosen = count < all ? count : all;
    else if (part > 0)
        ret_hosts->chosen = all * part / 100 > 0 ? all * part / 100 : 1;
}

static void count_waiting(json_t *urls, const struct holder_hosts *hosts, struct answer *answer)
{
    const char *url;
    json_t *count;
    const size_t needed = hosts->chosen > 0 ? hosts->chosen : 1;
    json_object_foreach(urls, url, count)
    {
        const size_t there = (size_t)json_integer_value(count);
        answer->waiting += there < needed ? needed - there : 0;
    }
    if (json_object_size(urls) == 0)
        answer->waiting = needed;
    answer->ended = answer->waiting == 0;
}

static void add_holder(struct making *making, json_t *urls, json_t *good, const char *url,
                       const char *hostname, const char *ip)
{
    count_url(making, urls, url, true);
    if (making_has_room(making))
        making_add(making, good,
                   json_pack("{s:o, s:o, s:o}", "url", making_url(making, url), "hostname",
                             making_text(making, hostname), "ip", making_text(making, ip)));
}

void answer_image_holders(struct making *making, const ProtobufCMessage *message,
                          const struct holder_hosts *hosts, struct answer *answer)
{
    const Scheduler__V2__StatImageResponse *response = (const void *)message;
    json_t *good, *bad, *urls = json_object();
    answer->result = making_two_lists(&good, &bad);
    for (size_t i = 0; response->image && i < response->image->n_layers; i++)
        count_url(making, urls, response->image->layers[i]->url, false);
    for (size_t i = 0; i < response->n_peers; i++) {
        const Scheduler__V2__PeerImage *peer = response->peers[i];
        for (size_t j = 0; j < peer->n_cached_layers && making->ok; j++) {
            const Scheduler__V2__Layer *layer = peer->cached_layers[j];
            if (!layer->has_is_finished_case || !layer->is_finished)
                continue;
            answer->done++;
            add_holder(making, urls, good, layer->url, peer->hostname, peer->ip);
        }
    }
    count_waiting(urls, hosts, answer);
    json_decref(urls);
}

void answer_file_holders(struct making *making, const ProtobufCMessage *message,
                         const struct holder_hosts *hosts, struct answer *answer)
{
    const Scheduler__V2__StatFileResponse *response = (const void *)message;
    json_t *good, *bad, *urls = json_object();
    answer->result = making_two_lists(&good, &bad);
    for (size_t i = 0; i < response->n_peers; i++) {
        const Scheduler__V2__PeerFile *peer = response->peers[i];
        for (size_t j = 0; j < peer->n_cached_files && making->ok; j++) {
            const Scheduler__V2__File *file = peer->cached_files[j];
            const bool whole = file->has_is_finished_case && file->is_finished;
            answer->done += whole;
            if (whole)
                add_holder(making, urls, good, file->url, peer->hostname, peer->ip);
            else
                count_url(making, urls, file->url, false);
        }
    }
    count_waiting(urls, hosts, answer);
    json_decref(urls);
}
