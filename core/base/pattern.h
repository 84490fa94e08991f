/* Regular expressions (PCRE2) that an operator wrote, searched in texts that strangers send. */
#ifndef DTR_BASE_PATTERN_H
#define DTR_BASE_PATTERN_H

#include <darter/error.h>
#include <stdbool.h>
#include <stddef.h>

struct dtr_pattern;

/* DTR_EINVALID: the error says what is wrong at which character; DTR_ENOMEM. Does not change afterwards: any
 * thread may search with it. */
int dtr_pattern_new(const char *expression, struct dtr_pattern **ret_pattern, struct dtr_error *err);
/* NULL is fine. */
void dtr_pattern_free(struct dtr_pattern *pattern);
/* 1: it is found somewhere in the first `length` bytes of `text`; 0: it is not. DTR_ELIMIT: the search needs
 * more steps than the built-in limit, as a request must not buy seconds of processor time with a long text;
 * DTR_ENOMEM. */
int dtr_pattern_search(const struct dtr_pattern *pattern, const char *text, size_t length);
/* Whether it is found; a search that fails is no match. */
bool dtr_pattern_found(const struct dtr_pattern *pattern, const char *text, size_t length);

#endif
