/* Names that both sides of the proxy port agree on: Dragonfly's headers (features page, 3.7) and the reason
 * phrases of statuses; and which headers end at a proxy. Pure; any thread. */
#ifndef DTR_HTTP_FIELDS_H
#define DTR_HTTP_FIELDS_H

#include <darter/origin.h>

/* In requests. */
#define DTR_H_PREFIX          "X-Dragonfly-"
#define DTR_H_TAG             "X-Dragonfly-Tag"
#define DTR_H_APPLICATION     "X-Dragonfly-Application"
#define DTR_H_PRIORITY        "X-Dragonfly-Priority"
#define DTR_H_REGISTRY        "X-Dragonfly-Registry"
#define DTR_H_FILTERED_PARAMS "X-Dragonfly-Filtered-Query-Params"
#define DTR_H_USE_P2P         "X-Dragonfly-Use-P2P"
#define DTR_H_PREFETCH        "X-Dragonfly-Prefetch"
#define DTR_H_OUTPUT_PATH     "X-Dragonfly-Output-Path"
#define DTR_H_FORCE_HARD_LINK "X-Dragonfly-Force-Hard-Link"
#define DTR_H_PIECE_LENGTH    "X-Dragonfly-Piece-Length"
#define DTR_H_CONTENT_FOR_ID  "X-Dragonfly-Content-For-Calculating-Task-ID"
#define DTR_H_BLOB_DIGEST_ID  "X-Dragonfly-Enable-Task-ID-Based-Blob-Digest"

/* In answers. */
#define DTR_H_FINISHED   "X-Dragonfly-Task-Download-Finished" /* "true": from the local store */
#define DTR_H_TASK_ID    "X-Dragonfly-Task-ID"
#define DTR_H_SERVER_IP  "X-Dragonfly-Server-IP"
#define DTR_H_ERROR_TYPE "X-Dragonfly-Error-Type" /* one of the values below */

#define DTR_ERROR_TYPE_BACKEND  "backend"  /* the origin said no */
#define DTR_ERROR_TYPE_PROXY    "proxy"    /* the request could not be understood */
#define DTR_ERROR_TYPE_DFDAEMON "dfdaemon" /* everything that went wrong in here */

#define DTR_HTTP_REASONS(X)                                                                                  \
    X(100, "Continue")                                                                                       \
    X(200, "OK")                                                                                             \
    X(201, "Created")                                                                                        \
    X(202, "Accepted")                                                                                       \
    X(204, "No Content")                                                                                     \
    X(206, "Partial Content")                                                                                \
    X(301, "Moved Permanently")                                                                              \
    X(302, "Found")                                                                                          \
    X(303, "See Other")                                                                                      \
    X(304, "Not Modified")                                                                                   \
    X(307, "Temporary Redirect")                                                                             \
    X(308, "Permanent Redirect")                                                                             \
    X(400, "Bad Request")                                                                                    \
    X(401, "Unauthorized")                                                                                   \
    X(403, "Forbidden")                                                                                      \
    X(404, "Not Found")                                                                                      \
    X(405, "Method Not Allowed")                                                                             \
    X(407, "Proxy Authentication Required")                                                                  \
    X(408, "Request Timeout")                                                                                \
    X(409, "Conflict")                                                                                       \
    X(412, "Precondition Failed")                                                                            \
    X(413, "Content Too Large")                                                                              \
    X(414, "URI Too Long")                                                                                   \
    X(416, "Range Not Satisfiable")                                                                          \
    X(417, "Expectation Failed")                                                                             \
    X(422, "Unprocessable Content")                                                                          \
    X(429, "Too Many Requests")                                                                              \
    X(431, "Request Header Fields Too Large")                                                                \
    X(500, "Internal Server Error")                                                                          \
    X(501, "Not Implemented")                                                                                \
    X(502, "Bad Gateway")                                                                                    \
    X(503, "Service Unavailable")                                                                            \
    X(504, "Gateway Timeout")                                                                                \
    X(505, "HTTP Version Not Supported")                                                                     \
    X(507, "Insufficient Storage")

/* "OK" for 200 and so on; "" for statuses that are not in the table. */
static inline const char *dtr_http_reason(int status)
{
    switch (status) {
#define DTR_HTTP_REASON_CASE(number, text)                                                                   \
    case (number):                                                                                           \
        return text;
        DTR_HTTP_REASONS(DTR_HTTP_REASON_CASE)
#undef DTR_HTTP_REASON_CASE
    default:
        return "";
    }
}

/* Whether this header concerns one connection only and must not be passed on (RFC 9110, 7.6.1): the known
 * ones, what a Connection header among the `count` names, and Content-Length, which framing decides anew. */
bool dtr_http_hop_by_hop(const struct dtr_header *headers, size_t count, const char *name);

#endif
