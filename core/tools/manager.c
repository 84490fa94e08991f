/* See manager.h. */
#include "core/tools/manager.h"

#include <ctype.h>
#include <stdlib.h>

enum { PAGE = 1000, PAGES_MOST = 1000 };

int dtr_manager_url(const char *text, char **ret_url, struct dtr_error *err)
{
    const char *scheme = strstr(text, "://");
    bool known = scheme && (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0);
    const char *host = scheme ? scheme + 3 : text;
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '/')
        length--;
    bool plain = *host && *host != '/' && text[strcspn(text, " \t\r\n?#@\"")] == '\0';
    if ((scheme && !known) || !plain || text + length <= host)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "'%.100s' is no manager's address; needed is http://HOST:8080 or https://HOST",
                             text);
    struct dtr_str url = {0};
    dtr_str_puts(&url, scheme ? "" : "http://");
    dtr_str_add(&url, text, length);
    *ret_url = dtr_str_take(&url);
    return *ret_url ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an address");
}

void dtr_manager_query(struct dtr_str *query, const char *name, const char *value)
{
    if (!value)
        return;
    dtr_str_printf(query, "%s%s=", query->length > 0 ? "&" : "", name);
    for (const unsigned char *at = (const unsigned char *)value; *at; at++)
        dtr_str_printf(query, isalnum(*at) || strchr("-._~", *at) ? "%c" : "%%%02X", *at);
}

/* --- answers -------------------------------------------------------------------------------------- */

/* What the manager says is wrong, cleaned for a terminal; what the status means when it says nothing. */
static void read_reason(const json_t *answer, int status, char *text, size_t size)
{
    const char *said = json_string_value(json_object_get(answer, "errors"));
    if (!said)
        said = json_string_value(json_object_get(answer, "message"));
    (void)snprintf(text, size, "%s", said && *said ? said : "");
    if (!*text)
        (void)snprintf(text, size, "HTTP status %d", status);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
}

static int refused(const struct dtr_manager_access *access, int status, const char *reason,
                   struct dtr_error *err)
{
    const char *url = access->url;
    const bool token = access->is_token;
    int rc;
    if (status == 401 && !access->secret)
        rc = dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                           "nobody is signed in at %.100s: \"darter ctl login\", or give a token (--token)",
                           url);
    else if (status == 401 && token)
        rc = dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                           "%.70s does not take this token (%.90s); make another one", url, reason);
    else if (status == 401)
        rc = dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER,
                           "%.70s does not know this session any more (%.70s): \"darter ctl login\" begins "
                           "another",
                           url, reason);
    else if (status == 403)
        rc = dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, "%.70s does not allow it: %.200s", url, reason);
    else if (status == 404 && token)
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                           "%.60s: %.80s; with a token there are clusters and jobs only, \"darter ctl "
                           "login\" is for the rest",
                           url, reason);
    else if (status == 503)
        rc = dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                           "%.70s cannot do it now: %.140s; try again later", url, reason);
    else
        rc = dtr_error_set(err, status == 404 ? DTR_ENOT_FOUND : DTR_EINVALID, DTR_RETRY_NEVER,
                           "%.70s says: %.220s", url, reason);
    if (err)
        err->status = status;
    return rc;
}

static int no_manager(const char *url, int status, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                         "what answers at %.100s (HTTP status %d) is no manager; is this the address of its "
                         "REST API, port 8080?",
                         url, status);
}

int dtr_manager_read(const struct dtr_manager_access *access, int status, const char *body, size_t length,
                     json_t **ret_answer, struct dtr_error *err)
{
    char reason[256];
    json_t *answer = length > 0 ? json_loadb(body, length, JSON_DECODE_ANY, NULL) : NULL;
    const bool good = status >= 200 && status < 300;
    int rc = DTR_OK;
    *ret_answer = NULL;
    if ((length > 0 && !answer) || status < 200 || (status >= 300 && status < 400)) {
        /* A proxy in between may say with a page of its own that the manager is away. */
        rc = status == 502 || status == 503 || status == 504
                 ? refused(access, 503, "what is before it does not reach it", err)
                 : no_manager(access->url, status, err);
    } else if (!good) {
        read_reason(answer, status, reason, sizeof(reason));
        rc = refused(access, status, reason, err);
    }
    if (rc == DTR_OK)
        *ret_answer = answer;
    else
        json_decref(answer);
    return rc;
}

/* --- questions ------------------------------------------------------------------------------------ */

/* The module's text names the method and the URL. */
static int no_answer(const char *url, const struct dtr_error *why, struct dtr_error *err)
{
    const bool secure = strncmp(url, "https:", 6) == 0;
    if (why->code == DTR_ENOMEM || why->code == DTR_EINVALID)
        return dtr_error_set(err, why->code, why->retry, "%s", why->text);
    return dtr_error_set(err, why->code, why->retry,
                         "%.130s; is the manager running, and is this its address (--manager)?%s", why->text,
                         secure ? " --ca-file names who vouches for it" : "");
}

static int send(const struct dtr_manager_access *access, const struct dtr_web_request *request,
                json_t **ret_answer, struct dtr_error *err)
{
    struct dtr_web_answer answer;
    struct dtr_error why = {0};
    int rc = dtr_web_ask(access->web, request, &answer, &why);
    if (rc == DTR_OK)
        rc = dtr_manager_read(access, answer.status, dtr_str_text(&answer.body), answer.body.length,
                              ret_answer, err);
    else
        rc = no_answer(access->url, &why, err);
    dtr_str_free(&answer.body);
    return rc;
}

int dtr_manager_ask_for(const struct dtr_manager_access *access, const char *method, const char *path,
                        const json_t *body, uint64_t silence_ms, json_t **ret_answer, struct dtr_error *err)
{
    struct dtr_str url = {0};
    json_t *answer = NULL;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    dtr_str_printf(&url, "%s%s%s", access->url, access->is_token ? "/oapi/v1" : "/api/v1", path);
    int rc = dtr_str_ok(&url) && (text || !body)
                 ? DTR_OK
                 : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a request");
    const struct dtr_web_request request = {.method = method,
                                            .url = dtr_str_text(&url),
                                            .bearer = access->secret,
                                            .body = text,
                                            .silence_ms = silence_ms};
    if (rc == DTR_OK)
        rc = send(access, &request, &answer, err);
    dtr_str_free(&url);
    free(text);
    if (ret_answer)
        *ret_answer = answer;
    else
        json_decref(answer);
    return rc;
}

int dtr_manager_ask(const struct dtr_manager_access *access, const char *method, const char *path,
                    const json_t *body, json_t **ret_answer, struct dtr_error *err)
{
    return dtr_manager_ask_for(access, method, path, body, 0, ret_answer, err);
}

static int next_page(const struct dtr_manager_access *access, const char *path, const char *query, int page,
                     json_t *rows, bool *ret_last, struct dtr_error *err)
{
    struct dtr_str whole = {0};
    json_t *answer = NULL;
    dtr_str_printf(&whole, "%s?page=%d&per_page=%d%s%s", path, page, PAGE, *query ? "&" : "", query);
    int rc = dtr_manager_ask(access, "GET", dtr_str_text(&whole), NULL, &answer, err);
    if (rc == DTR_OK && !json_is_array(answer))
        rc = no_manager(access->url, 200, err);
    *ret_last = json_array_size(answer) < PAGE;
    if (rc == DTR_OK && json_array_extend(rows, answer) != 0)
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a list");
    json_decref(answer);
    dtr_str_free(&whole);
    return rc;
}

int dtr_manager_list(const struct dtr_manager_access *access, const char *path, const char *query,
                     json_t **ret_rows, struct dtr_error *err)
{
    json_t *rows = json_array();
    bool last = false;
    int rc = rows ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a list");
    for (int page = 1; page <= PAGES_MOST && rc == DTR_OK && !last; page++)
        rc = next_page(access, path, query, page, rows, &last, err);
    if (rc != DTR_OK) {
        json_decref(rows);
        rows = NULL;
    }
    *ret_rows = rows;
    return rc;
}
