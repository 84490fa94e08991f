/* What SQLite and the file system say, as errors of the contract. SQLite's texts hold names of tables and
 * columns and parts of the statement, but no values. */
#include "sqlite.h"

#include <errno.h>

static const struct {
    int result; /* primary or extended */
    int code;
    enum dtr_retry retry;
    const char *advice;
} rows[] = {
    {SQLITE_CONSTRAINT_UNIQUE, DTR_EEXISTS, DTR_RETRY_NEVER, ""},
    {SQLITE_CONSTRAINT_PRIMARYKEY, DTR_EEXISTS, DTR_RETRY_NEVER, ""},
    {SQLITE_CONSTRAINT_ROWID, DTR_EEXISTS, DTR_RETRY_NEVER, ""},
    {SQLITE_BUSY, DTR_ELIMIT, DTR_RETRY_SAME, "; others write for longer than busy_timeout"},
    {SQLITE_LOCKED, DTR_ELIMIT, DTR_RETRY_SAME, ""},
    {SQLITE_SCHEMA, DTR_ELIMIT, DTR_RETRY_SAME, ""},
    {SQLITE_PROTOCOL, DTR_ELIMIT, DTR_RETRY_SAME, ""},
    {SQLITE_INTERRUPT, DTR_ECANCELLED, DTR_RETRY_SAME, ""},
    {SQLITE_NOMEM, DTR_ENOMEM, DTR_RETRY_SAME, ""},
    {SQLITE_FULL, DTR_ENO_SPACE, DTR_RETRY_SAME, "; make room for it"},
    {SQLITE_IOERR, DTR_EIO, DTR_RETRY_SAME, ""},
    {SQLITE_CORRUPT, DTR_ECORRUPT, DTR_RETRY_NEVER, "; put a backup in its place"},
    {SQLITE_NOTADB, DTR_ECORRUPT, DTR_RETRY_NEVER,
     ", or one of a newer version than SQLite " SQLITE_VERSION "; name another file"},
    {SQLITE_READONLY, DTR_EDENIED, DTR_RETRY_NEVER,
     "; let the user of this process write to it and its folder"},
    {SQLITE_PERM, DTR_EDENIED, DTR_RETRY_NEVER, ""},
    {SQLITE_CANTOPEN, DTR_EUNAVAILABLE, DTR_RETRY_SAME, ""},
};

static bool is_there_already(const char *text)
{
    static const char end[] = "already exists", begin[] = "duplicate column name";
    size_t length = strlen(text), least = strlen(end);
    return (length >= least && strcmp(text + length - least, end) == 0) ||
           strncmp(text, begin, strlen(begin)) == 0;
}

int sqlite_failed(const struct dtr_db *db, int result, struct dtr_error *err)
{
    const char *path = db->options->path, *text = db->handle ? sqlite3_errmsg(db->handle) : "";
    int extended = db->handle ? sqlite3_extended_errcode(db->handle) : result;
    int number = db->handle ? sqlite3_system_errno(db->handle) : 0;

    if (((result & 0xFF) == SQLITE_IOERR || (result & 0xFF) == SQLITE_CANTOPEN) && number != 0)
        return sqlite_file_failed(path, number, err);
    if ((extended & 0xFF) != (result & 0xFF))
        extended = result; /* the engine has gone on since */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].result == extended || rows[i].result == (result & 0xFF))
            return dtr_error_set(err, rows[i].code, rows[i].retry, "%.100s: %.100s%s", path,
                                 rows[i].code == DTR_EEXISTS ? text : sqlite3_errstr(result & 0xFF),
                                 rows[i].advice);
    }
    return dtr_error_set(err, is_there_already(text) ? DTR_EEXISTS : DTR_EINVALID, DTR_RETRY_NEVER,
                         "%.100s: %.150s", path, text);
}

int sqlite_file_failed(const char *path, int number, struct dtr_error *err)
{
    static const struct {
        int number, code;
        const char *advice;
    } files[] = {
        {ENOENT, DTR_EINVALID, ": create its folder, or name another file"},
        {ENOTDIR, DTR_EINVALID, ": name a file in a folder"},
        {EISDIR, DTR_EINVALID, ": name a file, not a folder"},
        {EACCES, DTR_EDENIED, ": let the user of this process read and write it and its folder"},
        {EPERM, DTR_EDENIED, ": let the user of this process read and write it and its folder"},
        {EROFS, DTR_EDENIED, ": name a file that can be written"},
        {ENOSPC, DTR_ENO_SPACE, ": make room for it"},
        {EDQUOT, DTR_ENO_SPACE, ": make room for it"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].number == number)
            return dtr_error_set(err, files[i].code, DTR_RETRY_SAME, "%.120s: %s%s", path, strerror(number),
                                 files[i].advice);
    }
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "%.150s: %s", path, strerror(number));
}
