/* Fields of JSON objects as tables: what they are called, what they may hold, where they are kept.
 * Validation, SQL and the OpenAPI document come from the same rows. Pure; any thread. */
#ifndef DTR_MANAGER_REST_FIELD_H
#define DTR_MANAGER_REST_FIELD_H

#include <darter/database.h>
#include <jansson.h>

enum field_kind {
    FIELD_NUMBER,
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_TIME,   /* RFC 3339 in JSON, milliseconds since 1970 in a column */
    FIELD_OBJECT, /* of the fields `of`; with `of` NULL anything */
    FIELD_LIST,   /* of the one field `of` */
};

/* flags */
enum {
    F_CREATE = 1,  /* may be given when a thing is made */
    F_UPDATE = 2,  /* and when it is changed */
    F_FILTER = 4,  /* and in the query of a list */
    F_NEEDED = 8,  /* must be given when the thing is made */
    F_HIDDEN = 16, /* in no answer */
    F_BEGINS = 32, /* as a filter it finds the texts that begin with it */
    F_EDIT = F_CREATE | F_UPDATE,
};

struct field {
    const char *name;   /* in JSON; NULL ends a table */
    const char *column; /* NULL: as the name; "": none */
    enum field_kind kind;
    unsigned flags;
    int64_t least, most;    /* of a number; characters of a text; items of a list. Both 0: any */
    const char *words;      /* what a text may be: "active|inactive" */
    const struct field *of; /* see the kinds */
    /* Whether a text is right; the error says what is wrong with it. */
    int (*check)(const char *text, struct dtr_error *err);
    const char *preset; /* JSON; for a field that was not given when the thing is made */
    const char *refers; /* table that a number is an id of */
    const char *read; /* SQL that it is read by, for one that is kept elsewhere than in a column of the row */
    /* Of an object: the tables of which it has one, for the OpenAPI document; ended by NULL. */
    const struct field *const *forms;
};

/* Checks `body` for making (F_CREATE) or changing (F_UPDATE) a thing. *ret_values (the caller's) holds the
 * fields that were given, or have a preset, by name; nested ones too. What the tables do not have for this is
 * left out, and fields_unknown() fills `ret_unknown` when it is not NULL. null counts as not given.
 * DTR_EINVALID names the field and says what is allowed. */
int fields_check(const struct field *fields, unsigned mode, const json_t *body, json_t **ret_values,
                 char ret_unknown[64], struct dtr_error *err);
/* The way to the first name, at any depth, that the tables do not have for this, or that is there in other
 * letters too: "scopes.idcs"; "": there is none. */
void fields_unknown(const struct field *fields, unsigned mode, const json_t *object, char ret_unknown[64]);
/* What an object has by this name; NULL: nothing. As Go's programs read JSON, small and capital letters are
 * the same; the one that is spelt right comes first, then the last of the others. */
const json_t *field_given(const json_t *object, const char *name);
/* The value of a parameter of a query. DTR_EINVALID names the field and says what is allowed; of a text only
 * its words count, for whatever else is not there is not found. */
int field_from_text(const struct field *field, const char *text, struct dtr_value *ret_value,
                    struct dtr_error *err);
/* Characters, which may have several bytes, of UTF-8. */
size_t field_characters(const char *text);
/* The column; NULL when the field has none. */
const char *field_column(const struct field *field);
/* As a column's value. *ret_text (free()) holds its text when one had to be made, else NULL. */
int field_to_value(const struct field *field, const json_t *json, struct dtr_value *ret_value,
                   char **ret_text, struct dtr_error *err);
/* From a column; NULL when out of memory. */
json_t *field_from_value(const struct field *field, const struct dtr_value *value);

/* RFC 3339 in UTC, with milliseconds. */
#define FIELD_TIME_TEXT 32
void field_time_text(int64_t ms, char text[FIELD_TIME_TEXT]);
bool field_time_parse(const char *text, int64_t *ret_ms);

#endif
