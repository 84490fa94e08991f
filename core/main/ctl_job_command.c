/* The jobs of a manager in `darter ctl`; see ctl_words.h. */
#include "core/conf/value.h"
#include "core/main/ctl_words.h"
#include "core/tools/password.h"
#include <string.h>
#include <unistd.h>

int ctl_jobs(struct ctl *ctl, char **words, struct dtr_error *err)
{
    (void)words;
    return dtr_ctl_jobs(&ctl->use.access, ctl_value(&ctl->options, CTL_TYPE),
                        ctl_value(&ctl->options, CTL_STATE), &ctl->use.show, err);
}

int ctl_job(struct ctl *ctl, char **words, struct dtr_error *err)
{
    int64_t id = 0;
    int rc = ctl_id("job", words[0], &id, err);
    return rc == DTR_OK ? dtr_ctl_job(&ctl->use.access, id, &ctl->use.show, err) : rc;
}

int ctl_job_remove(struct ctl *ctl, char **words, struct dtr_error *err)
{
    int64_t id = 0;
    int rc = ctl_id("job", words[0], &id, err);
    return rc == DTR_OK ? dtr_ctl_job_remove(&ctl->use.access, id, err) : rc;
}

static int follow(struct ctl *ctl, int64_t id, struct dtr_error *err)
{
    return dtr_ctl_job_follow(&ctl->use.access, id, DTR_CTL_FOLLOW_MS, stderr, &ctl->use.show, err);
}

int ctl_job_follow(struct ctl *ctl, char **words, struct dtr_error *err)
{
    int64_t id = 0;
    int rc = ctl_id("job", words[0], &id, err);
    return rc == DTR_OK ? follow(ctl, id, err) : rc;
}

/* --- starting ------------------------------------------------------------------------------------------ */

static int read_measures(const struct ctl_options *options, struct dtr_ctl_work *work, struct dtr_error *err)
{
    const char *size = ctl_value(options, CTL_PIECE_LENGTH), *time = ctl_value(options, CTL_TIMEOUT);
    uint64_t bytes = 0, ms = 0;
    if (size && (!dtr_value_size(size, &bytes) || bytes > INT64_MAX))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "--piece-length is '%.40s'; needed is a size such as 4MiB", size);
    if (time && (!dtr_value_duration(time, &ms) || ms > (uint64_t)INT64_MAX / 1000000))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "--timeout is '%.40s'; needed is a time such as 30m", time);
    work->piece_length = size ? (int64_t)bytes : -1;
    work->timeout_ms = time ? (int64_t)ms : -1;
    int rc = ctl_number(options, CTL_COUNT, -1, &work->count, err);
    return rc == DTR_OK ? ctl_number(options, CTL_PERCENTAGE, -1, &work->percentage, err) : rc;
}

static int read_work(const struct ctl_options *options, const char *type, char **words,
                     struct dtr_ctl_work *ret_work, struct dtr_error *err)
{
    static const char *const kinds[] = {"file", "image"};
    int kind, rc = ctl_either(options, CTL_IMAGE, CTL_FILE, &kind, err);
    *ret_work = (struct dtr_ctl_work){
        .type = type,
        .targets = {.items = (const char *const *)words},
        .kind = kind >= 0 ? kinds[kind] : NULL,
        .ips = ctl_values(options, CTL_IP),
        .headers = ctl_values(options, CTL_HEADER),
        .clusters = ctl_values(options, CTL_CLUSTER),
        .scope = ctl_value(options, CTL_SCOPE),
        .platform = ctl_value(options, CTL_PLATFORM),
        .username = ctl_value(options, CTL_USERNAME),
        .tag = ctl_value(options, CTL_TAG),
        .application = ctl_value(options, CTL_APPLICATION),
        .filtered_query_params = ctl_value(options, CTL_FILTERED),
    };
    while (words[ret_work->targets.count])
        ret_work->targets.count++;
    return rc == DTR_OK ? read_measures(options, ret_work, err) : rc;
}

static int start(struct ctl *ctl, const char *type, char **words, struct dtr_error *err)
{
    const bool follows = ctl_has(&ctl->options, CTL_FOLLOW);
    char password[DTR_PASSWORD_MOST];
    struct dtr_ctl_work work;
    int64_t id = 0;
    int rc = read_work(&ctl->options, type, words, &work, err);
    if (rc == DTR_OK && ctl_has(&ctl->options, CTL_PASSWORD_STDIN)) {
        rc = dtr_password_read(STDIN_FILENO, password, err);
        work.password = password;
    }
    if (rc == DTR_OK)
        rc = dtr_ctl_job_start(&ctl->use.access, &work, follows, &ctl->use.show, &id, err);
    explicit_bzero(password, sizeof(password));
    return rc == DTR_OK && follows && id != 0 ? follow(ctl, id, err) : rc;
}

int ctl_job_preheat(struct ctl *ctl, char **words, struct dtr_error *err)
{
    return start(ctl, "preheat", words, err);
}

int ctl_job_get_task(struct ctl *ctl, char **words, struct dtr_error *err)
{
    return start(ctl, "get_task", words, err);
}

int ctl_job_delete_task(struct ctl *ctl, char **words, struct dtr_error *err)
{
    return start(ctl, "delete_task", words, err);
}

int ctl_job_distribution(struct ctl *ctl, char **words, struct dtr_error *err)
{
    return start(ctl, "get_image_distribution", words, err);
}

int ctl_job_sync_peers(struct ctl *ctl, char **words, struct dtr_error *err)
{
    return start(ctl, "sync_peers", words, err);
}

int ctl_job_gc(struct ctl *ctl, char **words, struct dtr_error *err)
{
    return start(ctl, "gc", words, err);
}
