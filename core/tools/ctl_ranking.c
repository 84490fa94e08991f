/* Which cluster a peer gets, and why; see ctl_manager.h. */
#include "core/tools/ctl_manager.h"
#include "core/tools/ctl_text.h"

static const struct ctl_column columns[] = {
    {"CHOSEN", "chosen", CTL_PLAIN},
    {"ID", "id", CTL_PLAIN},
    {"CLUSTER", "name", CTL_PLAIN},
    {"SCORE", "score", CTL_SCORE},
    {"CIDR", "terms.cidr", CTL_TERM},
    {"HOSTNAME", "terms.hostname", CTL_TERM},
    {"IDC", "terms.idc", CTL_TERM},
    {"LOCATION", "terms.location", CTL_TERM},
    {"DEFAULT", "terms.default", CTL_TERM},
    {"SCHEDULERS", "schedulers", CTL_PLAIN},
    {"USABLE", "usable_schedulers", CTL_PLAIN},
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static const char *text_at(const json_t *answer, const char *path)
{
    const char *text = json_string_value(ctl_at(answer, path));
    return text ? text : "";
}

static void print_peer(const json_t *answer, FILE *out)
{
    static const char *const names[] = {"ip", "hostname", "idc", "location"};
    (void)fputs("peer:   ", out);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)fprintf(out, "%s%s ", i > 0 ? ", " : "", names[i]);
        ctl_put(out, 0, text_at(json_object_get(answer, "peer"), names[i]));
    }
}

/* The weights are known of Dragonfly's formula, which is also the one in the program. */
static void print_policy(const json_t *answer, FILE *out)
{
    const char *name = text_at(answer, "policy.name");
    (void)fputs("\npolicy: ", out);
    if (*name) {
        ctl_put(out, 0, name);
        (void)fprintf(out, ", generation %lld\n",
                      (long long)json_integer_value(ctl_at(answer, "policy.generation")));
    } else {
        (void)fputs("the built-in formula\n", out);
    }
    if (!*name || strcmp(name, "dragonfly") == 0)
        (void)fputs("score:  0.30 CIDR + 0.30 HOSTNAME + 0.25 IDC + 0.14 LOCATION + 0.01 DEFAULT\n", out);
}

static void print_choice(const json_t *clusters, FILE *out)
{
    size_t i;
    const json_t *cluster;
    json_array_foreach(clusters, i, cluster)
    {
        if (!json_is_true(json_object_get(cluster, "chosen")))
            continue;
        (void)fprintf(out, "\nIt is sent to the schedulers of cluster %lld (",
                      (long long)json_integer_value(json_object_get(cluster, "id")));
        ctl_put(out, 0, text_at(cluster, "name"));
        (void)fputs("), and to the next in this list when none of them serves.\n", out);
        return;
    }
    (void)fputs("\nNo cluster has a scheduler that is active and schedules: it goes on without.\n", out);
}

int ctl_print_ranking(const json_t *answer, const struct dtr_ctl_show *show)
{
    const json_t *clusters = json_object_get(answer, "clusters");
    print_peer(answer, show->out);
    print_policy(answer, show->out);
    (void)fputc('\n', show->out);
    int rc = ctl_table(columns, COLUMNS, clusters, show->now_s, show->out);
    print_choice(clusters, show->out);
    return rc == DTR_OK ? ctl_written(show->out) : rc;
}

int dtr_ctl_explain_peer(const struct dtr_manager_access *access, const struct dtr_ctl_peer *peer,
                         const struct dtr_ctl_show *show, struct dtr_error *err)
{
    struct dtr_str query = {0}, path = {0};
    json_t *answer = NULL;
    dtr_manager_query(&query, "ip", peer->ip);
    dtr_manager_query(&query, "hostname", peer->hostname);
    dtr_manager_query(&query, "idc", peer->idc);
    dtr_manager_query(&query, "location", peer->location);
    dtr_str_printf(&path, "/clusters/ranking?%s", dtr_str_text(&query));
    int rc = dtr_manager_ask(access, "GET", dtr_str_text(&path), NULL, &answer, err);
    if (rc == DTR_ENOT_FOUND)
        rc = dtr_error_set(err, rc, DTR_RETRY_NEVER,
                           "the manager at %.100s cannot tell: Darter's can, from this version on",
                           access->url);
    if (rc == DTR_OK)
        rc = ctl_printed(
            show->json ? ctl_dump(json_incref(answer), show->out) : ctl_print_ranking(answer, show), err);
    json_decref(answer);
    dtr_str_free(&query);
    dtr_str_free(&path);
    return rc;
}
