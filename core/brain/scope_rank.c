/* Clusters ranked for a peer; see scope.h. */
#include "core/brain/scope.h"

#include "core/brain/labels.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int dtr_scope_dragonfly(void *context, const struct dtr_scope_input *in, double *ret_scores,
                        struct dtr_error *err)
{
    (void)context;
    (void)err;
    for (uint32_t i = 0; i < in->count; i++)
        ret_scores[i] = 0.30 * in->cidr[i] + 0.30 * in->hostname[i] + 0.25 * in->idc_match[i] +
                        0.14 * in->location_match[i] + 0.01 * in->is_default[i];
    return DTR_OK;
}

/* --- one cluster and one peer -------------------------------------------------------------------------- */

static bool in_networks(const struct dtr_scope *scope, const char *ip)
{
    struct dtr_network peer;
    if (!dtr_network_ip(ip, strlen(ip), &peer))
        return false;
    for (size_t i = 0; i < scope->cidr_count; i++) {
        const struct dtr_network *network = &scope->cidrs[i];
        if (dtr_network_is_v4(network) == dtr_network_is_v4(&peer) && dtr_network_has(network, peer.bytes))
            return true;
    }
    return false;
}

static void report_pattern(const struct dtr_scope_report *report, const struct dtr_scope_cluster *cluster,
                           const struct dtr_scope_hostname *hostname, int code, bool last)
{
    struct dtr_error err;
    if (!report->passed_over)
        return;
    (void)dtr_error_set(&err, code, DTR_RETRY_NEVER,
                        "cluster %llu (%.40s): scopes.hostnames[%zu]: '%.40s' %s, which counts as no match%s",
                        (unsigned long long)cluster->id, cluster->name, hostname->index, hostname->text,
                        code == DTR_ELIMIT ? "needs too many steps" : "could not be searched for",
                        last ? "; those behind it are not tried" : "");
    report->passed_over(report->context, &err);
}

static bool name_found(const struct dtr_scope_cluster *cluster, const char *name,
                       const struct dtr_scope_report *report)
{
    size_t length = strnlen(name, DTR_SCOPE_TEXT_MAX + 1);
    unsigned overruns = 0;
    if (length > DTR_SCOPE_TEXT_MAX)
        return false;
    for (size_t i = 0; i < cluster->scope->hostname_count && overruns < DTR_SCOPE_OVERRUNS_MAX; i++) {
        const struct dtr_scope_hostname *hostname = &cluster->scope->hostnames[i];
        int found = dtr_pattern_search(hostname->pattern, name, length);
        if (found > 0)
            return true;
        if (found < 0)
            report_pattern(report, cluster, hostname, found, ++overruns == DTR_SCOPE_OVERRUNS_MAX);
    }
    return false;
}

void dtr_scope_terms(const struct dtr_scope_cluster *cluster, const struct dtr_scope_peer *peer,
                     const struct dtr_scope_report *report, struct dtr_scope_terms *ret_terms)
{
    const struct dtr_scope *scope = cluster->scope;
    *ret_terms = (struct dtr_scope_terms){.cidr = in_networks(scope, peer->ip),
                                          .hostname = name_found(cluster, peer->hostname, report),
                                          .idc = dtr_idc_listed(peer->idc, scope->idc),
                                          .location = dtr_location_match(peer->location, scope->location),
                                          .is_default = cluster->is_default};
}

/* --- all of them --------------------------------------------------------------------------------------- */

/* What a struct dtr_scope_input points to. */
struct columns {
#define COLUMN(type, name, help) type *name;
    DTR_SCOPE_COLUMNS(COLUMN)
#undef COLUMN
#define LABEL(name, help) const char **name;
    DTR_SCOPE_LABELS(LABEL)
#undef LABEL
};

static void free_columns(struct columns *columns)
{
#define FREE_COLUMN(type, name, help) free(columns->name);
    DTR_SCOPE_COLUMNS(FREE_COLUMN)
#undef FREE_COLUMN
#define FREE_LABEL(name, help) free(columns->name);
    DTR_SCOPE_LABELS(FREE_LABEL)
#undef FREE_LABEL
}

static bool make_columns(struct columns *columns, uint32_t count)
{
    bool made = true;
#define MAKE_COLUMN(type, name, help) made &= (columns->name = calloc(count + 1ul, sizeof(type))) != NULL;
    DTR_SCOPE_COLUMNS(MAKE_COLUMN)
#undef MAKE_COLUMN
#define MAKE_LABEL(name, help) made &= (columns->name = calloc(count + 1ul, sizeof(const char *))) != NULL;
    DTR_SCOPE_LABELS(MAKE_LABEL)
#undef MAKE_LABEL
    return made;
}

static void fill(const struct columns *to, uint32_t i, const struct dtr_scope_cluster *cluster,
                 const struct dtr_scope_peer *peer, const struct dtr_scope_report *report)
{
    const struct dtr_scope *scope = cluster->scope;
    struct dtr_scope_terms terms;
    dtr_scope_terms(cluster, peer, report, &terms);
    to->cidr[i] = terms.cidr;
    to->hostname[i] = terms.hostname;
    to->idc_match[i] = terms.idc;
    to->location_match[i] = terms.location;
    to->is_default[i] = terms.is_default;
    to->id[i] = (double)cluster->id;
    to->name[i] = cluster->name;
    to->idc[i] = scope->idc;
    to->location[i] = scope->location;
}

static struct dtr_scope_input input_of(const struct columns *columns, uint32_t count,
                                       const struct dtr_scope_peer *peer)
{
    return (struct dtr_scope_input){
        .count = count,
#define GIVE_COLUMN(type, name, help) .name = columns->name,
        DTR_SCOPE_COLUMNS(GIVE_COLUMN)
#undef GIVE_COLUMN
#define GIVE_LABEL(name, help) .name = columns->name,
            DTR_SCOPE_LABELS(GIVE_LABEL)
#undef GIVE_LABEL
                .peer_ip = peer->ip,
        .peer_hostname = peer->hostname,
        .peer_idc = peer->idc,
        .peer_location = peer->location,
    };
}

static void ask(const struct dtr_scope_ranker *ranker, const struct dtr_scope_input *input,
                double *ret_scores)
{
    bool decided = ranker->rank && ranker->rank(ranker->context, input, ret_scores, NULL) == DTR_OK;
    for (uint32_t i = 0; i < input->count && decided; i++)
        decided = !isnan(ret_scores[i]);
    if (!decided)
        (void)dtr_scope_dragonfly(NULL, input, ret_scores, NULL);
}

struct ranking {
    const struct dtr_scope_cluster *clusters;
    const double *scores;
};

static int better(const void *left, const void *right, void *context)
{
    const struct ranking *ranking = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (ranking->scores[a] != ranking->scores[b])
        return ranking->scores[a] > ranking->scores[b] ? -1 : 1;
    uint64_t a_id = ranking->clusters[a].id, b_id = ranking->clusters[b].id;
    return a_id < b_id ? -1 : a_id > b_id;
}

int dtr_scope_rank(const struct dtr_scope_cluster *clusters, uint32_t count,
                   const struct dtr_scope_peer *peer, const struct dtr_scope_ranker *ranker,
                   uint32_t *ret_order, double *ret_scores, struct dtr_error *err)
{
    struct columns columns = {0};
    int rc = DTR_OK;
    if (!make_columns(&columns, count)) {
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for ranking %u clusters", count);
        goto out;
    }
    for (uint32_t i = 0; i < count; i++) {
        fill(&columns, i, &clusters[i], peer, &ranker->report);
        ret_order[i] = i;
    }
    const struct dtr_scope_input input = input_of(&columns, count, peer);
    ask(ranker, &input, ret_scores);
    struct ranking ranking = {clusters, ret_scores};
    qsort_r(ret_order, count, sizeof(*ret_order), better, &ranking);
out:
    free_columns(&columns);
    return rc;
}
