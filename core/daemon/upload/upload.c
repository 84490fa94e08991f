/* The Vortex port: connections go to data threads in turn; a transport's question about a piece goes to the
 * control thread, waits there while the piece is still arriving, and comes back with the bytes leased. */
#include "core/daemon/upload/upload_internal.h"

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/daemon/tasks/counts.h"
#include "core/net/stream.h"
#include "core/obs/log.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    WAIT_MS = 60000,
    CONNECTIONS = 8192, /* of peers, at once; a further one is closed */
};

/* --- connections
 * -------------------------------------------------------------------------------------------- */

struct arrival {
    struct dtr_msg msg;
    struct upload_site *site;
    int fd;
};

/* Data thread. */
static void on_arrival(struct dtr_msg *msg)
{
    struct arrival *arrival = dtr_container(msg, struct arrival, msg);
    struct upload_site *site = arrival->site;
    const struct dtr_offer *transport = &site->upload->daemon->transport;
    const struct dtr_transport_ops *ops = transport->feature->ops;
    struct dtr_stream *stream = NULL;
    struct dtr_error err;
    if (site->streams.count >= site->upload->connections / site->upload->site_count) {
        (void)close(arrival->fd);
    } else if (dtr_stream_new(site->loop, arrival->fd, &dtr_stream_nobody, NULL, &stream, &err) == DTR_OK) {
        dtr_stream_group_add(&site->streams, stream);
        dtr_stream_pace(stream, NULL, &site->upload->daemon->limits.upload);
        ops->serve(transport->instance, stream, &site->upload->service);
    } else {
        dtr_log(DTR_LOG_WARN, NULL, "a peer's connection is dropped: %s", err.text);
    }
    free(arrival);
}

static void on_accept(void *context, int fd, const struct dtr_addr *peer)
{
    struct upload *upload = context;
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    (void)peer;
    if (!arrival) {
        (void)close(fd);
        return;
    }
    *arrival = (struct arrival){.msg.run = on_arrival, .fd = fd};
    arrival->site = &upload->sites[upload->next_site++ % upload->site_count];
    dtr_loop_post(arrival->site->loop, &arrival->msg);
}

int upload_new(struct dtr_daemon *daemon, struct upload **ret_upload, struct dtr_error *err)
{
    const struct dtr_daemon_config *config = daemon->config;
    const char *any = config->network.enable_ipv6 ? "::" : "0.0.0.0";
    struct upload *upload = calloc(1, sizeof(*upload));
    struct upload_site *sites = calloc(daemon->parts.data_count, sizeof(*sites));
    struct dtr_addr addr;
    if (!upload || !sites) {
        free(upload);
        free(sites);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for uploads");
    }
    *upload = (struct upload){.daemon = daemon, .service.daemon = daemon, .sites = sites};
    upload->site_count = daemon->parts.data_count;
    upload->connections = CONNECTIONS;
    for (size_t i = 0; i < upload->site_count; i++) {
        sites[i].upload = upload;
        sites[i].loop = daemon->parts.data[i];
        dtr_stream_group_init(&sites[i].streams, sites[i].loop);
    }
    dtr_list_init(&upload->questions);
    dtr_list_init(&upload->spreads);
    dtr_list_init(&upload->host_syncs);
    leaving_open(&upload->leaving);
    orders_init(upload);
    int rc = dtr_addr_ip(config->storage.server.ip ? config->storage.server.ip : any,
                         (uint16_t)config->storage.server.tcp_port, &addr, err);
    if (rc == DTR_OK)
        rc = dtr_listen(daemon->parts.control, &addr, on_accept, upload, &upload->listener, err);
    if (rc != DTR_OK) {
        upload_free(upload);
        return rc;
    }
    dtr_listener_addr(upload->listener, &addr);
    daemon->ports.pieces = dtr_addr_port(&addr);
    *ret_upload = upload;
    return DTR_OK;
}

/* --- questions
 * ------------------------------------------------------------------------------------------------ */

/* Two hold it: the asking data thread until it was answered or cancelled, the control thread until it has
 * posted its answer. `cancelled` is the data thread's. */
struct dtr_question {
    struct dtr_list link; /* in upload->questions while it waits */
    struct dtr_msg msg;   /* to control, back to data, to control again */
    struct dtr_msg sent;  /* to control: the bytes are released */
    struct upload *upload;
    struct dtr_loop *loop;
    void (*answered)(void *context, const struct dtr_answer *answer);
    void *context;
    char task_id[DTR_TASK_ID_LENGTH + 1];
    uint32_t number;
    bool cancelled;
    /* control */
    struct dtr_reader *reader; /* keeps the copy open */
    struct dtr_task *task;
    struct dtr_timer *timer;
    bool open;   /* the copy may be leased from */
    bool pinned; /* the task, until `sent` */
    bool told;   /* `msg` is done with */
    /* the answer */
    int code;
    struct dtr_piece piece;
    const struct dtr_copy *copy;
    struct dtr_extent leased; /* until it is released */
};

static void drop(struct dtr_question *question)
{
    if (question->told && !question->pinned)
        free(question);
}

/* Control: the bytes are leased, or were not wanted any more. */
static void finish(struct dtr_msg *msg)
{
    struct dtr_question *question = dtr_container(msg, struct dtr_question, msg);
    if (question->reader)
        dtr_reader_close(question->reader);
    question->told = true;
    drop(question);
}

/* Control: the bytes have been sent, or will not be. */
static void on_sent(struct dtr_msg *msg)
{
    struct dtr_question *question = dtr_container(msg, struct dtr_question, sent);
    dtr_tasks_unpin(question->upload->daemon->tasks, question->task_id);
    question->pinned = false;
    drop(question);
}

/* Data thread. */
static void on_released(void *context)
{
    struct dtr_question *question = context;
    dtr_extent_release(&question->leased);
    question->sent.run = on_sent;
    dtr_loop_post(question->upload->daemon->parts.control, &question->sent);
}

/* Data thread: lease and hand over. */
static void deliver(struct dtr_msg *msg)
{
    struct dtr_question *question = dtr_container(msg, struct dtr_question, msg);
    struct dtr_error err = {.text = "this piece is not here"};
    struct dtr_extent extent;
    struct dtr_answer answer = {.code = question->code, .text = err.text, .parent_id = "", .extent = &extent};
    answer.piece = question->piece;
    bool pinned = answer.code == DTR_OK;
    if (!question->cancelled && answer.code == DTR_OK)
        answer.code = dtr_copy_lease(question->copy, question->piece.offset, question->piece.length,
                                     &question->leased, &err);
    if (!question->cancelled && answer.code == DTR_OK) {
        extent = question->leased;
        extent.release = on_released;
        extent.release_context = question;
        syncs_piece_leaves(question->upload, &extent);
        (void)atomic_fetch_add(&question->upload->sent_bytes, question->piece.length);
    } else if (pinned) {
        on_released(question);
    }
    if (!question->cancelled)
        question->answered(question->context, &answer);
    question->msg.run = finish;
    dtr_loop_post(question->upload->daemon->parts.control, &question->msg);
}

static void settle(struct dtr_question *question, int code)
{
    dtr_list_remove(&question->link);
    dtr_timer_close(question->timer);
    question->timer = NULL;
    question->code = code;
    question->pinned = code == DTR_OK;
    if (question->pinned)
        dtr_task_pin(question->task);
    question->msg.run = deliver;
    dtr_loop_post(question->loop, &question->msg);
}

static void look(struct dtr_question *question)
{
    const struct dtr_piece *piece =
        question->open ? dtr_task_sound_piece(question->task, question->number) : NULL;
    if (piece) {
        question->piece = *piece;
        question->copy = dtr_reader_copy(question->reader);
        settle(question, DTR_OK);
    } else if (question->open && !question->upload->closing &&
               dtr_task_prove(question->task, question->number)) {
        return; /* it is read back first */
    } else if (question->open && (!dtr_task_pulling(question->task) || question->upload->closing)) {
        settle(question, DTR_ENOT_FOUND);
    }
}

static void on_head(void *context, uint64_t content_length, const char *headers)
{
    struct dtr_question *question = context;
    (void)content_length;
    (void)headers;
    question->open = true;
    if (dtr_list_linked(&question->link))
        look(question);
}

static void on_readable(void *context, uint64_t until)
{
    (void)context;
    (void)until;
}

static void on_ended(void *context, const struct dtr_error *err)
{
    struct dtr_question *question = context;
    if (err->code != DTR_OK && dtr_list_linked(&question->link))
        settle(question, DTR_ENOT_FOUND);
}

static void on_late(void *context)
{
    settle(context, DTR_ENOT_FOUND);
}

/* Control thread. */
static void on_asked(struct dtr_msg *msg)
{
    static const struct dtr_reader_events events = {on_head, on_readable, on_ended};
    struct dtr_question *question = dtr_container(msg, struct dtr_question, msg);
    struct dtr_daemon *daemon = question->upload->daemon;
    const struct dtr_read_request request = {
        .task_id = question->task_id, .length = DTR_LENGTH_UNKNOWN, .local_only = true};
    struct dtr_error err;
    dtr_list_add_tail(&question->upload->questions, &question->link);
    question->task = question->upload->closing ? NULL : dtr_tasks_find(daemon->tasks, question->task_id);
    if (!question->task ||
        dtr_timer_open(daemon->parts.control, on_late, question, &question->timer, &err) != DTR_OK ||
        dtr_tasks_read(daemon->tasks, &request, &events, question, &question->reader, &err) != DTR_OK) {
        settle(question, DTR_ENOT_FOUND);
        return;
    }
    dtr_timer_set(question->timer, WAIT_MS);
}

int upload_ask(struct dtr_service *service, struct dtr_loop *loop, const char *task_id, uint32_t piece_number,
               void (*answered)(void *context, const struct dtr_answer *answer), void *context,
               struct dtr_question **ret_question, struct dtr_error *err)
{
    struct dtr_question *question = calloc(1, sizeof(*question));
    if (!question || !dtr_copy_text(question->task_id, sizeof(question->task_id), task_id)) {
        free(question);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a question");
    }
    question->upload = service->daemon->upload;
    question->loop = loop;
    question->answered = answered;
    question->context = context;
    question->number = piece_number;
    question->msg.run = on_asked;
    *ret_question = question;
    dtr_loop_post(service->daemon->parts.control, &question->msg);
    return DTR_OK;
}

void upload_cancel(struct dtr_question *question)
{
    question->cancelled = true; /* its answer comes, and goes nowhere */
}

void upload_piece(void *context, struct dtr_task *task, const struct dtr_piece *piece)
{
    struct upload *upload = ((struct dtr_daemon *)context)->upload;
    dtr_list_each_safe (node, &upload->questions) {
        struct dtr_question *question = dtr_container(node, struct dtr_question, link);
        if (question->task == task && (!piece || piece->number == question->number))
            look(question);
    }
    syncs_piece(upload, task, piece);
    orders_piece(upload, task);
}

/* --- the end ------------------------------------------------------------------------------------------- */

/* Control. */
static void site_stopped(struct dtr_msg *msg)
{
    struct upload *upload = dtr_container(msg, struct upload_site, msg)->upload;
    if (--upload->open_sites == 0)
        upload->stopped(upload->stopped_context);
}

/* Data thread. */
static void site_empty(void *context)
{
    struct upload_site *site = context;
    site->msg.run = site_stopped;
    dtr_loop_post(site->upload->daemon->parts.control, &site->msg);
}

/* Data thread; what was accepted before has arrived before. */
static void stop_site(struct dtr_msg *msg)
{
    struct upload_site *site = dtr_container(msg, struct upload_site, msg);
    dtr_stream_group_end(&site->streams, site->upload->limit_ms, site_empty, site);
}

void upload_stop(struct upload *upload, uint64_t limit_ms, void (*stopped)(void *context), void *context)
{
    upload->closing = true;
    upload->limit_ms = limit_ms;
    upload->stopped = stopped;
    upload->stopped_context = context;
    upload->open_sites = upload->site_count;
    dtr_listener_close(upload->listener);
    upload->listener = NULL;
    dtr_list_each_safe (node, &upload->questions)
        settle(dtr_container(node, struct dtr_question, link), DTR_ENOT_FOUND);
    syncs_stop(upload);
    orders_stop(upload);
    loads_stop(upload);
    for (size_t i = 0; i < upload->site_count; i++) {
        upload->sites[i].msg.run = stop_site;
        dtr_loop_post(upload->sites[i].loop, &upload->sites[i].msg);
    }
}

static void on_end(struct dtr_msg *msg)
{
    struct upload *upload = dtr_container(msg, struct upload, end);
    upload->ended(upload->ended_context);
}

void upload_end(struct upload *upload, void (*ended)(void *context), void *context)
{
    upload->ended = ended;
    upload->ended_context = context;
    upload->end.run = on_end;
    orders_wait(upload);
}

void upload_free(struct upload *upload)
{
    if (!upload)
        return;
    leaving_close(&upload->leaving);
    free(upload->sites);
    free(upload);
}
