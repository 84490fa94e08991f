/* The chunked coding, one state per byte position that matters; see chunked.h. */
#include "core/http/chunked.h"

enum state {
    SIZE,      /* digits of a chunk's size */
    SPACE,     /* white space after them: an extension must follow */
    EXTENSION, /* the rest of that line */
    DATA,      /* bytes of the chunk */
    DATA_CR,   /* CR LF after them */
    DATA_LF,
    TRAILER, /* lines up to an empty one */
};

static int refuse(struct dtr_error *err, const char *text)
{
    dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER, "bad chunked body: %s", text);
    if (err)
        err->status = 400;
    return DTR_EPROTOCOL;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The line ended: a chunk follows, or after size 0 the trailers. */
static int size_ended(struct dtr_chunked *chunked, struct dtr_error *err)
{
    if (chunked->left > INT64_MAX)
        return refuse(err, "a chunk is too large");
    chunked->state = chunked->left ? DATA : TRAILER;
    chunked->count = 0;
    chunked->digits = 0;
    chunked->last_cr = false;
    chunked->line_empty = true;
    return DTR_OK;
}

/* Whether CR and LF come as a pair and no other control character does. */
static bool line_byte_ok(const struct dtr_chunked *chunked, uint8_t c)
{
    if (chunked->last_cr != (c == '\n'))
        return false;
    return c >= 0x20 ? c != 0x7f : c == '\r' || c == '\n' || c == '\t';
}

static int size_byte(struct dtr_chunked *chunked, uint8_t c, struct dtr_error *err)
{
    int digit = chunked->state == SIZE ? hex_value(c) : -1;
    if (++chunked->count > DTR_HTTP_CHUNK_LINE_MAX)
        return refuse(err, "the line of a chunk is too long");
    if (digit >= 0) {
        if (++chunked->digits > 16)
            return refuse(err, "a chunk is too large");
        chunked->left = chunked->left << 4 | (unsigned)digit;
        return DTR_OK;
    }
    if (chunked->digits == 0 || !line_byte_ok(chunked, c))
        return refuse(err, "the size of a chunk is malformed");
    if (chunked->state != EXTENSION) {
        bool space = c == ' ' || c == '\t';
        if (c != ';' && !space && (c != '\r' || chunked->state == SPACE))
            return refuse(err, "the size of a chunk is malformed");
        chunked->state = space ? SPACE : EXTENSION;
    }
    chunked->last_cr = c == '\r';
    return c == '\n' ? size_ended(chunked, err) : DTR_OK;
}

static int trailer_byte(struct dtr_chunked *chunked, uint8_t c, struct dtr_error *err)
{
    if (++chunked->count > DTR_HTTP_TRAILERS_MAX)
        return refuse(err, "the trailers are too long");
    if (!line_byte_ok(chunked, c))
        return refuse(err, "a trailer is malformed");
    if (c == '\n') {
        chunked->complete = chunked->line_empty;
        chunked->line_empty = true;
    } else if (c != '\r') {
        chunked->line_empty = false;
    }
    chunked->last_cr = c == '\r';
    return DTR_OK;
}

static int frame_byte(struct dtr_chunked *chunked, uint8_t c, struct dtr_error *err)
{
    switch ((enum state)chunked->state) {
    case SIZE:
    case SPACE:
    case EXTENSION:
        return size_byte(chunked, c, err);
    case DATA_CR:
        chunked->state = DATA_LF;
        return c == '\r' ? DTR_OK : refuse(err, "a chunk does not end with CR LF");
    case DATA_LF:
        chunked->state = SIZE;
        return c == '\n' ? DTR_OK : refuse(err, "a chunk does not end with CR LF");
    case TRAILER:
        return trailer_byte(chunked, c, err);
    case DATA:
        break;
    }
    return refuse(err, "impossible state");
}

int dtr_chunked_feed(struct dtr_chunked *chunked, const uint8_t *bytes, size_t length, size_t *ret_used,
                     const uint8_t **ret_data, size_t *ret_data_length, struct dtr_error *err)
{
    size_t at = 0;
    int code = DTR_OK;
    *ret_data = bytes;
    *ret_data_length = 0;
    while (code == DTR_OK && at < length && !chunked->complete && chunked->state != DATA)
        code = frame_byte(chunked, bytes[at++], err);
    if (code == DTR_OK && chunked->state == DATA && at < length) {
        size_t take = chunked->left < length - at ? (size_t)chunked->left : length - at;
        *ret_data = bytes + at;
        *ret_data_length = take;
        chunked->left -= take;
        at += take;
        if (chunked->left == 0)
            chunked->state = DATA_CR;
    }
    *ret_used = at;
    return code;
}

bool dtr_chunked_in_data(const struct dtr_chunked *chunked)
{
    return chunked->state == DATA;
}
