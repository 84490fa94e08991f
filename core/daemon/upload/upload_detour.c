/* See upload_detour.h. One message goes to and fro: while control has it, a piece is in use there and no
 * bytes are taken from the origin. */
#include "core/daemon/upload/upload_detour.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/list.h"
#include "core/brain/geometry.h"
#include <stdlib.h>

enum { DIGESTS = 2 };

struct detour {
    struct dtr_msg msg, stop;
    struct detour_request request;
    const struct detour_events *events;
    void *context;

    /* Of whoever has the message. */
    bool last; /* it says that all is over */
    struct dtr_piece piece;
    uint8_t *bytes; /* of it */
    struct dtr_error result;
    uint64_t content_length;

    /* Control thread. */
    bool holds; /* a piece is in use */
    bool cancelled;

    /* Data thread. */
    struct bypass *bypass;
    struct dtr_expected *expected[DIGESTS];
    uint64_t have; /* bytes of the piece */
    uint64_t since_ns;
    bool away; /* control has the message */
    bool ended;
};

static bool asks_length(const struct detour *detour)
{
    return detour->request.content_length == DTR_LENGTH_UNKNOWN;
}

static void detour_free(struct detour *detour)
{
    for (size_t i = 0; i < DIGESTS; i++)
        dtr_expected_free(detour->expected[i]);
    free(detour->bytes);
    free(detour);
}

static void drop(struct dtr_msg *msg)
{
    detour_free(dtr_container(msg, struct detour, msg));
}

/* --- control thread ----------------------------------------------------------------------------------- */

static void go_on(struct dtr_msg *msg);

static void send_back(struct detour *detour, void (*run)(struct dtr_msg *msg))
{
    detour->msg.run = run;
    dtr_loop_post(detour->request.data, &detour->msg);
}

static void told(struct dtr_msg *msg)
{
    struct detour *detour = dtr_container(msg, struct detour, msg);
    if (detour->last) {
        detour->events->done(detour->context, detour->content_length, &detour->result);
        send_back(detour, drop); /* behind a `stop` that is still on its way */
    } else if (detour->cancelled) {
        send_back(detour, go_on);
    } else {
        detour->holds = true;
        detour->events->piece(detour->context, &detour->piece, detour->bytes);
    }
}

void detour_go_on(struct detour *detour)
{
    detour->holds = false;
    send_back(detour, go_on);
}

/* --- data thread -------------------------------------------------------------------------------------- */

static void tell(struct detour *detour)
{
    detour->away = true;
    detour->last = detour->ended;
    detour->msg.run = told;
    dtr_loop_post(detour->request.daemon->parts.control, &detour->msg);
}

static void enter_piece(struct detour *detour, uint64_t at)
{
    uint64_t length = detour->request.piece_length, total = detour->request.content_length;
    uint32_t number = (uint32_t)(at / length);
    detour->piece = (struct dtr_piece){.number = number,
                                       .has_crc32 = true,
                                       .traffic = DTR_TRAFFIC_BACK_TO_SOURCE,
                                       .created_at = dtr_wall_ns() / 1000000000};
    (void)dtr_piece_bounds(total, length, number, &detour->piece.offset, &detour->piece.length);
    detour->have = 0;
    detour->since_ns = dtr_now_ns();
}

static void on_head(void *context, uint64_t total_length)
{
    struct detour *detour = context;
    detour->content_length = total_length;
    if (asks_length(detour) || total_length == DTR_LENGTH_UNKNOWN ||
        total_length == detour->request.content_length)
        return;
    (void)dtr_error_set(&detour->result, DTR_ECORRUPT, DTR_RETRY_SAME,
                        "the origin has another version of the object now than when this began");
    bypass_cancel(detour->bypass);
}

static size_t on_bytes(void *context, const uint8_t *bytes, size_t length)
{
    struct detour *detour = context;
    struct dtr_piece *piece = &detour->piece;
    if (asks_length(detour))
        return length;
    if (detour->away)
        return 0;
    if (length > piece->length - detour->have)
        length = (size_t)(piece->length - detour->have);
    memcpy(detour->bytes + detour->have, bytes, length);
    piece->crc32 = dtr_crc32(piece->crc32, bytes, length);
    for (size_t i = 0; i < DIGESTS; i++) {
        if (detour->expected[i])
            dtr_expected_add(detour->expected[i], bytes, length);
    }
    detour->have += length;
    if (detour->have == piece->length) {
        piece->cost_ns = dtr_now_ns() - detour->since_ns;
        tell(detour);
    }
    return length;
}

static int check(struct detour *detour)
{
    int rc = DTR_OK;
    if (asks_length(detour) && detour->content_length == DTR_LENGTH_UNKNOWN)
        rc =
            dtr_error_set(&detour->result, DTR_ENO_SPACE, DTR_RETRY_NEVER,
                          "the origin does not say how long the object is, and the store has no room for it");
    for (size_t i = 0; i < DIGESTS && rc == DTR_OK; i++)
        rc = detour->expected[i] ? dtr_expected_end(detour->expected[i], &detour->result) : DTR_OK;
    return rc;
}

static void end(struct detour *detour, const struct dtr_error *err)
{
    detour->bypass = NULL;
    detour->ended = true;
    if (detour->result.code == DTR_OK && err->code != DTR_OK)
        detour->result = *err;
    if (detour->result.code == DTR_OK)
        (void)check(detour);
    if (!detour->away)
        tell(detour);
}

static void on_done(void *context, const struct dtr_error *err)
{
    end(context, err);
}

static const struct bypass_events events = {on_head, on_bytes, on_done};

static void begin(struct dtr_msg *msg)
{
    struct detour *detour = dtr_container(msg, struct detour, msg);
    const struct detour_request *request = &detour->request;
    struct dtr_error err;
    if (!asks_length(detour))
        enter_piece(detour, request->from.offset);
    if (bypass_start(request->daemon, request->data, &request->from, &events, detour, &detour->bypass,
                     &err) != DTR_OK)
        end(detour, &err);
}

static void go_on(struct dtr_msg *msg)
{
    struct detour *detour = dtr_container(msg, struct detour, msg);
    detour->away = false;
    if (detour->ended) {
        tell(detour);
        return;
    }
    enter_piece(detour, detour->piece.offset + detour->piece.length);
    bypass_resume(detour->bypass);
}

static void stop(struct dtr_msg *msg)
{
    struct detour *detour = dtr_container(msg, struct detour, stop);
    if (detour->bypass)
        bypass_cancel(detour->bypass);
}

/* --- beginning and end -------------------------------------------------------------------------------- */

void detour_cancel(struct detour *detour)
{
    if (detour->cancelled)
        return;
    detour->cancelled = true;
    detour->stop.run = stop;
    dtr_loop_post(detour->request.data, &detour->stop);
    if (detour->holds)
        detour_go_on(detour);
}

static int prepare(struct detour *detour, struct dtr_error *err)
{
    int rc = DTR_OK;
    detour->bytes = asks_length(detour) ? NULL : malloc((size_t)detour->request.piece_length);
    if (!asks_length(detour) && !detour->bytes)
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a piece");
    for (size_t i = 0; i < DIGESTS && rc == DTR_OK; i++) {
        const char *digest = detour->request.digests[i];
        if (digest && *digest)
            rc = dtr_expected_new(digest, &detour->expected[i], err);
    }
    return rc;
}

int detour_start(const struct detour_request *request, const struct detour_events *told_events, void *context,
                 struct detour **ret_detour, struct dtr_error *err)
{
    struct detour *detour = calloc(1, sizeof(*detour));
    if (!detour)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a download");
    detour->request = *request;
    detour->events = told_events;
    detour->context = context;
    detour->content_length = DTR_LENGTH_UNKNOWN;
    int rc = prepare(detour, err);
    if (rc != DTR_OK) {
        detour_free(detour);
        return rc;
    }
    *ret_detour = detour;
    send_back(detour, begin);
    return DTR_OK;
}
