/* Response heads: gathering header lines, ranges, versions. Pure. */
#ifndef ORIGIN_HTTP_HEAD_H
#define ORIGIN_HTTP_HEAD_H

#include <darter/origin.h>

enum { HEAD_LIMIT = 64 << 10, HEAD_COUNT_LIMIT = 200 };

struct head {
    char *text; /* names and values, each NUL-terminated */
    size_t length, capacity;
    uint32_t names[HEAD_COUNT_LIMIT], values[HEAD_COUNT_LIMIT]; /* where they start in text */
    size_t count;
    int status;
};

/* Forgets all lines, keeps the memory. */
void head_reset(struct head *head);
void head_free(struct head *head);
/* Takes one line as received, with or without its line end. A status line resets the rest. DTR_OK,
 * DTR_ELIMIT or DTR_ENOMEM. */
int head_line(struct head *head, const char *line, size_t length);
/* The value of a header, NULL when absent. */
const char *head_find(const struct head *head, const char *name);
/* Whether libcurl follows this answer somewhere else. */
bool head_redirects(const struct head *head);
/* Fills what core is told. `array` has HEAD_COUNT_LIMIT entries and must live as long as *ret. With
 * `ranged`, offset, total length and version are worked out: 206 by Content-Range, 200 by Content-Length.
 * DTR_EPROTOCOL when a 206 does not say which bytes it holds. */
int head_tell(const struct head *head, bool ranged, struct dtr_header *array, struct dtr_origin_head *ret,
              struct dtr_error *err);
/* Whether two absolute URLs have the same scheme and authority. */
bool head_same_origin(const char *url, const char *other);
/* "http://host/path" of a URL: no userinfo, no query, no fragment; cut to fit. */
void head_plain_url(const char *url, char *to, size_t size);

#endif
