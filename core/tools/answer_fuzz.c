/* Any bytes as a manager's answer: an error with words, or JSON that every table can be made of. */
#include "core/tools/ctl_manager.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ctl_column columns[] = {{"ID", "id", CTL_PLAIN},
                                            {"AGE", "updated_at", CTL_AGE},
                                            {"SCORE", "score", CTL_SCORE},
                                            {"TERM", "terms.cidr", CTL_TERM},
                                            {"LIST", "scopes.cidrs", CTL_PLAIN}};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 401, 404, 422, 503, 302, 0, 599};
    const struct dtr_manager_access access = {.url = "http://manager", .secret = "s"};
    static FILE *out;
    struct dtr_error err = {0};
    json_t *answer = NULL;
    if (!out)
        out = fopen("/dev/null", "w");
    if (size < 1 || !out)
        return 0;
    const struct dtr_ctl_show show = {out, false, 1700000000};
    const int status = statuses[data[0] % (sizeof(statuses) / sizeof(statuses[0]))];
    int rc = dtr_manager_read(&access, status, (const char *)data + 1, size - 1, &answer, &err);
    if ((rc == DTR_OK) != (err.text[0] == '\0') || (rc != DTR_OK && answer) ||
        (rc == DTR_OK && status != 200))
        abort();
    if (rc == DTR_OK) {
        (void)ctl_table(columns, COLUMNS, answer, 1700000000, out);
        (void)ctl_sheet(columns, COLUMNS, answer, 1700000000, out);
        (void)ctl_print_ranking(answer, &show);
        (void)ctl_print_job(answer, &show);
    }
    json_decref(answer);
    return 0;
}
