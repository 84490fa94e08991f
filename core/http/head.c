/* The strict reader of request heads; see head.h. Bytes are checked as they come and gathered until the
 * empty line; then the text is cut in place. */
#include "core/http/head.h"

#include "core/base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int refuse(struct dtr_error *err, int status, const char *text)
{
    dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "bad request: %s", text);
    if (err)
        err->status = status;
    return DTR_EPROTOCOL;
}

/* --- lists and characters ----------------------------------------------------------------------------- */

bool dtr_http_token_ok(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return length > 0;
}

bool dtr_http_value_ok(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

bool dtr_http_has_token(const char *list, const char *token)
{
    size_t length = strlen(token);
    for (const char *at = list; *at;) {
        at += strspn(at, ", \t");
        size_t item = strcspn(at, ", \t");
        if (item == length && strncasecmp(at, token, length) == 0)
            return true;
        at += item;
    }
    return false;
}

const char *dtr_http_header(const struct dtr_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (dtr_casecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

const char *dtr_http_query(const struct dtr_http_request *request)
{
    return request->path[request->path_length] == '?' ? request->path + request->path_length + 1 : NULL;
}

/* --- the request line ---------------------------------------------------------------------------------- */

static int set_path(struct dtr_http_request *request, const char *path, struct dtr_error *err)
{
    if (strchr(path, '#'))
        return refuse(err, 400, "the target has a fragment");
    request->path = path;
    request->path_length = strcspn(path, "?");
    return DTR_OK;
}

static int set_authority(struct dtr_http_request *request, const char *text, size_t length, bool need_port,
                         struct dtr_error *err)
{
    if (!dtr_http_authority_ok(text, length, need_port))
        return refuse(err, 400, "the host of the target is malformed");
    memcpy(request->authority, text, length);
    request->authority[length] = 0;
    return DTR_OK;
}

/* "http://host/path": the scheme's bytes are free once it is known, so a '/' missing before the query can be
 * put in place. */
static int absolute_target(struct dtr_http_request *request, char *target, struct dtr_error *err)
{
    size_t skip = 0;
    request->form = DTR_HTTP_ABSOLUTE;
    request->scheme = dtr_http_scheme(target, strlen(target), &skip);
    if (!request->scheme)
        return refuse(err, 400, "the target is neither a path nor an http or https URL");
    char *authority = target + skip;
    char *path = authority + strcspn(authority, "/?#");
    int code = set_authority(request, authority, (size_t)(path - authority), false, err);
    if (code != DTR_OK)
        return code;
    if (*path == 0)
        return set_path(request, "/", err);
    if (*path == '?')
        *--path = '/';
    return set_path(request, path, err);
}

static int parse_target(struct dtr_http_request *request, char *target, struct dtr_error *err)
{
    request->scheme = "";
    if (strcmp(request->method, "CONNECT") == 0) {
        request->form = DTR_HTTP_AUTHORITY_FORM;
        request->path = "";
        return set_authority(request, target, strlen(target), true, err);
    }
    if (target[0] == '/') {
        request->form = DTR_HTTP_ORIGIN;
        return set_path(request, target, err);
    }
    if (strcmp(target, "*") == 0 && strcmp(request->method, "OPTIONS") == 0) {
        request->form = DTR_HTTP_ASTERISK;
        return set_path(request, target, err);
    }
    return absolute_target(request, target, err);
}

static int parse_version(struct dtr_http_request *request, const char *text, struct dtr_error *err)
{
    if (strncmp(text, "HTTP/", 5) != 0 || strlen(text) != 8 || text[5] < '0' || text[5] > '9' ||
        text[6] != '.' || text[7] < '0' || text[7] > '9')
        return refuse(err, 400, "the HTTP version is malformed");
    if (text[5] != '1')
        return refuse(err, 505, "only HTTP/1.1 and 1.0 are spoken here");
    request->minor = text[7] == '0' ? 0 : 1;
    return DTR_OK;
}

/* Exactly one space between the three parts, and nothing outside printable ASCII in them. */
static int parse_request_line(struct dtr_http_request *request, char *line, struct dtr_error *err)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version)
        return refuse(err, 400, "the request line has not three parts");
    *target++ = 0;
    *version++ = 0;
    for (const char *at = target; *at; at++)
        if (*at <= 0x20 || *at >= 0x7f)
            return refuse(err, 400, "the target has characters that must be percent-encoded");
    if (!dtr_http_token_ok(line, strlen(line)) || *target == 0)
        return refuse(err, 400, "the method or the target is malformed");
    request->method = line;
    int code = parse_version(request, version, err);
    return code == DTR_OK ? parse_target(request, target, err) : code;
}

/* --- header fields ----------------------------------------------------------------------------------------
 */

static int parse_field(struct dtr_http_request *request, char *line, struct dtr_error *err)
{
    char *colon = strchr(line, ':');
    if (line[0] == ' ' || line[0] == '\t')
        return refuse(err, 400, "folded header lines are not accepted");
    if (!colon || !dtr_http_token_ok(line, (size_t)(colon - line)))
        return refuse(err, 400, "a header name is malformed");
    if (request->header_count == DTR_HTTP_HEADERS_MAX)
        return refuse(err, 431, "more than 100 headers");
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    *colon = 0;
    value[length] = 0;
    request->headers[request->header_count++] = (struct dtr_header){.name = line, .value = value};
    return DTR_OK;
}

/* The value of a header that may come once; *ret_count how often it came. */
static const char *single(const struct dtr_http_request *request, const char *name, size_t *ret_count)
{
    const char *value = NULL;
    *ret_count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        if (dtr_casecmp(request->headers[i].name, name) == 0 && (*ret_count)++ == 0)
            value = request->headers[i].value;
    return value;
}

static int check_host(struct dtr_http_request *request, struct dtr_error *err)
{
    size_t count;
    const char *host = single(request, "Host", &count);
    if (count > 1 || (count == 0 && request->minor == 1))
        return refuse(err, 400, "there must be one Host header");
    /* An empty Host is what a client sends for a target without authority. */
    if (count == 0 || *host == 0)
        return DTR_OK;
    if (!dtr_http_authority_ok(host, strlen(host), false))
        return refuse(err, 400, "the Host header is malformed");
    /* The target's own authority wins (RFC 9112, 3.2.2). */
    if (request->form == DTR_HTTP_ORIGIN || request->form == DTR_HTTP_ASTERISK)
        (void)dtr_copy_text(request->authority, sizeof(request->authority), host);
    return DTR_OK;
}

static int check_length(struct dtr_http_request *request, struct dtr_error *err)
{
    size_t lengths, codings;
    const char *length = single(request, "Content-Length", &lengths);
    const char *coding = single(request, "Transfer-Encoding", &codings);
    request->body_length = 0;
    if (codings > 0) {
        if (lengths > 0)
            return refuse(err, 400, "Transfer-Encoding and Content-Length exclude each other");
        if (request->minor == 0)
            return refuse(err, 400, "HTTP/1.0 has no Transfer-Encoding");
        if (codings > 1 || dtr_casecmp(coding, "chunked") != 0)
            return refuse(err, 501, "the only transfer coding understood is chunked");
        request->body_length = DTR_LENGTH_UNKNOWN;
    } else if (lengths > 0) {
        if (lengths > 1 || !dtr_parse_u64(length, strlen(length), &request->body_length) ||
            request->body_length > INT64_MAX)
            return refuse(err, 400, "Content-Length is malformed, repeated or too large");
    }
    if (request->body_length != 0 && request->form == DTR_HTTP_AUTHORITY_FORM)
        return refuse(err, 400, "CONNECT must come without a body");
    return DTR_OK;
}

static int check_connection(struct dtr_http_request *request, struct dtr_error *err)
{
    bool close = false, keep = false;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct dtr_header *header = &request->headers[i];
        if (dtr_casecmp(header->name, "Connection") == 0) {
            close = close || dtr_http_has_token(header->value, "close");
            keep = keep || dtr_http_has_token(header->value, "keep-alive");
        } else if (dtr_casecmp(header->name, "Expect") == 0) {
            if (dtr_casecmp(header->value, "100-continue") != 0)
                return refuse(err, 417, "the only expectation understood is 100-continue");
            /* HTTP/1.0 clients do not know status 100. */
            request->expect_continue = request->minor == 1 && request->body_length != 0;
        }
    }
    request->keep_alive = !close && (request->minor == 1 || keep);
    return DTR_OK;
}

/* --- the whole head ------------------------------------------------------------------------------------ */

/* Cuts the text into lines; they are known to end with CR LF, and the last is empty. */
static int parse_lines(struct dtr_http_head *head, struct dtr_error *err)
{
    struct dtr_http_request *request = &head->request;
    char *line = head->bytes;
    int code = DTR_OK;
    for (bool first = true; code == DTR_OK && *line != '\r'; first = false) {
        char *end = strchr(line, '\r');
        *end = 0;
        code = first ? parse_request_line(request, line, err) : parse_field(request, line, err);
        line = end + 2;
    }
    if (code == DTR_OK)
        code = check_host(request, err);
    if (code == DTR_OK)
        code = check_length(request, err);
    return code == DTR_OK ? check_connection(request, err) : code;
}

static int grow(struct dtr_http_head *head, struct dtr_error *err)
{
    size_t capacity = head->capacity ? head->capacity * 2 : 2048;
    if (head->length == DTR_HTTP_HEAD_MAX)
        return memchr(head->bytes, '\n', head->length) ? refuse(err, 431, "the headers exceed 32 KiB")
                                                       : refuse(err, 414, "the target exceeds 32 KiB");
    char *bytes = realloc(head->bytes, capacity);
    if (!bytes) {
        dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request head");
        if (err)
            err->status = 500;
        return DTR_ENOMEM;
    }
    head->bytes = bytes;
    head->capacity = capacity;
    return DTR_OK;
}

/* Whether this byte may follow `last`. CR and LF come only as a pair. */
static bool byte_ok(char last, char c)
{
    if ((last == '\r') != (c == '\n'))
        return false;
    return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\r' || c == '\n' || c == '\t';
}

/* An empty line before the request line is skipped once, as RFC 9112, 2.2 asks; *ret_end after the second
 * of two line ends. */
static int line_ended(struct dtr_http_head *head, bool *ret_end, struct dtr_error *err)
{
    if (head->length == 2) {
        if (head->skipped)
            return refuse(err, 400, "empty lines instead of a request");
        head->skipped = true;
        head->length = 0;
        return DTR_OK;
    }
    *ret_end = head->length >= 4 && memcmp(head->bytes + head->length - 4, "\r\n\r\n", 4) == 0;
    return DTR_OK;
}

int dtr_http_head_feed(struct dtr_http_head *head, const void *bytes, size_t length, size_t *ret_used,
                       struct dtr_error *err)
{
    const char *in = bytes;
    size_t at = 0;
    bool end = false;
    int code = DTR_OK;
    while (code == DTR_OK && at < length && !end) {
        if (head->length == head->capacity && (code = grow(head, err)) != DTR_OK)
            break;
        if (!byte_ok(head->length ? head->bytes[head->length - 1] : 0, in[at])) {
            code = refuse(err, 400, "a control character, or a line that does not end with CR LF");
            break;
        }
        head->bytes[head->length++] = in[at++];
        if (in[at - 1] == '\n')
            code = line_ended(head, &end, err);
    }
    *ret_used = at;
    if (code == DTR_OK && end) {
        code = parse_lines(head, err);
        head->complete = code == DTR_OK;
    }
    return code;
}

void dtr_http_head_free(struct dtr_http_head *head)
{
    free(head->bytes);
    *head = (struct dtr_http_head){0};
}
