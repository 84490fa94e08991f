/* A cluster's scopes, parsed; see scope.h. */
#include "core/brain/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One set of texts on its way. `report` NULL: what is invalid is an error. */
struct reading {
    struct dtr_scope *scope;
    const struct dtr_scope_report *report;
    struct dtr_error *err;
};

/* The item is invalid, as *why says. DTR_OK: it is passed over. */
static int pass_over(const struct reading *reading, const char *item, const struct dtr_error *why)
{
    struct dtr_error named;
    (void)dtr_error_set(&named, why->code, why->retry, "scopes.%s: %.200s", item, why->text);
    if (why->code != DTR_ENOMEM && reading->report) {
        if (reading->report->passed_over)
            reading->report->passed_over(reading->report->context, &named);
        return DTR_OK;
    }
    if (reading->err)
        *reading->err = named;
    return named.code;
}

static int no_memory(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for the scopes of a cluster");
}

static int too_long(const char *text, struct dtr_error *why)
{
    if (strnlen(text, DTR_SCOPE_TEXT_MAX + 1) <= DTR_SCOPE_TEXT_MAX)
        return DTR_OK;
    return dtr_error_set(why, DTR_ELIMIT, DTR_RETRY_NEVER, "'%.40s...' has more than %d bytes", text,
                         DTR_SCOPE_TEXT_MAX);
}

/* --- the items of a list ------------------------------------------------------------------------------- */

static int add_cidr(struct dtr_scope *scope, const char *text, size_t index, struct dtr_error *why)
{
    (void)index;
    int rc = dtr_network_parse(text, &scope->cidrs[scope->cidr_count], why);
    scope->cidr_count += rc == DTR_OK;
    return rc;
}

static int add_hostname(struct dtr_scope *scope, const char *text, size_t index, struct dtr_error *why)
{
    struct dtr_scope_hostname *hostname = &scope->hostnames[scope->hostname_count];
    struct dtr_error bad;
    int rc = dtr_pattern_new(text, &hostname->pattern, &bad);
    if (rc != DTR_OK)
        return dtr_error_set(why, rc, bad.retry, "'%.60s' is %s", text, bad.text);
    hostname->index = index;
    hostname->text = strdup(text);
    scope->hostname_count++;
    return hostname->text ? DTR_OK : no_memory(why);
}

typedef int (*add_fn)(struct dtr_scope *scope, const char *text, size_t index, struct dtr_error *why);

static int read_item(const struct reading *reading, const char *list, const char *text, size_t index,
                     add_fn add)
{
    char item[40];
    struct dtr_error why;
    int rc = DTR_OK;
    if (index == DTR_SCOPE_ITEMS_MAX)
        rc = dtr_error_set(&why, DTR_ELIMIT, DTR_RETRY_NEVER, "a cluster has at most %d of them",
                           DTR_SCOPE_ITEMS_MAX);
    if (rc == DTR_OK)
        rc = too_long(text, &why);
    if (rc == DTR_OK)
        rc = add(reading->scope, text, index, &why);
    if (rc == DTR_OK)
        return DTR_OK;
    (void)snprintf(item, sizeof(item), "%s[%zu]", list, index);
    return pass_over(reading, item, &why);
}

/* The first of too many is reported, those behind it are not. */
static int read_list(const struct reading *reading, const char *list, const char *const *texts, size_t count,
                     add_fn add)
{
    int rc = DTR_OK;
    for (size_t i = 0; i < count && i <= DTR_SCOPE_ITEMS_MAX && rc == DTR_OK; i++)
        rc = read_item(reading, list, texts[i], i, add);
    return rc;
}

/* --- the whole ----------------------------------------------------------------------------------------- */

/* One that is too long is none. */
static int read_label(const struct reading *reading, const char *item, const char *text, char **ret_label)
{
    struct dtr_error why;
    if (!text)
        text = "";
    if (too_long(text, &why) != DTR_OK) {
        int rc = pass_over(reading, item, &why);
        if (rc != DTR_OK)
            return rc;
        text = "";
    }
    *ret_label = strdup(text);
    return *ret_label ? DTR_OK : no_memory(reading->err);
}

/* Room for `count` of a list, and for none too. */
static void *places(size_t count, size_t size)
{
    return calloc((count < DTR_SCOPE_ITEMS_MAX ? count : DTR_SCOPE_ITEMS_MAX) + 1, size);
}

static int read_all(const struct reading *reading, const struct dtr_scope_texts *texts)
{
    struct dtr_scope *scope = reading->scope;
    scope->cidrs = places(texts->cidr_count, sizeof(*scope->cidrs));
    scope->hostnames = places(texts->hostname_count, sizeof(*scope->hostnames));
    if (!scope->cidrs || !scope->hostnames)
        return no_memory(reading->err);
    int rc = read_label(reading, "idc", texts->idc, &scope->idc);
    if (rc == DTR_OK)
        rc = read_label(reading, "location", texts->location, &scope->location);
    if (rc == DTR_OK)
        rc = read_list(reading, "cidrs", texts->cidrs, texts->cidr_count, add_cidr);
    if (rc == DTR_OK)
        rc = read_list(reading, "hostnames", texts->hostnames, texts->hostname_count, add_hostname);
    return rc;
}

int dtr_scope_new_lenient(const struct dtr_scope_texts *texts, const struct dtr_scope_report *report,
                          struct dtr_scope **ret_scope, struct dtr_error *err)
{
    const struct reading reading = {calloc(1, sizeof(struct dtr_scope)), report, err};
    *ret_scope = NULL;
    int rc = reading.scope ? read_all(&reading, texts) : no_memory(err);
    if (rc == DTR_OK)
        *ret_scope = reading.scope;
    else
        dtr_scope_free(reading.scope);
    return rc;
}

int dtr_scope_new(const struct dtr_scope_texts *texts, struct dtr_scope **ret_scope, struct dtr_error *err)
{
    return dtr_scope_new_lenient(texts, NULL, ret_scope, err);
}

void dtr_scope_free(struct dtr_scope *scope)
{
    if (!scope)
        return;
    for (size_t i = 0; i < scope->hostname_count; i++) {
        dtr_pattern_free(scope->hostnames[i].pattern);
        free(scope->hostnames[i].text);
    }
    free(scope->hostnames);
    free(scope->cidrs);
    free(scope->idc);
    free(scope->location);
    free(scope);
}
