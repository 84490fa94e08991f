/* See newfile.h. */
#include "core/base/newfile.h"

#include "core/base/digest.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HIDDEN = NAME_MAX + 1 };

struct dtr_newfile {
    int folder, fd;
    bool overwrite;
    char *path; /* as it was given */
    const char *name;
    char hidden[HIDDEN]; /* "" while it has no name at all */
};

int dtr_newfile_error(struct dtr_error *err, const char *what, const char *path, int number)
{
    int code = DTR_EIO;
    if (number == EACCES || number == EPERM || number == EROFS)
        code = DTR_EDENIED;
    else if (number == ENOSPC || number == EDQUOT || number == EFBIG)
        code = DTR_ENO_SPACE;
    else if (number == ENOENT || number == ENOTDIR)
        code = DTR_ENOT_FOUND;
    else if (number == EEXIST)
        code = DTR_EEXISTS;
    else if (number == ENAMETOOLONG || number == ELOOP)
        code = DTR_EINVALID;
    return dtr_error_set(err, code, DTR_RETRY_NEVER, "cannot %s %.150s: %s", what, path, strerror(number));
}

static int not_below(struct dtr_error *err, const char *path, const char *root)
{
    return dtr_error_set(err, DTR_EDENIED, DTR_RETRY_NEVER, "%.120s does not lie below %.120s", path, root);
}

/* What comes after the root and its '/', NULL when it is another place. */
static const char *part_below(const char *root, const char *path)
{
    size_t length = strlen(root);
    while (length > 0 && root[length - 1] == '/')
        length--;
    return strncmp(path, root, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

/* The kernel follows no link, and no "..", that leads out of the root. */
static int open_below(const char *root, const char *folder, int *ret_fd, struct dtr_error *err)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    const char *part = part_below(root, folder);
    int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return dtr_newfile_error(err, "write into folder", root, errno);
    *ret_fd = (int)syscall(SYS_openat2, top, part && *part ? part : ".", &how, sizeof(how));
    int number = errno;
    (void)close(top);
    if (*ret_fd >= 0)
        return DTR_OK;
    return number == EXDEV ? not_below(err, folder, root)
                           : dtr_newfile_error(err, "write into folder", folder, number);
}

/* "/a/b/c" is c in /a/b, "c" is c in the present folder. */
static int open_folder(struct dtr_newfile *file, const char *root, struct dtr_error *err)
{
    char *slash = strrchr(file->path, '/');
    const char *folder = !slash ? "." : slash == file->path ? "/" : file->path;
    file->name = slash ? slash + 1 : file->path;
    if (!file->name[0] || strcmp(file->name, ".") == 0 || strcmp(file->name, "..") == 0)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "\"%.150s\" names no file", file->path);
    if (slash && slash != file->path)
        *slash = '\0';
    int rc = DTR_OK;
    if (root)
        rc = open_below(root, folder, &file->folder, err);
    else if ((file->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = dtr_newfile_error(err, "write into folder", folder, errno);
    if (slash)
        *slash = '/';
    return rc;
}

/* What has the name already must be an ordinary file, or a link that a new file may replace. */
static int look(const struct dtr_newfile *file, struct dtr_error *err)
{
    struct stat st;
    if (fstatat(file->folder, file->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? DTR_OK : dtr_newfile_error(err, "write", file->path, errno);
    if (S_ISDIR(st.st_mode))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.150s is a folder; name a file in it",
                             file->path);
    if (!file->overwrite)
        return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER, "%.150s is there already", file->path);
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.150s is no ordinary file", file->path);
    return DTR_OK;
}

static void hidden_name(const struct dtr_newfile *file, char name[HIDDEN])
{
    uint32_t number;
    dtr_random(&number, sizeof(number));
    (void)snprintf(name, HIDDEN, ".%.200s.%08x.part", file->name, (unsigned)number);
}

static int open_bytes(struct dtr_newfile *file, struct dtr_error *err)
{
    file->fd = openat(file->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    /* Naming it later goes by way of /proc. */
    if (file->fd >= 0 && access("/proc/self/fd", F_OK) == 0)
        return DTR_OK;
    if (file->fd >= 0)
        (void)close(file->fd);
    for (int tries = 0; tries < 8; tries++) {
        hidden_name(file, file->hidden);
        file->fd =
            openat(file->folder, file->hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (file->fd >= 0)
            return DTR_OK;
        if (errno != EEXIST)
            break;
    }
    file->hidden[0] = '\0';
    return dtr_newfile_error(err, "write", file->path, errno);
}

static int open_file(const char *root, const char *path, bool overwrite, struct dtr_newfile **ret_file,
                     struct dtr_error *err)
{
    struct dtr_newfile *file = calloc(1, sizeof(*file));
    if (file)
        file->path = strdup(path);
    if (!file || !file->path) {
        free(file);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a file");
    }
    file->folder = file->fd = -1;
    file->overwrite = overwrite;
    int rc = open_folder(file, root, err);
    if (rc == DTR_OK)
        rc = look(file, err);
    if (rc == DTR_OK)
        rc = open_bytes(file, err);
    if (rc != DTR_OK) {
        dtr_newfile_drop(file);
        return rc;
    }
    *ret_file = file;
    return DTR_OK;
}

int dtr_newfile_open(const char *path, bool overwrite, struct dtr_newfile **ret_file, struct dtr_error *err)
{
    return open_file(NULL, path, overwrite, ret_file, err);
}

int dtr_newfile_open_below(const char *root, const char *path, bool overwrite, struct dtr_newfile **ret_file,
                           struct dtr_error *err)
{
    return part_below(root, path) ? open_file(root, path, overwrite, ret_file, err)
                                  : not_below(err, path, root);
}

int dtr_newfile_fd(const struct dtr_newfile *file)
{
    return file->fd;
}

int dtr_newfile_reserve(struct dtr_newfile *file, uint64_t length, struct dtr_error *err)
{
    if (length > INT64_MAX)
        return dtr_newfile_error(err, "write", file->path, EFBIG);
    if (length == 0 || fallocate(file->fd, 0, 0, (off_t)length) == 0)
        return DTR_OK;
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG
               ? dtr_newfile_error(err, "write", file->path, errno)
               : DTR_OK; /* a file system that cannot reserve says later when it is full */
}

int dtr_newfile_write(struct dtr_newfile *file, uint64_t offset, const void *bytes, size_t length,
                      struct dtr_error *err)
{
    const uint8_t *at = bytes;
    while (length > 0) {
        ssize_t wrote = pwrite(file->fd, at, length, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return dtr_newfile_error(err, "write", file->path, wrote < 0 ? errno : EIO);
        at += wrote;
        offset += (uint64_t)wrote;
        length -= (size_t)wrote;
    }
    return DTR_OK;
}

static int link_as(const struct dtr_newfile *file, int fd, const char *name)
{
    char source[64];
    (void)snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, source, file->folder, name, AT_SYMLINK_FOLLOW);
}

/* Gives the name to what is called `hidden`, which is gone afterwards. */
static int rename_hidden(struct dtr_newfile *file, const char *hidden)
{
    int rc;
    if (file->overwrite) {
        rc = renameat(file->folder, hidden, file->folder, file->name);
    } else {
        rc = renameat2(file->folder, hidden, file->folder, file->name, RENAME_NOREPLACE);
        if (rc != 0 && (errno == EINVAL || errno == ENOSYS))
            rc = linkat(file->folder, hidden, file->folder, file->name, 0);
    }
    int number = errno;
    /* Still there after a link, and after a rename onto another link of the same file. */
    (void)unlinkat(file->folder, hidden, 0);
    errno = number;
    return rc;
}

int dtr_newfile_link(struct dtr_newfile *file, int fd, struct dtr_error *err)
{
    char hidden[HIDDEN];
    int rc;
    if (file->overwrite) {
        hidden_name(file, hidden);
        rc = link_as(file, fd, hidden);
        if (rc == 0)
            rc = rename_hidden(file, hidden);
    } else {
        rc = link_as(file, fd, file->name);
    }
    return rc == 0 ? DTR_OK : dtr_newfile_error(err, fd == file->fd ? "write" : "link", file->path, errno);
}

int dtr_newfile_commit(struct dtr_newfile *file, struct dtr_error *err)
{
    if (!file->hidden[0])
        return dtr_newfile_link(file, file->fd, err);
    if (rename_hidden(file, file->hidden) != 0)
        return dtr_newfile_error(err, "write", file->path, errno);
    file->hidden[0] = '\0';
    return DTR_OK;
}

void dtr_newfile_drop(struct dtr_newfile *file)
{
    if (!file)
        return;
    if (file->hidden[0])
        (void)unlinkat(file->folder, file->hidden, 0);
    if (file->fd >= 0)
        (void)close(file->fd);
    if (file->folder >= 0)
        (void)close(file->folder);
    free(file->path);
    free(file);
}
