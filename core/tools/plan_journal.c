/* The journal; its contract and format are plan_journal.h. */
#include "core/tools/plan_journal.h"

#include "core/base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool add_folder(void *context, const char *folder)
{
    return json_array_append_new(context, json_string(folder)) == 0;
}

/* A JSON text, null for NULL; NULL when it is not UTF-8. */
static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static bool is_text(const json_t *object, const char *key, bool required)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) || (!required && (!value || json_is_null(value)));
}

static bool is_texts(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!json_is_string(json_array_get(array, i)))
            return false;
    }
    return json_is_array(array);
}

/* Whether everything that the rest of this file reads has its type. */
static bool is_sound(const json_t *root)
{
    const json_t *writes = json_object_get(root, "writes");
    bool ok = json_integer_value(json_object_get(root, "version")) == 1 && json_is_array(writes) &&
              is_texts(json_object_get(root, "folders"));
    for (size_t i = 0; ok && i < json_array_size(writes); i++) {
        const json_t *write = json_array_get(writes, i);
        ok = is_text(write, "path", true) && is_text(write, "old", false) &&
             is_text(write, "new_sha256", false) && is_text(write, "restart", false) &&
             json_is_integer(json_object_get(write, "mode")) &&
             json_is_integer(json_object_get(write, "uid")) &&
             json_is_integer(json_object_get(write, "gid")) && is_texts(json_object_get(write, "folders"));
    }
    return ok;
}

static int lock_folder(struct dtr_journal *journal, bool make, struct dtr_error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(journal->path, '/');
    size_t length = slash ? (size_t)(slash - journal->path) : 0;
    if (length >= sizeof(folder))
        return dtr_plan_file_error(journal->path, "opened", ENAMETOOLONG, err);
    memcpy(folder, journal->path, length);
    folder[length] = '\0';
    const char *name = slash ? (length ? folder : "/") : ".";
    journal->lock = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->lock < 0 && errno == ENOENT && !make)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "%s is not there: nothing to undo",
                             journal->path);
    if (journal->lock < 0)
        return dtr_plan_file_error(name, "opened", errno, err);
    if (flock(journal->lock, LOCK_EX | LOCK_NB) != 0)
        return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                             "another darter init works on %s; try again when it is done", journal->path);
    return DTR_OK;
}

static int load(struct dtr_journal *journal, json_t *folders, bool make, struct dtr_error *err)
{
    struct dtr_plan_file file;
    int rc = dtr_plan_read(journal->path, &file, err);
    if (rc)
        return rc;
    if (!file.text && !make) {
        rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "%s is not there: nothing to undo",
                           journal->path);
    } else if (!file.text) {
        journal->root = json_pack("{s:i, s:O, s:[]}", "version", 1, "folders", folders, "writes");
        if (!journal->root)
            rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for the journal");
    } else {
        journal->root = json_loads(file.text, JSON_REJECT_DUPLICATES, NULL);
        if (!journal->root || !is_sound(journal->root))
            rc = dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER,
                               "%s is not a journal of darter init; move it away to begin anew",
                               journal->path);
    }
    dtr_plan_file_free(&file);
    return rc;
}

int dtr_journal_open(struct dtr_journal *journal, const char *path, bool make, struct dtr_error *err)
{
    *journal = (struct dtr_journal){.path = path, .lock = -1};
    json_t *folders = json_array();
    int rc = DTR_OK;
    if (!folders || (make && !dtr_plan_missing_parents(path, add_folder, folders)))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for the journal");
    if (rc == DTR_OK && make)
        rc = dtr_plan_make_parents(path, err);
    if (rc == DTR_OK)
        rc = lock_folder(journal, make, err);
    if (rc == DTR_OK)
        rc = load(journal, folders, make, err);
    json_decref(folders);
    if (rc)
        dtr_journal_close(journal);
    return rc;
}

void dtr_journal_close(struct dtr_journal *journal)
{
    json_decref(journal->root);
    journal->root = NULL;
    if (journal->lock >= 0)
        (void)close(journal->lock);
    journal->lock = -1;
}

int dtr_journal_add(struct dtr_journal *journal, const struct dtr_runtime_change *change,
                    const struct dtr_plan_file *before, const char *restart, struct dtr_error *err)
{
    char hex[65];
    json_t *folders = json_array(), *old_text = text_or_null(before->text);
    if (!old_text) {
        json_decref(folders);
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "%s is not UTF-8 text; correct it and run again", change->path);
    }
    if (change->new_text)
        dtr_sha256_hex(change->new_text, strlen(change->new_text), hex);
    json_t *write = folders && dtr_plan_missing_parents(change->path, add_folder, folders)
                        ? json_pack("{s:s, s:O, s:I, s:I, s:I, s:s?, s:O, s:s?}", "path", change->path, "old",
                                    old_text, "mode", (json_int_t)before->mode, "uid",
                                    (json_int_t)before->owner, "gid", (json_int_t)before->group, "new_sha256",
                                    change->new_text ? hex : NULL, "folders", folders, "restart", restart)
                        : NULL;
    json_decref(old_text);
    json_decref(folders);
    if (json_array_append_new(json_object_get(journal->root, "writes"), write) != 0)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "%s cannot be noted in the journal",
                             change->path);
    return DTR_OK;
}

int dtr_journal_save(struct dtr_journal *journal, struct dtr_error *err)
{
    struct dtr_plan_file file = {
        .place = (char *)journal->path, .mode = 0600, .owner = geteuid(), .group = getegid()};
    char *text = json_dumps(journal->root, JSON_INDENT(2));
    if (!text)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for the journal");
    int rc = dtr_plan_replace(&file, text, err);
    free(text);
    return rc;
}

/* A folder that somebody else uses by now is not empty, and stays. */
static void remove_folders(const json_t *folders)
{
    for (size_t i = json_array_size(folders); i-- > 0;)
        (void)rmdir(json_string_value(json_array_get(folders, i)));
}

int dtr_journal_remove(struct dtr_journal *journal, struct dtr_error *err)
{
    const json_t *writes = json_object_get(journal->root, "writes");
    for (size_t i = json_array_size(writes); i-- > 0;)
        remove_folders(json_object_get(json_array_get(writes, i), "folders"));
    if (unlink(journal->path) != 0 && errno != ENOENT)
        return dtr_plan_file_error(journal->path, "removed", errno, err);
    dtr_plan_sweep(journal->path);
    remove_folders(json_object_get(journal->root, "folders"));
    return DTR_OK;
}

size_t dtr_journal_count(const struct dtr_journal *journal)
{
    return json_array_size(json_object_get(journal->root, "writes"));
}

struct dtr_journal_write dtr_journal_at(const struct dtr_journal *journal, size_t index)
{
    const json_t *write = json_array_get(json_object_get(journal->root, "writes"), index);
    return (struct dtr_journal_write){
        .path = json_string_value(json_object_get(write, "path")),
        .old_text = json_string_value(json_object_get(write, "old")),
        .new_sha256 = json_string_value(json_object_get(write, "new_sha256")),
        .restart = json_string_value(json_object_get(write, "restart")),
        .mode = (mode_t)json_integer_value(json_object_get(write, "mode")) & 07777,
        .owner = (uid_t)json_integer_value(json_object_get(write, "uid")),
        .group = (gid_t)json_integer_value(json_object_get(write, "gid")),
    };
}
