/* The Download message of `darter get`, and what an answer's status says to a user. Pure. */
#ifndef DTR_TOOLS_GET_REQUEST_H
#define DTR_TOOLS_GET_REQUEST_H

#include "core/rpc/status.h"
#include "core/tools/get.h"
#include "proto/dfdaemon.pb-c.h"

enum { DTR_GET_HEADERS = 128 };

/* The message points into the options and into its own memory. */
struct dtr_get_request {
    Dfdaemon__V2__DownloadTaskRequest message;
    Common__V2__Download download;
    Google__Protobuf__Duration timeout;
    Common__V2__Download__RequestHeaderEntry entries[DTR_GET_HEADERS], *headers[DTR_GET_HEADERS];
    char *names[DTR_GET_HEADERS];
};

/* Checks what the daemon need not be asked for. DTR_EINVALID, DTR_EUNSUPPORTED. Free it afterwards, also
 * after an error. */
int dtr_get_request_make(const struct dtr_get_options *options, struct dtr_get_request *request,
                         struct dtr_error *err);
void dtr_get_request_free(struct dtr_get_request *request);

/* A status that is not OK, in words: an origin's refusal with its status and message (wire page 6), a daemon
 * that is not there with how to start it. `answered`: the daemon had begun to answer. */
int dtr_get_status(const struct dtr_rpc_status *status, const struct dtr_get_options *options, bool answered,
                   struct dtr_error *err);

#endif
