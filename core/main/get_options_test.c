/* The flags of `darter get`: what they set, what is refused, and that --help names them all. */
#include "core/main/get_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { ARGS = 24 };

static struct get_options options;
static struct dtr_error err;

/* One line of words as a command line. */
static int read_line(const char *line)
{
    static char words[512];
    char *argv[ARGS + 1] = {0}, *rest = NULL;
    int argc = 0;
    (void)snprintf(words, sizeof(words), "get %s", line);
    for (char *word = strtok_r(words, " ", &rest); word && argc < ARGS; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    err = (struct dtr_error){0};
    return get_options_read(&options, argc, argv, &err);
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    assert_int_equal(read_line("http://h/x -O out"), DTR_OK);
    const struct dtr_get_options *get = &options.get;
    assert_string_equal(get->url, "http://h/x");
    assert_string_equal(get->output, "out");
    assert_string_equal(get->endpoint, "/var/run/dragonfly/dfdaemon.sock");
    assert_int_equal(get->timeout_ms, 7200000);
    assert_int_equal(get->priority, 6);
    assert_int_equal(get->piece_length, 0);
    assert_true(get->default_filter);
    assert_false(get->overwrite || get->disable_back_to_source || options.no_progress || options.version);
    assert_string_equal(get->digest, "");
}

static void each_flag_sets_its_value(void **state)
{
    (void)state;
    assert_int_equal(read_line("-O o --overwrite --digest crc32:5 --timeout 90s -H A:1 --header B:2 --tag t "
                               "--application a --piece-length 4mib --filtered-query-param x "
                               "--filtered-query-param y -p 3 -e /s --no-progress"),
                     DTR_EINVALID); /* no URL */
    assert_int_equal(read_line("-O o --overwrite --digest crc32:5 --timeout 90s -H A:1 --header B:2 --tag t "
                               "--application=a --piece-length 4mib http://u"),
                     DTR_OK);
    assert_true(options.get.overwrite);
    assert_string_equal(options.get.digest, "crc32:5");
    assert_int_equal(options.get.timeout_ms, 90000);
    assert_int_equal(options.get.header_count, 2);
    assert_string_equal(options.get.headers[1], "B:2");
    assert_string_equal(options.get.tag, "t");
    assert_string_equal(options.get.application, "a");
    assert_int_equal(options.get.piece_length, 4 << 20);
    assert_int_equal(read_line("http://u -O o --filtered-query-param x --filtered-query-param y -p 3 -e /s "
                               "--no-progress --disable-back-to-source --content-for-calculating-task-id c "
                               "--transfer-from-dfdaemon --console -l debug"),
                     DTR_OK);
    assert_false(options.get.default_filter);
    assert_int_equal(options.get.filter_count, 2);
    assert_string_equal(options.get.filter[0], "x");
    assert_int_equal(options.get.priority, 3);
    assert_string_equal(options.get.endpoint, "/s");
    assert_string_equal(options.get.content_for_task_id, "c");
    assert_true(options.no_progress && options.get.disable_back_to_source);
    assert_int_equal(read_line("-V"), DTR_OK);
    assert_true(options.version);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int code;
        const char *part;
    } cases[] = {
        {"", DTR_EINVALID, "URL"},
        {"http://u", DTR_EINVALID, "-O"},
        {"http://u http://v -O o", DTR_EINVALID, "http://v"},
        {"http://u -O", DTR_EINVALID, "value is missing"},
        {"http://u -O o --nonsense", DTR_EINVALID, "--nonsense"},
        {"http://u -O o -x", DTR_EINVALID, "-x"},
        {"http://u -O o --priority 7", DTR_EINVALID, "--priority 7"},
        {"http://u -O o --priority high", DTR_EINVALID, "0 and 6"},
        {"http://u -O o --piece-length 1MiB", DTR_EINVALID, "4MiB and 64MiB"},
        {"http://u -O o --piece-length 65MiB", DTR_EINVALID, "4MiB and 64MiB"},
        {"http://u -O o --timeout 5", DTR_EINVALID, "--timeout 5"},
        {"http://u -O o --timeout 0", DTR_EINVALID, "--timeout"},
        {"http://u -O o -r", DTR_EUNSUPPORTED, "--recursive"},
        {"http://u -O o --storage-region eu", DTR_EUNSUPPORTED, "--storage-region"},
        {"http://u -O o --hf-token x", DTR_EUNSUPPORTED, "--hf-token"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_line(cases[i].line), cases[i].code);
        if (!strstr(err.text, cases[i].part))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].part);
    }
}

static void the_environment_stands_behind_the_command_line(void **state)
{
    (void)state;
    (void)setenv("DFGET_ENDPOINT", "/env", 1);
    (void)setenv("DFGET_OVERWRITE", "true", 1);
    (void)setenv("DFGET_NO_PROGRESS", "false", 1);
    (void)setenv("DFGET_PIECE_LENGTH", "8MiB", 1);
    assert_int_equal(read_line("http://u -O o"), DTR_OK);
    assert_string_equal(options.get.endpoint, "/env");
    assert_true(options.get.overwrite);
    assert_false(options.no_progress);
    assert_int_equal(options.get.piece_length, 8 << 20);
    assert_int_equal(read_line("http://u -O o -e /line"), DTR_OK);
    assert_string_equal(options.get.endpoint, "/line");
    (void)setenv("DFGET_PIECE_LENGTH", "many", 1);
    assert_int_equal(read_line("http://u -O o"), DTR_EINVALID);
    (void)unsetenv("DFGET_PIECE_LENGTH");
    (void)setenv("DFGET_OVERWRITE", "perhaps", 1);
    assert_int_equal(read_line("http://u -O o"), DTR_EINVALID);
    (void)unsetenv("DFGET_OVERWRITE");
    (void)unsetenv("DFGET_NO_PROGRESS");
    (void)unsetenv("DFGET_ENDPOINT");
}

/* A flag that --help does not name, or names although it is none. */
static void the_help_is_complete_and_true(void **state)
{
    (void)state;
    static const char *const known[] = {"output",
                                        "overwrite",
                                        "digest",
                                        "timeout",
                                        "header",
                                        "disable-back-to-source",
                                        "priority",
                                        "no-progress",
                                        "endpoint",
                                        "version",
                                        "tag",
                                        "application",
                                        "piece-length",
                                        "filtered-query-param",
                                        "content-for-calculating-task-id",
                                        "transfer-from-dfdaemon",
                                        "console",
                                        "log-level",
                                        "log-dir",
                                        "log-max-files",
                                        "log-max-file-size"};
    enum { KNOWN = sizeof(known) / sizeof(known[0]) };
    bool named[KNOWN] = {0};
    for (const char *at = get_usage; (at = strstr(at, "--")); at += 2) {
        size_t length = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-"), i = 0;
        while (i < KNOWN && (strlen(known[i]) != length || strncmp(known[i], at + 2, length) != 0))
            i++;
        if (i == KNOWN)
            fail_msg("--help names %.20s, which is no flag", at);
        named[i] = true;
    }
    for (size_t i = 0; i < KNOWN; i++) {
        char line[128];
        if (!named[i])
            fail_msg("--help does not name --%s", known[i]);
        /* It is a flag: with a value, or without one. */
        (void)snprintf(line, sizeof(line), "http://u -O o --%s 4MiB", known[i]);
        (void)read_line(line);
        assert_null(strstr(err.text, "what is --"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(each_flag_sets_its_value),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(the_environment_stands_behind_the_command_line),
        cmocka_unit_test(the_help_is_complete_and_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
