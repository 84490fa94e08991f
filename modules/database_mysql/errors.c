/* What server and library say, as errors of the contract. They quote values in some of their texts; what
 * stands between quotes is left out there. */
#include "database_mysql.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdlib.h>

enum { USER_LOCK_DEADLOCK = 3058 /* of MySQL, which the library's header lacks */ };

/* What may be said of the text. */
enum saying {
    PLAIN,  /* all: it has names in it, no values */
    QUOTED, /* not what is quoted */
    KEY,    /* the key's name, which is the last thing quoted */
};

static const struct row {
    unsigned number;
    int code;
    enum dtr_retry retry;
    enum saying saying;
    const char *advice;
} rows[] = {
    {ER_DUP_ENTRY, DTR_EEXISTS, DTR_RETRY_NEVER, KEY, ""},
    {ER_DUP_ENTRY_WITH_KEY_NAME, DTR_EEXISTS, DTR_RETRY_NEVER, KEY, ""},
    {ER_DUP_KEY, DTR_EEXISTS, DTR_RETRY_NEVER, QUOTED, ""},
    {ER_TABLE_EXISTS_ERROR, DTR_EEXISTS, DTR_RETRY_NEVER, PLAIN, ""},
    {ER_DUP_KEYNAME, DTR_EEXISTS, DTR_RETRY_NEVER, PLAIN, ""},
    {ER_DUP_FIELDNAME, DTR_EEXISTS, DTR_RETRY_NEVER, PLAIN, ""},

    {ER_LOCK_WAIT_TIMEOUT, DTR_ELIMIT, DTR_RETRY_SAME, PLAIN, ""},
    {ER_LOCK_DEADLOCK, DTR_ELIMIT, DTR_RETRY_SAME, PLAIN, ""},
    {USER_LOCK_DEADLOCK, DTR_ELIMIT, DTR_RETRY_SAME, PLAIN, ""},
    {ER_CHECKREAD, DTR_ELIMIT, DTR_RETRY_SAME, PLAIN, ""},

    {ER_ACCESS_DENIED_ERROR, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, "; see user and password"},
    {ER_ACCESS_DENIED_NO_PASSWORD_ERROR, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, "; see user and password"},
    {ER_DBACCESS_DENIED_ERROR, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, "; GRANT it"},
    {ER_TABLEACCESS_DENIED_ERROR, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, "; GRANT it"},
    {ER_COLUMNACCESS_DENIED_ERROR, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, "; GRANT it"},
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, "; GRANT it"},
    {ER_MUST_CHANGE_PASSWORD, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, ""},
    {ER_ACCOUNT_HAS_BEEN_LOCKED, DTR_EDENIED, DTR_RETRY_SAME, PLAIN, ""},
    {ER_BAD_DB_ERROR, DTR_EINVALID, DTR_RETRY_SAME, PLAIN, "; CREATE DATABASE it, or name another by dbname"},

    {ER_CON_COUNT_ERROR, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, "; raise its max_connections"},
    {ER_TOO_MANY_USER_CONNECTIONS, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_USER_LIMIT_REACHED, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_HOST_IS_BLOCKED, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_SERVER_SHUTDOWN, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_NORMAL_SHUTDOWN, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_CONNECTION_KILLED, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_OPTION_PREVENTS_STATEMENT, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""}, /* read-only: a replica */
    {ER_NET_READ_ERROR, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_NET_READ_INTERRUPTED, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_NET_ERROR_ON_WRITE, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_NET_WRITE_INTERRUPTED, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},
    {ER_QUERY_INTERRUPTED, DTR_ECANCELLED, DTR_RETRY_SAME, PLAIN, ""},

    {ER_DISK_FULL, DTR_ENO_SPACE, DTR_RETRY_SAME, PLAIN, "; make room for it"},
    {ER_RECORD_FILE_FULL, DTR_ENO_SPACE, DTR_RETRY_SAME, PLAIN, "; make room for it"},
    {ER_ERROR_ON_WRITE, DTR_EIO, DTR_RETRY_SAME, PLAIN, ""},
    {ER_ERROR_ON_READ, DTR_EIO, DTR_RETRY_SAME, PLAIN, ""},
    {ER_NOT_KEYFILE, DTR_ECORRUPT, DTR_RETRY_NEVER, PLAIN, ""},
    {ER_CRASHED_ON_USAGE, DTR_ECORRUPT, DTR_RETRY_NEVER, PLAIN, ""},
    {ER_OUTOFMEMORY, DTR_ENOMEM, DTR_RETRY_SAME, PLAIN, ""},
    {ER_OUT_OF_RESOURCES, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""},

    {ER_BAD_NULL_ERROR, DTR_EINVALID, DTR_RETRY_NEVER, PLAIN, ""},
    {ER_DATA_TOO_LONG, DTR_EINVALID, DTR_RETRY_NEVER, PLAIN, ""},
    {ER_WARN_DATA_OUT_OF_RANGE, DTR_EINVALID, DTR_RETRY_NEVER, PLAIN, ""},
    {ER_NO_DEFAULT_FOR_FIELD, DTR_EINVALID, DTR_RETRY_NEVER, PLAIN, ""},

    {CR_OUT_OF_MEMORY, DTR_ENOMEM, DTR_RETRY_SAME, PLAIN, ""},
};

static struct row find(unsigned number, const char *state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].number == number)
            return rows[i];
    /* Of the library: the server is not there, or is not what it should be. */
    if ((number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) ||
        (number >= CER_MIN_ERROR && number <= CER_MAX_ERROR))
        return (struct row){number, DTR_EUNAVAILABLE, DTR_RETRY_SAME, PLAIN, ""};
    /* Class 42 is about the statement's text, which holds no values. */
    return (struct row){number, DTR_EINVALID, DTR_RETRY_NEVER, strncmp(state, "42", 2) == 0 ? PLAIN : QUOTED,
                        ""};
}

/* `cut`: it had more, so that a quote may be open. */
static void leave_out_quoted(char *text, bool cut)
{
    char *first = strchr(text, '\''), *last = strrchr(text, '\'');
    if (first && cut)
        *first = 0;
    else if (first && first != last)
        memmove(first, last + 1, strlen(last));
}

/* "... for key 'x'": x cannot hold a quote, what stands before it can. */
static const char *key_of(const char *text, bool cut)
{
    static const char before[] = "for key ";
    const char *found = NULL;
    for (const char *at = text; !cut && (at = strstr(at, before)); at++)
        found = at;
    return found ? found : "for a key";
}

int my_failed(const struct my_server *server, unsigned number, const char *state, const char *text,
              struct dtr_error *err)
{
    struct row row = find(number, state);
    char said[512];
    const char *shown = said;
    bool cut = snprintf(said, sizeof(said), "%s", text) >= (int)sizeof(said) - 1; /* by the library */
    for (char *at = said; (at = strpbrk(at, "\r\n"));)
        *at = ' ';
    if (row.saying == QUOTED)
        leave_out_quoted(said, cut);
    if (row.saying == KEY)
        shown = key_of(said, cut);
    return my_refuse(server, err, row.code, row.retry, "%s%.130s (%u)%s",
                     row.saying == KEY ? "there already " : "", shown, number, row.advice);
}

int my_refuse(const struct my_server *server, struct dtr_error *err, int code, enum dtr_retry retry,
              const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return dtr_error_set(err, code, retry, "mysql %.60s:%d: %.180s", server->options->host,
                         (int)server->options->port, text);
}
