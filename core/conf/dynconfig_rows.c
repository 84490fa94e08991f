/* Every key of the local dynconfig.yaml, the scheduler's and the daemon's (features page 2.1 and 3.2); the
 * struct is in dynconfig.h. */
#include "core/conf/schema.h"

#define ROWS(list)  list, sizeof(list) / sizeof((list)[0])
#define BLOCK_LATER DTR_LATER("block lists come from a manager only")
#define JOB_NEVER   DTR_NEVER("the manager limits jobs, by job_rate_limit of its clusters")
#define LOAD_NEVER  DTR_NEVER("Dragonfly passes it on, but no parent is left out for it")
#define TELLS_NEVER DTR_NEVER("it tells readers what the application is")
#define LIMIT       DTR_RANGE(1, 100000)
#define PRIORITY    DTR_RANGE(0, 6)

#define ROLE_STRUCT struct dtr_conf_priority_url
static const struct dtr_conf_row url_rows[] = {
    {DTR_STRING("regex", regex), .required = true, .check = dtr_value_check_regex,
     .help = "Searched in the URL (PCRE2)"},
    {DTR_INT("value", value), .initial = "0", PRIORITY, .help = "Priority of downloads that match"},
};
#undef ROLE_STRUCT
static const struct dtr_conf_schema url_schema = {ROWS(url_rows), sizeof(struct dtr_conf_priority_url), NULL};

#define ROLE_STRUCT struct dtr_conf_application
static const struct dtr_conf_row application_rows[] = {
    {DTR_INT("id", id), .initial = "0", TELLS_NEVER, .help = "Number of the application"},
    {DTR_STRING("name", name), .required = true, .help = "As requests name it"},
    {DTR_STRING("url", url), TELLS_NEVER, .help = "For readers"},
    {DTR_STRING("bio", bio), TELLS_NEVER, .help = "For readers"},
    {DTR_INT("priority.value", priority), .initial = "0", PRIORITY, .help = "Priority of its downloads"},
    {DTR_LIST("priority.urls", urls, &url_schema), .help = "Priorities by URL, before the one above"},
};
#undef ROLE_STRUCT
static const struct dtr_conf_schema application_schema = {ROWS(application_rows),
                                                          sizeof(struct dtr_conf_application), NULL};

#define ROLE_STRUCT struct dtr_dynconfig
static const struct dtr_conf_row rows[] = {
    {DTR_STRING("scheduler.addr", scheduler.addr), .check = dtr_value_check_hostport,
     .help = "Schedulers by a DNS name with port, when there are no addrs; all its addresses are used"},
    {DTR_STRINGS("scheduler.addrs", scheduler.addrs), .check = dtr_value_check_hostport,
     .help = "Schedulers by address, ip:port; these and no others"},
    {DTR_ANY("clientConfig.blockList"), BLOCK_LATER, .help = "What peers must not download or upload"},
    {DTR_ANY("seedClientConfig.blockList"), BLOCK_LATER,
     .help = "What seed peers must not download or upload"},
    {DTR_LIST("applications", applications, &application_schema), .help = "Priorities by application"},
    {DTR_INT("seedPeerClusterConfig.loadLimit", seed_peer_load_limit), .initial = "2000", LIMIT, LOAD_NEVER,
     .help = "Uploads of a seed peer"},
    {DTR_ANY("seedPeerClusterConfig.blockList"), BLOCK_LATER, .help = "As above, from the scheduler's file"},
    {DTR_INT("schedulerClusterConfig.candidateParentLimit", candidate_parent_limit), .initial = "3",
     DTR_RANGE(1, 16), .help = "Parents in one answer"},
    {DTR_INT("schedulerClusterConfig.filterParentLimit", filter_parent_limit), .initial = "15",
     DTR_RANGE(1, 64), .help = "Candidates ranked for one answer"},
    {DTR_INT("schedulerClusterConfig.jobRateLimit", job_rate_limit), .initial = "10", LIMIT, JOB_NEVER,
     .help = "Jobs per second"},
    {DTR_INT("schedulerClusterClientConfig.loadLimit", peer_load_limit), .initial = "200", LIMIT, LOAD_NEVER,
     .help = "Uploads of a peer"},
    {DTR_ANY("schedulerClusterClientConfig.blockList"), BLOCK_LATER,
     .help = "As above, from the scheduler's file"},
};

const struct dtr_conf_schema dtr_conf_dynconfig_schema = {ROWS(rows), sizeof(struct dtr_dynconfig), NULL};
