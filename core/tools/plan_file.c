/* Whole files on disk; the contract is plan_file.h. */
#include "core/tools/plan_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LIMIT ((off_t)16 << 20)
#define ASIDE      ".darter-new"

int dtr_plan_file_error(const char *path, const char *verb, int number, struct dtr_error *err)
{
    const char *hint = "";
    int code = DTR_EIO;
    if (number == ENOMEM)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for %s", path);
    if (number == EACCES || number == EPERM) {
        code = DTR_EDENIED;
        hint = geteuid() == 0 ? "; check its attributes (lsattr) and security policy" : "; run as root";
    } else if (number == ENOSPC || number == EDQUOT) {
        code = DTR_ENO_SPACE;
        hint = "; make room there";
    } else if (number == EROFS) {
        code = DTR_EDENIED;
        hint = "; remount it for writing";
    }
    return dtr_error_set(err, code, DTR_RETRY_NEVER, "%s cannot be %s: %s%s", path, verb, strerror(number),
                         hint);
}

void dtr_plan_file_free(struct dtr_plan_file *file)
{
    free(file->text);
    free(file->place);
    *file = (struct dtr_plan_file){0};
}

/* The whole file into file->text; 0 or errno. */
static int read_text(int fd, struct dtr_plan_file *file)
{
    struct stat state;
    if (fstat(fd, &state) != 0)
        return errno;
    if (!S_ISREG(state.st_mode) || state.st_size > FILE_LIMIT)
        return EFBIG;
    file->mode = state.st_mode & 07777;
    file->owner = state.st_uid;
    file->group = state.st_gid;
    size_t size = (size_t)state.st_size, done = 0;
    file->text = malloc(size + 1);
    if (!file->text)
        return ENOMEM;
    while (done < size) {
        ssize_t got = read(fd, file->text + done, size - done);
        if (got < 0 && errno != EINTR)
            return errno;
        if (got == 0)
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    file->text[done] = '\0';
    return memchr(file->text, '\0', done) ? EILSEQ : 0;
}

int dtr_plan_read(const char *path, struct dtr_plan_file *ret_file, struct dtr_error *err)
{
    struct dtr_plan_file file = {.mode = 0644, .owner = geteuid(), .group = getegid()};
    int number = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT)
        return dtr_plan_file_error(path, "read", errno, err);
    if (fd >= 0) {
        number = read_text(fd, &file);
        (void)close(fd);
        /* a link keeps pointing where it does: the file behind it is the one to replace */
        if (number == 0)
            file.place = realpath(path, NULL);
    } else {
        file.place = strdup(path);
    }
    if (number == 0 && !file.place)
        number = errno;
    if (number) {
        dtr_plan_file_free(&file);
        return dtr_plan_file_error(path, "read", number, err);
    }
    *ret_file = file;
    return DTR_OK;
}

/* "<place>.darter-new", on the heap. */
static char *aside_name(const char *place)
{
    char *name;
    return asprintf(&name, "%s" ASIDE, place) < 0 ? NULL : name;
}

void dtr_plan_sweep(const char *place)
{
    char *aside = aside_name(place);
    if (aside)
        (void)unlink(aside);
    free(aside);
}

/* A rename or removal is on disk once its folder is. 0 or errno. */
static int sync_parent(const char *place)
{
    const char *slash = strrchr(place, '/');
    char folder[PATH_MAX];
    size_t length = slash ? (size_t)(slash - place) : 0;
    if (length >= sizeof(folder))
        return ENAMETOOLONG;
    memcpy(folder, place, length);
    folder[length] = '\0';
    int fd = open(slash ? (length ? folder : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int number = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd);
    return number;
}

/* 0 or errno. */
static int fill(int fd, const struct dtr_plan_file *file, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t put = write(fd, text, left);
        if (put < 0 && errno != EINTR)
            return errno;
        text += put > 0 ? put : 0;
        left -= put > 0 ? (size_t)put : 0;
    }
    struct stat state;
    if (fstat(fd, &state) != 0)
        return errno;
    if ((state.st_uid != file->owner || state.st_gid != file->group) &&
        fchown(fd, file->owner, file->group) != 0)
        return errno;
    return fchmod(fd, file->mode) == 0 && fsync(fd) == 0 ? 0 : errno;
}

int dtr_plan_replace(const struct dtr_plan_file *file, const char *text, struct dtr_error *err)
{
    int number = 0;
    if (!text) {
        if (unlink(file->place) != 0 && errno != ENOENT)
            return dtr_plan_file_error(file->place, "removed", errno, err);
        number = sync_parent(file->place);
        /* already gone with its folder */
        return number && number != ENOENT ? dtr_plan_file_error(file->place, "removed", number, err) : DTR_OK;
    }
    char *aside = aside_name(file->place);
    if (!aside)
        return dtr_plan_file_error(file->place, "written", ENOMEM, err);
    (void)unlink(aside);
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        number = errno;
    } else {
        number = fill(fd, file, text);
        if (close(fd) != 0 && !number)
            number = errno;
        if (!number && rename(aside, file->place) != 0)
            number = errno;
        if (number)
            (void)unlink(aside);
        else
            number = sync_parent(file->place);
    }
    free(aside);
    return number ? dtr_plan_file_error(file->place, "written", number, err) : DTR_OK;
}

int dtr_plan_make_parents(const char *path, struct dtr_error *err)
{
    char folder[PATH_MAX];
    if (strlen(path) >= sizeof(folder))
        return dtr_plan_file_error(path, "written", ENAMETOOLONG, err);
    memcpy(folder, path, strlen(path) + 1);
    for (char *at = strchr(folder + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        int number = mkdir(folder, 0755) == 0 ? sync_parent(folder) : errno;
        if (number && number != EEXIST)
            return dtr_plan_file_error(folder, "made", number, err);
        *at = '/';
    }
    return DTR_OK;
}

bool dtr_plan_missing_parents(const char *path, bool (*missing)(void *context, const char *folder),
                              void *context)
{
    char *folder = strdup(path);
    bool ok = folder && *folder;
    for (char *at = ok ? strchr(folder + 1, '/') : NULL; ok && at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (access(folder, F_OK) != 0 && errno == ENOENT)
            ok = missing(context, folder);
        *at = '/';
    }
    free(folder);
    return ok;
}
