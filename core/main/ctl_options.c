/* See ctl_options.h. */
#include "core/main/ctl_options.h"

#include "core/base/str.h"
#include "core/tools/ctl.h"
#include "core/tools/get.h"
#include <getopt.h>
#include <string.h>

const char ctl_usage[] =
    "Usage: darter ctl COMMAND [OPTION]...\n\n"
    "Of the daemon on this machine:\n"
    "  tasks, task ID, rm ID     what it has, the last used first; one of it; deletes it there and\n"
    "                            nowhere else\n"
    "  explain TASK              the pulls of a task since the daemon started: who gave what, why it\n"
    "                            was asked, why the origin, with times. TASK is an id or its beginning,\n"
    "                            the blob's digest, or the URL\n"
    "As dfctl has it: \"task ls\" and \"task rm ID\".\n"
    "  -e, --endpoint PATH       the daemon's socket [" DTR_GET_ENDPOINT "]\n\n"
    "Of a scheduler:\n"
    "  hosts                     who has announced itself\n"
    "  explain TASK --scheduler IP:PORT\n"
    "                            how it chose the parents; TASK is an id or its beginning\n"
    "  --scheduler IP:PORT       whom to ask; \"hosts\" asks [the first that the dynconfig file names]\n"
    "  --dynconfig FILE          [/etc/dragonfly/dynconfig.yaml]\n\n"
    "Of a manager:\n"
    "  login [--user NAME]       begins a session, with the password from the terminal, or with\n"
    "                            --password-stdin from the first line of standard input; \"logout\" ends\n"
    "                            it. Kept in darter/manager.json in $XDG_CONFIG_HOME or ~/.config\n"
    "  clusters, cluster ID, cluster add NAME, cluster edit ID, cluster rm ID\n"
    "                            what is not given to \"edit\" stays; --idc \"\", --cidr \"\" and so on\n"
    "                            take it away\n"
    "  schedulers, seeds, peers  [--cluster ID] [--state active|inactive]\n"
    "  explain peer --ip IP      which cluster such a peer gets, each cluster's score and the terms of\n"
    "                            it; also with --hostname, --idc and --location\n"
    "  --manager URL             [that of the session, else " DTR_MANAGER_URL "]\n"
    "  --token TOKEN             a personal access token instead of a session: for clusters and jobs\n"
    "  --ca-file FILE            who vouches for its certificate (PEM), besides the system's own\n"
    "  --user NAME               who signs in [root]\n\n"
    "Jobs of a manager:\n"
    "  jobs [--type TYPE] [--state STATE], job ID, job rm ID\n"
    "  job follow ID             tells how it goes until it is over; exit status 1 when it failed\n"
    "  job start preheat URL...  brings images and files into clusters: an image is\n"
    "                            https://REGISTRY/v2/NAME/manifests/TAG; --image and --file say what a\n"
    "                            URL is\n"
    "  job start get-task TASK, job start delete-task TASK\n"
    "                            who has a task, and takes it away everywhere; TASK is an id or the URL\n"
    "  job start get-image-distribution URL, job start sync-peers, job start gc audit|job\n"
    "  --cluster ID              where; may be repeated [each cluster that has a scheduler]\n"
    "  --scope single_seed_peer|all_seed_peers|all_peers\n"
    "                            whom a preheat is for; of these --ip IP (may be repeated), --count N\n"
    "                            or --percentage N\n"
    "  --platform OS/ARCH, --username NAME with --password-stdin, -H, --header 'NAME: VALUE'\n"
    "                            for the registry, or the origin\n"
    "  --tag, --application, --filtered-query-params TEXT, --piece-length SIZE\n"
    "                            what else makes it the same task as another download of the URL\n"
    "  --timeout TIME            for all of it\n"
    "  --follow                  as \"job follow\", at once\n\n"
    "Of a cluster:\n"
    "  --name, --bio, --idc, --location TEXT, --cidr NETWORK..., --hostname PATTERN...\n"
    "                            an idc is one or several with '|' between them; the last two may be\n"
    "                            repeated\n"
    "  --default, --no-default   for peers that match nothing\n"
    "  --candidate-parent-limit, --filter-parent-limit, --job-rate-limit, --peer-load-limit,\n"
    "  --seed-load-limit N\n\n"
    "  --json                    for scripts. Of daemons and schedulers bytes as numbers, times as UTC;\n"
    "                            of a manager what its API answers, which /swagger of it describes\n\n"
    "Exit status 1: it failed, 2: wrong usage. Options that are not given may be in the environment:\n"
    "DFDAEMON_DYNCONFIG, DARTER_MANAGER, DARTER_TOKEN.\n";

static const struct option known[] = {
#define CTL_KNOWN(id, name, value, letter)                                                                   \
    {name, (value) ? required_argument : no_argument, NULL, (letter) ? (letter) : 256 + CTL_##id},
    CTL_OPTIONS(CTL_KNOWN)
#undef CTL_KNOWN
        {0}};

static enum ctl_option by_letter(int letter)
{
    for (int i = 0; i < CTL_OPTION_COUNT; i++) {
        if (known[i].val == letter)
            return (enum ctl_option)i;
    }
    return CTL_OPTION_COUNT;
}

bool ctl_options_read(struct ctl_options *options, int argc, char **argv)
{
    int letter;
    while ((letter = getopt_long(argc, argv, "e:H:", known, NULL)) != -1) {
        enum ctl_option option = by_letter(letter);
        if (option == CTL_OPTION_COUNT)
            return false; /* getopt has said why */
        if (!option_list_add(&options->given[option], optarg ? optarg : ""))
            return false;
    }
    return true;
}

bool ctl_options_allow(const struct ctl_options *options, uint64_t allowed, const char *words)
{
    for (int i = 0; i < CTL_OPTION_COUNT; i++) {
        if (options->given[i].count > 0 && !(allowed & UINT64_C(1) << i)) {
            (void)fprintf(stderr, "darter: \"darter ctl %s\" has no such option: --%s\n", words,
                          known[i].name);
            return false;
        }
    }
    return true;
}

bool ctl_has(const struct ctl_options *options, enum ctl_option option)
{
    return options->given[option].count > 0;
}

const char *ctl_value(const struct ctl_options *options, enum ctl_option option)
{
    const struct option_list *list = &options->given[option];
    return list->count > 0 ? list->items[list->count - 1] : NULL;
}

struct dtr_ctl_texts ctl_values(const struct ctl_options *options, enum ctl_option option)
{
    const struct option_list *list = &options->given[option];
    return (struct dtr_ctl_texts){list->items, list->count};
}

int ctl_number(const struct ctl_options *options, enum ctl_option option, int64_t missing,
               int64_t *ret_number, struct dtr_error *err)
{
    const char *text = ctl_value(options, option);
    uint64_t number;
    *ret_number = missing;
    if (!text)
        return DTR_OK;
    if (!dtr_parse_u64(text, strlen(text), &number) || number == 0 || number > INT64_MAX)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "--%s is '%.40s'; needed is a number from 1",
                             known[option].name, text);
    *ret_number = (int64_t)number;
    return DTR_OK;
}

int ctl_either(const struct ctl_options *options, enum ctl_option one, enum ctl_option zero, int *ret_which,
               struct dtr_error *err)
{
    *ret_which = ctl_has(options, one) ? 1 : ctl_has(options, zero) ? 0 : -1;
    if (ctl_has(options, one) && ctl_has(options, zero))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "--%s and --%s exclude each other",
                             known[one].name, known[zero].name);
    return DTR_OK;
}
