/* The swarm's life, clock and action queue. Nothing here decides anything: hosts are in swarm_host.c,
 * messages in swarm_message.c, answers in swarm_answer.c. */
#include "core/brain/swarm_state.h"

#include "core/base/buf.h"
#include "core/base/draw.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct dtr_swarm_config dtr_swarm_defaults(void)
{
    return (struct dtr_swarm_config){
#define DEFAULT(type, name, value, help) .name = (value),
        DTR_SWARM_LIMITS(DEFAULT)
#undef DEFAULT
            .policy = {.acyclic = true},
    };
}

const char *dtr_peer_state_text(enum dtr_peer_state state)
{
    static const char *const texts[] = {
#define TEXT(name, text) [DTR_PEER_##name] = (text),
        DTR_PEER_STATES(TEXT)
#undef TEXT
    };
    return texts[state];
}

const char *dtr_task_state_text(enum dtr_task_state state)
{
    static const char *const texts[] = {
#define TEXT(name, text) [DTR_TASK_##name] = (text),
        DTR_TASK_STATES(TEXT)
#undef TEXT
    };
    return texts[state];
}

uint64_t dtr_swarm_random(struct dtr_swarm *swarm)
{
    return dtr_draw(&swarm->random);
}

uint64_t dtr_swarm_hash(const uint8_t key[16], const char *id)
{
    return dtr_siphash(key, id, strlen(id));
}

char *dtr_swarm_texts(const char *const *texts, size_t count, const char **ret_texts)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += (texts[i] ? strlen(texts[i]) : 0) + 1;
    char *memory = malloc(size), *at = memory;
    for (size_t i = 0; memory && i < count; i++) {
        ret_texts[i] = at;
        at = stpcpy(at, texts[i] ? texts[i] : "") + 1;
    }
    return memory;
}

static void init_lists(struct dtr_swarm *swarm)
{
    struct dtr_list *const heads[] = {
        &swarm->hosts, &swarm->seeds,  &swarm->quiet,   &swarm->tasks,  &swarm->crowded, &swarm->empty_tasks,
        &swarm->ready, &swarm->early,  &swarm->leaving, &swarm->probes, &swarm->patient, &swarm->late,
        &swarm->more,  &swarm->active, &swarm->idle,    &swarm->ended,  &swarm->gone,
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        dtr_list_init(heads[i]);
}

int dtr_swarm_new(const struct dtr_swarm_config *config, uint64_t seed_number, uint64_t now_ms,
                  struct dtr_swarm **ret_swarm, struct dtr_error *err)
{
    struct dtr_swarm *swarm = calloc(1, sizeof(*swarm));
    if (!swarm)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for the swarm");
    swarm->random = seed_number;
    uint64_t key[2] = {dtr_swarm_random(swarm), dtr_swarm_random(swarm)};
    memcpy(swarm->hash_key, key, sizeof(key));
    swarm->now_ms = now_ms;
    swarm->probe_due_ms = UINT64_MAX;
    init_lists(swarm);
    swarm->peer_gc_ms = swarm->task_gc_ms = swarm->host_gc_ms = UINT64_MAX;
    swarm->settled_ms = now_ms + config->settle_ms;
    dtr_swarm_configure(swarm, config);
    *ret_swarm = swarm;
    return DTR_OK;
}

static void cut(uint32_t *value, uint32_t low, uint32_t high)
{
    *value = *value < low ? low : *value > high ? high : *value;
}

/* A look that is due later than a new interval says. */
static void sooner(uint64_t *due_ms, uint64_t at_ms)
{
    if (at_ms < *due_ms)
        *due_ms = at_ms;
}

void dtr_swarm_configure(struct dtr_swarm *swarm, const struct dtr_swarm_config *config)
{
    struct dtr_swarm_config *own = &swarm->config;
    *own = *config;
    if (!own->policy.rank)
        own->policy.rank = dtr_rank_dragonfly;
    if (!own->policy.sample)
        own->policy.sample = own->filter_parent_limit;
    if (!own->policy.keep)
        own->policy.keep = own->candidate_parent_limit;
    cut(&own->policy.keep, 1, DTR_SWARM_KEEP_MAX);
    if (own->policy.acyclic || own->policy.newcomers >= own->policy.keep)
        own->policy.newcomers = own->policy.acyclic ? 0 : own->policy.keep - 1;
    cut(&own->policy.sample, own->policy.keep, DTR_SWARM_SAMPLE_MAX);
    sooner(&swarm->peer_gc_ms, swarm->now_ms + own->peer_gc_interval_ms);
    sooner(&swarm->task_gc_ms, swarm->now_ms + own->task_gc_interval_ms);
    sooner(&swarm->host_gc_ms, swarm->now_ms + own->host_gc_interval_ms);
}

/* Gives back what the last action pointed to. */
static void release_lent(struct dtr_swarm *swarm)
{
    dtr_swarm_peer_free(swarm->lent_peer);
    dtr_swarm_host_free(swarm->lent_host);
    dtr_buf_drop(swarm->lent_download);
    swarm->lent_peer = NULL;
    swarm->lent_host = NULL;
    swarm->lent_download = NULL;
}

void dtr_swarm_free(struct dtr_swarm *swarm)
{
    if (!swarm)
        return;
    release_lent(swarm);
    while (!dtr_list_empty(&swarm->hosts))
        dtr_swarm_host_remove(swarm, dtr_container(swarm->hosts.next, struct swarm_host, link));
    struct dtr_list *node;
    while ((node = dtr_list_pop(&swarm->leaving)))
        dtr_swarm_peer_free(dtr_container(node, struct swarm_peer, queue));
    while ((node = dtr_list_pop(&swarm->gone)))
        dtr_swarm_host_free(dtr_container(node, struct swarm_host, link));
    while (!dtr_list_empty(&swarm->empty_tasks))
        dtr_swarm_task_remove(swarm, dtr_container(swarm->empty_tasks.next, struct swarm_task, link));
    dtr_map_clear(&swarm->host_map);
    dtr_map_clear(&swarm->task_map);
    dtr_map_clear(&swarm->peer_map);
    free(swarm);
}

void dtr_swarm_begin(struct dtr_swarm *swarm, uint64_t now_ms)
{
    release_lent(swarm);
    assert(!swarm->reply.stream); /* the queue was not drained after the last event */
    if (now_ms > swarm->now_ms)
        swarm->now_ms = now_ms;
}

void dtr_swarm_reply(struct dtr_swarm *swarm, enum dtr_swarm_action_kind kind, void *stream,
                     enum dtr_swarm_refusal code, const char *text)
{
    swarm->reply = (struct dtr_swarm_action){.kind = kind, .stream = stream, .code = code, .text = text};
}

static bool take_reply(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    if (!swarm->reply.stream)
        return false;
    *ret_action = swarm->reply;
    swarm->reply.stream = NULL;
    return true;
}

static bool take_leaving(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    struct dtr_list *node = dtr_list_pop(&swarm->leaving);
    if (!node)
        return false;
    swarm->lent_peer = dtr_container(node, struct swarm_peer, queue);
    *ret_action = (struct dtr_swarm_action){.kind = DTR_SWARM_REJECT,
                                            .stream = swarm->lent_peer->stream,
                                            .code = DTR_SWARM_NOT_FOUND,
                                            .text = "the peer has left the swarm"};
    return true;
}

static bool take_probe(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    struct dtr_list *node = dtr_list_pop(&swarm->probes);
    if (!node)
        return false;
    struct swarm_host *host = dtr_container(node, struct swarm_host, probe_link);
    *ret_action = (struct dtr_swarm_action){.kind = DTR_SWARM_PROBE_SEED, .host = &host->facts};
    return true;
}

static bool take_gone(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    struct dtr_list *node = dtr_list_pop(&swarm->gone);
    if (!node)
        return false;
    swarm->lent_host = dtr_container(node, struct swarm_host, link);
    *ret_action = (struct dtr_swarm_action){.kind = DTR_SWARM_HOST_GONE,
                                            .host = &swarm->lent_host->facts,
                                            .silent_ms = swarm->lent_host->silent_ms};
    return true;
}

bool dtr_swarm_next(struct dtr_swarm *swarm, struct dtr_swarm_action *ret_action)
{
    release_lent(swarm);
    return take_reply(swarm, ret_action) || take_leaving(swarm, ret_action) ||
           take_probe(swarm, ret_action) || take_gone(swarm, ret_action) ||
           dtr_swarm_answer(swarm, ret_action) || dtr_swarm_more_take(swarm, ret_action);
}

void dtr_swarm_time(struct dtr_swarm *swarm, uint64_t now_ms)
{
    dtr_swarm_begin(swarm, now_ms);
    dtr_swarm_answer_expired(swarm);
    dtr_swarm_probe_due(swarm);
    dtr_swarm_collect(swarm);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t oldest_ms(const struct dtr_list *head)
{
    return dtr_container(head->next, struct swarm_peer, clock)->asked_ms;
}

uint64_t dtr_swarm_wake_ms(const struct dtr_swarm *swarm)
{
    uint64_t wake = swarm->probe_due_ms;
    if (!dtr_list_empty(&swarm->patient))
        wake = earlier(wake, oldest_ms(&swarm->patient) + dtr_swarm_source_wait_ms(swarm));
    if (!dtr_list_empty(&swarm->early))
        wake = earlier(wake, swarm->settled_ms);
    if (!dtr_list_empty(&swarm->late))
        wake = earlier(wake, oldest_ms(&swarm->late) + dtr_swarm_error_wait_ms(swarm));
    if (swarm->counts.peers)
        wake = earlier(wake, swarm->peer_gc_ms);
    if (swarm->counts.tasks)
        wake = earlier(wake, swarm->task_gc_ms);
    if (swarm->counts.hosts)
        wake = earlier(wake, swarm->host_gc_ms);
    return wake;
}

struct dtr_swarm_counts dtr_swarm_count(const struct dtr_swarm *swarm)
{
    return swarm->counts;
}
