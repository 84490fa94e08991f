/* The part of `darter ctl` that asks a manager; see ctl_words.h. */
#include "core/base/str.h"
#include "core/main/chosen.h"
#include "core/main/ctl_words.h"
#include "core/main/paths.h"
#include "core/tools/ctl_text.h"
#include "core/tools/password.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *option_or_environment(const struct ctl_options *options, enum ctl_option option,
                                         const char *name)
{
    const char *value = ctl_value(options, option), *other = getenv(name);
    return value ? value : other && *other ? other : NULL;
}

/* A secret goes to nobody but the manager that gave it. */
static int take_session(struct ctl_use *use, const char *wanted, struct dtr_error *err)
{
    struct dtr_error why = {0};
    int rc = dtr_session_read(use->path, &use->session, &why);
    if (rc != DTR_OK && rc != DTR_ENOT_FOUND) {
        *err = why;
        return rc;
    }
    if (rc == DTR_OK && wanted && strcmp(use->session.url, wanted) != 0)
        return dtr_error_set(
            err, DTR_EDENIED, DTR_RETRY_NEVER,
            "%.40s is signed in at %.70s, not at %.70s; \"darter ctl login --manager\" changes that",
            use->session.user, use->session.url, wanted);
    use->access.secret = use->session.token;
    return DTR_OK;
}

static void warn(const struct ctl_use *use)
{
    if (!use->access.secret || use->access.is_token || !use->session.warning)
        return;
    (void)fputs("darter: warning: ", stderr);
    ctl_put(stderr, 0, use->session.warning);
    (void)fputc('\n', stderr);
}

static int find_manager(struct ctl_use *use, const struct ctl_options *options, struct dtr_error *err)
{
    const char *wanted = option_or_environment(options, CTL_MANAGER, "DARTER_MANAGER");
    int rc = wanted ? dtr_manager_url(wanted, &use->url, err) : DTR_OK;
    use->access.secret = option_or_environment(options, CTL_TOKEN, "DARTER_TOKEN");
    use->access.is_token = use->access.secret != NULL;
    if (rc == DTR_OK && !use->access.is_token)
        rc = take_session(use, use->url, err);
    if (rc == DTR_OK && !use->url)
        rc = dtr_manager_url(use->session.url ? use->session.url : DTR_MANAGER_URL, &use->url, err);
    use->access.url = use->url;
    return rc;
}

static int find_login(struct ctl_use *use, const struct ctl_options *options, struct dtr_error *err)
{
    const char *wanted = option_or_environment(options, CTL_MANAGER, "DARTER_MANAGER");
    int rc = dtr_manager_url(wanted ? wanted : DTR_MANAGER_URL, &use->url, err);
    use->access.url = use->url;
    return rc;
}

static int check_authority(const char *path, struct dtr_error *err)
{
    if (!path || access(path, R_OK) == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "--ca-file %.150s cannot be read: %s", path,
                         strerror(errno));
}

int ctl_use_open(struct ctl_use *use, const struct ctl_options *options, bool login, struct dtr_error *err)
{
    struct dtr_modules *modules = NULL;
    *use = (struct ctl_use){.show = {stdout, ctl_has(options, CTL_JSON), (int64_t)time(NULL)}};
    int rc = paths_session(use->path, sizeof(use->path), err);
    if (rc == DTR_OK)
        rc = login ? find_login(use, options, err) : find_manager(use, options, err);
    if (rc == DTR_OK)
        rc = check_authority(ctl_value(options, CTL_CA_FILE), err);
    if (rc == DTR_OK)
        rc = chosen_machine_folders(&modules, err);
    if (rc == DTR_OK)
        rc = dtr_web_open(modules, ctl_value(options, CTL_CA_FILE), &use->access.web, err);
    if (rc == DTR_OK && !login)
        warn(use);
    return rc;
}

void ctl_use_close(struct ctl_use *use)
{
    dtr_web_close(use->access.web);
    dtr_session_free(&use->session);
    free(use->url);
}

/* --- signing in ---------------------------------------------------------------------------------------- */

static int read_password(const struct ctl_options *options, const char *user,
                         char password[DTR_PASSWORD_MOST], struct dtr_error *err)
{
    char prompt[80];
    if (ctl_has(options, CTL_PASSWORD_STDIN))
        return dtr_password_read(STDIN_FILENO, password, err);
    (void)snprintf(prompt, sizeof(prompt), "Password of %.40s: ", user);
    return dtr_password_ask(prompt, password, err);
}

int ctl_login(struct ctl *ctl, char **words, struct dtr_error *err)
{
    const char *given = ctl_value(&ctl->options, CTL_USER), *user = given ? given : "root";
    struct ctl_use *use = &ctl->use;
    char password[DTR_PASSWORD_MOST];
    (void)words;
    int rc = read_password(&ctl->options, user, password, err);
    if (rc == DTR_OK)
        rc = dtr_ctl_login(&use->access, user, password, use->path, &use->show, err);
    explicit_bzero(password, sizeof(password));
    if (rc == DTR_OK && dtr_session_read(use->path, &use->session, NULL) == DTR_OK) {
        use->access.secret = use->session.token;
        warn(use);
    }
    return rc;
}

int ctl_logout(struct ctl *ctl, char **words, struct dtr_error *err)
{
    (void)words;
    return dtr_ctl_logout(&ctl->use.access, ctl->use.path, err);
}

/* --- clusters ------------------------------------------------------------------------------------------ */

int ctl_id(const char *what, const char *text, int64_t *ret_id, struct dtr_error *err)
{
    uint64_t number;
    if (!dtr_parse_u64(text, strlen(text), &number) || number == 0 || number > INT64_MAX)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "'%.60s' is no id of a %s; \"darter ctl %ss\" lists those there are", text, what,
                             what);
    *ret_id = (int64_t)number;
    return DTR_OK;
}

static int read_cluster(const struct ctl_options *options, struct dtr_ctl_cluster *ret_given,
                        struct dtr_error *err)
{
    *ret_given = (struct dtr_ctl_cluster){
        .name = ctl_value(options, CTL_NAME),
        .bio = ctl_value(options, CTL_BIO),
        .idc = ctl_value(options, CTL_IDC),
        .location = ctl_value(options, CTL_LOCATION),
        .cidrs = ctl_values(options, CTL_CIDR),
        .hostnames = ctl_values(options, CTL_HOSTNAME),
    };
    const struct {
        enum ctl_option option;
        int64_t *number;
    } numbers[] = {{CTL_CANDIDATE_PARENTS, &ret_given->candidate_parent_limit},
                   {CTL_FILTER_PARENTS, &ret_given->filter_parent_limit},
                   {CTL_JOB_RATE, &ret_given->job_rate_limit},
                   {CTL_PEER_LOAD, &ret_given->peer_load_limit},
                   {CTL_SEED_LOAD, &ret_given->seed_load_limit}};
    int rc = ctl_either(options, CTL_DEFAULT, CTL_NO_DEFAULT, &ret_given->is_default, err);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && rc == DTR_OK; i++)
        rc = ctl_number(options, numbers[i].option, -1, numbers[i].number, err);
    return rc;
}

int ctl_clusters(struct ctl *ctl, char **words, struct dtr_error *err)
{
    (void)words;
    return dtr_ctl_clusters(&ctl->use.access, &ctl->use.show, err);
}

int ctl_cluster(struct ctl *ctl, char **words, struct dtr_error *err)
{
    int64_t id = 0;
    int rc = ctl_id("cluster", words[0], &id, err);
    return rc == DTR_OK ? dtr_ctl_cluster(&ctl->use.access, id, &ctl->use.show, err) : rc;
}

int ctl_cluster_add(struct ctl *ctl, char **words, struct dtr_error *err)
{
    struct dtr_ctl_cluster given;
    int rc = read_cluster(&ctl->options, &given, err);
    given.name = words[0];
    return rc == DTR_OK ? dtr_ctl_cluster_add(&ctl->use.access, &given, &ctl->use.show, err) : rc;
}

int ctl_cluster_edit(struct ctl *ctl, char **words, struct dtr_error *err)
{
    struct dtr_ctl_cluster given;
    int64_t id = 0;
    int rc = ctl_id("cluster", words[0], &id, err);
    if (rc == DTR_OK)
        rc = read_cluster(&ctl->options, &given, err);
    return rc == DTR_OK ? dtr_ctl_cluster_edit(&ctl->use.access, id, &given, &ctl->use.show, err) : rc;
}

int ctl_cluster_remove(struct ctl *ctl, char **words, struct dtr_error *err)
{
    int64_t id = 0;
    int rc = ctl_id("cluster", words[0], &id, err);
    return rc == DTR_OK ? dtr_ctl_cluster_remove(&ctl->use.access, id, err) : rc;
}

/* --- members, and where a peer goes -------------------------------------------------------------------- */

static int members(struct ctl *ctl, enum dtr_ctl_kind kind, struct dtr_error *err)
{
    int64_t cluster = 0;
    int rc = ctl_number(&ctl->options, CTL_CLUSTER, 0, &cluster, err);
    return rc == DTR_OK ? dtr_ctl_members(&ctl->use.access, kind, cluster,
                                          ctl_value(&ctl->options, CTL_STATE), &ctl->use.show, err)
                        : rc;
}

int ctl_schedulers(struct ctl *ctl, char **words, struct dtr_error *err)
{
    (void)words;
    return members(ctl, DTR_CTL_SCHEDULERS, err);
}

int ctl_seeds(struct ctl *ctl, char **words, struct dtr_error *err)
{
    (void)words;
    return members(ctl, DTR_CTL_SEEDS, err);
}

int ctl_peers(struct ctl *ctl, char **words, struct dtr_error *err)
{
    (void)words;
    return members(ctl, DTR_CTL_PEERS, err);
}

int ctl_explain_peer(struct ctl *ctl, char **words, struct dtr_error *err)
{
    const struct dtr_ctl_peer peer = {.ip = ctl_value(&ctl->options, CTL_IP),
                                      .hostname = ctl_value(&ctl->options, CTL_HOSTNAME),
                                      .idc = ctl_value(&ctl->options, CTL_IDC),
                                      .location = ctl_value(&ctl->options, CTL_LOCATION)};
    (void)words;
    if (!peer.ip)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "explain peer: --ip is missing, the peer's address");
    return dtr_ctl_explain_peer(&ctl->use.access, &peer, &ctl->use.show, err);
}
