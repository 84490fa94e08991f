/* Kind "origin": where objects come from when no peer has them.
 *
 * Calls are async: they run on the loop they are given, complete exactly once through `done`, and
 * never from inside the call that started them. The same ops serve reads of tasks (`read`) and the
 * pass-through of everything else (`exchange`: tokens, manifests, HEAD, pushes).
 *
 * The outbound guard applies to every address a name resolves to, and again to each redirect. Redirects
 * are followed by read() (when the host changes, with no header of the caller but Accept and User-Agent) and
 * returned as they are by exchange(). */
#ifndef DARTER_ORIGIN_H
#define DARTER_ORIGIN_H

#include <darter/error.h>
#include <darter/host.h>
#include <darter/storage.h>
#include <string.h>
#include <strings.h>

struct dtr_origin_call; /* one running request */

struct dtr_header {
    const char *name;
    const char *value;
};

/* The value of the first header of this name, in any case; NULL: there is none. */
static inline const char *dtr_header_find(const struct dtr_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(headers[i].name, name) == 0)
            return headers[i].value;
    }
    return NULL;
}

/* What tells one version of an object from another, for `if_range`: its strong entity tag, else its date;
 * NULL: nothing does. */
static inline const char *dtr_header_version(const struct dtr_header *headers, size_t count)
{
    const char *tag = dtr_header_find(headers, count, "ETag");
    return tag && strncmp(tag, "W/", 2) != 0 ? tag : dtr_header_find(headers, count, "Last-Modified");
}

struct dtr_origin_request {
    const char *method; /* exchange() only */
    const char *url;    /* absolute */
    const struct dtr_header *headers;
    size_t header_count;
    bool trusted;         /* an operator configured the destination: the guard lets it pass */
    uint64_t offset;      /* read(): first byte wanted */
    uint64_t length;      /* read(): bytes wanted, DTR_LENGTH_UNKNOWN for the rest */
    const char *if_range; /* read(): entity tag or date of the version that began, or NULL */
    const char *ca_file;  /* more trusted roots: a PEM file; or NULL */
    bool insecure;        /* do not verify TLS: a named key of this origin said so */
    uint64_t connect_ms;  /* limit for connecting */
    uint64_t stall_ms;    /* fail with DTR_ETIMEOUT when nothing arrives for this long */
    bool has_body;        /* exchange(): the caller feeds a body by send_body() */
    uint64_t body_length; /* or DTR_LENGTH_UNKNOWN: chunked */
    /* The last so many of `headers` are an operator's, for this scheme, host and port only: a redirect to
     * another does without them, as without Authorization and Cookie. Since ABI 1.1. */
    size_t own_header_count;
    /* read(): so long may later requests for this URL go straight to where a temporary redirect (307) leads,
     * when they have the same credentials; 0: never. Since ABI 1.1. */
    uint64_t redirect_ttl_ms;
    const char *roots; /* more trusted roots still: PEM text; or NULL. Since ABI 1.2 */
};

struct dtr_origin_head {
    int status; /* HTTP status, or its nearest equivalent */
    const struct dtr_header *headers;
    size_t header_count;
    uint64_t offset;       /* read(): where the body starts in the object (0 when the range was ignored) */
    uint64_t total_length; /* read(): length of the whole object, or DTR_LENGTH_UNKNOWN */
    const char *version;   /* read(): strong entity tag or date for if_range, or NULL */
};

/* The caller's ears; valid until `done`. */
struct dtr_origin_sink {
    /* Once, before any body. What it points to is valid during the call. A read() whose status is not
     * 200 or 206 still delivers its body. Nonzero: stop, `done` follows with that code. */
    int (*head)(void *context, const struct dtr_origin_head *head);
    /* Body bytes, valid during the call. *ret_pause true: take these bytes again after resume(). Nonzero:
     * stop. */
    int (*body)(void *context, const uint8_t *bytes, size_t length, bool *ret_pause);
    /* Room for more body to send; answer with send_body(). */
    void (*want_body)(void *context);
    /* Last call. err->code 0: the whole answer arrived. */
    void (*done)(void *context, const struct dtr_error *err);
};

struct dtr_origin_ops {
    uint32_t size;
    const char *const *schemes; /* {"http", "https", NULL} */
    int (*read)(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret_call,
                struct dtr_error *err);
    int (*exchange)(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
                    const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret_call,
                    struct dtr_error *err);
    /* Hands over the next bytes of the body (copied), `last` with the final ones. After it `want_body`
     * comes again when there is room. */
    void (*send_body)(struct dtr_origin_call *call, const void *bytes, size_t length, bool last);
    /* Goes on after a pause. */
    void (*resume)(struct dtr_origin_call *call);
    /* Ends the call: `done` follows, later, with DTR_ECANCELLED. Not after `done`. */
    void (*cancel)(struct dtr_origin_call *call);
};

#endif
