/* Reads the transcripts of this folder (format: README.md) for tests. Aborts nothing: a malformed file is
 * an error with its line. One thread. */
#ifndef DTR_TESTS_TRANSCRIPT_H
#define DTR_TESTS_TRANSCRIPT_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSCRIPT_KINDS(X)                                                                                  \
    X(HEADERS, "headers")                                                                                    \
    X(TRAILERS, "trailers")                                                                                  \
    X(MESSAGE, "message")                                                                                    \
    X(END, "end")                                                                                            \
    X(RESET, "reset")                                                                                        \
    X(GOAWAY, "goaway")                                                                                      \
    X(REQUEST, "request")                                                                                    \
    X(REPLY, "reply")                                                                                        \
    X(CONTENT, "content")                                                                                    \
    X(BYTES, "bytes")

enum transcript_kind {
#define TRANSCRIPT_KIND_ENUM(name, text) TRANSCRIPT_##name,
    TRANSCRIPT_KINDS(TRANSCRIPT_KIND_ENUM)
#undef TRANSCRIPT_KIND_ENUM
};

struct transcript_event {
    enum transcript_kind kind;
    uint64_t at_us;    /* since the set began */
    size_t connection; /* index */
    uint32_t stream;   /* 0: the connection, or Vortex */
    bool from_client;
    char *text;     /* as in the file; "" when there is none */
    uint8_t *bytes; /* of MESSAGE, REQUEST, REPLY and BYTES */
    size_t length;
};

struct transcript_connection {
    char client[64], server[64]; /* address:port */
};

struct transcript {
    struct transcript_connection *connections;
    size_t connection_count;
    struct transcript_event *events; /* by connection, each in order */
    size_t event_count;
};

/* Reads tests/transcripts/<name>.txt below the working directory. Free it afterwards, also after an error. */
int transcript_read(struct transcript *transcript, const char *name, struct dtr_error *err);
void transcript_free(struct transcript *transcript);
/* transcript_read() inside a test, which fails when the file cannot be read. */
void transcript_need(struct transcript *transcript, const char *name);

/* The value of a header of the stream's first headers from that side, as written in the file; false when
 * there is none. */
bool transcript_header(const struct transcript *transcript, size_t connection, uint32_t stream,
                       bool from_client, const char *name, char *ret_value, size_t size);

/* The object that is downloaded in all recordings: bytes [offset, offset + length) of it. */
#define TRANSCRIPT_OBJECT_LENGTH ((uint64_t)9437307)
void transcript_object(uint64_t offset, void *bytes, size_t length);

#endif
