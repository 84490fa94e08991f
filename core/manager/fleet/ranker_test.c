/* A scope policy is taken, swapped and left as its file says. */
#include "core/manager/fleet/ranker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char path[64];
static struct dtr_scope *scopes[2];

static const char by_id[] = "return { name = 'by_id', needs = { 'id' }, rank = function(c, s) local r = {}"
                            " for i = 1, s.count do r[i] = %sc.id[i] end return r end,"
                            " tests = { { 'two', c = { id = { 1, 2 } }, scores = { %s1, %s2 } } } }";

static void write_script(const char *sign, const char *end)
{
    char text[600], other[80];
    int length = snprintf(text, sizeof(text), by_id, sign, sign, sign);
    (void)snprintf(other, sizeof(other), "%s.new", path);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, (size_t)length, file), length);
    assert_true(fputs(end, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(other, path), 0);
}

static int begin(void **state)
{
    const struct dtr_scope_texts none = {0}, idc = {.idc = "b"};
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/darter-ranker-%d.lua", (int)getpid());
    assert_int_equal(dtr_scope_new(&none, &scopes[0], NULL), DTR_OK);
    return dtr_scope_new(&idc, &scopes[1], NULL);
}

static int end(void **state)
{
    (void)state;
    dtr_scope_free(scopes[0]);
    dtr_scope_free(scopes[1]);
    (void)unlink(path);
    return 0;
}

/* The id of the cluster that comes first for a peer of idc "b": cluster 2 has it, cluster 1 is the default.
 */
static uint64_t first(struct ranker *ranker, const char *idc)
{
    const struct dtr_scope_cluster clusters[] = {
        {.id = 1, .name = "a", .scope = scopes[0], .is_default = true},
        {.id = 2, .name = "b", .scope = scopes[1]}};
    const struct dtr_scope_peer peer = {.ip = "10.0.0.1", .hostname = "node", .idc = idc, .location = ""};
    uint32_t order[2];
    double scores[2];
    assert_int_equal(ranker_rank(ranker, clusters, 2, &peer, order, scores, NULL), DTR_OK);
    return clusters[order[0]].id;
}

static void the_formula_ranks_without_a_script(void **state)
{
    (void)state;
    struct ranker *ranker;
    assert_int_equal(ranker_new(NULL, &ranker, NULL), DTR_OK);
    assert_int_equal(first(ranker, "b"), 2);
    assert_int_equal(first(ranker, ""), 1);
    ranker_look(ranker);
    ranker_free(ranker);
}

static void a_script_is_taken_swapped_and_left(void **state)
{
    (void)state;
    struct ranker *ranker;
    struct dtr_error err;
    write_script("", "");
    assert_int_equal(ranker_new(path, &ranker, &err), DTR_OK);
    assert_int_equal(first(ranker, ""), 2);
    write_script("-", "");
    ranker_look(ranker);
    assert_int_equal(first(ranker, "b"), 1);
    write_script("", " nonsense(");
    ranker_look(ranker);
    assert_int_equal(first(ranker, "b"), 1);
    write_script("", "");
    ranker_look(ranker);
    assert_int_equal(first(ranker, ""), 2);
    ranker_free(ranker);
}

static void another_algorithm_takes_its_place(void **state)
{
    (void)state;
    struct ranker *ranker, *fresh;
    struct dtr_error err;
    write_script("", "");
    assert_int_equal(ranker_new(NULL, &ranker, &err), DTR_OK);
    assert_int_equal(first(ranker, ""), 1);
    assert_int_equal(ranker_new(path, &fresh, &err), DTR_OK);
    ranker_take(ranker, fresh);
    assert_int_equal(first(ranker, ""), 2);
    /* It is followed as one of the start is; the same again is nothing new. */
    write_script("-", "");
    ranker_look(ranker);
    assert_int_equal(first(ranker, "b"), 1);
    assert_int_equal(ranker_new(path, &fresh, &err), DTR_OK);
    ranker_take(ranker, fresh);
    assert_int_equal(first(ranker, "b"), 1);
    assert_int_equal(ranker_new(NULL, &fresh, &err), DTR_OK);
    ranker_take(ranker, fresh);
    assert_int_equal(first(ranker, "b"), 2);
    ranker_look(ranker);
    assert_int_equal(first(ranker, "b"), 2);
    ranker_free(ranker);
}

static void a_bad_one_is_refused_at_the_start(void **state)
{
    (void)state;
    struct ranker *ranker;
    struct dtr_error err;
    write_script("", " nonsense(");
    assert_int_not_equal(ranker_new(path, &ranker, &err), DTR_OK);
    assert_memory_equal(err.text, "scope.algorithm: ", strlen("scope.algorithm: "));
    assert_non_null(strstr(err.text, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formula_ranks_without_a_script),
        cmocka_unit_test(a_script_is_taken_swapped_and_left),
        cmocka_unit_test(another_algorithm_takes_its_place),
        cmocka_unit_test(a_bad_one_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
