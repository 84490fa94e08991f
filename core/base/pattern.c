/* Regular expressions by PCRE2, with limits; see pattern.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/base/pattern.h"

#include <pcre2.h>
#include <stdlib.h>

enum { MATCH_LIMIT = 100000, MATCH_DEPTH = 1000 };

struct dtr_pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

static int refuse(int problem, size_t at, struct dtr_error *err)
{
    unsigned char why[120];
    if (pcre2_get_error_message(problem, why, sizeof(why)) < 0)
        why[0] = '\0';
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "not a regular expression (PCRE2): %s at character %zu", (const char *)why, at);
}

int dtr_pattern_new(const char *expression, struct dtr_pattern **ret_pattern, struct dtr_error *err)
{
    int problem = 0;
    size_t at = 0;
    struct dtr_pattern *pattern = calloc(1, sizeof(*pattern));
    if (!pattern)
        goto memory;
    pattern->code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, 0, &problem, &at, NULL);
    if (!pattern->code) {
        dtr_pattern_free(pattern);
        return refuse(problem, at, err);
    }
    pattern->limits = pcre2_match_context_create(NULL);
    if (!pattern->limits)
        goto memory;
    (void)pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(pattern->limits, MATCH_DEPTH);
    *ret_pattern = pattern;
    return DTR_OK;
memory:
    dtr_pattern_free(pattern);
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a regular expression");
}

void dtr_pattern_free(struct dtr_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    free(pattern);
}

int dtr_pattern_search(const struct dtr_pattern *pattern, const char *text, size_t length)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    if (!data)
        return DTR_ENOMEM;
    int found = pcre2_match(pattern->code, (PCRE2_SPTR)text, length, 0, 0, data, pattern->limits);
    pcre2_match_data_free(data);
    if (found >= 0)
        return 1;
    return found == PCRE2_ERROR_NOMATCH ? 0 : DTR_ELIMIT;
}

bool dtr_pattern_found(const struct dtr_pattern *pattern, const char *text, size_t length)
{
    return dtr_pattern_search(pattern, text, length) > 0;
}
