/* Preheats of images, with a registry that is made up: an origin whose answers are this test's. */
#include "core/net/tls_rig.h"
#include "core/rpc/certificates.h"
#include "core/scheduler/rig.h"
#include "proto/darter.pb-c.h"
#include "proto/dfdaemon.pb-c.h"

#define REPOSITORY "http://registry.example/v2/library/test"
#define CONFIG     "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define LAYER_ID   "2222222222222222222222222222222222222222222222222222222222222222"
#define LAYER      "sha256:" LAYER_ID
#define MANIFEST                                                                                             \
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","                     \
    "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" CONFIG            \
    "\",\"size\":2},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","             \
    "\"digest\":\"" LAYER "\",\"size\":9000000}]}"

/* The registry, and the one peer. */
struct lab {
    struct rig rig;
    struct dtr_rpc_table *table;
    struct dtr_rpc_server *server;
    struct dtr_addr addr;
    int status; /* what it answers; 0: nothing */
    bool asked, cancelled;
    char roots[8192]; /* that the last request trusts more */
    bool insecure, trusted;
    uint32_t told;
    char authorization[64]; /* that the peer was given */
};

/* One request to the registry. */
struct dtr_origin_call {
    struct lab *lab;
    const struct dtr_origin_sink *sink;
    void *context;
    struct dtr_msg msg;
    bool posted, cancelled;
};

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static void on_answer(struct dtr_msg *msg)
{
    struct dtr_origin_call *call = dtr_container(msg, struct dtr_origin_call, msg);
    static const struct dtr_header headers[] = {
        {"Content-Type", "application/vnd.oci.image.manifest.v1+json"}};
    const struct dtr_origin_head head = {
        .status = call->lab->status, .headers = headers, .header_count = 1, .total_length = strlen(MANIFEST)};
    struct dtr_error err = {0};
    bool pause = false;
    if (call->cancelled)
        (void)dtr_error_set(&err, DTR_ECANCELLED, DTR_RETRY_NEVER, "cancelled");
    if (!err.code)
        assert_int_equal(call->sink->head(call->context, &head), 0);
    if (!err.code && head.status == 200)
        assert_int_equal(call->sink->body(call->context, (const uint8_t *)MANIFEST, strlen(MANIFEST), &pause),
                         0);
    call->sink->done(call->context, &err);
    free(call);
}

static void answer(struct dtr_origin_call *call)
{
    if (call->posted)
        return;
    call->posted = true;
    call->msg.run = on_answer;
    dtr_loop_post(call->lab->rig.loop, &call->msg);
}

static int ask(void *instance, struct dtr_loop *loop, const struct dtr_origin_request *request,
               const struct dtr_origin_sink *sink, void *context, struct dtr_origin_call **ret_call,
               struct dtr_error *err)
{
    struct lab *lab = instance;
    (void)err;
    assert_ptr_equal(loop, lab->rig.loop);
    struct dtr_origin_call *call = calloc(1, sizeof(*call));
    assert_non_null(call);
    *call = (struct dtr_origin_call){.lab = lab, .sink = sink, .context = context};
    lab->asked = true;
    lab->insecure = request->insecure;
    lab->trusted = request->trusted;
    (void)snprintf(lab->roots, sizeof(lab->roots), "%s", request->roots ? request->roots : "");
    *ret_call = call;
    if (lab->status)
        answer(call);
    return DTR_OK;
}

static void cancel(struct dtr_origin_call *call)
{
    call->cancelled = call->lab->cancelled = true;
    answer(call);
}

static void on_download(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    struct lab *lab = service;
    const Dfdaemon__V2__DownloadTaskRequest *message = (const void *)request->message;
    const Common__V2__Download *download = message->download;
    lab->told++;
    lab->authorization[0] = '\0';
    for (size_t i = 0; i < download->n_request_header; i++) {
        if (strcasecmp(download->request_header[i]->key, "Authorization") == 0)
            (void)snprintf(lab->authorization, sizeof(lab->authorization), "%s",
                           download->request_header[i]->value);
    }
    dtr_rpc_call_finish(call, DTR_RPC_OK, NULL);
}

static void on_stat(void *service, struct dtr_rpc_call *call, const struct dtr_rpc_message *request)
{
    const Dfdaemon__V2__StatLocalTaskRequest *message = (const void *)request->message;
    Dfdaemon__V2__StatLocalTaskResponse response = DFDAEMON__V2__STAT_LOCAL_TASK_RESPONSE__INIT;
    (void)service;
    if (strcmp(message->task_id, LAYER_ID) == 0)
        dtr_rpc_call_reply(call, &response.base);
    else
        dtr_rpc_call_finish(call, DTR_RPC_NOT_FOUND, "not here");
}

static int setup(void **state)
{
    static const struct dtr_origin_ops origin = {
        .size = sizeof(origin), .read = ask, .exchange = ask, .cancel = cancel};
    static const struct dtr_rpc_handler handlers[] = {
        {.method = &dtr_rpc_upload_download_task, .request = on_download},
        {.method = &dtr_rpc_upload_stat_local_task, .request = on_stat}};
    struct lab *lab = calloc(1, sizeof(*lab));
    assert_non_null(lab);
    const struct dtr_scheduler_options options = {
        .swarm = dtr_swarm_defaults(),
        .seed_number = 1,
        .seed_timeout_ms = 60000,
        .jobs = {.enable = true, .origin = &origin, .origin_instance = lab}};
    rig_open(&lab->rig, &options);
    lab->status = 200;
    assert_int_equal(dtr_rpc_table_new(&lab->table, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_table_add(lab->table, handlers, 2, lab, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_new(lab->rig.loop, NULL, &lab->server, NULL), DTR_OK);
    assert_int_equal(dtr_addr_ip("127.0.0.1", 0, &lab->addr, NULL), DTR_OK);
    assert_int_equal(dtr_rpc_server_listen(lab->server, &lab->addr, lab->table, &lab->addr, NULL), DTR_OK);
    assert_int_equal(rig_announce(&lab->rig, "p", 0, dtr_addr_port(&lab->addr)), DTR_RPC_OK);
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    struct lab *lab = *state;
    bool stopped = false;
    dtr_rpc_server_stop(lab->server, 0, rig_set, &stopped);
    rig_until(&lab->rig, rig_is_set, &stopped);
    rig_close(&lab->rig);
    dtr_rpc_table_free(lab->table);
    free(lab);
    return 0;
}

static Scheduler__V2__PreheatImageRequest image_request(void)
{
    Scheduler__V2__PreheatImageRequest request = SCHEDULER__V2__PREHEAT_IMAGE_REQUEST__INIT;
    request.url = text(REPOSITORY "/manifests/latest");
    request.scope = text("all_peers");
    return request;
}

static struct rig_answer preheat(struct lab *lab, const Scheduler__V2__PreheatImageRequest *request)
{
    const struct dtr_rpc_pair pair = {DTR_RPC_PREHEAT_ID, "image"};
    return rig_ask_with(&lab->rig, &dtr_rpc_scheduler_preheat_image, &request->base, &pair);
}

static void expect(struct rig_answer answer, enum dtr_rpc_code code, const char *part)
{
    if (answer.code != code || !strstr(answer.text, part))
        fail_msg("%s: %s", dtr_rpc_code_name(answer.code), answer.text);
    dtr_str_free(&answer.bytes);
}

static bool is_over(void *context)
{
    struct lab *lab = context;
    Darter__V1__StatPreheatResponse *response = rig_progress(&lab->rig, "image");
    assert_non_null(response);
    bool over = response->ended;
    darter__v1__stat_preheat_response__free_unpacked(response, NULL);
    return over;
}

static void wait_over(struct lab *lab)
{
    while (!is_over(lab))
        continue;
}

static void each_blob_is_a_task(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__PreheatImageRequest request = image_request();
    request.has_username_case = SCHEDULER__V2__PREHEAT_IMAGE_REQUEST__HAS_USERNAME_USERNAME;
    request.has_password_case = SCHEDULER__V2__PREHEAT_IMAGE_REQUEST__HAS_PASSWORD_PASSWORD;
    request.username = text("user");
    request.password = text("secret");
    Scheduler__V2__PreheatImageRequest__HeaderEntry
        entry = SCHEDULER__V2__PREHEAT_IMAGE_REQUEST__HEADER_ENTRY__INIT,
        *list[] = {&entry};
    entry.key = text("Authorization");
    entry.value = text("Bearer own");
    request.header = list;
    request.n_header = 1;
    expect(preheat(lab, &request), DTR_RPC_OK, "");
    wait_over(lab);
    Darter__V1__StatPreheatResponse *response = rig_progress(&lab->rig, "image");
    assert_int_equal(response->n_rows, 2);
    assert_string_equal(response->rows[0]->url, REPOSITORY "/blobs/" CONFIG);
    assert_string_equal(response->rows[1]->url, REPOSITORY "/blobs/" LAYER);
    assert_string_equal(response->rows[1]->state, "done");
    darter__v1__stat_preheat_response__free_unpacked(response, NULL);
    assert_int_equal(lab->told, 2);
    assert_string_equal(lab->authorization, "Bearer own");
    assert_false(lab->trusted); /* the address came over the network */
    assert_false(lab->insecure);
    assert_string_equal(lab->roots, "");
}

static void what_the_registry_refuses_is_told(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__PreheatImageRequest request = image_request();
    lab->status = 404;
    expect(preheat(lab, &request), DTR_RPC_INVALID_ARGUMENT, "failed to resolve manifests: ");
    Darter__V1__StatPreheatResponse *response = rig_progress(&lab->rig, "image");
    assert_true(response->ended);
    assert_non_null(strstr(response->error, "failed to resolve manifests: "));
    darter__v1__stat_preheat_response__free_unpacked(response, NULL);
    lab->status = 200; /* a new try under the same id */
    expect(preheat(lab, &request), DTR_RPC_OK, "");
    wait_over(lab);
    assert_int_equal(lab->told, 2);
}

static void certificates_of_the_caller_are_trusted(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__PreheatImageRequest request = image_request();
    struct tls_rig keys;
    struct dtr_certificates chain;
    struct dtr_error err = {0};
    tls_rig_open(&keys);
    assert_int_equal(dtr_certificates_read(tls_rig_path(&keys, "ca.pem"), &chain, &err), DTR_OK);
    request.certificate_chain = chain.list;
    request.n_certificate_chain = chain.count;
    request.insecure_skip_verify = true;
    expect(preheat(lab, &request), DTR_RPC_OK, "");
    wait_over(lab);
    assert_memory_equal(lab->roots, "-----BEGIN CERTIFICATE-----\n", 28);
    assert_true(lab->insecure);
    chain.list[0].len--;
    expect(preheat(lab, &request), DTR_RPC_INVALID_ARGUMENT, "certificate_chain: ");
    dtr_certificates_free(&chain);
    tls_rig_close(&keys);
}

static void layers_are_looked_for_on_all_hosts(void **state)
{
    struct lab *lab = *state;
    Scheduler__V2__StatImageRequest request = SCHEDULER__V2__STAT_IMAGE_REQUEST__INIT;
    request.url = text(REPOSITORY "/manifests/latest");
    struct rig_answer answer = rig_ask(&lab->rig, &dtr_rpc_scheduler_stat_image, &request.base);
    assert_int_equal(answer.code, DTR_RPC_OK);
    Scheduler__V2__StatImageResponse *response = scheduler__v2__stat_image_response__unpack(
        NULL, answer.bytes.length, (const uint8_t *)dtr_str_text(&answer.bytes));
    assert_non_null(response);
    assert_int_equal(response->image->n_layers, 2);
    assert_string_equal(response->image->layers[1]->url, REPOSITORY "/blobs/" LAYER);
    assert_int_equal(response->n_peers, 1);
    assert_string_equal(response->peers[0]->ip, "127.0.0.1");
    assert_int_equal(response->peers[0]->n_cached_layers, 1);
    assert_string_equal(response->peers[0]->cached_layers[0]->url, REPOSITORY "/blobs/" LAYER);
    assert_true(response->peers[0]->cached_layers[0]->has_is_finished_case);
    assert_false(response->peers[0]->cached_layers[0]->is_finished);
    scheduler__v2__stat_image_response__free_unpacked(response, NULL);
    dtr_str_free(&answer.bytes);
}

static void on_gone(void *context, const struct dtr_rpc_message *response,
                    const struct dtr_rpc_status *status)
{
    (void)response;
    (void)status;
    *(bool *)context = true;
}

/* A call that the registry keeps waiting. */
static struct dtr_rpc_call *begin_waiting(struct lab *lab, bool *gone)
{
    const struct dtr_rpc_pair pair = {DTR_RPC_PREHEAT_ID, "image"};
    const struct dtr_rpc_call_options options = {.timeout_ms = 10000, .metadata = &pair, .metadata_count = 1};
    Scheduler__V2__PreheatImageRequest request = image_request();
    struct dtr_rpc_call *call;
    lab->status = 0;
    assert_int_equal(dtr_rpc_unary(lab->rig.channel, &dtr_rpc_scheduler_preheat_image, &request.base,
                                   &options, on_gone, gone, &call, NULL),
                     DTR_OK);
    rig_until(&lab->rig, rig_is_set, &lab->asked);
    return call;
}

static void a_caller_that_goes_is_not_served(void **state)
{
    struct lab *lab = *state;
    bool gone = false;
    struct dtr_rpc_call *call = begin_waiting(lab, &gone);
    Darter__V1__StatPreheatResponse *response = rig_progress(&lab->rig, "image");
    assert_false(response->ended);
    darter__v1__stat_preheat_response__free_unpacked(response, NULL);
    dtr_rpc_call_cancel(call);
    rig_until(&lab->rig, rig_is_set, &gone);
    rig_until(&lab->rig, rig_is_set, &lab->cancelled);
    wait_over(lab);
    assert_int_equal(lab->told, 0);
}

/* Its teardown is the test. */
static void a_scheduler_may_stop_while_a_registry_is_asked(void **state)
{
    static bool gone;
    (void)begin_waiting(*state, &gone);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_blob_is_a_task),
        TEST(what_the_registry_refuses_is_told),
        TEST(certificates_of_the_caller_are_trusted),
        TEST(layers_are_looked_for_on_all_hosts),
        TEST(a_caller_that_goes_is_not_served),
        TEST(a_scheduler_may_stop_while_a_registry_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
