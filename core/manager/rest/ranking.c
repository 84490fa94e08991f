/* Clusters ranked for whom the query describes; see ranking.h. */
#include "core/manager/rest/ranking.h"

#include "core/manager/fleet/ranking.h"
#include "core/manager/rest/checks.h"

const struct field ranking_fields[] = {
    {.name = "ip", .kind = FIELD_TEXT, .flags = F_FILTER, .check = field_is_ip},
    {.name = "hostname", .kind = FIELD_TEXT, .flags = F_FILTER, .most = DTR_SCOPE_TEXT_MAX},
    {.name = "idc", .kind = FIELD_TEXT, .flags = F_FILTER, .most = DTR_SCOPE_TEXT_MAX},
    {.name = "location", .kind = FIELD_TEXT, .flags = F_FILTER, .most = DTR_SCOPE_TEXT_MAX},
    {0},
};

/* "" for what was not given. */
static int read_text(const struct rest_call *call, const struct field *field, const char **ret_text,
                     struct dtr_error *err)
{
    const char *text = query_get(&call->query, field->name);
    struct dtr_error why = {0};
    *ret_text = text ? text : "";
    if (field->most > 0 && strlen(*ret_text) > (size_t)field->most)
        return rest_refuse(err, 422, "%s: has more than %lld bytes", field->name, (long long)field->most);
    if (**ret_text && field->check && field->check(*ret_text, &why) != DTR_OK)
        return rest_refuse(err, 422, "%s: %.200s", field->name, why.text);
    return DTR_OK;
}

static int read_peer(const struct rest_call *call, struct dtr_scope_peer *ret_peer, struct dtr_error *err)
{
    const char **const texts[] = {&ret_peer->ip, &ret_peer->hostname, &ret_peer->idc, &ret_peer->location};
    int rc = DTR_OK;
    for (size_t i = 0; ranking_fields[i].name && rc == DTR_OK; i++)
        rc = read_text(call, &ranking_fields[i], texts[i], err);
    return rc;
}

/* --- answer ----------------------------------------------------------------------------------------------
 */

static json_t *cluster_json(const struct fleet_cluster *cluster, const struct dtr_scope_cluster *input,
                            const struct dtr_scope_peer *peer, double score, bool chosen)
{
    const struct dtr_scope_report nobody = {0};
    struct dtr_scope_terms terms;
    dtr_scope_terms(input, peer, &nobody, &terms);
    return json_pack("{s:I, s:s, s:f, s:{s:f, s:f, s:f, s:f, s:f}, s:I, s:I, s:b, s:b}", "id",
                     (json_int_t)cluster->id, "name", cluster->name, "score", score, "terms", "cidr",
                     terms.cidr, "hostname", terms.hostname, "idc", terms.idc, "location", terms.location,
                     "default", terms.is_default, "schedulers", (json_int_t)cluster->scheduler_count,
                     "usable_schedulers", (json_int_t)fleet_usable(cluster), "usable",
                     fleet_usable(cluster) > 0, "chosen", chosen);
}

/* Best first, and behind them those without a scheduler to offer, which are ranked among themselves: a peer
 * is not told of them. */
static int clusters_json(const struct rest_parts *parts, const struct fleet *fleet,
                         const struct dtr_scope_peer *peer, json_t *list, struct dtr_error *err)
{
    static const bool turns[] = {true, false};
    int rc = DTR_OK;
    for (size_t turn = 0; turn < sizeof(turns) / sizeof(turns[0]) && rc == DTR_OK; turn++) {
        struct fleet_ranking ranking;
        rc = fleet_rank(fleet, peer, parts->options.ranker, turns[turn], &ranking, err);
        for (uint32_t i = 0; i < ranking.count && rc == DTR_OK; i++) {
            const uint32_t at = ranking.order[i];
            (void)json_array_append_new(list, cluster_json(ranking.clusters[at], &ranking.inputs[at], peer,
                                                           ranking.scores[at], turns[turn] && i == 0));
        }
        fleet_ranking_free(&ranking);
    }
    return rc;
}

static json_t *policy_json(struct ranker *ranker)
{
    struct ranker_charge charge;
    ranker_charge(ranker, &charge);
    return json_pack("{s:s, s:I}", "name", charge.name, "generation", (json_int_t)charge.generation);
}

int ranking_get(struct rest_call *call, struct store_db *db, struct dtr_error *err)
{
    const struct rest_parts *parts = rest_parts(call->rest);
    const struct fleet *fleet = NULL;
    struct dtr_scope_peer peer;
    json_t *list = json_array();
    (void)db;
    int rc = read_peer(call, &peer, err);
    if (rc == DTR_OK)
        rc = fleet_get(parts->options.view, &fleet, err);
    if (rc == DTR_OK)
        rc = clusters_json(parts, fleet, &peer, list, err);
    fleet_done(fleet);
    if (rc != DTR_OK) {
        json_decref(list);
        return rc;
    }
    json_t *who = json_pack("{s:s, s:s, s:s, s:s}", "ip", peer.ip, "hostname", peer.hostname, "idc", peer.idc,
                            "location", peer.location);
    return call_answer(call,
                       json_pack("{s:o, s:o, s:o}", "policy", policy_json(parts->options.ranker), "peer", who,
                                 "clusters", list),
                       err);
}
