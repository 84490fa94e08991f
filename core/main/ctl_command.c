/* darter ctl: a daemon's tasks, a scheduler's hosts and decisions, by core/tools/ctl.h. */
#include "core/main/command.h"
#include "core/main/options.h"
#include "core/tools/ctl.h"
#include "core/tools/get.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct ctl {
    struct dtr_ask daemon;
    const char *scheduler; /* NULL: not given */
    struct options options;
    bool json;
};

static bool read_options(struct ctl *ctl, int argc, char **argv)
{
    static const struct option known[] = {{"endpoint", required_argument, NULL, 'e'},
                                          {"scheduler", required_argument, NULL, 's'},
                                          {"dynconfig", required_argument, NULL, 'd'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "e:", known, NULL)) != -1) {
        if (letter == '?')
            return false; /* getopt has said why */
        if (letter == 'e')
            ctl->daemon.endpoint = optarg;
        else if (letter == 's')
            ctl->scheduler = optarg;
        else if (letter == 'd')
            ctl->options.dynconfig = optarg;
        else
            ctl->json = true;
    }
    return options_environment(&ctl->options, "DFDAEMON");
}

/* The first scheduler that the dynconfig file names; *ret_conf owns it. */
static int find_scheduler(const struct ctl *ctl, struct dtr_conf **ret_conf, const char **ret_addr,
                          struct dtr_error *err)
{
    const char *path = options_dynconfig(&ctl->options);
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

static int hosts(const struct ctl *ctl, struct dtr_error *err)
{
    struct dtr_ask scheduler = {
        .who = "the scheduler", .addr = ctl->scheduler, .timeout_ms = DTR_CTL_TIMEOUT_MS};
    struct dtr_conf *conf = NULL;
    int rc = ctl->scheduler ? DTR_OK : find_scheduler(ctl, &conf, &scheduler.addr, err);
    if (rc == DTR_OK)
        rc = dtr_ctl_hosts(&scheduler, ctl->json, stdout, err);
    dtr_conf_free(conf);
    return rc;
}

/* The scheduler is asked only when it is named: the daemon's story is the usual one. */
static int explain(const struct ctl *ctl, const char *task, struct dtr_error *err)
{
    const struct dtr_ask scheduler = {
        .who = "the scheduler", .addr = ctl->scheduler, .timeout_ms = DTR_CTL_TIMEOUT_MS};
    return ctl->scheduler ? dtr_ctl_decisions(&scheduler, task, ctl->json, stdout, err)
                          : dtr_ctl_explain(&ctl->daemon, task, ctl->json, stdout, err);
}

/* The words as dfctl has them, "task ls" and "task rm ID", become ours. Returns how many there are. */
static int without_task(int count, char **words)
{
    bool dfctl = count >= 2 && strcmp(words[0], "task") == 0 &&
                 (strcmp(words[1], "ls") == 0 || strcmp(words[1], "rm") == 0);
    for (int i = 0; dfctl && i + 1 < count; i++)
        words[i] = words[i + 1];
    return dfctl ? count - 1 : count;
}

static bool is(int count, char **words, const char *word, int arguments)
{
    return count == 1 + arguments && strcmp(words[0], word) == 0;
}

int ctl_command(int argc, char **argv)
{
    struct ctl ctl = {
        .daemon = {.who = "the daemon", .endpoint = DTR_GET_ENDPOINT, .timeout_ms = DTR_CTL_TIMEOUT_MS}};
    struct dtr_error err;
    int rc;
    if (!read_options(&ctl, argc, argv))
        return 2;
    char **words = argv + optind;
    int count = without_task(argc - optind, words);
    if (is(count, words, "tasks", 0) || is(count, words, "ls", 0))
        rc = dtr_ctl_tasks(&ctl.daemon, ctl.json, stdout, &err);
    else if (is(count, words, "task", 1))
        rc = dtr_ctl_task(&ctl.daemon, words[1], ctl.json, stdout, &err);
    else if (is(count, words, "explain", 1))
        rc = explain(&ctl, words[1], &err);
    else if (is(count, words, "rm", 1))
        rc = dtr_ctl_remove(&ctl.daemon, words[1], &err);
    else if (is(count, words, "hosts", 0))
        rc = hosts(&ctl, &err);
    else
        return command_usage("ctl");
    return rc == DTR_OK ? 0 : command_fail(&err);
}
