/* SyncHost: tells children how much of this host's sending is in use (wire page 3.6). */
#include "core/base/clock.h"
#include "core/daemon/talk/talk.h"
#include "core/daemon/upload/upload_internal.h"
#include <stdlib.h>

enum {
    SAMPLE_MS = 1000,
    SAMPLE_OLD_MS = 5000, /* nobody has looked for so long: what was sent before says nothing of now */
    HOST_QUEUE_MOST =
        4 << 10, /* bytes; a child that does not read hears of the next change it has room for */
};

struct host_sync {
    struct dtr_list link;
    struct upload *upload;
    struct dtr_rpc_call *call;
    uint64_t told; /* bits/s */
    uint64_t told_ms;
};

/* Only what a child looks at: this host's sending, all of it and in use. */
static void tell_host(struct host_sync *sync, uint64_t max_tx)
{
    Common__V2__Host host = COMMON__V2__HOST__INIT;
    Common__V2__Network network = COMMON__V2__NETWORK__INIT;
    network.max_tx_bandwidth = max_tx;
    network.has_tx_bandwidth_case = COMMON__V2__NETWORK__HAS_TX_BANDWIDTH_TX_BANDWIDTH;
    network.tx_bandwidth = sync->told = sync->upload->tx;
    host.network = &network;
    sync->told_ms = dtr_now_ms();
    (void)dtr_rpc_call_send(sync->call, &host.base, NULL);
}

static uint64_t max_tx(const struct upload *upload)
{
    struct host_facts facts;
    talk_fill_host(upload->daemon, &facts);
    return facts.network.max_tx_bandwidth;
}

/* Bits per second given to peers since the last look, half of it from the looks before: pieces are counted
 * when they begin to be sent, so that a single look sees bursts. */
static void sample(struct upload *upload, uint64_t limit)
{
    uint64_t now = dtr_now_ms(), bytes = atomic_load(&upload->sent_bytes);
    uint64_t passed = now - upload->sampled_ms, bits = (bytes - upload->sampled_bytes) * 8;
    if (passed > SAMPLE_OLD_MS)
        upload->tx = 0;
    else if (passed > 0)
        upload->tx = (upload->tx + bits * 1000 / passed) / 2;
    if (upload->tx < 1000)
        upload->tx = 0;
    if (upload->tx > limit)
        upload->tx = limit;
    upload->sampled_ms = now;
    upload->sampled_bytes = bytes;
}

static void on_sample(void *context)
{
    struct upload *upload = context;
    if (dtr_list_empty(&upload->host_syncs))
        return; /* the next one starts it again */
    uint64_t limit = max_tx(upload);
    sample(upload, limit);
    dtr_list_each (node, &upload->host_syncs) {
        struct host_sync *sync = dtr_container(node, struct host_sync, link);
        bool due = sync->told != upload->tx || dtr_now_ms() - sync->told_ms >= UPLOAD_TELL_MS;
        if (due && dtr_rpc_call_queued(sync->call) < HOST_QUEUE_MOST)
            tell_host(sync, limit);
    }
    dtr_timer_set(upload->sampling, SAMPLE_MS);
}

static void on_host_closed(void *context, struct dtr_rpc_call *call, const struct dtr_rpc_status *status)
{
    struct host_sync *sync = context;
    (void)call;
    (void)status;
    dtr_list_remove(&sync->link);
    free(sync);
}

static int begin_sampling(struct upload *upload, struct dtr_error *err)
{
    int rc = DTR_OK;
    if (!dtr_list_empty(&upload->host_syncs))
        return DTR_OK;
    if (!upload->sampling)
        rc = dtr_timer_open(upload->daemon->parts.control, on_sample, upload, &upload->sampling, err);
    if (rc == DTR_OK)
        dtr_timer_set(upload->sampling, SAMPLE_MS);
    return rc;
}

void sync_host(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    static const struct dtr_rpc_events events = {.closed = on_host_closed};
    struct upload *upload = ((struct dtr_daemon *)service)->upload;
    struct host_sync *sync = upload->closing ? NULL : calloc(1, sizeof(*sync));
    struct dtr_error err = {.code = upload->closing ? DTR_EUNAVAILABLE : DTR_ENOMEM,
                            .text = "this daemon takes no more children now"};
    (void)request;
    if (!sync || begin_sampling(upload, &err) != DTR_OK) {
        free(sync);
        dtr_rpc_call_fail(call, &err);
        return;
    }
    *sync = (struct host_sync){.upload = upload, .call = call};
    if (dtr_list_empty(&upload->host_syncs))
        sample(upload, UINT64_MAX);
    dtr_list_add_tail(&upload->host_syncs, &sync->link);
    dtr_rpc_call_adopt(call, &events, sync);
    dtr_rpc_call_headers(call);
    tell_host(sync, max_tx(upload));
}

void loads_stop(struct upload *upload)
{
    dtr_timer_close(upload->sampling);
    upload->sampling = NULL;
    dtr_list_each_safe (node, &upload->host_syncs) {
        struct host_sync *sync = dtr_container(node, struct host_sync, link);
        dtr_list_remove(&sync->link);
        dtr_rpc_call_finish(sync->call, DTR_RPC_OK, NULL);
    }
}
