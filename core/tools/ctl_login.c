/* Signing in and out; see ctl_manager.h. */
#include "core/tools/ctl_manager.h"
#include "core/tools/ctl_text.h"

#include <stdlib.h>

/* A wrong password is no lost session. */
static int explain(int rc, const struct dtr_manager_access *access, const char *user, struct dtr_error *err)
{
    if (rc == DTR_OK || err->status != 401)
        return rc;
    return dtr_error_set(err, rc, DTR_RETRY_NEVER,
                         "%.100s does not let %.40s in: the name or the password is wrong, or the user is "
                         "disabled",
                         access->url, user);
}

static char *copy(const json_t *answer, const char *name)
{
    const char *text = json_string_value(json_object_get(answer, name));
    return text ? strdup(text) : NULL;
}

static int keep(const struct dtr_manager_access *access, const char *user, const json_t *answer,
                const char *path, const struct dtr_ctl_show *show, struct dtr_error *err)
{
    struct dtr_session session = {.url = strdup(access->url),
                                  .user = strdup(user),
                                  .token = copy(answer, "token"),
                                  .expire = copy(answer, "expire"),
                                  .warning = copy(answer, "warning")};
    int rc = session.token
                 ? DTR_OK
                 : dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                                 "what answers at %.100s is no manager: it gave no session", access->url);
    if (rc == DTR_OK && (!session.url || !session.user))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a session");
    if (rc == DTR_OK)
        rc = dtr_session_write(path, &session, err);
    if (rc == DTR_OK) {
        ctl_put(show->out, 0, user);
        (void)fprintf(show->out, " is signed in at %s", access->url);
        if (session.expire) {
            (void)fputs(" until ", show->out);
            ctl_put(show->out, 0, session.expire);
        }
        (void)fputc('\n', show->out);
    }
    dtr_session_free(&session);
    return rc;
}

int dtr_ctl_login(const struct dtr_manager_access *access, const char *user, const char *password,
                  const char *path, const struct dtr_ctl_show *show, struct dtr_error *err)
{
    json_t *body = json_pack("{s:s, s:s}", "name", user, "password", password), *answer = NULL;
    if (!body)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the name or the password is not UTF-8");
    int rc = explain(dtr_manager_ask(access, "POST", "/users/signin", body, &answer, err), access, user, err);
    if (rc == DTR_OK)
        rc = keep(access, user, answer, path, show, err);
    json_decref(body);
    json_decref(answer);
    return rc;
}

int dtr_ctl_logout(const struct dtr_manager_access *access, const char *path, struct dtr_error *err)
{
    (void)dtr_manager_ask(access, "POST", "/users/signout", NULL, NULL, NULL);
    return dtr_session_forget(path, err);
}
