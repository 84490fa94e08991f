/* The default formula, term by term (features page 2.5). */
#include "core/brain/rank.h"
#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define MIB (1024.0 * 1024)

struct row {
    const char *what;
    double max_tx, tx, bytes, pieces, idc, location, type, state, wanted;
};

static double score(const struct row *row)
{
    const struct dtr_rank_input input = {
        .count = 1,
        .max_tx = &row->max_tx,
        .tx = &row->tx,
        .outstanding_bytes = &row->bytes,
        .outstanding_pieces = &row->pieces,
        .idc_match = &row->idc,
        .location_match = &row->location,
        .host_type = &row->type,
        .state = &row->state,
    };
    double value = NAN;
    assert_int_equal(dtr_rank_dragonfly(NULL, &input, &value, NULL), DTR_OK);
    return value;
}

/* A host of 1280 MiB/s needs 80 concurrent pieces to be full. */
#define MAX (1280 * MIB * 8)
#define RUN DTR_PEER_RUNNING
#define SRC DTR_PEER_BACK_TO_SOURCE

static const struct row rows[] = {
    {"idle normal host", MAX, 0, 0, 0, 0, 0, 0, RUN, 0.6 + 0.05},
    {"unknown maximum: no load terms", 0, 0, 0, 0, 0, 0, 0, RUN, 0.05},
    {"maximum not a number", NAN, 0, 0, 0, 0, 0, 0, RUN, 0.05},
    {"peak: half booked", MAX, MAX / 2, 0, 0, 0, 0, 0, RUN, 0.6 * (0.25 + 0.3 + 0.2) + 0.05},
    {"peak: over-booked", MAX, MAX * 2, 0, 0, 0, 0, 0, RUN, 0.6 * (0.3 + 0.2) + 0.05},
    {"peak: just full", MAX, MAX, 0, 0, 0, 0, 0, RUN, 0.6 * (0.3 + 0.2) + 0.05},
    {"duration: 15 s of bytes", MAX, 0, 1280 * MIB * 15, 0, 0, 0, 0, RUN,
     0.6 * (0.5 + 0.3 * 0.75 + 0.2) + 0.05},
    {"duration: 60 s and more", MAX, 0, 1280 * MIB * 60, 0, 0, 0, 0, RUN, 0.6 * (0.5 + 0.2) + 0.05},
    {"concurrency: up to the need", MAX, 0, 0, 80, 0, 0, 0, RUN, 0.6 + 0.05},
    {"concurrency: twice the need", MAX, 0, 0, 160, 0, 0, 0, RUN, 0.6 * (0.8 + 0.2 * 0.5) + 0.05},
    {"concurrency: a host of one piece", 16 * MIB * 8, 0, 0, 0, 0, 0, 0, RUN, 0.6 * 0.8 + 0.05},
    {"labels", 0, 0, 0, 0, 1, 0.4, 0, RUN, 0.2 + 0.04 + 0.05},
    {"seed running", 0, 0, 0, 0, 0, 0, 1, RUN, 0.1},
    {"seed received", 0, 0, 0, 0, 0, 0, 1, DTR_PEER_RECEIVED_NORMAL, 0.1},
    {"seed at the origin", 0, 0, 0, 0, 0, 0, 1, SRC, 0},
    {"seed that has it all", 0, 0, 0, 0, 0, 0, 1, DTR_PEER_SUCCEEDED, 0},
};

static void each_term_is_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double got = score(&rows[i]);
        if (!(fabs(got - rows[i].wanted) < 1e-12))
            fail_msg("%s: %.15f instead of %.15f", rows[i].what, got, rows[i].wanted);
    }
}

static void no_candidates_no_scores(void **state)
{
    (void)state;
    const struct dtr_rank_input input = {.count = 0};
    assert_int_equal(dtr_rank_dragonfly(NULL, &input, NULL, NULL), DTR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_term_is_as_written),
        cmocka_unit_test(no_candidates_no_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
