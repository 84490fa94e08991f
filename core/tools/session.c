/* See session.h. */
#include "core/tools/session.h"

#include "core/tools/plan_file.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *name;
    size_t offset;
    bool needed;
} members[] = {
    {"manager", offsetof(struct dtr_session, url), true},
    {"user", offsetof(struct dtr_session, user), true},
    {"token", offsetof(struct dtr_session, token), true},
    {"expire", offsetof(struct dtr_session, expire), false},
    {"warning", offsetof(struct dtr_session, warning), false},
};
enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

static char **member(struct dtr_session *session, size_t i)
{
    return (char **)(void *)((char *)session + members[i].offset);
}

static int parse(const char *path, const char *text, struct dtr_session *ret_session, struct dtr_error *err)
{
    json_t *root = json_loads(text, 0, NULL);
    bool good = json_is_object(root);
    for (size_t i = 0; i < MEMBERS && good; i++) {
        const char *value = json_string_value(json_object_get(root, members[i].name));
        *member(ret_session, i) = value ? strdup(value) : NULL;
        good = *member(ret_session, i) || (!members[i].needed && !value);
    }
    json_decref(root);
    return good ? DTR_OK
                : dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER,
                                "%.150s is no session; remove it and sign in by \"darter ctl login\"", path);
}

int dtr_session_read(const char *path, struct dtr_session *ret_session, struct dtr_error *err)
{
    struct dtr_plan_file file = {0};
    *ret_session = (struct dtr_session){0};
    int rc = dtr_plan_read(path, &file, err);
    if (rc == DTR_OK && !file.text)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "nobody is signed in");
    if (rc == DTR_OK && (file.mode & 077) != 0)
        rc = dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                           "others can read the session in %.120s: \"chmod 600\" it, or sign in again", path);
    if (rc == DTR_OK)
        rc = parse(path, file.text, ret_session, err);
    if (rc != DTR_OK)
        dtr_session_free(ret_session);
    dtr_plan_file_free(&file);
    return rc;
}

int dtr_session_write(const char *path, const struct dtr_session *session, struct dtr_error *err)
{
    const struct dtr_plan_file file = {
        .place = (char *)(uintptr_t)path, .mode = 0600, .owner = geteuid(), .group = getegid()};
    struct dtr_session copy = *session;
    json_t *root = json_object();
    for (size_t i = 0; i < MEMBERS; i++) {
        if (*member(&copy, i))
            (void)json_object_set_new(root, members[i].name, json_string(*member(&copy, i)));
    }
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    int rc = text ? dtr_plan_make_parents(path, err)
                  : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a session");
    if (rc == DTR_OK)
        rc = dtr_plan_replace(&file, text, err);
    free(text);
    json_decref(root);
    return rc;
}

int dtr_session_forget(const char *path, struct dtr_error *err)
{
    const struct dtr_plan_file file = {.place = (char *)(uintptr_t)path};
    return dtr_plan_replace(&file, NULL, err);
}

void dtr_session_free(struct dtr_session *session)
{
    for (size_t i = 0; i < MEMBERS; i++)
        free(*member(session, i));
    *session = (struct dtr_session){0};
}
