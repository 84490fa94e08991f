/* The rig; see server_rig.h. */
#include "server_rig.h"

#include <ftw.h>
#include <signal.h>

static const char *script;
static char dir[] = "/tmp/darter-mysql-XXXXXX"; /* the server's */

const struct dtr_database_ops *ops;

/* --- the server ----------------------------------------------------------------------------------------- */

void server(const char *verb, const char *more)
{
    char command[512];
    (void)snprintf(command, sizeof(command), "'%s' %s %s %s", script, verb, dir, more);
    if (system(command) != 0)
        fail_msg("%s failed", command);
}

long number_in(const char *name)
{
    char path[128];
    long number = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *in = fopen(path, "re");
    if (!in || fscanf(in, "%ld", &number) != 1)
        fail_msg("%s has no number", path);
    (void)fclose(in);
    return number;
}

int start_server(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    server("start", "");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int stop_server(void **state)
{
    (void)state;
    server("kill", "");
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool rig_arguments(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s SERVER\n", argv[0]);
        return false;
    }
    script = argv[1];
    ops = dtr_testhost_ops(dtr_module_open(dtr_testhost()), "database");
    (void)signal(SIGPIPE, SIG_IGN); /* as in core */
    return true;
}

/* --- the module -------------------------------------------------------------------------------------------
 */

int start(struct fixture *f, long port, const char *const *more, size_t count)
{
    char where[32];
    (void)snprintf(where, sizeof(where), "port=%ld", port);
    const char *const usual[] = {"host=127.0.0.1",      "user=darter",    "password=pass 'word",
                                 "connect_timeout=20s", "io_timeout=60s", where};
    const char *settings[RIG_SETTINGS];
    for (size_t i = 0; i < count; i++) {
        const char *at = strchr(more[i], '@');
        (void)snprintf(f->texts[i], sizeof(f->texts[i]), "%.*s%s%s", at ? (int)(at - more[i]) : 0, more[i],
                       at ? dir : "", at ? at + 1 : more[i]);
        settings[i] = f->texts[i];
    }
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        size_t name = strcspn(usual[i], "="), j = 0;
        while (j < count && (j == count || strncmp(settings[j], usual[i], name + 1) != 0))
            j++;
        if (j < count)
            continue;
        /* The caller's come first and are kept; the usual ones fill up. */
        (void)snprintf(f->texts[RIG_SETTINGS - 1 - i], sizeof(f->texts[0]), "%s", usual[i]);
        settings[count++] = f->texts[RIG_SETTINGS - 1 - i];
    }
    return dtr_testhost_start(dtr_module_open(dtr_testhost()), settings, count, &f->started, &f->err);
}

void start_usual(struct fixture *f)
{
    assert_int_equal(start(f, number_in("port"), NULL, 0), DTR_OK);
}

struct dtr_db *open_usual(struct fixture *f)
{
    struct dtr_db *db = NULL;
    if (ops->open(f->started.instance, &db, &f->err) != DTR_OK)
        fail_msg("open: %s", f->err.text);
    return db;
}

int run(struct fixture *f, struct dtr_db *db, const char *sql)
{
    return ops->run(db, sql, NULL, 0, NULL, NULL, &f->err);
}

static int see(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)count;
    (void)err;
    *(int64_t *)context = columns[0].number;
    return DTR_OK;
}

int64_t number_of(struct fixture *f, struct dtr_db *db, const char *sql)
{
    int64_t number = -1;
    const struct dtr_row_sink sink = {see, &number};
    if (ops->run(db, sql, NULL, 0, &sink, NULL, &f->err) != DTR_OK)
        fail_msg("%s: %s", sql, f->err.text);
    return number;
}

void assert_open(long port, const char *const *settings, size_t count, int code, const char *words)
{
    struct fixture f = {0};
    struct dtr_db *db = NULL;
    assert_int_equal(start(&f, port, settings, count), DTR_OK);
    int rc = ops->open(f.started.instance, &db, &f.err);
    if (rc != code || (rc != DTR_OK && (!strstr(f.err.text, words) || strstr(f.err.text, "'word"))))
        fail_msg("%s ...: %s (%s), not %s (%s)", count ? settings[0] : "", dtr_code_text(rc),
                 rc ? f.err.text : "", dtr_code_text(code), words);
    if (rc == DTR_OK)
        ops->close(db);
    dtr_testhost_stop(&f.started);
}
