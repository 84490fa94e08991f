/* Hosts and seeds: what AnnounceHost said, which seeds answer, which of them a task belongs to. */
#include "core/brain/swarm_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX       1024 /* bytes in one label or name */
#define FIRST_RETRY_MS 1000 /* after a failed probe */

static const uint8_t common_key[16]; /* zeros: the same hashes in every process */

/* The strings of an announcement behind the id, in the order in which they are packed. */
enum { HOSTNAME, IP, IDC, LOCATION, TEXTS };

static struct swarm_host *find(const struct dtr_swarm *swarm, const char *id)
{
    struct dtr_map_node *node = id ? dtr_map_find(&swarm->host_map, id) : NULL;
    return node ? dtr_container(node, struct swarm_host, node) : NULL;
}

const struct dtr_swarm_host *dtr_swarm_find_host(const struct dtr_swarm *swarm, const char *host_id)
{
    struct swarm_host *host = find(swarm, host_id);
    return host ? &host->facts : NULL;
}

const struct dtr_swarm_host *dtr_swarm_next_host(const struct dtr_swarm *swarm,
                                                 const struct dtr_swarm_host *previous)
{
    const struct dtr_list *next =
        previous ? ((const struct swarm_host *)previous)->link.next : swarm->hosts.next;
    return next == &swarm->hosts ? NULL : &dtr_container(next, struct swarm_host, link)->facts;
}

void dtr_swarm_host_touch(struct dtr_swarm *swarm, struct swarm_host *host)
{
    host->seen_ms = swarm->now_ms;
    dtr_list_remove(&host->age);
    dtr_list_add_tail(&swarm->quiet, &host->age);
}

static struct swarm_host *add(struct dtr_swarm *swarm, const char *id)
{
    size_t length = strlen(id);
    struct swarm_host *host = calloc(1, sizeof(*host) + length + 1);
    if (!host)
        return NULL;
    memcpy(host->id, id, length + 1);
    struct dtr_swarm_announce *facts = &host->facts.facts;
    facts->id = host->id;
    facts->hostname = facts->ip = facts->idc = facts->location = "";
    facts->disable_shared = true; /* until it is announced */
    if (!dtr_map_add(&swarm->host_map, &host->node, host->id, length)) {
        free(host);
        return NULL;
    }
    host->facts.observed_rate = NAN;
    host->facts.created_ms = host->facts.updated_ms = swarm->now_ms;
    host->hash = dtr_swarm_hash(common_key, id);
    host->probe_due_ms = UINT64_MAX;
    dtr_list_init(&host->peers);
    dtr_list_add_tail(&swarm->hosts, &host->link);
    dtr_swarm_host_touch(swarm, host);
    swarm->counts.hosts++;
    return host;
}

struct swarm_host *dtr_swarm_host_of(struct dtr_swarm *swarm, const char *host_id)
{
    struct swarm_host *host = find(swarm, host_id);
    if (host || !swarm->config.unknown_host_back_to_source || swarm->counts.hosts >= swarm->config.host_limit)
        return host;
    return add(swarm, host_id);
}

static void probe_at(struct dtr_swarm *swarm, struct swarm_host *host, uint64_t due_ms)
{
    host->probe_due_ms = due_ms;
    if (due_ms < swarm->probe_due_ms)
        swarm->probe_due_ms = due_ms;
}

static void stop_seeding(struct swarm_host *host)
{
    dtr_list_remove(&host->seed_link);
    dtr_list_remove(&host->probe_link);
    host->probe_due_ms = UINT64_MAX;
    host->facts.seed_usable = false;
}

/* Nothing of the swarm knows it then. */
static void detach(struct dtr_swarm *swarm, struct swarm_host *host)
{
    while (!dtr_list_empty(&host->peers))
        dtr_swarm_peer_remove(swarm, dtr_container(host->peers.next, struct swarm_peer, host_link));
    stop_seeding(host);
    dtr_list_remove(&host->link);
    dtr_list_remove(&host->age);
    dtr_map_remove(&swarm->host_map, &host->node);
    swarm->counts.hosts--;
}

void dtr_swarm_host_free(struct swarm_host *host)
{
    if (!host)
        return;
    dtr_buf_drop(host->facts.facts.raw);
    free(host->texts);
    free(host);
}

void dtr_swarm_host_remove(struct dtr_swarm *swarm, struct swarm_host *host)
{
    detach(swarm, host);
    dtr_swarm_host_free(host);
}

void dtr_swarm_host_expire(struct dtr_swarm *swarm, struct swarm_host *host)
{
    host->silent_ms = swarm->now_ms - host->seen_ms;
    detach(swarm, host);
    if (host->facts.announced)
        dtr_list_add_tail(&swarm->gone, &host->link);
    else
        dtr_swarm_host_free(host);
}

/* Takes over strings, keeping the memory when nothing changed: hosts repeat themselves every 5 minutes. */
static bool take_texts(struct swarm_host *host, const struct dtr_swarm_announce *in)
{
    struct dtr_swarm_announce *own = &host->facts.facts;
    if (host->texts && same_text(own->hostname, in->hostname) && same_text(own->ip, in->ip) &&
        same_text(own->idc, in->idc) && same_text(own->location, in->location))
        return true;
    const char *const texts[TEXTS] = {
        [HOSTNAME] = in->hostname, [IP] = in->ip, [IDC] = in->idc, [LOCATION] = in->location};
    const char *at[TEXTS];
    char *memory = dtr_swarm_texts(texts, TEXTS, at);
    if (!memory)
        return false;
    free(host->texts);
    host->texts = memory;
    own->hostname = at[HOSTNAME];
    own->ip = at[IP];
    own->idc = at[IDC];
    own->location = at[LOCATION];
    return true;
}

static bool fits(const char *text, size_t max, bool required)
{
    size_t length = text ? strnlen(text, max + 1) : 0;
    return length <= max && (length || !required);
}

static int check(const struct dtr_swarm_announce *facts, struct dtr_error *err)
{
    if (!fits(facts->id, DTR_PEER_ID_MAX, true) || !fits(facts->ip, TEXT_MAX, true))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "a host needs an id and an ip");
    if (!fits(facts->hostname, TEXT_MAX, false) || !fits(facts->idc, TEXT_MAX, false) ||
        !fits(facts->location, TEXT_MAX, false))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host names and labels end at %d bytes",
                             TEXT_MAX);
    if (facts->port < 1 || facts->port > 65535)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "host port %d is not in 1..65535",
                             (int)facts->port);
    return DTR_OK;
}

/* What a changed announcement means for probing. */
static void follow_seed(struct dtr_swarm *swarm, struct swarm_host *host, bool moved)
{
    if (!is_seed(host)) {
        stop_seeding(host);
        return;
    }
    bool fresh = !dtr_list_linked(&host->seed_link);
    if (fresh)
        dtr_list_add_tail(&swarm->seeds, &host->seed_link);
    if (fresh || moved) {
        host->facts.seed_usable = false;
        host->probe_wait_ms = 0;
        probe_at(swarm, host, swarm->now_ms);
        dtr_swarm_probe_due(swarm);
    }
}

/* Its peers may be parents now, or no longer. */
static void refresh_peers(struct dtr_swarm *swarm, struct swarm_host *host)
{
    dtr_list_each (node, &host->peers) {
        struct swarm_peer *peer = dtr_container(node, struct swarm_peer, host_link);
        dtr_swarm_offer_refresh(swarm, peer);
        dtr_swarm_peer_touch(swarm, peer);
    }
}

int dtr_swarm_host_announced(struct dtr_swarm *swarm, uint64_t now_ms, const struct dtr_swarm_announce *facts,
                             struct dtr_error *err)
{
    dtr_swarm_begin(swarm, now_ms);
    int code = check(facts, err);
    if (code)
        return code;
    struct swarm_host *host = find(swarm, facts->id);
    if (!host && swarm->counts.hosts >= swarm->config.host_limit)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "more than %u hosts", swarm->config.host_limit);
    if (!host)
        host = add(swarm, facts->id);
    struct dtr_swarm_announce *own = host ? &host->facts.facts : NULL;
    bool moved = own && (!same_text(own->ip, facts->ip) || own->port != facts->port);
    bool shared = own && own->disable_shared != facts->disable_shared;
    bool retyped = own && own->type != facts->type;
    if (!host || !take_texts(host, facts))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for host %s", facts->id);
    struct dtr_buf *raw = facts->raw ? dtr_buf_hold(facts->raw) : NULL;
    dtr_buf_drop(own->raw);
    const struct dtr_swarm_announce kept = *own;
    *own = *facts;
    own->id = kept.id;
    own->hostname = kept.hostname;
    own->ip = kept.ip;
    own->idc = kept.idc;
    own->location = kept.location;
    own->raw = raw;
    host->facts.announced = true;
    host->facts.updated_ms = swarm->now_ms;
    dtr_swarm_host_touch(swarm, host);
    follow_seed(swarm, host, moved);
    if (shared || retyped)
        refresh_peers(swarm, host);
    return DTR_OK;
}

int dtr_swarm_host_deleted(struct dtr_swarm *swarm, uint64_t now_ms, const char *host_id,
                           struct dtr_error *err)
{
    dtr_swarm_begin(swarm, now_ms);
    struct swarm_host *host = find(swarm, host_id);
    if (!host)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no such host");
    dtr_swarm_host_remove(swarm, host);
    return DTR_OK;
}

void dtr_swarm_seed_probed(struct dtr_swarm *swarm, uint64_t now_ms, const char *host_id, bool ok)
{
    dtr_swarm_begin(swarm, now_ms);
    struct swarm_host *host = find(swarm, host_id);
    if (!host || !is_seed(host))
        return;
    host->facts.seed_usable = ok;
    host->probe_wait_ms = ok ? 0 : host->probe_wait_ms ? host->probe_wait_ms * 2 : FIRST_RETRY_MS;
    if (ok || host->probe_wait_ms > DTR_SWARM_PROBE_MS)
        host->probe_wait_ms = DTR_SWARM_PROBE_MS;
    probe_at(swarm, host, swarm->now_ms + host->probe_wait_ms);
    if (!ok)
        return;
    host->probe_wait_ms = 0;
    dtr_swarm_settle(swarm);
}

void dtr_swarm_probe_due(struct dtr_swarm *swarm)
{
    if (swarm->probe_due_ms > swarm->now_ms)
        return;
    swarm->probe_due_ms = UINT64_MAX;
    dtr_list_each (node, &swarm->seeds) {
        struct swarm_host *host = dtr_container(node, struct swarm_host, seed_link);
        if (host->probe_due_ms <= swarm->now_ms) {
            if (!dtr_list_linked(&host->probe_link))
                dtr_list_add_tail(&swarm->probes, &host->probe_link);
            host->probe_due_ms = swarm->now_ms + DTR_SWARM_PROBE_MS;
        }
        probe_at(swarm, host, host->probe_due_ms);
    }
}

struct swarm_host *dtr_swarm_choose_seed(const struct dtr_swarm *swarm, uint64_t task_hash)
{
    struct swarm_host *best = NULL;
    uint64_t best_weight = 0;
    dtr_list_each (node, &swarm->seeds) {
        struct swarm_host *host = dtr_container(node, struct swarm_host, seed_link);
        const uint64_t pair[2] = {task_hash, host->hash};
        uint64_t weight = dtr_siphash(common_key, pair, sizeof(pair));
        if (host->facts.seed_usable && (!best || weight > best_weight)) {
            best = host;
            best_weight = weight;
        }
    }
    return best;
}

const struct dtr_swarm_host *dtr_swarm_find_seed(const struct dtr_swarm *swarm, const char *task_id)
{
    const struct swarm_host *seed = dtr_swarm_choose_seed(swarm, dtr_swarm_hash(common_key, task_id));
    return seed ? &seed->facts : NULL;
}
