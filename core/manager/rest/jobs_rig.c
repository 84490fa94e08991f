/* The frame of the tests of jobs; see jobs_rig.h. */
#include "core/manager/rest/jobs_rig.h"

#include "core/loop/turn_until.h"
#include "core/net/guard.h"

struct fake fakes[2];
struct jobs *runner;

void add_scheduler(struct rest_rig *rig, int64_t cluster, const struct fake *fake, const char *name)
{
    char sql[FAKE_SQL];
    fake_row(fake, cluster, name, sql);
    run_sql(rig, sql);
}

int jobs_set_up(void **state)
{
    struct dtr_error err;
    int rc = rest_rig_set_up(state);
    struct rest_rig *rig = *state;
    assert_int_equal(dtr_guard_allow("127.0.0.1", &err), DTR_OK);
    for (int i = 0; i < 2; i++)
        fake_open(&fakes[i], rig->http.loop, false);
    sign_in(rig, "root", "dragonfly");
    ask(rig, 200, "POST", "/api/v1/scheduler-clusters",
        "{\"name\":\"second\",\"config\":{},\"client_config\":{}}");
    add_scheduler(rig, 1, &fakes[0], "sched-1");
    return rc;
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

int jobs_tear_down(void **state)
{
    struct rest_rig *rig = *state;
    const struct rest_options plain = {.jwt_timeout_s = 3600, .jwt_max_refresh_s = 7200};
    bool closed = false;
    if (runner) {
        rest_rig_restart(rig, &plain);
        jobs_close(runner, on_closed, &closed);
        TURN_UNTIL(rig->http.loop, closed);
        runner = NULL;
    }
    fake_close(&fakes[0]);
    fake_close(&fakes[1]);
    dtr_guard_stop();
    return rest_rig_tear_down(state);
}

void restart(struct rest_rig *rig, struct share *share)
{
    const struct rest_options rest = {
        .jwt_timeout_s = 3600, .jwt_max_refresh_s = 7200, .jobs = runner, .share = share};
    rest_rig_restart(rig, &rest);
}

void start_runner(struct rest_rig *rig)
{
    struct dtr_error err;
    const struct jobs_options options = {.loop = rig->http.loop,
                                         .pool = rig->pool,
                                         .store = rig->store,
                                         .sync_timeout_ms = 60000,
                                         .sync_batch = 2,
                                         .round_ms = 10,
                                         .pause_ms = 10,
                                         .lease_ms = 10000};
    assert_int_equal(jobs_new(&options, &runner, &err), DTR_OK);
    restart(rig, NULL);
}

void post(struct rest_rig *rig, int status, const char *type, const char *args, const char *more)
{
    struct dtr_str body = {0};
    dtr_str_printf(&body, "{\"type\":\"%s\",\"args\":%s%s}", type, args, more ? more : "");
    ask(rig, status, "POST", "/api/v1/jobs", dtr_str_text(&body));
    dtr_str_free(&body);
}
