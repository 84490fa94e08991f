/* AnnouncePeer: what each request does to its peer. Questions (register, reschedule) are only opened here;
 * swarm_answer.c answers them. */
#include "core/brain/swarm_state.h"

#define TEXT_MAX (64 * 1024) /* bytes of one string in a register */

#define STATE(name) (1u << DTR_PEER_##name)
#define RECEIVED                                                                                             \
    (STATE(RECEIVED_EMPTY) | STATE(RECEIVED_TINY) | STATE(RECEIVED_SMALL) | STATE(RECEIVED_NORMAL))

/* The transitions of the features page 2.6. Where a state is already reached, or a later one that makes the
 * message pointless, the peer stays as it is (`same`): clients repeat themselves after a reschedule, and
 * a metadata-only peer has succeeded before it starts. */
static const struct {
    uint32_t from, same;
    enum dtr_peer_state to;
    bool during_question; /* settles an open question instead of being refused */
} transitions[] = {
    [DTR_SWARM_STARTED] = {RECEIVED, STATE(RUNNING) | STATE(BACK_TO_SOURCE) | STATE(SUCCEEDED),
                           DTR_PEER_RUNNING, false},
    [DTR_SWARM_SOURCE_STARTED] = {RECEIVED | STATE(RUNNING), STATE(BACK_TO_SOURCE), DTR_PEER_BACK_TO_SOURCE,
                                  false},
    [DTR_SWARM_FINISHED] = {RECEIVED | STATE(RUNNING) | STATE(BACK_TO_SOURCE), STATE(SUCCEEDED),
                            DTR_PEER_SUCCEEDED, true},
    [DTR_SWARM_SOURCE_FINISHED] = {RECEIVED | STATE(RUNNING) | STATE(BACK_TO_SOURCE), STATE(SUCCEEDED),
                                   DTR_PEER_SUCCEEDED, true},
    [DTR_SWARM_FAILED] = {STATE(PENDING) | RECEIVED | STATE(RUNNING) | STATE(BACK_TO_SOURCE) |
                              STATE(SUCCEEDED),
                          STATE(FAILED), DTR_PEER_FAILED, true},
    [DTR_SWARM_SOURCE_FAILED] = {STATE(PENDING) | RECEIVED | STATE(RUNNING) | STATE(BACK_TO_SOURCE) |
                                     STATE(SUCCEEDED),
                                 STATE(FAILED), DTR_PEER_FAILED, true},
};

static struct swarm_peer *find(const struct dtr_swarm *swarm, const char *id)
{
    return (struct swarm_peer *)(uintptr_t)dtr_swarm_find_peer(swarm, id);
}

/* The stream is over for a peer: what has finished stays as a parent, the rest is gone. */
static void lose_stream(struct dtr_swarm *swarm, struct swarm_peer *peer)
{
    peer->stream = NULL;
    if (peer->facts.state != DTR_PEER_SUCCEEDED && peer->facts.state != DTR_PEER_FAILED)
        dtr_swarm_peer_remove(swarm, peer);
    else
        dtr_swarm_peer_settle(swarm, peer);
}

static void refuse(struct dtr_swarm *swarm, struct swarm_peer *peer, const struct dtr_swarm_message *message,
                   enum dtr_swarm_refusal code, const char *text)
{
    dtr_swarm_reply(swarm, DTR_SWARM_REJECT, message->stream, code, text);
    if (peer && peer->stream == message->stream)
        lose_stream(swarm, peer);
}

void dtr_swarm_stream_closed(struct dtr_swarm *swarm, uint64_t now_ms, const char *peer_id,
                             const void *stream)
{
    dtr_swarm_begin(swarm, now_ms);
    struct swarm_peer *peer = find(swarm, peer_id);
    if (peer && stream && peer->stream == stream)
        lose_stream(swarm, peer);
    dtr_list_each_safe (node, &swarm->leaving) {
        struct swarm_peer *gone = dtr_container(node, struct swarm_peer, queue);
        if (gone->stream != stream)
            continue;
        dtr_list_remove(&gone->queue);
        dtr_swarm_peer_free(gone);
    }
}

static bool fits(const char *text, size_t max)
{
    return text && *text && strnlen(text, max + 1) <= max;
}

/* Vortex carries exactly 64 bytes; anything printable will do, digests and SHA-256 ids are both hex. */
static bool is_task_id(const char *id)
{
    size_t length = 0;
    while (id && length <= DTR_TASK_ID_LENGTH && id[length] > ' ' && id[length] <= '~')
        length++;
    return length == DTR_TASK_ID_LENGTH && !id[length];
}

static bool texts_fit(const struct dtr_swarm_register *in)
{
    const char *const texts[] = {in->url, in->digest, in->tag, in->application};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i] && strnlen(texts[i], TEXT_MAX + 1) > TEXT_MAX)
            return false;
    }
    return true;
}

/* A register for a known peer starts it anew. Its block list stays: what failed before will fail again. */
static void restart(struct dtr_swarm *swarm, struct swarm_peer *peer, const void *stream)
{
    if (peer->stream && peer->stream != stream)
        dtr_swarm_reply(swarm, DTR_SWARM_REJECT, peer->stream, DTR_SWARM_ABORTED,
                        "the peer has registered on another stream");
    dtr_swarm_peer_settle(swarm, peer);
    dtr_swarm_peer_leave_source(swarm, peer);
    dtr_swarm_detach_parents(swarm, peer);
    dtr_swarm_peer_become(swarm, peer, DTR_PEER_PENDING);
    peer->facts.created_ms = swarm->now_ms;
    if (!peer->pieces) /* which ones it had is forgotten at its end */
        peer->facts.pieces_had = 0;
}

static void take_registered(struct swarm_peer *peer, const struct dtr_swarm_message *message)
{
    const struct dtr_swarm_register *in = message->registered;
    struct dtr_swarm_peer *facts = &peer->facts;
    facts->priority = in->priority;
    facts->concurrent_pieces = in->concurrent_pieces;
    facts->need_back_to_source = in->need_back_to_source;
    facts->has_range = in->has_range;
    facts->range_start = in->range_start;
    facts->range_length = in->range_length;
    peer->disable_back_to_source = in->disable_back_to_source;
    peer->metadata_only = in->metadata_only;
    peer->takes_more = in->takes_more;
    peer->download = in->download ? dtr_buf_hold(in->download) : NULL;
    peer->stream = message->stream;
}

static void register_peer(struct dtr_swarm *swarm, struct swarm_peer *peer,
                          const struct dtr_swarm_message *message)
{
    struct swarm_host *host = dtr_swarm_host_of(swarm, message->host_id);
    if (!host) {
        refuse(swarm, NULL, message, DTR_SWARM_NOT_FOUND, "the host has not announced itself");
        return;
    }
    if (!texts_fit(message->registered)) {
        refuse(swarm, peer, message, DTR_SWARM_INVALID_ARGUMENT, "a text of the download is too long");
        return;
    }
    if (!peer && swarm->counts.peers >= swarm->config.peer_limit) {
        refuse(swarm, NULL, message, DTR_SWARM_RESOURCE_EXHAUSTED, "the scheduler has too many peers");
        return;
    }
    struct swarm_task *task = dtr_swarm_task_of(swarm, message->task_id, message->registered);
    if (task && peer)
        restart(swarm, peer, message->stream);
    else if (task)
        peer = dtr_swarm_peer_add(swarm, message->peer_id, host, task);
    if (!task || !peer) {
        refuse(swarm, peer, message, DTR_SWARM_RESOURCE_EXHAUSTED, "the scheduler is out of memory");
        return;
    }
    take_registered(peer, message);
    bool holders = task->facts.offer_count > 0;
    if (task->facts.state != DTR_TASK_SUCCEEDED || !holders)
        task->facts.state = DTR_TASK_RUNNING;
    dtr_swarm_peer_ask(swarm, peer, SWARM_REGISTERING);
}

static void reschedule(struct dtr_swarm *swarm, struct swarm_peer *peer,
                       const struct dtr_swarm_message *message)
{
    enum dtr_peer_state state = peer->facts.state;
    if (state != DTR_PEER_RECEIVED_NORMAL && state != DTR_PEER_RUNNING && state != DTR_PEER_BACK_TO_SOURCE) {
        refuse(swarm, peer, message, DTR_SWARM_FAILED_PRECONDITION, "no reschedule in this state");
        return;
    }
    for (uint32_t i = 0; i < message->candidate_count; i++) {
        if (message->candidates[i])
            dtr_swarm_peer_block(swarm, peer, message->candidates[i]);
    }
    if (state != DTR_PEER_BACK_TO_SOURCE)
        dtr_swarm_peer_leave_source(swarm, peer);
    dtr_swarm_detach_parents(swarm, peer);
    dtr_swarm_offer_refresh(swarm, peer);
    dtr_swarm_peer_touch(swarm, peer);
    dtr_swarm_peer_ask(swarm, peer, SWARM_RESCHEDULING);
}

/* What the end of a download says about its task. */
static void end_of_task(struct dtr_swarm *swarm, struct swarm_peer *peer, enum dtr_swarm_message_kind kind)
{
    struct swarm_task *task = task_of(peer);
    if (kind == DTR_SWARM_SOURCE_FINISHED && !peer->facts.has_range)
        task->facts.state = DTR_TASK_SUCCEEDED;
    if (kind != DTR_SWARM_SOURCE_FAILED)
        return;
    if (is_seed(host_of(peer))) {
        task->seed_failed = true;
        task->seed_failed_ms = swarm->now_ms;
    }
    if (task->facts.offer_count)
        return;
    if (task->facts.state == DTR_TASK_RUNNING)
        task->facts.state = DTR_TASK_FAILED;
    task->facts.content_length = DTR_LENGTH_UNKNOWN;
    task->facts.piece_length = 0;
    task->facts.piece_count = 0;
}

static void move(struct dtr_swarm *swarm, struct swarm_peer *peer, const struct dtr_swarm_message *message)
{
    enum dtr_swarm_message_kind kind = message->kind;
    uint32_t state = 1u << peer->facts.state;
    bool terminal = transitions[kind].during_question;
    if (!(state & (transitions[kind].from | transitions[kind].same))) {
        refuse(swarm, peer, message, DTR_SWARM_FAILED_PRECONDITION, "no such step in this state");
        return;
    }
    if (peer->question != SWARM_ANSWERED && !terminal) {
        refuse(swarm, peer, message, DTR_SWARM_FAILED_PRECONDITION, "the last question is not answered yet");
        return;
    }
    if (terminal) {
        peer->stream = NULL;
        dtr_swarm_peer_settle(swarm, peer);
        dtr_swarm_reply(swarm, DTR_SWARM_CLOSE, message->stream, 0, NULL);
    }
    if (state & transitions[kind].from) {
        dtr_swarm_peer_become(swarm, peer, transitions[kind].to);
        end_of_task(swarm, peer, kind);
    } else {
        dtr_swarm_peer_touch(swarm, peer);
    }
}

static void dispatch(struct dtr_swarm *swarm, struct swarm_peer *peer,
                     const struct dtr_swarm_message *message)
{
    switch (message->kind) {
    case DTR_SWARM_REGISTER:
        break;
    case DTR_SWARM_RESCHEDULE:
        if (peer->question == SWARM_ANSWERED)
            reschedule(swarm, peer, message);
        else
            refuse(swarm, peer, message, DTR_SWARM_FAILED_PRECONDITION,
                   "the last question is not answered yet");
        break;
    case DTR_SWARM_PIECE_FINISHED:
    case DTR_SWARM_SOURCE_PIECE_FINISHED:
        dtr_swarm_peer_touch(swarm, peer);
        dtr_swarm_piece_finished(swarm, peer, message);
        break;
    case DTR_SWARM_PIECE_FAILED:
        dtr_swarm_piece_failed(swarm, peer, message);
        break;
    case DTR_SWARM_SOURCE_PIECE_FAILED:
        break; /* SOURCE_FAILED follows and tells the rest */
    default:
        move(swarm, peer, message);
    }
}

void dtr_swarm_message(struct dtr_swarm *swarm, uint64_t now_ms, const struct dtr_swarm_message *message)
{
    dtr_swarm_begin(swarm, now_ms);
    if (!fits(message->host_id, DTR_PEER_ID_MAX) || !fits(message->peer_id, DTR_PEER_ID_MAX) ||
        !is_task_id(message->task_id)) {
        refuse(swarm, NULL, message, DTR_SWARM_INVALID_ARGUMENT, "host, task or peer id is malformed");
        return;
    }
    struct swarm_peer *peer = find(swarm, message->peer_id);
    bool asks = message->kind == DTR_SWARM_REGISTER;
    if (!peer && !asks) {
        refuse(swarm, NULL, message, DTR_SWARM_NOT_FOUND, "the peer is not registered");
        return;
    }
    if (peer && (strcmp(host_of(peer)->id, message->host_id) != 0 ||
                 strcmp(peer->facts.task->id, message->task_id) != 0)) {
        refuse(swarm, peer, message, DTR_SWARM_ALREADY_EXISTS, "the peer id belongs to another host or task");
        return;
    }
    if (peer && !asks && peer->stream != message->stream) {
        refuse(swarm, NULL, message, DTR_SWARM_ABORTED, "the peer has ended or uses another stream");
        return;
    }
    if (asks && peer && peer->question != SWARM_ANSWERED && peer->stream == message->stream) {
        refuse(swarm, peer, message, DTR_SWARM_FAILED_PRECONDITION, "the last question is not answered yet");
        return;
    }
    if (asks)
        register_peer(swarm, peer, message);
    else
        dispatch(swarm, peer, message);
}
