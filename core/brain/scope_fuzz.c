/* Scopes from any text, and a peer from it: what is passed over when it is in charge is what is refused when
 * it is written, and each term is a fact between 0 and 1, the same when asked again. Lines: the peer's ip,
 * host name, idc and location, the cluster's idc and location, then items that stand in both lists. */
#include "core/brain/scope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEER_IP, PEER_HOSTNAME, PEER_IDC, PEER_LOCATION, IDC, LOCATION, ITEMS, LINES_MAX = ITEMS + 1002 };

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void count_one(void *context, const struct dtr_error *err)
{
    must(strncmp(err->text, "scopes.", 7) == 0 || strncmp(err->text, "cluster 1 (x): ", 15) == 0);
    ++*(unsigned *)context;
}

static int keep_terms(void *context, const struct dtr_scope_input *in, double *ret_scores,
                      struct dtr_error *err)
{
    double *score = context;
    must(in->cidr[0] == 0 || in->cidr[0] == 1);
    must(in->hostname[0] == 0 || in->hostname[0] == 1);
    must(in->idc_match[0] == 0 || in->idc_match[0] == 1);
    must(fabs(in->location_match[0] * 5 - round(in->location_match[0] * 5)) < 1e-9);
    (void)dtr_scope_dragonfly(NULL, in, ret_scores, err);
    must(ret_scores[0] >= 0 && ret_scores[0] <= 1);
    must(isnan(*score) || *score == ret_scores[0]);
    *score = ret_scores[0];
    return DTR_OK;
}

static void match(const struct dtr_scope *scope, const char *const *lines)
{
    const struct dtr_scope_cluster cluster = {.id = 1, .name = "x", .scope = scope};
    const struct dtr_scope_peer peer = {lines[PEER_IP], lines[PEER_HOSTNAME], lines[PEER_IDC],
                                        lines[PEER_LOCATION]};
    double known = NAN, score;
    unsigned heard = 0;
    uint32_t order;
    const struct dtr_scope_ranker ranker = {keep_terms, &known, {count_one, &heard}};
    for (int i = 0; i < 2; i++)
        must(dtr_scope_rank(&cluster, 1, &peer, &ranker, &order, &score, NULL) == DTR_OK && order == 0);
}

static void check(const char *const *lines, size_t count)
{
    size_t items = count > ITEMS ? count - ITEMS : 0;
    const struct dtr_scope_texts texts = {
        .idc = lines[IDC],
        .location = lines[LOCATION],
        .cidrs = lines + ITEMS,
        .cidr_count = items,
        .hostnames = lines + ITEMS,
        .hostname_count = items,
    };
    unsigned heard = 0;
    const struct dtr_scope_report report = {count_one, &heard};
    struct dtr_scope *scope, *strict;
    struct dtr_error err;
    must(dtr_scope_new_lenient(&texts, &report, &scope, &err) == DTR_OK);
    must((dtr_scope_new(&texts, &strict, &err) == DTR_OK) == (heard == 0));
    match(scope, lines);
    dtr_scope_free(strict);
    dtr_scope_free(scope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *lines[LINES_MAX];
    size_t count = 0;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = 0;
    for (size_t i = 0; i < LINES_MAX; i++)
        lines[i] = "";
    for (char *at = text; at && count < LINES_MAX;)
        lines[count++] = strsep(&at, "\n");
    check(lines, count);
    free(text);
    return 0;
}
