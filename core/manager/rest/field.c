/* Validation, and values to and from columns; see field.h. */
#include "core/manager/rest/field.h"

#include "core/base/str.h"

#include <stdlib.h>
#include <strings.h>
#include <time.h>

/* The way to a field, for texts: "scopes.cidrs[2]". */
struct place {
    const struct place *above;
    const char *name;
    size_t index; /* in a list, when name is NULL */
};

static void put_place(struct dtr_str *text, const struct place *place)
{
    if (place->above)
        put_place(text, place->above);
    if (!place->name)
        dtr_str_printf(text, "[%zu]", place->index);
    else
        dtr_str_printf(text, "%s%s", place->above ? "." : "", place->name);
}

static int wrong(const struct place *place, struct dtr_error *err, const char *what)
{
    struct dtr_str text = {0};
    put_place(&text, place);
    int rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.100s: %s", dtr_str_text(&text), what);
    dtr_str_free(&text);
    return rc;
}

/* --- times -----------------------------------------------------------------------------------------------
 */

void field_time_text(int64_t ms, char text[FIELD_TIME_TEXT])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    text[0] = 0;
    if (!gmtime_r(&seconds, &tm))
        return;
    size_t length = strftime(text, FIELD_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + length, FIELD_TIME_TEXT - length, ".%03dZ", (int)(ms % 1000 + 1000) % 1000);
}

/* "Z" or "+02:00"; minutes from UTC. */
static bool parse_zone(const char *text, int *ret_minutes)
{
    unsigned hours, minutes;
    int end = 0;
    *ret_minutes = 0;
    if ((*text == 'Z' || *text == 'z') && !text[1])
        return true;
    if ((*text != '+' && *text != '-') || strlen(text) != 6 ||
        sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &end) != 2 || end != 5 || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = (int)(hours * 60 + minutes) * (*text == '-' ? -1 : 1);
    return true;
}

bool field_time_parse(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    int zone, ms = 0, scale = 100;
    if (strlen(text) < 20)
        return false;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    if (*rest == '.') {
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            ms += (*rest - '0') * scale;
    }
    if (!parse_zone(rest, &zone))
        return false;
    *ret_ms = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * 1000 + ms;
    return true;
}

/* --- one value -------------------------------------------------------------------------------------------
 */

size_t field_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static bool is_word(const char *words, const char *text)
{
    size_t length = strlen(text);
    for (const char *word = words; word; word = strchr(word, '|'), word = word ? word + 1 : NULL) {
        if (length > 0 && strcspn(word, "|") == length && memcmp(word, text, length) == 0)
            return true;
    }
    return false;
}

static bool outside(const struct field *field, int64_t amount)
{
    return (field->least != 0 || field->most != 0) && (amount < field->least || amount > field->most);
}

static int check_range(const struct field *field, int64_t amount, const char *unit, const struct place *place,
                       struct dtr_error *err)
{
    char text[100];
    if (!outside(field, amount))
        return DTR_OK;
    (void)snprintf(text, sizeof(text), "must %s %lld to %lld%s, not %lld", *unit ? "have" : "be",
                   (long long)field->least, (long long)field->most, unit, (long long)amount);
    return wrong(place, err, text);
}

static int check_word(const struct field *field, const char *text, const struct place *place,
                      struct dtr_error *err)
{
    char what[160];
    if (!field->words || is_word(field->words, text))
        return DTR_OK;
    (void)snprintf(what, sizeof(what), "must be one of %.120s", field->words);
    return wrong(place, err, what);
}

static int check_text(const struct field *field, const char *text, const struct place *place,
                      struct dtr_error *err)
{
    struct dtr_error why = {0};
    int rc = check_word(field, text, place, err);
    if (rc == DTR_OK)
        rc = check_range(field, (int64_t)field_characters(text), " characters", place, err);
    if (rc == DTR_OK && field->check && field->check(text, &why) != DTR_OK)
        rc = wrong(place, err, why.text);
    return rc;
}

static int check_value(const struct field *field, const json_t *value, const struct place *place,
                       json_t **ret_value, struct dtr_error *err);

static int check_list(const struct field *field, const json_t *value, const struct place *place,
                      json_t **ret_value, struct dtr_error *err)
{
    json_t *list = json_array();
    int rc = check_range(field, (int64_t)json_array_size(value), " items", place, err);
    for (size_t i = 0; i < json_array_size(value) && rc == DTR_OK; i++) {
        const struct place here = {.above = place, .index = i};
        json_t *item = NULL;
        rc = check_value(field->of, json_array_get(value, i), &here, &item, err);
        if (rc == DTR_OK)
            (void)json_array_append_new(list, item);
    }
    if (rc != DTR_OK) {
        json_decref(list);
        return rc;
    }
    *ret_value = list;
    return DTR_OK;
}

static int check_object(const struct field *fields, unsigned mode, const json_t *value,
                        const struct place *above, json_t **ret_value, struct dtr_error *err);

static const char *const kind_words[] = {
    [FIELD_NUMBER] = "must be a whole number", [FIELD_TEXT] = "must be a string",
    [FIELD_BOOL] = "must be true or false",    [FIELD_TIME] = "must be a time like 2026-01-31T12:00:00Z",
    [FIELD_OBJECT] = "must be an object",      [FIELD_LIST] = "must be a list",
};

static bool is_kind(enum field_kind kind, const json_t *value)
{
    int64_t ms;
    switch (kind) {
    case FIELD_NUMBER:
        return json_is_integer(value);
    case FIELD_BOOL:
        return json_is_boolean(value);
    case FIELD_OBJECT:
        return json_is_object(value);
    case FIELD_LIST:
        return json_is_array(value);
    case FIELD_TIME:
        return json_is_string(value) && field_time_parse(json_string_value(value), &ms);
    case FIELD_TEXT:
        break;
    }
    return json_is_string(value);
}

static int check_value(const struct field *field, const json_t *value, const struct place *place,
                       json_t **ret_value, struct dtr_error *err)
{
    int rc = DTR_OK;
    if (!is_kind(field->kind, value))
        return wrong(place, err, kind_words[field->kind]);
    if (field->kind == FIELD_OBJECT && field->of)
        return check_object(field->of, F_CREATE, value, place, ret_value, err);
    if (field->kind == FIELD_LIST)
        return check_list(field, value, place, ret_value, err);
    if (field->kind == FIELD_NUMBER)
        rc = check_range(field, json_integer_value(value), "", place, err);
    else if (field->kind == FIELD_TEXT)
        rc = check_text(field, json_string_value(value), place, err);
    if (rc == DTR_OK)
        *ret_value = json_deep_copy(value);
    return rc;
}

/* --- objects ---------------------------------------------------------------------------------------------
 */

const json_t *field_given(const json_t *object, const char *name)
{
    const json_t *given = json_object_get(object, name);
    const char *key;
    json_t *value;
    if (given)
        return given;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (strcasecmp(key, name) == 0)
            given = value;
    }
    return given;
}

static int check_field(const struct field *field, unsigned mode, const json_t *body,
                       const struct place *place, json_t *values, struct dtr_error *err)
{
    const json_t *given = field->flags & mode ? field_given(body, field->name) : NULL;
    json_t *value = NULL, *preset = NULL;
    int rc = DTR_OK;
    if (json_is_null(given))
        given = NULL;
    if (!given && mode == F_CREATE && field->preset)
        given = preset = json_loads(field->preset, JSON_DECODE_ANY, NULL);
    if (preset && (field->kind != FIELD_OBJECT || !field->of))
        value = json_incref(preset); /* need not be what a user may give */
    else if (given)
        rc = check_value(field, given, place, &value, err);
    else if (mode == F_CREATE && field->flags & F_NEEDED)
        rc = wrong(place, err, "is missing");
    json_decref(preset);
    if (rc == DTR_OK && value && json_object_set_new(values, field->name, value) != 0)
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    return rc;
}

static int check_object(const struct field *fields, unsigned mode, const json_t *value,
                        const struct place *above, json_t **ret_value, struct dtr_error *err)
{
    json_t *values = json_object();
    int rc = DTR_OK;
    for (const struct field *field = fields; field->name && rc == DTR_OK; field++) {
        const struct place here = {.above = above, .name = field->name};
        rc = check_field(field, mode, value, &here, values, err);
    }
    if (rc != DTR_OK) {
        json_decref(values);
        return rc;
    }
    *ret_value = values;
    return DTR_OK;
}

/* The field that takes the value of a key; NULL: none, or another key of the same name is taken. */
static const struct field *taker(const struct field *fields, unsigned mode, const json_t *object,
                                 const char *key, const json_t *value)
{
    while (fields->name && (strcasecmp(fields->name, key) != 0 || !(fields->flags & mode)))
        fields++;
    return fields->name && field_given(object, fields->name) == value ? fields : NULL;
}

static bool find_unknown(const struct field *fields, unsigned mode, const json_t *object,
                         const struct place *above, char ret_unknown[64]);

static bool find_within(const struct field *field, const json_t *value, const struct place *place,
                        char ret_unknown[64])
{
    bool found = false;
    if (field->kind == FIELD_OBJECT && field->of)
        return find_unknown(field->of, F_CREATE, value, place, ret_unknown);
    for (size_t i = 0; field->kind == FIELD_LIST && i < json_array_size(value) && !found; i++) {
        const struct place here = {.above = place, .index = i};
        found = find_within(field->of, json_array_get(value, i), &here, ret_unknown);
    }
    return found;
}

/* Ends at the first, so that many keys that differ in case only take no time either. */
static bool find_unknown(const struct field *fields, unsigned mode, const json_t *object,
                         const struct place *above, char ret_unknown[64])
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const struct place here = {.above = above, .name = key};
        const struct field *field = taker(fields, mode, object, key, value);
        if (field && !find_within(field, value, &here, ret_unknown))
            continue;
        if (!field) {
            struct dtr_str text = {0};
            put_place(&text, &here);
            (void)snprintf(ret_unknown, 64, "%.63s", dtr_str_text(&text));
            dtr_str_free(&text);
        }
        return true;
    }
    return false;
}

void fields_unknown(const struct field *fields, unsigned mode, const json_t *object, char ret_unknown[64])
{
    ret_unknown[0] = 0;
    (void)find_unknown(fields, mode, object, NULL, ret_unknown);
}

int fields_check(const struct field *fields, unsigned mode, const json_t *body, json_t **ret_values,
                 char ret_unknown[64], struct dtr_error *err)
{
    *ret_values = NULL;
    if (!json_is_object(body))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the body must be a JSON object");
    if (ret_unknown)
        fields_unknown(fields, mode, body, ret_unknown);
    return check_object(fields, mode, body, NULL, ret_values, err);
}

/* --- columns ---------------------------------------------------------------------------------------------
 */

const char *field_column(const struct field *field)
{
    if (!field->column)
        return field->name;
    return field->column[0] ? field->column : NULL;
}

static int read_number(const struct field *field, const char *text, int64_t *ret_number,
                       struct dtr_error *err)
{
    const struct place place = {.name = field->name};
    uint64_t number;
    if (field->kind == FIELD_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        *ret_number = text[0] == 't';
    else if (field->kind == FIELD_TIME ? !field_time_parse(text, ret_number)
                                       : !dtr_parse_u64(text, strlen(text), &number) || number > INT64_MAX)
        return wrong(&place, err, kind_words[field->kind]);
    else if (field->kind != FIELD_TIME)
        *ret_number = (int64_t)number;
    return DTR_OK;
}

int field_from_text(const struct field *field, const char *text, struct dtr_value *ret_value,
                    struct dtr_error *err)
{
    *ret_value = (struct dtr_value){.type = DTR_VALUE_NUMBER};
    if (field->kind != FIELD_TEXT)
        return read_number(field, text, &ret_value->number, err);
    const struct place place = {.name = field->name};
    json_t *readable = json_string(text);
    json_decref(readable);
    if (!readable)
        return wrong(&place, err, "is not UTF-8");
    *ret_value = (struct dtr_value){.type = DTR_VALUE_TEXT, .text = text, .length = strlen(text)};
    return check_word(field, text, &place, err);
}

int field_to_value(const struct field *field, const json_t *json, struct dtr_value *ret_value,
                   char **ret_text, struct dtr_error *err)
{
    const char *text = json_string_value(json);
    *ret_text = NULL;
    *ret_value = (struct dtr_value){.type = DTR_VALUE_NUMBER};
    switch (field->kind) {
    case FIELD_NUMBER:
        ret_value->number = json_integer_value(json);
        return DTR_OK;
    case FIELD_BOOL:
        ret_value->number = json_is_true(json);
        return DTR_OK;
    case FIELD_TIME:
        (void)field_time_parse(text, &ret_value->number);
        return DTR_OK;
    case FIELD_OBJECT:
    case FIELD_LIST:
        text = *ret_text = json_dumps(json, JSON_COMPACT);
        break;
    case FIELD_TEXT:
        break;
    }
    if (!text)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for %s", field->name);
    *ret_value = (struct dtr_value){.type = DTR_VALUE_TEXT, .text = text, .length = strlen(text)};
    return DTR_OK;
}

json_t *field_from_value(const struct field *field, const struct dtr_value *value)
{
    char time[FIELD_TIME_TEXT];
    const char *text = value->type == DTR_VALUE_TEXT ? value->text : "";
    json_t *json = NULL;
    switch (field->kind) {
    case FIELD_NUMBER:
        return json_integer(value->number);
    case FIELD_BOOL:
        return json_boolean(value->number != 0);
    case FIELD_TIME:
        field_time_text(value->number, time);
        return json_string(time);
    case FIELD_TEXT:
        json = json_string(text);
        return json ? json : json_string("(not UTF-8)");
    case FIELD_OBJECT:
    case FIELD_LIST:
        json = *text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        break;
    }
    if (json)
        return json;
    return field->kind == FIELD_LIST ? json_array() : json_object();
}
