/* Reading a small file whole. */
#include "core/conf/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int read_all(int fd, char *text, size_t *ret_length)
{
    size_t length = 0;
    while (length <= DTR_TREE_BYTES) {
        ssize_t n = read(fd, text + length, DTR_TREE_BYTES + 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return DTR_EIO;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    *ret_length = length;
    return length > DTR_TREE_BYTES ? DTR_ELIMIT : DTR_OK;
}

int dtr_conf_read_file(const char *path, char **ret_text, size_t *ret_length, struct dtr_error *err)
{
    *ret_text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return dtr_error_set(err, errno == ENOENT ? DTR_ENOT_FOUND : DTR_EIO, DTR_RETRY_NEVER,
                             "%s cannot be opened: %s", path, strerror(errno));
    char *text = malloc(DTR_TREE_BYTES + 1);
    int code = text ? read_all(fd, text, ret_length) : DTR_ENOMEM;
    int saved = errno;
    (void)close(fd);
    if (code == DTR_OK) {
        *ret_text = text;
        return DTR_OK;
    }
    free(text);
    if (code == DTR_EIO)
        return dtr_error_set(err, code, DTR_RETRY_NEVER, "%s cannot be read: %s", path, strerror(saved));
    if (code == DTR_ELIMIT)
        return dtr_error_set(err, code, DTR_RETRY_NEVER, "%s is larger than 1 MiB", path);
    return dtr_error_set(err, code, DTR_RETRY_NEVER, "no memory to read %s", path);
}
