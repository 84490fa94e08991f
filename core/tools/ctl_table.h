/* JSON rows as a table for people: columns as wide as what is in them. */
#ifndef DTR_TOOLS_CTL_TABLE_H
#define DTR_TOOLS_CTL_TABLE_H

#include "core/base/str.h"
#include <darter/error.h>
#include <jansson.h>
#include <stdio.h>

/* Where answers go, and how. */
struct dtr_ctl_show {
    FILE *out;
    bool json;
    int64_t now_s; /* for ages */
};

enum ctl_form {
    CTL_PLAIN, /* a text, a number, true and false as yes and "" ; a list with commas */
    CTL_AGE,   /* how long a time (RFC 3339) is ago */
    CTL_SCORE, /* four digits behind the point */
    CTL_TERM   /* as few digits as it takes */
};

struct ctl_column {
    const char *title;
    const char *path; /* "scopes.cidrs" */
    enum ctl_form form;
};

/* The value at a path; NULL when there is none. */
const json_t *ctl_at(const json_t *row, const char *path);
/* Numbers to the right. What is no object is passed over. DTR_EIO, DTR_ENOMEM. */
int ctl_table(const struct ctl_column *columns, size_t count, const json_t *rows, int64_t now_s, FILE *out);
/* One row as lines "title: value", those without a value left out. */
int ctl_sheet(const struct ctl_column *columns, size_t count, const json_t *row, int64_t now_s, FILE *out);
/* Prints rows, or one of them, and frees them; the error says that it could not be done. */
int ctl_show_table(const struct ctl_column *columns, size_t count, json_t *rows,
                   const struct dtr_ctl_show *show, struct dtr_error *err);
int ctl_show_sheet(const struct ctl_column *columns, size_t count, json_t *row,
                   const struct dtr_ctl_show *show, struct dtr_error *err);
/* Seconds since 1970 of "2026-01-31T12:00:00.5+08:00"; 0: it is no such text, or lies before. */
int64_t ctl_time(const char *text);

#endif
