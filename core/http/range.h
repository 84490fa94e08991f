/* Byte ranges of HTTP (RFC 9110, 14): what a Range header asks for, which part of an object answers it, the
 * Content-Range that says so, and If-Range. Pure; any thread.
 *
 * A header that is malformed, of another unit, or asks for several ranges is ignored, which RFC 9110, 14.2
 * allows: the answer is then 200 with the whole object. The clients that matter ask for one range. */
#ifndef DTR_HTTP_RANGE_H
#define DTR_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum dtr_http_range_kind {
    DTR_RANGE_NONE,   /* the whole object */
    DTR_RANGE_SPAN,   /* "a-b" */
    DTR_RANGE_FROM,   /* "a-" */
    DTR_RANGE_SUFFIX, /* "-n": the last n bytes */
};

struct dtr_http_range {
    enum dtr_http_range_kind kind;
    uint64_t first; /* SPAN, FROM */
    uint64_t last;  /* SPAN: inclusive; SUFFIX: n */
};

/* Reads a Range header (NULL: there was none). Numbers past 64 bits count as the largest one. */
struct dtr_http_range dtr_http_range_parse(const char *value);

/* Which bytes [*ret_offset, *ret_offset + *ret_length) of an object of `total` bytes answer the range.
 * Returns the status: 200 (everything), 206, or 416 (offset and length are 0). While `total` is unknown
 * (DTR_LENGTH_UNKNOWN) no Content-Range can be promised, so the answer is 200. */
int dtr_http_range_resolve(const struct dtr_http_range *range, uint64_t total, uint64_t *ret_offset,
                           uint64_t *ret_length);

/* Whether a Range may be honoured although If-Range came (NULL: it did not): its value must be the strong
 * entity tag, or else byte by byte the Last-Modified date, of what would be sent. Either may be NULL. */
bool dtr_http_if_range(const char *if_range, const char *etag, const char *last_modified);

/* "bytes 0-99/200"; the total is "*" when it is DTR_LENGTH_UNKNOWN, and so is the range when `length` is 0,
 * the form that goes with status 416. */
#define DTR_CONTENT_RANGE_TEXT 80
void dtr_content_range_text(uint64_t offset, uint64_t length, uint64_t total,
                            char text[DTR_CONTENT_RANGE_TEXT]);

#endif
