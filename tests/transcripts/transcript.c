/* The reader of transcripts; see transcript.h. */
#include "tests/transcripts/transcript.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const kind_names[] = {
#define KIND_NAME(name, text) text,
    TRANSCRIPT_KINDS(KIND_NAME)
#undef KIND_NAME
};

static int refuse(struct dtr_error *err, const char *line)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "bad line: %.80s", line);
}

/* Room for one more element; grows at powers of two. */
static bool grow(void **array, size_t count, size_t size)
{
    void *more;

    if (count & (count - 1))
        return true;
    more = realloc(*array, (count ? 2 * count : 1) * size);
    if (more)
        *array = more;
    return more != NULL;
}

static int read_connection(struct transcript *t, const char *line, struct dtr_error *err)
{
    struct transcript_connection *connection;
    void *array = t->connections;

    if (!grow(&array, t->connection_count, sizeof(*t->connections)))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "out of memory");
    t->connections = array;
    connection = &t->connections[t->connection_count++];
    if (sscanf(line, "connection %63s %63s", connection->client, connection->server) != 2)
        return refuse(err, line);
    return DTR_OK;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct transcript_event *event)
{
    size_t size = strcmp(event->text, "-") == 0 ? 0 : strlen(event->text);

    event->bytes = malloc(size / 2 + 1);
    if (!event->bytes || size % 2)
        return false;
    for (size_t i = 0; i < size; i += 2) {
        int high = digit(event->text[i]), low = digit(event->text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        event->bytes[event->length++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool find_kind(const char *name, enum transcript_kind *ret_kind)
{
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
        if (strcmp(kind_names[i], name) == 0) {
            *ret_kind = (enum transcript_kind)i;
            return true;
        }
    return false;
}

static int read_event(struct transcript *t, const char *line, struct dtr_error *err)
{
    struct transcript_event *event;
    void *array = t->events;
    unsigned long long at_us;
    char way, kind[16];
    int used = 0;

    if (!grow(&array, t->event_count, sizeof(*t->events)))
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "out of memory");
    t->events = array;
    event = &t->events[t->event_count++];
    *event = (struct transcript_event){.connection = t->connection_count - 1};
    if (t->connection_count == 0 ||
        sscanf(line, "%llu %u %c %15s%n", &at_us, &event->stream, &way, kind, &used) != 4 ||
        !find_kind(kind, &event->kind) || (way != '<' && way != '>'))
        return refuse(err, line);
    event->at_us = at_us;
    event->from_client = way == '>';
    event->text = strdup(line + used + (line[used] == ' '));
    if (!event->text)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_NEVER, "out of memory");
    if ((event->kind == TRANSCRIPT_MESSAGE || event->kind == TRANSCRIPT_REQUEST ||
         event->kind == TRANSCRIPT_REPLY || event->kind == TRANSCRIPT_BYTES) &&
        !read_hex(event))
        return refuse(err, line);
    return DTR_OK;
}

int transcript_read(struct transcript *transcript, const char *name, struct dtr_error *err)
{
    char path[256], *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    FILE *file;
    int code = DTR_OK;

    *transcript = (struct transcript){0};
    (void)snprintf(path, sizeof(path), "tests/transcripts/%s.txt", name);
    file = fopen(path, "re");
    if (!file)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "cannot open %s", path);
    while (!code && (length = getline(&line, &capacity, file)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = 0;
        code = strncmp(line, "connection ", 11) == 0 ? read_connection(transcript, line, err)
                                                     : read_event(transcript, line, err);
    }
    free(line);
    (void)fclose(file);
    return code;
}

void transcript_free(struct transcript *transcript)
{
    for (size_t i = 0; i < transcript->event_count; i++) {
        free(transcript->events[i].text);
        free(transcript->events[i].bytes);
    }
    free(transcript->events);
    free(transcript->connections);
    *transcript = (struct transcript){0};
}

bool transcript_header(const struct transcript *transcript, size_t connection, uint32_t stream,
                       bool from_client, const char *name, char *ret_value, size_t size)
{
    size_t name_length = strlen(name);

    for (size_t i = 0; i < transcript->event_count; i++) {
        const struct transcript_event *event = &transcript->events[i];
        if (event->kind != TRANSCRIPT_HEADERS || event->connection != connection || event->stream != stream ||
            event->from_client != from_client)
            continue;
        for (const char *at = event->text; *at; at += strcspn(at, " "), at += *at == ' ') {
            if (strncmp(at, name, name_length) != 0 || at[name_length] != '=')
                continue;
            at += name_length + 1;
            (void)snprintf(ret_value, size, "%.*s", (int)strcspn(at, " "), at);
            return true;
        }
        return false;
    }
    return false;
}

void transcript_need(struct transcript *transcript, const char *name)
{
    struct dtr_error err = {0};

    if (transcript_read(transcript, name, &err))
        fail_msg("%s: %s", name, err.text);
    assert_true(transcript->event_count > 0);
}

void transcript_object(uint64_t offset, void *bytes, size_t length)
{
    char *at = bytes, *end = at + length;

    while (at < end) {
        char line[32];
        size_t skip = (size_t)(offset % 16), take = 16 - skip;
        if (take > (size_t)(end - at))
            take = (size_t)(end - at);
        (void)snprintf(line, sizeof(line), "%015llu\n", (unsigned long long)(offset / 16));
        memcpy(at, line + skip, take);
        at += take;
        offset += take;
    }
}
