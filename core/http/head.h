/* Request heads of HTTP/1.1, by RFC 9110 and 9112, read strictly: where two readers could disagree about
 * where a request ends or whom it is for, it is refused. Bytes may come one at a time.
 *
 * Not for: responses (libcurl reads those), bodies (chunked.h). Pure; one thread at a time.
 *
 * Refused, beyond plain syntax errors: line folding, NUL and other control characters, bare CR, bare LF,
 * white space before a colon, more than one Content-Length, Content-Length beside Transfer-Encoding,
 * any coding but one "chunked", Transfer-Encoding in HTTP/1.0, a body on CONNECT, missing, repeated or
 * malformed Host, user information in the target, fragments. */
#ifndef DTR_HTTP_HEAD_H
#define DTR_HTTP_HEAD_H

#include "core/http/target.h"
#include <darter/error.h>
#include <darter/origin.h>

#define DTR_HTTP_HEAD_MAX    ((size_t)32 << 10) /* bytes, request line and final empty line included */
#define DTR_HTTP_HEADERS_MAX 100

/* The four forms of a request target (RFC 9112, 3.2). */
enum dtr_http_form {
    DTR_HTTP_ORIGIN,         /* GET /path?query */
    DTR_HTTP_ABSOLUTE,       /* GET http://host/path?query */
    DTR_HTTP_AUTHORITY_FORM, /* CONNECT host:port */
    DTR_HTTP_ASTERISK,       /* OPTIONS * */
};

/* What the head says. The strings live as long as the dtr_http_head that they came from. */
struct dtr_http_request {
    const char *method; /* as sent: methods are case-sensitive */
    enum dtr_http_form form;
    const char *scheme;                 /* absolute form: "http" or "https"; otherwise "" */
    char authority[DTR_HTTP_AUTHORITY]; /* of the target if it has one, otherwise the Host field, or "" */
    const char *path;                   /* with the query; starts with '/', or is "*", or "" for CONNECT */
    size_t path_length;                 /* bytes of path before the '?' */
    int minor;                          /* 0 for HTTP/1.0, else 1 */
    bool keep_alive;                    /* the client wants the connection kept */
    bool expect_continue;               /* the client waits for 100 before it sends the body */
    uint64_t body_length;               /* bytes; 0 for none, DTR_LENGTH_UNKNOWN for chunked */
    struct dtr_header headers[DTR_HTTP_HEADERS_MAX]; /* in order, values trimmed */
    size_t header_count;
};

/* A head on its way. Zeroed is empty. */
struct dtr_http_head {
    char *bytes; /* the only memory it allocates; at most DTR_HTTP_HEAD_MAX */
    size_t length, capacity;
    bool skipped;  /* the empty line that may come before a request has come */
    bool complete; /* request is filled */
    struct dtr_http_request request;
};

/* Takes bytes up to the end of the head; *ret_used says how many. head->complete tells whether that was the
 * end. On an error err->status is the HTTP status to answer with (400, 414, 417, 431, 500, 501, 505), and
 * nothing more can be made of the connection. Not to be called once complete. */
int dtr_http_head_feed(struct dtr_http_head *head, const void *bytes, size_t length, size_t *ret_used,
                       struct dtr_error *err);
/* Frees the memory; empty and usable afterwards. */
void dtr_http_head_free(struct dtr_http_head *head);

/* The first value of a header, by name in any case, or NULL. */
const char *dtr_http_header(const struct dtr_http_request *request, const char *name);
/* After the '?', or NULL. */
const char *dtr_http_query(const struct dtr_http_request *request);
/* Whether a comma-separated list holds this token, in any case. */
bool dtr_http_has_token(const char *list, const char *token);
/* A name made of token characters only; a value without control characters. */
bool dtr_http_token_ok(const char *text, size_t length);
bool dtr_http_value_ok(const char *text);

#endif
