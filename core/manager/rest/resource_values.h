/* What statements about resources are given. Only for resource.c and resource_read.c. */
#ifndef DTR_MANAGER_REST_RESOURCE_VALUES_H
#define DTR_MANAGER_REST_RESOURCE_VALUES_H

#include "core/manager/rest/resource.h"

enum { VALUES_MOST = 32 };

/* The values of one statement, and the texts that were made for them. */
struct values {
    struct dtr_value values[VALUES_MOST];
    char *texts[VALUES_MOST];
    size_t count;
};

/* Takes `text` over; it may be NULL. */
void values_add(struct values *values, struct dtr_value value, char *text);
void values_free(struct values *values);

/* 404. */
int resource_not_there(const char *name, int64_t id, struct dtr_error *err);

#endif
