/* Ranks 40 candidates over and over, by the C formula or by a policy, and prints how many decisions a second
 * of processor time makes.
 *
 *   bench_decisions c|FILE.lua DECISIONS */
#include "core/policy/policy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CANDIDATES = 40 };

struct columns {
#define COLUMN(type, name, help) type name[CANDIDATES];
    DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
    const char *idc[CANDIDATES], *location[CANDIDATES];
};

/* Candidates as a running swarm has them: no two alike. */
static void fill(struct columns *c)
{
    for (int i = 0; i < CANDIDATES; i++) {
        c->max_tx[i] = 1e9;
        c->tx[i] = 1e7 * i;
        c->outstanding_bytes[i] = 4194304.0 * i;
        c->outstanding_pieces[i] = 8.0 * (i % 7);
        c->uploads[i] = c->children[i] = i % 7;
        c->pieces_had[i] = i;
        c->pieces_total[i] = CANDIDATES;
        c->depth[i] = i % 5;
        c->cost_mean[i] = c->cost_last[i] = 20 + i;
        c->cost_deviation[i] = i % 3;
        c->observed_rate[i] = 1e6 * (1 + i);
        c->failures[i] = i % 11 == 0;
        c->rtt_ms[i] = 0.2 * i;
        c->idc_match[i] = i % 2;
        c->location_match[i] = (i % 6) / 5.0;
        c->host_type[i] = i == 0;
        c->state[i] = i % 2 ? DTR_PEER_RUNNING : DTR_PEER_SUCCEEDED;
        c->host_hash[i] = i / (double)CANDIDATES;
        c->age_ms[i] = 1000.0 * i;
        c->idc[i] = i % 2 ? "a" : "b";
        c->location[i] = i % 3 ? "x|y|z" : "x|y";
    }
}

static struct dtr_rank_input input_of(const struct columns *c)
{
    return (struct dtr_rank_input){
        .count = CANDIDATES,
#define COLUMN(type, name, help) .name = c->name,
        DTR_RANK_COLUMNS(COLUMN)
#undef COLUMN
            .idc = c->idc,
        .location = c->location,
        .child_idc = "a",
        .child_location = "x|y|z",
        .content_length = 256 << 20,
        .piece_length = 4 << 20,
        .now_ms = 1000000,
    };
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct columns columns;
    struct dtr_policy *policy = NULL;
    struct dtr_error err = {0};
    double scores[CANDIDATES], sum = 0;
    if (argc != 3 || strtoul(argv[2], NULL, 10) == 0) {
        fprintf(stderr, "usage: bench_decisions c|FILE.lua DECISIONS\n");
        return 2;
    }
    dtr_rank_fn rank = strcmp(argv[1], "c") == 0 ? dtr_rank_dragonfly : dtr_policy_rank;
    if (rank == dtr_policy_rank &&
        dtr_policy_load(DTR_POLICY_SCHEDULING, argv[1], NULL, &policy, &err) != DTR_OK) {
        fprintf(stderr, "bench_decisions: %s\n", err.text);
        return 1;
    }
    fill(&columns);
    struct dtr_rank_input input = input_of(&columns);
    unsigned long count = strtoul(argv[2], NULL, 10);
    double start = processor_seconds();
    for (unsigned long i = 0; i < count; i++) {
        input.random = i;
        input.now_ms++;
        if (rank(policy, &input, scores, &err) != DTR_OK) {
            fprintf(stderr, "bench_decisions: %s\n", err.text);
            return 1;
        }
        sum += scores[i % CANDIDATES];
    }
    double seconds = processor_seconds() - start;
    dtr_policy_free(policy);
    if (sum == 0) { /* also keeps the compiler from leaving the work out */
        fprintf(stderr, "bench_decisions: all scores are 0\n");
        return 1;
    }
    printf("%.0f\n", (double)count / seconds);
    return 0;
}
