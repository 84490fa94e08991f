/* Asks a manager over and over, some calls at a time on one connection, and prints the seconds that it took
 * and the bytes of an answer on average.
 *
 *   bench_asks ADDRESS PORT schedulers|health CALLS AT_ONCE
 *
 * schedulers: ListSchedulers of as many different daemons, spread over the addresses, host names, idcs and
 * locations that the rows in rows_manager.py give to clusters; every answer must name schedulers. health:
 * the gRPC health service, the same way in and out without the manager's work. One thread. */
#include "client.h"

#include "core/rpc/methods.h"
#include "proto/google.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/manager.pb-c.h"
#include <stdlib.h>
#include <string.h>

enum { SECONDS = 120, CLUSTERS = 100 };

struct bench {
    struct bench_client client;
    bool health;
    struct dtr_rpc_method list; /* unpacks nothing of an answer: that would cost more than to make it */
    unsigned long calls, begun, ended;
    unsigned long long bytes;
};

static void ask_next(struct bench *bench);

static void on_answer(void *context, const struct dtr_rpc_message *response,
                      const struct dtr_rpc_status *status)
{
    struct bench *bench = context;
    if (!response)
        bench_die("a call", status->message);
    if (!bench->health && response->length == 0)
        bench_die("ListSchedulers", "no schedulers");
    bench->bytes += response->length;
    bench->ended++;
    ask_next(bench);
}

static void call(struct bench *bench, const struct dtr_rpc_method *method, const ProtobufCMessage *request)
{
    const struct dtr_rpc_call_options options = {.timeout_ms = 60000, .wait_for_ready = true};
    struct dtr_error err;
    if (dtr_rpc_unary(bench->client.channel, method, request, &options, on_answer, bench, NULL, &err) !=
        DTR_OK)
        bench_die("a call", err.text);
}

static void ask_schedulers(struct bench *bench, unsigned long number)
{
    Manager__V2__ListSchedulersRequest request = MANAGER__V2__LIST_SCHEDULERS_REQUEST__INIT;
    char hostname[64], ip[32], idc[32], location[32];
    unsigned long cluster = number * 7919 % CLUSTERS;
    (void)snprintf(hostname, sizeof(hostname), "node-%lu-%lu", cluster, number);
    (void)snprintf(ip, sizeof(ip), "10.%lu.%lu.%lu", cluster, number / 250 % 250, number % 250);
    (void)snprintf(idc, sizeof(idc), "idc-%lu", number * 31 % CLUSTERS);
    (void)snprintf(location, sizeof(location), "region-%lu|zone-%lu", number % 10, number * 17 % CLUSTERS);
    request.hostname = hostname;
    request.ip = ip;
    request.version = bench_text("2.5.0");
    request.has_idc_case = MANAGER__V2__LIST_SCHEDULERS_REQUEST__HAS_IDC_IDC;
    request.idc = idc;
    request.has_location_case = MANAGER__V2__LIST_SCHEDULERS_REQUEST__HAS_LOCATION_LOCATION;
    request.location = location;
    call(bench, &bench->list, &request.base);
}

static void ask_next(struct bench *bench)
{
    Grpc__Health__V1__HealthCheckRequest health = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    if (bench->begun == bench->calls)
        return;
    unsigned long number = bench->begun++;
    if (bench->health)
        call(bench, &dtr_rpc_health_check, &health.base);
    else
        ask_schedulers(bench, number);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    if (argc != 6) {
        fprintf(stderr, "usage: bench_asks ADDRESS PORT schedulers|health CALLS AT_ONCE\n");
        return 2;
    }
    bench.list = dtr_rpc_manager_list_schedulers;
    bench.list.output = &google__protobuf__empty__descriptor;
    bench.health = strcmp(argv[3], "health") == 0;
    bench.calls = strtoul(argv[4], NULL, 10);
    unsigned long at_once = strtoul(argv[5], NULL, 10);
    bench_client_open(&bench.client, argv[1], argv[2], SECONDS);
    double start = bench_now();
    for (unsigned long i = 0; i < at_once; i++)
        ask_next(&bench);
    while (bench.ended < bench.calls)
        dtr_loop_turn(bench.client.loop, true);
    printf("%.6f %.0f\n", bench_now() - start, bench.calls ? (double)bench.bytes / (double)bench.calls : 0.0);
    bench_client_close(&bench.client);
    return 0;
}
