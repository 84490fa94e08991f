/* See client.h. */
#include "client.h"

#include "core/net/addr.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

char *bench_text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static void too_late(void *context)
{
    (void)context;
    bench_die("the server", "it did not answer all in time");
}

void bench_client_open(struct bench_client *client, const char *address, const char *port, unsigned seconds)
{
    struct dtr_addr addr;
    struct dtr_error err;
    if (dtr_addr_ip(address, (uint16_t)strtoul(port, NULL, 10), &addr, &err) != DTR_OK ||
        dtr_loop_new("bench", &client->loop, &err) != DTR_OK ||
        dtr_rpc_channel_new(client->loop, &addr, NULL, &client->channel, &err) != DTR_OK ||
        dtr_timer_open(client->loop, too_late, NULL, &client->late, &err) != DTR_OK)
        bench_die(address, err.text);
    dtr_timer_set(client->late, seconds * 1000ull);
}

void bench_client_close(struct bench_client *client)
{
    dtr_timer_close(client->late);
    dtr_rpc_channel_close(client->channel);
    dtr_loop_free(client->loop);
}
