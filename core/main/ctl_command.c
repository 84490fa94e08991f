/* darter ctl: a daemon's tasks, a scheduler's hosts and decisions, by core/tools/ctl.h; a manager's clusters
 * and what belongs to them in ctl_manager_command.c. */
#include "core/main/command.h"
#include "core/main/ctl_words.h"
#include "core/tools/ctl.h"
#include "core/tools/get.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* --- daemon and scheduler ------------------------------------------------------------------------------ */

static struct dtr_ask daemon_of(const struct ctl *ctl)
{
    const char *endpoint = ctl_value(&ctl->options, CTL_ENDPOINT);
    return (struct dtr_ask){.who = "the daemon",
                            .endpoint = endpoint ? endpoint : DTR_GET_ENDPOINT,
                            .timeout_ms = DTR_CTL_TIMEOUT_MS};
}

static struct dtr_ask scheduler_at(const char *addr)
{
    return (struct dtr_ask){.who = "the scheduler", .addr = addr, .timeout_ms = DTR_CTL_TIMEOUT_MS};
}

static bool wants_json(const struct ctl *ctl)
{
    return ctl_has(&ctl->options, CTL_JSON);
}

static int tasks(struct ctl *ctl, char **words, struct dtr_error *err)
{
    const struct dtr_ask daemon = daemon_of(ctl);
    (void)words;
    return dtr_ctl_tasks(&daemon, wants_json(ctl), stdout, err);
}

static int task(struct ctl *ctl, char **words, struct dtr_error *err)
{
    const struct dtr_ask daemon = daemon_of(ctl);
    return dtr_ctl_task(&daemon, words[0], wants_json(ctl), stdout, err);
}

static int remove_task(struct ctl *ctl, char **words, struct dtr_error *err)
{
    const struct dtr_ask daemon = daemon_of(ctl);
    return dtr_ctl_remove(&daemon, words[0], err);
}

/* The scheduler is asked only when it is named: the daemon's story is the usual one. */
static int explain(struct ctl *ctl, char **words, struct dtr_error *err)
{
    const char *addr = ctl_value(&ctl->options, CTL_SCHEDULER);
    const struct dtr_ask daemon = daemon_of(ctl), scheduler = scheduler_at(addr);
    return addr ? dtr_ctl_decisions(&scheduler, words[0], wants_json(ctl), stdout, err)
                : dtr_ctl_explain(&daemon, words[0], wants_json(ctl), stdout, err);
}

/* The first scheduler that the dynconfig file names; *ret_conf owns it. */
static int find_scheduler(const struct options *options, struct dtr_conf **ret_conf, const char **ret_addr,
                          struct dtr_error *err)
{
    const char *path = options_dynconfig(options);
    if (!command_file_there(path))
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                             "there is no %.100s to name a scheduler; name one with --scheduler IP:PORT",
                             path);
    int rc = options_load(DTR_ROLE_DYNCONFIG, &path, NULL, NULL, ret_conf, NULL, err);
    if (rc != DTR_OK)
        return rc;
    const struct dtr_dynconfig *dynconfig = dtr_conf_dynconfig(*ret_conf);
    *ret_addr =
        dynconfig->scheduler.addrs.count ? dynconfig->scheduler.addrs.items[0] : dynconfig->scheduler.addr;
    if (!*ret_addr)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                             "%.100s names no scheduler; name one with --scheduler IP:PORT", path);
    return DTR_OK;
}

static int hosts(struct ctl *ctl, char **words, struct dtr_error *err)
{
    const char *addr = ctl_value(&ctl->options, CTL_SCHEDULER);
    struct options options = {.dynconfig = ctl_value(&ctl->options, CTL_DYNCONFIG)};
    struct dtr_conf *conf = NULL;
    (void)words;
    (void)options_environment(&options, "DFDAEMON"); /* only the file's name is used */
    int rc = addr ? DTR_OK : find_scheduler(&options, &conf, &addr, err);
    const struct dtr_ask scheduler = scheduler_at(addr);
    if (rc == DTR_OK)
        rc = dtr_ctl_hosts(&scheduler, wants_json(ctl), stdout, err);
    dtr_conf_free(conf);
    return rc;
}

/* --- the table ----------------------------------------------------------------------------------------- */

#define OF_DAEMON    (CTL_BIT(ENDPOINT) | CTL_BIT(JSON))
#define OF_SCHEDULER (CTL_BIT(SCHEDULER) | CTL_BIT(DYNCONFIG) | CTL_BIT(JSON))
#define OF_MANAGER   (CTL_BIT(MANAGER) | CTL_BIT(TOKEN) | CTL_BIT(CA_FILE) | CTL_BIT(JSON))
#define OF_SESSION   (CTL_BIT(MANAGER) | CTL_BIT(CA_FILE))
#define OF_MEMBERS   (OF_MANAGER | CTL_BIT(CLUSTER) | CTL_BIT(STATE))
#define OF_PEER      (CTL_BIT(HOSTNAME) | CTL_BIT(IDC) | CTL_BIT(LOCATION))
#define OF_CLUSTER                                                                                           \
    (OF_MANAGER | OF_PEER | CTL_BIT(BIO) | CTL_BIT(CIDR) | CTL_BIT(DEFAULT) | CTL_BIT(NO_DEFAULT) |          \
     CTL_BIT(CANDIDATE_PARENTS) | CTL_BIT(FILTER_PARENTS) | CTL_BIT(JOB_RATE) | CTL_BIT(PEER_LOAD) |         \
     CTL_BIT(SEED_LOAD))

#define OF_JOB  (OF_MANAGER | CTL_BIT(CLUSTER) | CTL_BIT(TIMEOUT) | CTL_BIT(FOLLOW))
#define OF_TASK (OF_JOB | CTL_BIT(TAG) | CTL_BIT(APPLICATION) | CTL_BIT(PIECE_LENGTH) | CTL_BIT(FILTERED))
#define OF_ORIGIN                                                                                            \
    (OF_TASK | CTL_BIT(PLATFORM) | CTL_BIT(USERNAME) | CTL_BIT(PASSWORD_STDIN) | CTL_BIT(HEADER))
#define OF_PREHEAT                                                                                           \
    (OF_ORIGIN | CTL_BIT(IMAGE) | CTL_BIT(FILE) | CTL_BIT(SCOPE) | CTL_BIT(IP) | CTL_BIT(COUNT) |            \
     CTL_BIT(PERCENTAGE))

enum { SOME = -1 }; /* arguments, one at least */
enum asks { OTHERS, MANAGER, SIGN_IN };

/* Of two whose words fit, the first is meant. dfctl has "task ls" and "task rm". */
static const struct verb {
    const char *words; /* "cluster add" */
    int arguments;     /* behind them, or SOME */
    enum asks asks;
    uint64_t options;
    ctl_run *run;
} verbs[] = {
    {"tasks", 0, OTHERS, OF_DAEMON, tasks},
    {"ls", 0, OTHERS, OF_DAEMON, tasks},
    {"task ls", 0, OTHERS, OF_DAEMON, tasks},
    {"task rm", 1, OTHERS, OF_DAEMON, remove_task},
    {"task", 1, OTHERS, OF_DAEMON, task},
    {"rm", 1, OTHERS, OF_DAEMON, remove_task},
    {"hosts", 0, OTHERS, OF_SCHEDULER, hosts},
    {"explain peer", 0, MANAGER, OF_MANAGER | OF_PEER | CTL_BIT(IP), ctl_explain_peer},
    {"explain", 1, OTHERS, OF_DAEMON | CTL_BIT(SCHEDULER), explain},
    {"login", 0, SIGN_IN, OF_SESSION | CTL_BIT(USER) | CTL_BIT(PASSWORD_STDIN), ctl_login},
    {"logout", 0, MANAGER, OF_SESSION, ctl_logout},
    {"clusters", 0, MANAGER, OF_MANAGER, ctl_clusters},
    {"cluster add", 1, MANAGER, OF_CLUSTER, ctl_cluster_add},
    {"cluster edit", 1, MANAGER, OF_CLUSTER | CTL_BIT(NAME), ctl_cluster_edit},
    {"cluster rm", 1, MANAGER, OF_MANAGER, ctl_cluster_remove},
    {"cluster", 1, MANAGER, OF_MANAGER, ctl_cluster},
    {"schedulers", 0, MANAGER, OF_MEMBERS, ctl_schedulers},
    {"seeds", 0, MANAGER, OF_MEMBERS, ctl_seeds},
    {"peers", 0, MANAGER, OF_MEMBERS, ctl_peers},
    {"jobs", 0, MANAGER, OF_MANAGER | CTL_BIT(TYPE) | CTL_BIT(STATE), ctl_jobs},
    {"job rm", 1, MANAGER, OF_MANAGER, ctl_job_remove},
    {"job follow", 1, MANAGER, OF_MANAGER, ctl_job_follow},
    {"job start preheat", SOME, MANAGER, OF_PREHEAT, ctl_job_preheat},
    {"job start get-task", 1, MANAGER, OF_TASK, ctl_job_get_task},
    {"job start delete-task", 1, MANAGER, OF_TASK, ctl_job_delete_task},
    {"job start get-image-distribution", 1, MANAGER, OF_ORIGIN, ctl_job_distribution},
    {"job start sync-peers", 0, MANAGER, OF_JOB, ctl_job_sync_peers},
    {"job start gc", 1, MANAGER, OF_MANAGER | CTL_BIT(FOLLOW), ctl_job_gc},
    {"job start", SOME, OTHERS, 0, NULL}, /* none of these */
    {"job", 1, MANAGER, OF_MANAGER, ctl_job},
};

/* How many of the given words are the command's own; 0: it is another command. */
static int own_words(const struct verb *verb, char **words, int count)
{
    const char *at = verb->words;
    int own = 0;
    for (; *at; own++) {
        size_t length = strcspn(at, " ");
        if (own == count || strlen(words[own]) != length || strncmp(words[own], at, length) != 0)
            return 0;
        at += length + (at[length] == ' ');
    }
    return own;
}

static bool fits(const struct verb *verb, int arguments)
{
    return verb->run && (verb->arguments == SOME ? arguments > 0 : arguments == verb->arguments);
}

static int run(struct ctl *ctl, const struct verb *verb, char **words, struct dtr_error *err)
{
    int rc =
        verb->asks == OTHERS ? DTR_OK : ctl_use_open(&ctl->use, &ctl->options, verb->asks == SIGN_IN, err);
    if (rc == DTR_OK)
        rc = verb->run(ctl, words, err);
    ctl_use_close(&ctl->use);
    return rc;
}

int ctl_command(int argc, char **argv)
{
    static struct ctl ctl; /* one is enough, and it is large */
    struct dtr_error err;
    if (!ctl_options_read(&ctl.options, argc, argv))
        return 2;
    char **words = argv + optind;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        int own = own_words(&verbs[i], words, argc - optind);
        if (own == 0)
            continue;
        if (!fits(&verbs[i], argc - optind - own))
            break;
        if (!ctl_options_allow(&ctl.options, verbs[i].options, verbs[i].words))
            return 2;
        return run(&ctl, &verbs[i], words + own, &err) == DTR_OK ? 0 : command_fail(&err);
    }
    return command_usage("ctl");
}
