/* What a log line looks like, and what happens when nobody reads. */
#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/obs/log_line.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char *line_of(struct dtr_log_record record, bool json)
{
    static char line[DTR_LOG_LINE + 1];
    record.wall_ns = 1767323045000006789; /* 2026-01-02T03:04:05.000006789Z */
    size_t length = dtr_log_line(&record, json, line);
    assert_true(length <= DTR_LOG_LINE);
    line[length] = '\0';
    return line;
}

static void text_says_when_how_bad_which_pull_and_what(void **state)
{
    (void)state;
    assert_string_equal(line_of((struct dtr_log_record){.level = DTR_LOG_WARN, .message = "hello"}, false),
                        "2026-01-02T03:04:05.000006Z WARN hello\n");
    struct dtr_log_record whole = {
        .level = DTR_LOG_INFO, .pull = "a1b2", .module = "storage_file", .message = "one\ntwo\x1b[1m\xff"};
    assert_string_equal(line_of(whole, false),
                        "2026-01-02T03:04:05.000006Z INFO [a1b2] storage_file: one\\ntwo\\x1b[1m\\xff\n");
}

static void json_can_be_read_back(void **state)
{
    (void)state;
    struct dtr_log_record record = {
        .level = DTR_LOG_ERROR,
        .pull = "p\"1",
        .module = "m",
        .message = "tab\t quote\" back\\ bell\x07 umlaut \xc3\xa4 bad \xed\xa0\x80 cut \xe2\x82"};
    json_t *object = json_loads(line_of(record, true), 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "time")), "2026-01-02T03:04:05.000006Z");
    assert_string_equal(json_string_value(json_object_get(object, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(object, "pull")), "p\"1");
    assert_string_equal(json_string_value(json_object_get(object, "module")), "m");
    assert_string_equal(
        json_string_value(json_object_get(object, "message")),
        "tab\t quote\" back\\ bell\x07 umlaut \xc3\xa4 bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd cut "
        "\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(object);
}

static void long_messages_are_cut_and_stay_whole_lines(void **state)
{
    (void)state;
    char message[3 * DTR_LOG_LINE];
    for (int fill = 0; fill < 3; fill++) {
        memset(message, "a\n\""[fill], sizeof(message) - 1);
        message[sizeof(message) - 1] = '\0';
        struct dtr_log_record record = {.level = DTR_LOG_DEBUG, .pull = message, .message = message};
        const char *text = line_of(record, false);
        assert_non_null(strstr(text, "...\n"));
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        json_t *object = json_loads(line_of(record, true), 0, NULL);
        assert_non_null(object);
        json_decref(object);
    }
}

static void urls_lose_their_secrets(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"https://user:pw@host:5000/v2/a?token=x#f", "https://host:5000/v2/a"},
        {"https://host/a@b/c", "https://host/a@b/c"},
        {"http://a@b@host", "http://host"},
        {"http://host?X-Amz-Signature=1", "http://host"},
        {"user:pw@host:443", "host:443"},
        {"/v2/x/blobs/sha256:ab?ns=docker.io", "/v2/x/blobs/sha256:ab"},
        {"/redirect?to=http://u:p@h/", "/redirect"},
        {"", ""},
        {NULL, ""},
    };
    char text[64];
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_string_equal(dtr_log_url(pairs[i][0], text, sizeof(text)), pairs[i][1]);
    assert_string_equal(dtr_log_url("https://user@host/long", text, 10), "https://h");
}

static void levels_have_names(void **state)
{
    (void)state;
    enum dtr_log_level level = DTR_LOG_ERROR;
    assert_true(dtr_log_level_parse("WARNING", &level) && level == DTR_LOG_WARN);
    assert_true(dtr_log_level_parse("trace", &level) && level == DTR_LOG_DEBUG);
    assert_false(dtr_log_level_parse("loud", &level));
    assert_string_equal(dtr_log_level_name(DTR_LOG_INFO), "info");
}

/* --- the running log ------------------------------------------------------------------------------------ */

static char path[] = "/tmp/dtr-log-test-XXXXXX";

static void make_path(void)
{
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
}

static char *content_of(const char *file)
{
    struct dtr_str all = {0};
    char bytes[4096];
    ssize_t n;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        dtr_str_add(&all, bytes, (size_t)n);
    (void)close(fd);
    dtr_str_puts(&all, "");
    return all.text ? dtr_str_take(&all) : strdup("");
}

static void file_gets_lines_up_to_the_level(void **state)
{
    (void)state;
    make_path();
    struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .file = path};
    assert_int_equal(dtr_log_start(&settings, NULL), DTR_OK);
    dtr_log(DTR_LOG_INFO, "p1", "number %d", 7);
    dtr_log(DTR_LOG_DEBUG, NULL, "not this");
    dtr_log_module("origin_http", DTR_LOG_ERROR, "answer %s", "503");
    assert_false(dtr_log_on(DTR_LOG_DEBUG));
    dtr_log_set_level(DTR_LOG_DEBUG);
    dtr_log(DTR_LOG_DEBUG, NULL, "but this");
    assert_true(dtr_log_flush(5000));
    char *text = content_of(path);
    assert_non_null(strstr(text, "INFO [p1] number 7\n"));
    assert_null(strstr(text, "not this"));
    assert_non_null(strstr(text, "ERROR origin_http: answer 503\n"));
    assert_non_null(strstr(text, "DEBUG but this\n"));
    free(text);
    dtr_log_stop();
    (void)unlink(path);
}

static void reopen_follows_a_moved_file(void **state)
{
    (void)state;
    char moved[64];
    make_path();
    (void)snprintf(moved, sizeof(moved), "%s.1", path);
    struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .file = path};
    assert_int_equal(dtr_log_start(&settings, NULL), DTR_OK);
    dtr_log(DTR_LOG_INFO, NULL, "first");
    assert_true(dtr_log_flush(5000));
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(dtr_log_reopen(NULL), DTR_OK);
    dtr_log(DTR_LOG_INFO, NULL, "second");
    dtr_log_stop();
    char *old = content_of(moved), *new = content_of(path);
    assert_non_null(strstr(old, "first"));
    assert_null(strstr(old, "second"));
    assert_non_null(strstr(new, "second"));
    free(old);
    free(new);
    (void)unlink(path);
    (void)unlink(moved);
}

static void file_that_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    struct dtr_error err;
    struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .file = "/nonexistent/darter/log"};
    assert_int_equal(dtr_log_start(&settings, &err), DTR_EIO);
    assert_non_null(strstr(err.text, "/nonexistent/darter/log"));
}

/* Sum of the lines that the text says were dropped. */
static uint64_t told_in(const char *text)
{
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, " WARN ")) != NULL; at++)
        if (strstr(at, "log lines were dropped here"))
            sum += strtoull(at + 6, NULL, 10);
    return sum;
}

/* Runs with stderr turned into a pipe that nobody reads: logging must go on, and what was lost is told. One
 * that waited for the pipe would be slow in each call once the queue is full; a slow one or two are the
 * machine's. */
static void full_pipe_delays_nobody(void **state)
{
    (void)state;
    int pipe_fds[2];
    int saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    (void)close(pipe_fds[1]);
    struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .to_stderr = true};
    int code = dtr_log_start(&settings, NULL);
    uint64_t before = dtr_log_dropped();
    int slow = 0;
    for (int i = 0; i < 3000 && slow < 5; i++) {
        uint64_t start_ms = dtr_now_ms();
        dtr_log(DTR_LOG_INFO, NULL, "line %d of many that fill the pipe and then the queue", i);
        slow += dtr_now_ms() - start_ms >= 1000;
    }
    bool flushed = dtr_log_flush(50);
    uint64_t lost = dtr_log_dropped() - before;
    /* Now read everything until all of the loss has been told. */
    struct dtr_str all = {0};
    char bytes[4096];
    while (told_in(dtr_str_text(&all)) < lost) {
        ssize_t n = read(pipe_fds[0], bytes, sizeof(bytes));
        if (n <= 0)
            break;
        dtr_str_add(&all, bytes, (size_t)n);
    }
    dtr_log_stop();
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(pipe_fds[0]);
    assert_int_equal(code, DTR_OK);
    assert_false(flushed);
    assert_true(lost > 100 && lost < 3000);
    assert_true(slow <= 2);
    assert_int_equal(told_in(dtr_str_text(&all)), lost);
    dtr_str_free(&all);
}

static void *log_many(void *name)
{
    for (int i = 0; i < 50; i++)
        dtr_log(DTR_LOG_INFO, name, "line %d", i);
    return NULL;
}

static void threads_never_mix_their_lines(void **state)
{
    (void)state;
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    make_path();
    struct dtr_log_settings settings = {.level = DTR_LOG_INFO, .json = true, .file = path};
    assert_int_equal(dtr_log_start(&settings, NULL), DTR_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    dtr_log_stop();
    char *text = content_of(path), *rest = NULL;
    int lines = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        json_decref(object);
    }
    assert_int_equal(lines, 200);
    free(text);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_says_when_how_bad_which_pull_and_what),
        cmocka_unit_test(json_can_be_read_back),
        cmocka_unit_test(long_messages_are_cut_and_stay_whole_lines),
        cmocka_unit_test(urls_lose_their_secrets),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(file_gets_lines_up_to_the_level),
        cmocka_unit_test(reopen_follows_a_moved_file),
        cmocka_unit_test(file_that_cannot_be_opened_is_an_error),
        cmocka_unit_test(full_pipe_delays_nobody),
        cmocka_unit_test(threads_never_mix_their_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
