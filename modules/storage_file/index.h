/* The index beside each data file: what is known of a task and which of its pieces are complete.
 *
 * Format: units of 64 bytes, little-endian, each with a CRC-32 over its other 60 bytes.
 *
 *     unit 0      head: magic and version
 *     unit 1, 2   numbers (lengths, times), written in turns; the valid one with the higher sequence counts
 *     from 3 on   a log, in the order of events:
 *                   text      the task's strings; its size in bytes, its own CRC-32, and then the strings,
 *                             NUL-terminated and padded with zeros to whole units; the last one counts
 *                   piece     a piece is complete and its checksum held; a later one replaces an earlier
 *                   withdraw  pieces [first, first + count) are no longer there
 *
 * Nothing is ever rewritten but the numbers that are not in force, so a process killed at any byte leaves
 * a whole index and perhaps half a record at the end, which is cut off. A tail of zeros (a machine that
 * crashed before the bytes reached the disk) is cut off too. Any other unit whose CRC is wrong, wherever
 * it stands, makes the whole index damaged: a withdrawal behind it must not be lost.
 *
 * A piece carries a tag of the boot in which it was marked. In the same boot the kernel still has what was
 * written, so an intact record is enough; after another boot the data may be older than the index.
 *
 * One thread at a time per index. */
#ifndef STORAGE_FILE_INDEX_H
#define STORAGE_FILE_INDEX_H

#include <darter/storage.h>

#define INDEX_SUFFIX    ".idx"
#define INDEX_UNIT      64
#define INDEX_MOST      ((size_t)256 << 20) /* bytes of an index; more is damage */
#define INDEX_TEXT_MOST ((size_t)4 << 20)   /* bytes of a task's strings */

struct index {
    int fd;
    uint64_t end;      /* bytes; where the next record goes */
    uint64_t sequence; /* of the numbers in force */
    char *text;        /* the strings in force, as they are stored */
    size_t text_size;
};

/* What an index says. `facts` points into memory that index_close() frees. */
struct index_content {
    struct dtr_task_facts facts;
    struct dtr_piece *pieces; /* by number, each once; free() */
    uint32_t count;
    bool checked; /* every piece was marked in this boot */
};

/* A tag of the running boot, from the kernel's boot id. */
int index_boot(uint64_t *ret_boot, struct dtr_error *err);

/* Reads an index from memory: `index` gets its text, sequence and end, `content` (NULL: not wanted) the
 * rest. DTR_ECORRUPT when damaged or unfinished; nothing is to be freed then. */
int index_parse(const uint8_t *bytes, size_t size, uint64_t boot, struct index *index,
                struct index_content *content, struct dtr_error *err);

/* Opens `path` below the directory `dir` and locks it against a second opening; cuts off half a record.
 * DTR_ENOT_FOUND, DTR_EEXISTS (open already), DTR_ECORRUPT or an error of reading. */
int index_open(int dir, const char *path, uint64_t boot, struct index *index, struct index_content *content,
               struct dtr_error *err);
/* Makes a new one. */
int index_create(int dir, const char *path, const struct dtr_task_facts *facts, struct index *index,
                 struct dtr_error *err);
void index_close(struct index *index);

int index_facts(struct index *index, const struct dtr_task_facts *facts, struct dtr_error *err);
int index_mark(struct index *index, const struct dtr_piece *piece, uint64_t boot, struct dtr_error *err);
int index_withdraw(struct index *index, uint32_t first, uint32_t count, struct dtr_error *err);

/* An error from errno: DTR_ENO_SPACE, DTR_ENOMEM or DTR_EIO, "<what>: <reason>". */
int index_fail(struct dtr_error *err, const char *what);
/* pwrite() of everything. */
int index_write(int fd, uint64_t offset, const void *bytes, size_t length, struct dtr_error *err);

#endif
