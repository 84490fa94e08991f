/* What the recorded AnnouncePeer streams say, and in which order (wire page 3.1, 3.2), against our own task
 * ids, geometry and ids: the strongest vectors that there are. */
#include "core/base/digest.h"
#include "core/base/str.h"
#include "core/brain/geometry.h"
#include "core/brain/ids.h"
#include "core/brain/task_id.h"
#include "proto/dfdaemon.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include "tests/transcripts/transcript.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_on(const struct transcript *t, const struct transcript_event *event, const char *method)
{
    char path[128] = "";

    if (event->stream == 0)
        return false;
    (void)transcript_header(t, event->connection, event->stream, true, ":path", path, sizeof(path));
    return strcmp(strrchr(path, '/') ? strrchr(path, '/') + 1 : path, method) == 0;
}

static uint32_t object_crc(uint64_t offset, uint64_t length)
{
    void *bytes = malloc(length);
    uint32_t crc;

    assert_non_null(bytes);
    transcript_object(offset, bytes, length);
    crc = dtr_crc32(0, bytes, length);
    free(bytes);
    return crc;
}

static void check_piece(const Common__V2__Piece *piece, bool from_peer)
{
    uint64_t offset, length;
    uint32_t crc;

    assert_true(dtr_piece_bounds(TRANSCRIPT_OBJECT_LENGTH, dtr_piece_length(TRANSCRIPT_OBJECT_LENGTH),
                                 piece->number, &offset, &length));
    assert_int_equal(piece->offset, offset);
    assert_int_equal(piece->length, length);
    assert_true(dtr_crc32_parse(piece->digest, strlen(piece->digest), &crc));
    assert_int_equal(crc, object_crc(offset, length));
    assert_int_equal(piece->has_traffic_type_case, COMMON__V2__PIECE__HAS_TRAFFIC_TYPE_TRAFFIC_TYPE);
    assert_int_equal(piece->traffic_type, from_peer ? COMMON__V2__TRAFFIC_TYPE__REMOTE_PEER
                                                    : COMMON__V2__TRAFFIC_TYPE__BACK_TO_SOURCE);
    assert_int_equal(piece->has_parent_id_case != 0, from_peer);
    assert_true(!from_peer || piece->parent_id[0]);
    assert_non_null(piece->cost);
    assert_non_null(piece->created_at);
}

static void check_register(const Scheduler__V2__AnnouncePeerRequest *request)
{
    const Common__V2__Download *download = request->register_peer_request->download;
    struct dtr_task_key key = {.url = download->url,
                               .tag = download->has_tag_case ? download->tag : NULL,
                               .application = download->has_application_case ? download->application : NULL,
                               .piece_length = download->has_piece_length_case ? download->piece_length : 0,
                               .filter = (const char *const *)download->filtered_query_params,
                               .filter_count = download->n_filtered_query_params};
    char id[DTR_TASK_ID_SIZE];
    struct dtr_error err;

    assert_int_equal(dtr_task_id(id, &key, &err), DTR_OK);
    assert_string_equal(id, request->task_id);
    assert_int_equal(download->actual_content_length, TRANSCRIPT_OBJECT_LENGTH);
    assert_int_equal(download->actual_piece_length, dtr_piece_length(TRANSCRIPT_OBJECT_LENGTH));
    assert_int_equal(download->actual_piece_count, 3);
    assert_true(download->has_concurrent_piece_count_case);
    assert_false(download->metadata_only);
}

/* "10.77.0.11-p1" of the host is how the peer's id starts; both end in "-seed" for the seed. */
static void check_ids(const Scheduler__V2__AnnouncePeerRequest *request)
{
    char host[DTR_HOST_ID_SIZE], peer[DTR_HOST_ID_SIZE], uuid[37];
    bool seed = strncmp(request->host_id, "10.77.0.10-", 11) == 0;
    const char *ip = seed ? "10.77.0.10" : strstr(request->host_id, "-p1") ? "10.77.0.11" : "10.77.0.12";
    const char *name = seed ? "seed" : strstr(request->host_id, "-p1") ? "p1" : "p2";
    struct dtr_error err;

    assert_int_equal(dtr_host_id(host, ip, name, seed, &err), DTR_OK);
    assert_string_equal(host, request->host_id);
    assert_true(strlen(request->peer_id) > strlen(ip) + strlen(name) + 2 + 36 - 1);
    memcpy(uuid, request->peer_id + strlen(ip) + strlen(name) + 2, 36);
    uuid[36] = 0;
    assert_int_equal(dtr_peer_id(peer, ip, name, uuid, seed, &err), DTR_OK);
    assert_string_equal(peer, request->peer_id);
}

#define ARM(name) SCHEDULER__V2__ANNOUNCE_PEER_REQUEST__REQUEST_##name

/* One letter for each request, lower case. */
static char take_request(const struct transcript_event *event)
{
    Scheduler__V2__AnnouncePeerRequest *request =
        scheduler__v2__announce_peer_request__unpack(NULL, event->length, event->bytes);
    char letter = '?';

    assert_non_null(request);
    check_ids(request);
    switch (request->request_case) {
    case ARM(REGISTER_PEER_REQUEST):
        check_register(request);
        letter = 'r';
        break;
    case ARM(DOWNLOAD_PEER_STARTED_REQUEST):
        letter = 's';
        break;
    case ARM(DOWNLOAD_PEER_BACK_TO_SOURCE_STARTED_REQUEST):
        letter = 'o';
        break;
    case ARM(DOWNLOAD_PIECE_FINISHED_REQUEST):
        check_piece(request->download_piece_finished_request->piece, true);
        letter = 'p';
        break;
    case ARM(DOWNLOAD_PIECE_BACK_TO_SOURCE_FINISHED_REQUEST):
        check_piece(request->download_piece_back_to_source_finished_request->piece, false);
        letter = 'q';
        break;
    case ARM(DOWNLOAD_PEER_FINISHED_REQUEST):
    case ARM(DOWNLOAD_PEER_BACK_TO_SOURCE_FINISHED_REQUEST):
        letter = 'f';
        break;
    default:
        fail_msg("request %d was not expected", (int)request->request_case);
    }
    scheduler__v2__announce_peer_request__free_unpacked(request, NULL);
    return letter;
}

/* One letter for each response, upper case; parents are complete enough to be fetched from. */
static char take_response(const struct transcript_event *event)
{
    Scheduler__V2__AnnouncePeerResponse *response =
        scheduler__v2__announce_peer_response__unpack(NULL, event->length, event->bytes);
    char letter = '?';

    assert_non_null(response);
    if (response->response_case == SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NORMAL_TASK_RESPONSE) {
        const Scheduler__V2__NormalTaskResponse *normal = response->normal_task_response;
        letter = 'N';
        assert_true(normal->n_candidate_parents > 0);
        for (size_t i = 0; i < normal->n_candidate_parents; i++) {
            const Common__V2__Peer *parent = normal->candidate_parents[i];
            assert_true(parent->id[0] && parent->state[0] && parent->cost && parent->task && parent->host);
            assert_true(parent->host->ip[0] && parent->host->port == 4000);
        }
    } else if (response->response_case ==
               SCHEDULER__V2__ANNOUNCE_PEER_RESPONSE__RESPONSE_NEED_BACK_TO_SOURCE_RESPONSE) {
        letter = 'B';
    }
    scheduler__v2__announce_peer_response__free_unpacked(response, NULL);
    return letter;
}

/* The events of one stream as letters: ( ) headers and trailers, < [ end and reset by the server, > ] by the
 * client. */
static void stream_story(const struct transcript *t, size_t connection, uint32_t stream, char story[64])
{
    size_t length = 0;

    for (size_t i = 0; i < t->event_count && length < 62; i++) {
        const struct transcript_event *event = &t->events[i];
        char letter = '?';
        if (event->connection != connection || event->stream != stream)
            continue;
        if (event->kind == TRANSCRIPT_MESSAGE)
            letter = event->from_client ? take_request(event) : take_response(event);
        else if (event->kind == TRANSCRIPT_HEADERS)
            letter = event->from_client ? '{' : '(';
        else if (event->kind == TRANSCRIPT_TRAILERS)
            letter = ')';
        else if (event->kind == TRANSCRIPT_END)
            letter = event->from_client ? '>' : '<';
        else if (event->kind == TRANSCRIPT_RESET)
            letter = event->from_client ? ']' : '[';
        story[length++] = letter;
    }
    story[length] = 0;
}

/* After a terminal request the server ends the call and then resets the stream with NO_ERROR; the client
 * never half-closes. A refusal is a single HEADERS frame with the status. */
static void announce_peer_streams_run_as_specified(void **state)
{
    static const char *const names[] = {"managed-scheduler", "managerless-scheduler"};
    static struct {
        const char *story;
        size_t expected, seen;
    } stories[] = {
        {"{r(Nspppf)<[", 4, 0}, /* from parents */
        {"{r(Boqqqf)<[", 4, 0}, /* from the origin */
        {"{r(<[", 2, 0},        /* host not known after a restart: NOT_FOUND */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct transcript t;
        transcript_need(&t, names[i]);
        for (size_t j = 0; j < t.event_count; j++) {
            const struct transcript_event *event = &t.events[j];
            char story[64];
            bool known = false;
            if (event->kind != TRANSCRIPT_HEADERS || !event->from_client || !is_on(&t, event, "AnnouncePeer"))
                continue;
            stream_story(&t, event->connection, event->stream, story);
            for (size_t k = 0; k < COUNT(stories); k++)
                if (strcmp(stories[k].story, story) == 0) {
                    stories[k].seen++;
                    known = true;
                }
            if (!known)
                fail_msg("%s, stream %u: %s", names[i], event->stream, story);
        }
        transcript_free(&t);
    }
    for (size_t k = 0; k < COUNT(stories); k++)
        assert_int_equal(stories[k].seen, stories[k].expected);
}

static void resets_carry_no_error_or_cancel(void **state)
{
    static const char *const names[] = {"managed-scheduler", "managerless-scheduler", "managed-daemon",
                                        "managerless-daemon"};
    size_t by_server = 0, by_client = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct transcript t;
        transcript_need(&t, names[i]);
        for (size_t j = 0; j < t.event_count; j++) {
            if (t.events[j].kind != TRANSCRIPT_RESET)
                continue;
            assert_string_equal(t.events[j].text, t.events[j].from_client ? "8" : "0");
            assert_true(is_on(&t, &t.events[j], t.events[j].from_client ? "SyncHost" : "AnnouncePeer"));
            by_client += t.events[j].from_client;
            by_server += !t.events[j].from_client;
        }
        transcript_free(&t);
    }
    assert_int_equal(by_server, 10);
    assert_int_equal(by_client, 6);
}

/* Which calls carry a deadline: unary ones, SyncPieces and SyncHost; AnnouncePeer and DownloadTask do not. */
static void deadlines_are_where_they_should_be(void **state)
{
    static const char *const names[] = {"managed-scheduler", "managed-daemon"};
    size_t with = 0, without = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct transcript t;
        transcript_need(&t, names[i]);
        for (size_t j = 0; j < t.event_count; j++) {
            const struct transcript_event *event = &t.events[j];
            char value[32];
            bool found, expected;
            if (event->kind != TRANSCRIPT_HEADERS || !event->from_client)
                continue;
            found = transcript_header(&t, event->connection, event->stream, true, "grpc-timeout", value,
                                      sizeof(value));
            expected = !is_on(&t, event, "AnnouncePeer") && !is_on(&t, event, "DownloadTask");
            assert_int_equal(found, expected);
            with += found;
            without += !found;
        }
        transcript_free(&t);
    }
    assert_true(with > 10);
    assert_int_equal(without, 6);
}

/* A finished parent answers SyncPieces with every piece that was asked for, then ends the call. */
static void sync_pieces_lists_what_was_asked(void **state)
{
    size_t seen = 0;
    struct transcript t;

    (void)state;
    transcript_need(&t, "managed-daemon");
    for (size_t j = 0; j < t.event_count; j++) {
        const struct transcript_event *event = &t.events[j];
        Dfdaemon__V2__SyncPiecesResponse *piece;
        uint64_t offset, length;
        if (event->kind != TRANSCRIPT_MESSAGE || event->from_client || !is_on(&t, event, "SyncPieces"))
            continue;
        piece = dfdaemon__v2__sync_pieces_response__unpack(NULL, event->length, event->bytes);
        assert_non_null(piece);
        assert_true(dtr_piece_bounds(TRANSCRIPT_OBJECT_LENGTH, dtr_piece_length(TRANSCRIPT_OBJECT_LENGTH),
                                     piece->number, &offset, &length));
        assert_int_equal(piece->offset, offset);
        assert_int_equal(piece->length, length);
        assert_true(strncmp(piece->ip, "10.77.0.1", 9) == 0);
        assert_int_equal(piece->tcp_port, 4005);
        assert_int_equal(piece->quic_port, 4006);
        dfdaemon__v2__sync_pieces_response__free_unpacked(piece, NULL);
        seen++;
    }
    assert_int_equal(seen, 9);
    transcript_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announce_peer_streams_run_as_specified),
        cmocka_unit_test(resets_carry_no_error_or_cancel),
        cmocka_unit_test(deadlines_are_where_they_should_be),
        cmocka_unit_test(sync_pieces_lists_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
