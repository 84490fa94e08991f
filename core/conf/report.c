/* Findings: kept in order, bounded, printed with file and line. */
#include "core/conf/internal.h"

#include "core/base/str.h"

#include <stdlib.h>

void dtr_conf_note(struct dtr_conf_report *report, enum dtr_conf_severity severity, unsigned line,
                   const char *format, ...)
{
    struct dtr_str text = {.limit = 1000};
    va_list args;
    char buffer[900];
    report->counts[severity]++;
    if (report->count >= DTR_CONF_FINDINGS)
        return;
    if (!report->list)
        report->list = calloc(DTR_CONF_FINDINGS, sizeof(*report->list));
    va_start(args, format);
    (void)vsnprintf(buffer, sizeof(buffer), format, args);
    va_end(args);
    dtr_str_puts(&text, buffer);
    char *copy = dtr_str_take(&text);
    if (!report->list || !copy) {
        free(copy);
        return;
    }
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = ' ';
    report->list[report->count++] =
        (struct dtr_conf_finding){.severity = severity, .line = line, .text = copy};
}

int dtr_conf_report_error(const struct dtr_conf_report *report, struct dtr_error *err)
{
    char more[40] = "", line[16] = "";
    if (report->counts[DTR_CONF_ERROR] == 0)
        return DTR_OK;
    size_t i = 0;
    while (i < report->count && report->list[i].severity != DTR_CONF_ERROR)
        i++;
    if (i == report->count)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s has errors",
                             report->file ? report->file : "configuration");
    if (report->counts[DTR_CONF_ERROR] > 1)
        (void)snprintf(more, sizeof(more), " (and %zu more)", report->counts[DTR_CONF_ERROR] - 1);
    if (report->list[i].line)
        (void)snprintf(line, sizeof(line), ":%u", report->list[i].line);
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s%s: %s%s", report->file ? report->file : "",
                         line, report->list[i].text, more);
}

void dtr_conf_report_print(const struct dtr_conf_report *report, FILE *out)
{
    static const char *const words[] = {"error", "warning", "note"};
    const char *file = report->file ? report->file : "configuration";
    for (size_t i = 0; i < report->count; i++) {
        const struct dtr_conf_finding *f = &report->list[i];
        if (f->line)
            (void)fprintf(out, "%s:%u: %s: %s\n", file, f->line, words[f->severity], f->text);
        else
            (void)fprintf(out, "%s: %s: %s\n", file, words[f->severity], f->text);
    }
    size_t all = report->counts[0] + report->counts[1] + report->counts[2];
    if (all > report->count)
        (void)fprintf(out, "%s: and %zu more\n", file, all - report->count);
}

void dtr_conf_report_drop(struct dtr_conf_report *report, enum dtr_conf_severity severity)
{
    size_t kept = 0;
    for (size_t i = 0; i < report->count; i++) {
        if (report->list[i].severity == severity)
            free(report->list[i].text);
        else
            report->list[kept++] = report->list[i];
    }
    report->count = kept;
    report->counts[severity] = 0;
}

void dtr_conf_report_free(struct dtr_conf_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->list[i].text);
    free(report->list);
    free(report->file);
    *report = (struct dtr_conf_report){0};
}
