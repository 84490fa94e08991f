/* What texts in fields must be; for the tables. Pure. */
#ifndef DTR_MANAGER_REST_CHECKS_H
#define DTR_MANAGER_REST_CHECKS_H

#include <darter/error.h>

int field_is_ip(const char *text, struct dtr_error *err);
int field_is_cidr(const char *text, struct dtr_error *err);
int field_is_regex(const char *text, struct dtr_error *err);
int field_is_link(const char *text, struct dtr_error *err); /* "" or http(s) */
int field_is_role(const char *text, struct dtr_error *err); /* letters, digits, '-', '_' */

#endif
