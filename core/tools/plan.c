/* Writing a plan and taking it back; the contract is plan.h. The diff is plan_diff.c. */
#include "core/tools/plan.h"

#include "core/base/digest.h"
#include "core/tools/plan_file.h"
#include "core/tools/plan_journal.h"

#include <stdlib.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The file as it is now; *ret_pending says whether it still needs its new text. */
static int examine(const struct dtr_runtime_change *change, struct dtr_plan_file *ret_file, bool *ret_pending,
                   struct dtr_error *err)
{
    int rc = dtr_plan_read(change->path, ret_file, err);
    if (rc)
        return rc;
    *ret_pending = !same_text(ret_file->text, change->new_text);
    if (!*ret_pending || same_text(ret_file->text, change->old_text))
        return DTR_OK;
    dtr_plan_file_free(ret_file);
    return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_SAME, "%s changed since it was read; run again",
                         change->path);
}

static int take_step(const struct dtr_plan_options *options, const char *path, struct dtr_error *err)
{
    return options->step ? options->step(options->context, path, err) : DTR_OK;
}

/* Notes every pending write; *ret_count is how many. */
static int note_all(struct dtr_journal *journal, const struct dtr_runtime_plan *plan, size_t *ret_count,
                    struct dtr_error *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < plan->change_count; i++) {
        struct dtr_plan_file file;
        bool pending;
        int rc = examine(&plan->changes[i], &file, &pending, err);
        if (rc)
            return rc;
        if (pending) {
            rc = dtr_journal_add(journal, &plan->changes[i], &file, plan->restart, err);
            (*ret_count)++;
        }
        dtr_plan_file_free(&file);
        if (rc)
            return rc;
    }
    return DTR_OK;
}

static int write_one(const struct dtr_runtime_change *change, const struct dtr_plan_options *options,
                     struct dtr_error *err)
{
    struct dtr_plan_file file;
    bool pending;
    int rc = examine(change, &file, &pending, err);
    if (rc)
        return rc;
    if (pending) {
        rc = take_step(options, change->path, err);
        if (rc == DTR_OK)
            rc = dtr_plan_make_parents(change->path, err);
        if (rc == DTR_OK)
            rc = dtr_plan_replace(&file, change->new_text, err);
    }
    dtr_plan_file_free(&file);
    return rc;
}

int dtr_plan_apply(const struct dtr_runtime_plan *plan, const struct dtr_plan_options *options,
                   struct dtr_error *err)
{
    struct dtr_journal journal;
    size_t count;
    if (plan->change_count == 0)
        return DTR_OK;
    int rc = dtr_journal_open(&journal, options->journal ? options->journal : DTR_PLAN_JOURNAL, true, err);
    if (rc)
        return rc;
    rc = note_all(&journal, plan, &count, err);
    if (rc == DTR_OK && count > 0)
        rc = dtr_journal_save(&journal, err);
    for (size_t i = 0; rc == DTR_OK && i < plan->change_count; i++)
        rc = write_one(&plan->changes[i], options, err);
    dtr_journal_close(&journal);
    return rc;
}

/* --- undo ---------------------------------------------------------------------------------------- */

/* The name of a text's state: its digest, "" for no file. */
static void name_state(const char *text, char state[65])
{
    state[0] = '\0';
    if (text)
        dtr_sha256_hex(text, strlen(text), state);
}

/* Walks back over the writes of one path, of which `last` is the newest: each must find what it wrote, or
 * what was there before because it never happened. */
static int check_path(const struct dtr_journal *journal, size_t last, struct dtr_error *err)
{
    struct dtr_plan_file file;
    char state[65], before[65];
    const char *path = dtr_journal_at(journal, last).path;
    int rc = dtr_plan_read(path, &file, err);
    if (rc)
        return rc;
    name_state(file.text, state);
    dtr_plan_file_free(&file);
    for (size_t i = last + 1; i-- > 0;) {
        struct dtr_journal_write write = dtr_journal_at(journal, i);
        if (strcmp(write.path, path) != 0)
            continue;
        name_state(write.old_text, before);
        if (strcmp(state, write.new_sha256 ? write.new_sha256 : "") != 0 && strcmp(state, before) != 0)
            return dtr_error_set(err, DTR_EEXISTS, DTR_RETRY_NEVER,
                                 "%s was edited since; nothing is changed. Its old text is in %s: put it "
                                 "back by hand and run again",
                                 path, journal->path);
        memcpy(state, before, sizeof(state));
    }
    return DTR_OK;
}

/* Whether no write of the same path lies on that side of `index`. */
static bool is_newest(const struct dtr_journal *journal, size_t index)
{
    for (size_t i = index + 1; i < dtr_journal_count(journal); i++) {
        if (strcmp(dtr_journal_at(journal, i).path, dtr_journal_at(journal, index).path) == 0)
            return false;
    }
    return true;
}

static bool is_oldest(const struct dtr_journal *journal, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(dtr_journal_at(journal, i).path, dtr_journal_at(journal, index).path) == 0)
            return false;
    }
    return true;
}

/* The difference that undo makes to a file. */
static int show_restore(const struct dtr_journal_write *write, const char *text, FILE *out,
                        struct dtr_error *err)
{
    struct dtr_runtime_change change = {write->path, text, write->old_text};
    struct dtr_str diff = {0};
    dtr_plan_diff(&change, false, &diff);
    if (out)
        (void)fputs(dtr_str_text(&diff), out);
    bool ok = dtr_str_ok(&diff);
    dtr_str_free(&diff);
    return ok ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "no memory for a diff");
}

static int restore(const struct dtr_journal_write *write, const struct dtr_plan_options *options, FILE *out,
                   struct dtr_error *err)
{
    struct dtr_plan_file file;
    int rc = dtr_plan_read(write->path, &file, err);
    if (rc)
        return rc;
    if (!options->dry_run)
        dtr_plan_sweep(file.place);
    if (options->dry_run) {
        rc = show_restore(write, file.text, out, err);
    } else if (!same_text(file.text, write->old_text)) {
        file.mode = write->mode;
        file.owner = write->owner;
        file.group = write->group;
        rc = take_step(options, write->path, err);
        if (rc == DTR_OK)
            rc = dtr_plan_replace(&file, write->old_text, err);
        if (rc == DTR_OK && out)
            (void)fprintf(out, "%s %s\n", write->old_text ? "restored" : "removed ", write->path);
    }
    dtr_plan_file_free(&file);
    return rc;
}

/* "Restart X": once per runtime that a write named. */
static void print_restarts(const struct dtr_journal *journal, FILE *out)
{
    for (size_t i = 0; i < dtr_journal_count(journal); i++) {
        const char *restart = dtr_journal_at(journal, i).restart;
        bool said = !restart;
        for (size_t j = 0; !said && j < i; j++)
            said = same_text(dtr_journal_at(journal, j).restart, restart);
        if (!said)
            (void)fprintf(out, "Restart %s for this to take effect.\n", restart);
    }
}

int dtr_plan_undo(const struct dtr_plan_options *options, FILE *out, struct dtr_error *err)
{
    struct dtr_journal journal;
    int rc = dtr_journal_open(&journal, options->journal ? options->journal : DTR_PLAN_JOURNAL, false, err);
    if (rc)
        return rc;
    size_t count = dtr_journal_count(&journal);
    for (size_t i = 0; rc == DTR_OK && i < count; i++) {
        if (is_newest(&journal, i))
            rc = check_path(&journal, i, err);
    }
    for (size_t i = count; rc == DTR_OK && i-- > 0;) {
        struct dtr_journal_write write = dtr_journal_at(&journal, i);
        if (is_oldest(&journal, i))
            rc = restore(&write, options, out, err);
    }
    if (rc == DTR_OK && !options->dry_run)
        rc = dtr_journal_remove(&journal, err);
    if (rc == DTR_OK && out && !options->dry_run)
        print_restarts(&journal, out);
    dtr_journal_close(&journal);
    return rc;
}
