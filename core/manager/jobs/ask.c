/* A question on its way; see ask.h. */
#include "core/manager/jobs/ask.h"

#include "core/rpc/methods.h"

#include <stdlib.h>

struct asking {
    struct dial *dial;
    struct job_target target;
    struct ask ask;
    const struct dtr_rpc_method *method; /* of the call that runs */
    struct dtr_rpc_call *call;           /* NULL: none runs */
    bool counted;                        /* ASK_HOLDERS: `hosts` is known */
    struct holder_hosts hosts;
    char text[ANSWER_TEXT];
    ask_done *done; /* NULL: cancelled */
    void *context;
};

static int begin(struct asking *asking, enum ask_kind kind, struct dtr_error *err);

static void end(struct asking *asking)
{
    struct dial *dial = asking->dial;
    free(asking);
    if (--dial->asking == 0)
        dial->idle(dial->context);
}

/* The last thing of one. */
static void tell(struct asking *asking, const struct answer *answer, const uint8_t *hosts, size_t length)
{
    if (asking->done)
        asking->done(asking->context, answer, hosts, length);
    end(asking);
}

static void tell_error(struct asking *asking, const struct dtr_error *err)
{
    struct answer answer = {.heard = err->code == DTR_EDENIED ? HEARD_NO : HEARD_LATER, .why = asking->text};
    (void)snprintf(asking->text, sizeof(asking->text), "%s", err->text);
    tell(asking, &answer, NULL, 0);
}

/* First how many hosts there are, then who holds what. */
static void go_on(struct asking *asking, const struct dtr_rpc_message *response)
{
    struct dtr_error err;
    answer_count_hosts(asking->ask.args, response->message, &asking->hosts);
    asking->counted = true;
    if (begin(asking, ASK_HOLDERS, &err) != DTR_OK)
        tell_error(asking, &err);
}

static void answered(struct asking *asking, const struct dtr_rpc_message *response)
{
    struct answer answer;
    struct dtr_error err;
    const bool hosts = asking->ask.kind == ASK_HOSTS;
    if (answer_read(&asking->ask, asking->method, response->message, &asking->hosts, asking->text, &answer,
                    &err) != DTR_OK) {
        tell_error(asking, &err);
        return;
    }
    json_t *result = answer.result;
    tell(asking, &answer, hosts ? response->bytes : NULL, hosts ? response->length : 0);
    json_decref(result);
}

static void on_done(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    struct asking *asking = context;
    struct answer answer;
    asking->call = NULL;
    if (!asking->done) {
        end(asking);
    } else if (!response) {
        answer_failed(status, asking->text, &answer);
        tell(asking, &answer, NULL, 0);
    } else if (asking->ask.kind == ASK_HOLDERS && !asking->counted) {
        go_on(asking, response);
    } else {
        answered(asking, response);
    }
}

/* --- the calls -----------------------------------------------------------------------------------------
 */

struct call_of {
    struct asking *asking;
    const struct ask *ask; /* of this call */
    struct dtr_rpc_channel *channel;
};

static int send_message(void *context, const struct dtr_rpc_method *method, const ProtobufCMessage *message,
                        struct dtr_error *err)
{
    const struct call_of *of = context;
    const struct dtr_rpc_pair id = {DTR_RPC_PREHEAT_ID, of->ask->preheat_id};
    const struct dtr_rpc_call_options options = {.timeout_ms = request_timeout_ms(of->ask),
                                                 .metadata = &id,
                                                 .metadata_count = of->ask->kind == ASK_PREHEAT};
    of->asking->method = method;
    return dtr_rpc_unary(of->channel, method, message, &options, on_done, of->asking, &of->asking->call, err);
}

static int begin(struct asking *asking, enum ask_kind kind, struct dtr_error *err)
{
    struct ask ask = asking->ask;
    struct call_of of = {.asking = asking, .ask = &ask};
    const struct request_sink sink = {send_message, &of};
    ask.kind = kind;
    const struct dial_place place = {asking->target.ip, asking->target.name, asking->target.port};
    int rc = dial_get(asking->dial, &place, &of.channel, err);
    return rc == DTR_OK ? request_make(&ask, &sink, err) : rc;
}

int ask_start(struct dial *dial, const struct job_target *target, const struct ask *ask, ask_done *done,
              void *context, struct asking **ret_asking, struct dtr_error *err)
{
    struct asking *asking = calloc(1, sizeof(*asking));
    if (!asking)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a question");
    asking->dial = dial;
    asking->target = *target;
    asking->ask = *ask;
    asking->done = done;
    asking->context = context;
    int rc = begin(asking, ask->kind == ASK_HOLDERS ? ASK_HOSTS : ask->kind, err);
    if (rc != DTR_OK) {
        free(asking);
        return rc;
    }
    dial->asking++;
    *ret_asking = asking;
    return DTR_OK;
}

void ask_cancel(struct asking *asking)
{
    asking->done = NULL;
    dtr_rpc_call_cancel(asking->call); /* on_done() frees it */
}
