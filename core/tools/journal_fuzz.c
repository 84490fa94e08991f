/* Any bytes as the journal of `darter init`: it is refused, or each write in it can be read. */
#include "core/tools/plan_journal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/darter-journal-fuzz-XXXXXX", path[sizeof(folder) + 8];

static void remove_folder(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

static void begin(void)
{
    if (path[0])
        return;
    if (!mkdtemp(folder))
        abort();
    (void)snprintf(path, sizeof(path), "%s/journal", folder);
    (void)atexit(remove_folder);
}

static void check(const struct dtr_journal *journal)
{
    for (size_t i = 0; i < dtr_journal_count(journal); i++) {
        struct dtr_journal_write write = dtr_journal_at(journal, i);
        if (!write.path || (write.mode & (mode_t)~07777))
            abort();
        if (write.old_text && strlen(write.old_text) > (size_t)1 << 30)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_journal journal;
    struct dtr_error err;
    begin();
    FILE *file = fopen(path, "w");
    if (!file)
        return 0;
    size_t written = fwrite(data, 1, size, file);
    if (fclose(file) != 0 || written != size)
        return 0;
    if (dtr_journal_open(&journal, path, false, &err) == DTR_OK) {
        check(&journal);
        dtr_journal_close(&journal);
    }
    return 0;
}
