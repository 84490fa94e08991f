/* The answer to a get_image_distribution; see distribution.h. */
#include "core/manager/jobs/distribution.h"

#include "core/base/str.h"
#include "core/manager/jobs/args.h"

/* The peer that is known by the same; otherwise it gets a new place in the list. NULL: out of memory. */
static json_t *place_of(json_t *peers, json_t *known, const json_t *peer, json_t *cluster)
{
    struct dtr_str key = {0};
    dtr_str_printf(&key, "%lld %s %s", (long long)json_integer_value(cluster), arg_text(peer, "ip"),
                   arg_text(peer, "hostname"));
    json_t *there = dtr_str_ok(&key) ? json_object_get(known, dtr_str_text(&key)) : NULL;
    if (!there && dtr_str_ok(&key)) {
        there =
            json_pack("{s:O, s:O, s:[], s:O}", "ip", json_object_get(peer, "ip"), "hostname",
                      json_object_get(peer, "hostname"), "cached_layers", "scheduler_cluster_id", cluster);
        (void)json_array_append_new(peers, there);
        (void)json_object_set(known, dtr_str_text(&key), there);
    }
    dtr_str_free(&key);
    return there;
}

static bool holds(const json_t *list, const json_t *value)
{
    size_t i;
    const json_t *there;
    json_array_foreach(list, i, there)
    {
        if (json_equal(there, value))
            return true;
    }
    return false;
}

/* `known`: the peers of the list by what each is known by, as there may be tens of thousands. */
static void add_peers(json_t *peers, json_t *known, const json_t *part)
{
    size_t i, j;
    json_t *peer, *layer;
    json_array_foreach(json_object_get(part, "peers"), i, peer)
    {
        json_t *there = place_of(peers, known, peer, json_object_get(part, "scheduler_cluster_id"));
        json_t *layers = json_object_get(there, "cached_layers");
        json_array_foreach(json_object_get(peer, "cached_layers"), j, layer)
        {
            if (!holds(layers, layer))
                (void)json_array_append(layers, layer);
        }
    }
}

json_t *distribution_of(const json_t *result)
{
    json_t *peers = json_array(), *known = json_object(), *state, *image = NULL;
    size_t i;
    json_array_foreach(json_object_get(result, "job_states"), i, state)
    {
        const json_t *part = json_array_get(json_object_get(state, "results"), 0);
        if (!image && part)
            image = json_object_get(part, "image");
        add_peers(peers, known, part);
    }
    json_decref(known);
    if (image)
        return json_pack("{s:O, s:o}", "image", image, "peers", peers);
    json_decref(peers);
    return NULL;
}
