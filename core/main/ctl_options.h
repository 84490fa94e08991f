/* The options of `darter ctl`: one table for all its commands, each of which says which ones it has. */
#ifndef DTR_MAIN_CTL_OPTIONS_H
#define DTR_MAIN_CTL_OPTIONS_H

#include "core/main/options.h"
#include "core/tools/ctl_manager.h"

/* id, name, whether it has a value, letter */
#define CTL_OPTIONS(X)                                                                                       \
    X(ENDPOINT, "endpoint", true, 'e')                                                                       \
    X(SCHEDULER, "scheduler", true, 0)                                                                       \
    X(DYNCONFIG, "dynconfig", true, 0)                                                                       \
    X(JSON, "json", false, 0)                                                                                \
    X(MANAGER, "manager", true, 0)                                                                           \
    X(TOKEN, "token", true, 0)                                                                               \
    X(CA_FILE, "ca-file", true, 0)                                                                           \
    X(USER, "user", true, 0)                                                                                 \
    X(PASSWORD_STDIN, "password-stdin", false, 0)                                                            \
    X(NAME, "name", true, 0)                                                                                 \
    X(BIO, "bio", true, 0)                                                                                   \
    X(IDC, "idc", true, 0)                                                                                   \
    X(LOCATION, "location", true, 0)                                                                         \
    X(CIDR, "cidr", true, 0)                                                                                 \
    X(HOSTNAME, "hostname", true, 0)                                                                         \
    X(DEFAULT, "default", false, 0)                                                                          \
    X(NO_DEFAULT, "no-default", false, 0)                                                                    \
    X(CANDIDATE_PARENTS, "candidate-parent-limit", true, 0)                                                  \
    X(FILTER_PARENTS, "filter-parent-limit", true, 0)                                                        \
    X(JOB_RATE, "job-rate-limit", true, 0)                                                                   \
    X(PEER_LOAD, "peer-load-limit", true, 0)                                                                 \
    X(SEED_LOAD, "seed-load-limit", true, 0)                                                                 \
    X(CLUSTER, "cluster", true, 0)                                                                           \
    X(STATE, "state", true, 0)                                                                               \
    X(IP, "ip", true, 0)                                                                                     \
    X(TYPE, "type", true, 0)                                                                                 \
    X(IMAGE, "image", false, 0)                                                                              \
    X(FILE, "file", false, 0)                                                                                \
    X(SCOPE, "scope", true, 0)                                                                               \
    X(COUNT, "count", true, 0)                                                                               \
    X(PERCENTAGE, "percentage", true, 0)                                                                     \
    X(PLATFORM, "platform", true, 0)                                                                         \
    X(USERNAME, "username", true, 0)                                                                         \
    X(TAG, "tag", true, 0)                                                                                   \
    X(APPLICATION, "application", true, 0)                                                                   \
    X(PIECE_LENGTH, "piece-length", true, 0)                                                                 \
    X(FILTERED, "filtered-query-params", true, 0)                                                            \
    X(HEADER, "header", true, 'H')                                                                           \
    X(TIMEOUT, "timeout", true, 0)                                                                           \
    X(FOLLOW, "follow", false, 0)

enum ctl_option {
#define CTL_OPTION_ID(id, name, value, letter) CTL_##id,
    CTL_OPTIONS(CTL_OPTION_ID)
#undef CTL_OPTION_ID
        CTL_OPTION_COUNT
};
#define CTL_BIT(id) (UINT64_C(1) << CTL_##id)

struct ctl_options {
    struct option_list given[CTL_OPTION_COUNT]; /* the values; "" of one that has none */
};

/* Takes the options out of argv; what is left begins at optind. False: it was said what is wrong. */
bool ctl_options_read(struct ctl_options *options, int argc, char **argv);
/* Whether none is given but those of `allowed`; false: it was said which. `words` names the command. */
bool ctl_options_allow(const struct ctl_options *options, uint64_t allowed, const char *words);

bool ctl_has(const struct ctl_options *options, enum ctl_option option);
/* The last value; NULL: not given. */
const char *ctl_value(const struct ctl_options *options, enum ctl_option option);
struct dtr_ctl_texts ctl_values(const struct ctl_options *options, enum ctl_option option);
/* A number from 1; `missing` when it is not given. */
int ctl_number(const struct ctl_options *options, enum ctl_option option, int64_t missing,
               int64_t *ret_number, struct dtr_error *err);

/* Which of two options that exclude each other is given: 1 or 0; -1: neither. */
int ctl_either(const struct ctl_options *options, enum ctl_option one, enum ctl_option zero, int *ret_which,
               struct dtr_error *err);

extern const char ctl_usage[];

#endif
