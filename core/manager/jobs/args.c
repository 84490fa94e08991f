/* Types and arguments of jobs; see args.h. */
#include "core/manager/jobs/args.h"

#include "core/brain/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char HIDDEN[] = "***";

static const char *const kind_texts[] = {
#define JOB_KIND_TEXT(name, text) [JOB_##name] = text,
    JOB_KINDS(JOB_KIND_TEXT)
#undef JOB_KIND_TEXT
};

const char *job_kind_text(enum job_kind kind)
{
    return kind_texts[kind];
}

bool job_kind_find(const char *text, enum job_kind *ret_kind)
{
    for (int kind = 0; kind < JOB_KIND_COUNT; kind++) {
        if (strcmp(kind_texts[kind], text) == 0) {
            *ret_kind = (enum job_kind)kind;
            return true;
        }
    }
    return false;
}

const char *arg_text(const json_t *args, const char *name)
{
    const char *text = json_string_value(json_object_get(args, name));
    return text ? text : "";
}

int64_t arg_number(const json_t *args, const char *name)
{
    return json_integer_value(json_object_get(args, name));
}

/* --- URLs ----------------------------------------------------------------------------------------------
 */

size_t args_url_count(const json_t *args)
{
    return json_array_size(json_object_get(args, "urls")) + (*arg_text(args, "url") ? 1 : 0);
}

const char *args_url(const json_t *args, size_t at)
{
    const json_t *urls = json_object_get(args, "urls");
    const char *text =
        at < json_array_size(urls) ? json_string_value(json_array_get(urls, at)) : arg_text(args, "url");
    return text ? text : "";
}

/* --- tasks ---------------------------------------------------------------------------------------------
 */

size_t args_filter(const json_t *args, const char *names[ARGS_FILTER_MOST], char **ret_text)
{
    size_t count = 0;
    char *rest = *ret_text = strdup(arg_text(args, "filtered_query_params"));
    for (char *name; rest && count < ARGS_FILTER_MOST && (name = strsep(&rest, "&"));) {
        if (*name)
            names[count++] = name;
    }
    for (size_t i = 0; count == i && i < dtr_url_default_filter_count; i++)
        names[count++] = dtr_url_default_filter[i];
    return count;
}

static int url_task_id(const json_t *args, char id[DTR_TASK_ID_SIZE], struct dtr_error *err)
{
    const char *names[ARGS_FILTER_MOST];
    char *text;
    struct dtr_task_key key = {.url = arg_text(args, "url"),
                               .blob_digest = true,
                               .tag = arg_text(args, "tag"),
                               .application = arg_text(args, "application"),
                               .piece_length = (uint64_t)arg_number(args, "piece_length"),
                               .filter = names};
    key.filter_count = args_filter(args, names, &text);
    int rc = text ? dtr_task_id(id, &key, err)
                  : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    free(text);
    return rc;
}

int args_task_id(const json_t *args, char id[DTR_TASK_ID_SIZE], struct dtr_error *err)
{
    const char *content = json_string_value(json_object_get(args, "content_for_calculating_task_id"));
    if (*arg_text(args, "url"))
        return url_task_id(args, id, err);
    if (content) {
        const struct dtr_task_key key = {.content = content};
        return dtr_task_id(id, &key, err);
    }
    if (dtr_copy_text(id, DTR_TASK_ID_SIZE, arg_text(args, "task_id")) && strlen(id) == DTR_TASK_ID_LENGTH)
        return DTR_OK;
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "task_id: must have %d characters",
                         (int)DTR_TASK_ID_LENGTH);
}

/* --- what may be shown ---------------------------------------------------------------------------------
 */

static bool has(const char *text, size_t length, const char *word)
{
    const size_t size = strlen(word);
    for (size_t i = 0; i + size <= length; i++) {
        size_t same = 0;
        while (same < size && tolower((unsigned char)text[i + same]) == word[same])
            same++;
        if (same == size)
            return true;
    }
    return false;
}

/* Whether a parameter of a query is by which somebody may do something. */
static bool gives_access(const char *name, size_t length)
{
    static const char *const parts[] = {"signature", "token",     "credential", "secret",
                                        "passw",     "accesskey", "access_key", "apikey",
                                        "api_key",   "auth_key",  "hmac"};
    static const char *const names[] = {"sig", "q-ak", "key", "auth", "jwt", "pwd", "hdnts"};
    bool found = false;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        found |= has(name, length, parts[i]);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        found |= strlen(names[i]) == length && has(name, length, names[i]);
    return found;
}

static const char *show_authority(const char *url, struct dtr_str *text)
{
    const char *begin = strstr(url, "://"), *user = begin ? begin + 3 : url;
    const size_t length = begin ? strcspn(user, "/\\?#") : 0;
    const char *at = length > 0 ? memrchr(user, '@', length) : NULL;
    dtr_str_add(text, url, (size_t)(user - url));
    if (at)
        dtr_str_puts(text, HIDDEN);
    return at ? at : user;
}

void args_show_url(const char *url, struct dtr_str *text)
{
    const char *at = show_authority(url, text);
    size_t length = strcspn(at, "?#");
    dtr_str_add(text, at, length);
    at += length;
    while (*at == '?' || *at == '&' || *at == ';') {
        length = 1 + strcspn(at + 1, "=&;#");
        const bool hidden = gives_access(at + 1, length - 1);
        dtr_str_add(text, at, length);
        at += length;
        length = *at == '=' ? strcspn(at, "&;#") : 0;
        if (hidden && length > 0)
            dtr_str_printf(text, "=%s", HIDDEN);
        else
            dtr_str_add(text, at, length);
        at += length;
    }
    dtr_str_puts(text, at);
}

void args_show_text(const char *said, struct dtr_str *text)
{
    static const char ends[] = " \t\r\n\"<>"; /* what no URL has */
    while (*said) {
        const size_t length = strcspn(said, ends), between = strspn(said + length, ends);
        char *word = memmem(said, length, "://", 3) ? strndup(said, length) : NULL;
        if (word)
            args_show_url(word, text);
        else
            dtr_str_add(text, said, length);
        free(word);
        dtr_str_add(text, said + length, between);
        said += length + between;
    }
}

static json_t *shown_url(const json_t *url)
{
    struct dtr_str text = {0};
    args_show_url(json_string_value(url), &text);
    json_t *shown = dtr_str_ok(&text) ? json_stringn(dtr_str_text(&text), text.length) : NULL;
    dtr_str_free(&text);
    return shown;
}

static bool hide_values(json_t *object)
{
    const char *name;
    json_t *value;
    bool ok = true;
    void *next;
    json_object_foreach_safe(object, next, name, value) ok &=
        json_object_set_new(object, name, json_string(HIDDEN)) == 0;
    return ok;
}

static bool hide(json_t *args, const char *name)
{
    const char *value = json_string_value(json_object_get(args, name));
    return !value || !*value || json_object_set_new(args, name, json_string(HIDDEN)) == 0;
}

static bool hide_urls(json_t *args)
{
    json_t *urls = json_object_get(args, "urls"), *url = json_object_get(args, "url");
    bool ok = !json_is_string(url) || json_object_set_new(args, "url", shown_url(url)) == 0;
    for (size_t i = 0; i < json_array_size(urls); i++) {
        url = json_array_get(urls, i);
        ok &= !json_is_string(url) || json_array_set_new(urls, i, shown_url(url)) == 0;
    }
    return ok;
}

json_t *args_shown(const json_t *args)
{
    static const char *const storage[] = {"access_key_id", "access_key_secret", "session_token",
                                          "security_token"};
    json_t *shown = json_deep_copy(args);
    bool ok = shown && hide(shown, "password") && hide_urls(shown) &&
              hide_values(json_object_get(shown, "headers")) &&
              hide(json_object_get(shown, "hdfs"), "delegation_token");
    for (size_t i = 0; i < sizeof(storage) / sizeof(storage[0]); i++)
        ok = ok && hide(json_object_get(shown, "object_storage"), storage[i]);
    if (ok)
        return shown;
    json_decref(shown);
    return NULL;
}
