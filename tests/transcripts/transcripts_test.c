/* Our messages against recorded gRPC traffic: everything decodes, no field is unknown, and packing gives the
 * same bytes again. What the streams do is in transcripts_streams_test.c. */
#include "proto/dfdaemon.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/manager.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include "tests/transcripts/transcript.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const files[] = {"managed-manager",       "managed-scheduler",  "managed-daemon",
                                    "managerless-scheduler", "managerless-daemon", "darter-manager",
                                    "guest-manager"};

/* How many of each message all files hold together. */
static struct {
    const char *name;
    size_t expected, seen;
} counts[] = {
    {"dfdaemon.v2.DownloadTaskRequest", 2, 0},
    {"dfdaemon.v2.DownloadTaskResponse", 8, 0},
    {"dfdaemon.v2.SyncHostRequest", 6, 0},
    {"dfdaemon.v2.SyncPiecesRequest", 6, 0},
    {"dfdaemon.v2.SyncPiecesResponse", 18, 0},
    {"google.protobuf.Empty", 12, 0},
    {"grpc.health.v1.HealthCheckRequest", 31, 0},
    {"grpc.health.v1.HealthCheckResponse", 31, 0},
    {"manager.v2.GetSchedulerRequest", 14, 0},
    {"manager.v2.KeepAliveRequest", 51, 0},
    {"manager.v2.ListApplicationsRequest", 14, 0},
    {"manager.v2.ListApplicationsResponse", 11, 0},
    {"manager.v2.ListSchedulersRequest", 57, 0},
    {"manager.v2.ListSchedulersResponse", 57, 0},
    {"manager.v2.Scheduler", 19, 0},
    {"manager.v2.UpdateSchedulerRequest", 5, 0},
    {"scheduler.v2.AnnounceHostRequest", 12, 0},
    {"scheduler.v2.AnnouncePeerRequest", 50, 0},
    {"scheduler.v2.AnnouncePeerResponse", 8, 0},
    {"scheduler.v2.DeleteHostRequest", 6, 0},
};

static const ProtobufCMethodDescriptor *find_method(const char *path)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &manager__v2__manager__descriptor, &scheduler__v2__scheduler__descriptor,
        &dfdaemon__v2__dfdaemon_upload__descriptor, &grpc__health__v1__health__descriptor};
    const char *slash = strrchr(path, '/');

    assert_non_null(slash);
    for (size_t i = 0; i < COUNT(services); i++)
        if (strlen(services[i]->name) == (size_t)(slash - path) - 1 &&
            strncmp(services[i]->name, path + 1, strlen(services[i]->name)) == 0)
            return protobuf_c_service_descriptor_get_method_by_name(services[i], slash + 1);
    return NULL;
}

/* The type of a message event, by the path of its stream. */
static const ProtobufCMessageDescriptor *type_of(const struct transcript *t,
                                                 const struct transcript_event *event)
{
    const ProtobufCMethodDescriptor *method;
    char path[128] = "";

    assert_true(transcript_header(t, event->connection, event->stream, true, ":path", path, sizeof(path)));
    method = find_method(path);
    if (!method)
        fail_msg("no such method: %s", path);
    return event->from_client ? method->input : method->output;
}

static void check_known(const ProtobufCMessage *message);

/* Looks into the messages of one field. */
static void check_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message, *member = base + field->offset;
    const ProtobufCMessage *const *child;

    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
        child = *(const ProtobufCMessage *const *const *)(const void *)member;
        for (size_t i = 0; i < count; i++)
            check_known(child[i]);
        return;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
        *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
        return;
    child = (const ProtobufCMessage *const *)(const void *)member;
    if (*child)
        check_known(*child);
}

static void check_known(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++)
        fail_msg("%s has an unknown field %u", message->descriptor->name, message->unknown_fields[i].tag);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        check_field(message, &message->descriptor->fields[i]);
}

static void count_message(const char *name)
{
    for (size_t i = 0; i < COUNT(counts); i++)
        if (strcmp(counts[i].name, name) == 0) {
            counts[i].seen++;
            return;
        }
    fail_msg("%s is not in the table", name);
}

static ProtobufCMessage *unpack(const struct transcript *t, const struct transcript_event *event)
{
    const ProtobufCMessageDescriptor *type = type_of(t, event);
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, event->length, event->bytes);

    if (!message)
        fail_msg("%s does not decode: %.60s...", type->name, event->text);
    return message;
}

/* Packing gives the same bytes: all fields are known with their right types, in ascending order. */
static void check_same_bytes(const ProtobufCMessage *message, const struct transcript_event *event)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(length + 1);

    assert_non_null(bytes);
    assert_int_equal(protobuf_c_message_pack(message, bytes), length);
    if (length != event->length || memcmp(bytes, event->bytes, length) != 0)
        fail_msg("%s packs to other bytes (%zu, was %zu)", message->descriptor->name, length, event->length);
    free(bytes);
}

static void every_message_decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        struct transcript t;
        transcript_need(&t, files[i]);
        for (size_t j = 0; j < t.event_count; j++) {
            ProtobufCMessage *message;
            if (t.events[j].kind != TRANSCRIPT_MESSAGE)
                continue;
            message = unpack(&t, &t.events[j]);
            check_known(message);
            check_same_bytes(message, &t.events[j]);
            count_message(message->descriptor->name);
            protobuf_c_message_free_unpacked(message, NULL);
        }
        transcript_free(&t);
    }
    for (size_t i = 0; i < COUNT(counts); i++) {
        print_message("%4zu %s\n", counts[i].seen, counts[i].name);
        assert_int_equal(counts[i].seen, counts[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
