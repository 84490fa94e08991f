/* The file that `darter get` writes: pieces at their places in whatever order they come, each checked by its
 * CRC-32, the whole by the digest that was asked for. It appears under its name when it is whole
 * (core/base/newfile.h). */
#ifndef DTR_TOOLS_GET_FILE_H
#define DTR_TOOLS_GET_FILE_H

#include <darter/error.h>
#include <stdbool.h>
#include <stdint.h>

struct dtr_get_file;

/* `digest` "" for none. Errors as of dtr_newfile_open(), and DTR_EINVALID for the digest. */
int dtr_get_file_open(const char *path, bool overwrite, const char *digest, struct dtr_get_file **ret_file,
                      struct dtr_error *err);
/* Once, before the first piece: how long the object is. DTR_ENO_SPACE. */
int dtr_get_file_start(struct dtr_get_file *file, uint64_t length, struct dtr_error *err);
/* `crc32` is "crc32:<decimal>", or "" when it is not known. DTR_ECORRUPT: it does not hold. DTR_EPROTOCOL:
 * the bytes do not lie within the object. */
int dtr_get_file_piece(struct dtr_get_file *file, uint64_t offset, const uint8_t *bytes, size_t length,
                       const char *crc32, struct dtr_error *err);
/* All has been said: checks that it is all there, and the digest, and gives the file its name. */
int dtr_get_file_finish(struct dtr_get_file *file, struct dtr_error *err);
/* NULL is fine. Without dtr_get_file_finish() nothing is left of it. */
void dtr_get_file_close(struct dtr_get_file *file);

#endif
