/* What the cluster's operator wants nobody to download: client_config of the manager's cluster, for seed
 * peers seed_client_config, block_list.task.download (wire page 5.3). A download is refused when any of its
 * lists matches: the application, the tag, the priority, or an expression (PCRE2) found in the URL.
 *
 * Not for: block lists of uploads and of persistent tasks, which there are none of. Any one thread. */
#ifndef DTR_DAEMON_BLOCKLIST_H
#define DTR_DAEMON_BLOCKLIST_H

#include "core/daemon/tasks/task.h"

struct blocklist;

/* *ret_list is NULL when the JSON blocks nothing. Entries that are no texts, no expressions or no priorities
 * (0 to 6) are left out: *ret_left_out. DTR_EINVALID: it is no JSON object;
 * DTR_ENOMEM. */
int blocklist_parse(const char *json, size_t length, struct blocklist **ret_list, size_t *ret_left_out,
                    struct dtr_error *err);
/* NULL is fine, here and below: nothing is blocked. */
void blocklist_free(struct blocklist *list);
/* DTR_EDENIED says what of the request is blocked; that is counted (download_task_blocked_total). */
int blocklist_check(const struct blocklist *list, const struct dtr_read_request *request,
                    struct dtr_error *err);
/* Entries. */
size_t blocklist_size(const struct blocklist *list);

#endif
