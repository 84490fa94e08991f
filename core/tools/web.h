/* One HTTP request after another to a server that the user named, for tools that ask and print: by the module
 * that daemons fetch with. Blocks, on a loop of its own on the calling thread. */
#ifndef DTR_TOOLS_WEB_H
#define DTR_TOOLS_WEB_H

#include "core/base/str.h"
#include "core/module/module.h"

enum { DTR_WEB_TIMEOUT_MS = 30000 }; /* for connecting, and for silence */

struct dtr_web;

/* Starts origin_http of `modules`, which it then owns, also after an error. `ca_file`: more trusted roots
 * (PEM), or NULL; borrowed. */
int dtr_web_open(struct dtr_modules *modules, const char *ca_file, struct dtr_web **ret_web,
                 struct dtr_error *err);
/* NULL is fine. */
void dtr_web_close(struct dtr_web *web);

struct dtr_web_request {
    const char *method, *url;
    const char *bearer;  /* for Authorization; NULL: none */
    const char *body;    /* JSON; NULL: none */
    uint64_t silence_ms; /* 0: DTR_WEB_TIMEOUT_MS */
};
struct dtr_web_answer {
    int status;
    struct dtr_str body; /* the caller's: dtr_str_free(), also after an error */
};
/* Any status is an answer. An error is that there was none, or more than 64 MiB of it. */
int dtr_web_ask(struct dtr_web *web, const struct dtr_web_request *request, struct dtr_web_answer *ret_answer,
                struct dtr_error *err);

#endif
