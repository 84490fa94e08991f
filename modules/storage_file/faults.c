/* See faults.h. */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

static struct {
    enum fault_kind kind;
    int number;
    unsigned left; /* eligible calls until the one that fails; 0: none does */
    const char *failed;
} fault;

void fault_start(enum fault_kind kind, int number, unsigned nth)
{
    fault.kind = kind;
    fault.number = number;
    fault.left = nth;
    fault.failed = NULL;
}

bool fault_stop(const char **ret_call)
{
    fault.left = 0;
    *ret_call = fault.failed;
    return fault.failed != NULL;
}

static bool fails(const char *call, bool eligible)
{
    if (!eligible || fault.left == 0 || --fault.left > 0)
        return false;
    fault.failed = call;
    errno = fault.number;
    return true;
}

/* The calls: declared here and by their headers under their own names. */
#define WRAP(result, name, parameters, arguments, failure, eligible)                                         \
    result __real_##name parameters;                                                                         \
    result __wrap_##name parameters;                                                                         \
    result __wrap_##name parameters                                                                          \
    {                                                                                                        \
        return fails(#name, eligible) ? (failure) : __real_##name arguments;                                 \
    }

#define ANY   (fault.kind == FAULT_CALL)
#define SPACE (fault.kind == FAULT_CALL || fault.kind == FAULT_SPACE)

WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1, SPACE)
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), -1, SPACE)
WRAP(int, flock, (int fd, int operation), (fd, operation), -1, ANY)
WRAP(int, ftruncate, (int fd, off_t length), (fd, length), -1, SPACE)
WRAP(int, fallocate, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length), -1, SPACE)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), -1, ANY)
WRAP(int, fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags), -1, ANY)
WRAP(int, faccessat, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags), -1, ANY)
WRAP(int, fstatfs, (int fd, struct statfs *fs), (fd, fs), -1, ANY)
WRAP(int, fstatvfs, (int fd, struct statvfs *fs), (fd, fs), -1, ANY)
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), -1, ANY)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL, ANY || fault.kind == FAULT_MEMORY)
WRAP(struct dirent *, readdir, (DIR * dir), (dir), NULL, ANY)
WRAP(ssize_t, read, (int fd, void *bytes, size_t length), (fd, bytes, length), -1, ANY)
WRAP(void *, malloc, (size_t size), (size), NULL, fault.kind == FAULT_MEMORY)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL, fault.kind == FAULT_MEMORY)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL, fault.kind == FAULT_MEMORY)

static mode_t mode_of(int flags, va_list args)
{
    return flags & O_CREAT ? va_arg(args, mode_t) : 0;
}

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    bool takes = flags & O_CREAT && SPACE;
    return fails("openat", ANY || takes) ? -1 : __real_openat(fd, path, flags, mode);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return fails("open", ANY) ? -1 : __real_open(path, flags, mode);
}

int __wrap_dprintf(int fd, const char *format, ...);
__attribute__((format(printf, 2, 3))) int __wrap_dprintf(int fd, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = fails("dprintf", SPACE) ? -1 : vdprintf(fd, format, args);
    va_end(args);
    return length;
}

/* What a read or write of `length` bytes comes to: -1 or how many it may do. */
static ssize_t allowed(const char *call, size_t length, bool eligible)
{
    bool moves = eligible || fault.kind == FAULT_SIGNAL || (fault.kind == FAULT_SHORT && length > 1);
    if (!fails(call, moves))
        return (ssize_t)length;
    return fault.kind == FAULT_SHORT ? 1 : -1;
}

ssize_t __real_pread(int fd, void *bytes, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t offset)
{
    ssize_t may = allowed("pread", length, ANY);
    return may < 0 ? -1 : __real_pread(fd, bytes, (size_t)may, offset);
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    ssize_t may = allowed("pwrite", length, SPACE);
    return may < 0 ? -1 : __real_pwrite(fd, bytes, (size_t)may, offset);
}
