/* See progress.h. */
#include "core/tools/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_LEAST = 10, BAR_MOST = 60, NAME_LEAST = 8, WIDTH_USUAL = 80 };

/* --- numbers -------------------------------------------------------------------------------------- */

void dtr_size_text(double bytes, char text[DTR_SIZE_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t i = 0;
    /* 1023.95 would be printed as 1024.0 */
    while (bytes >= (i ? 1023.95 : 1023.5) && i + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        i++;
    }
    (void)snprintf(text, DTR_SIZE_TEXT, i ? "%.1f %s" : "%.0f %s", bytes < 99999 ? bytes : 99999, units[i]);
}

void dtr_time_left_text(double seconds, char text[DTR_SIZE_TEXT])
{
    uint64_t left = seconds < 400000 ? (uint64_t)(seconds + 0.999) : 400000;
    if (left >= 360000)
        (void)snprintf(text, DTR_SIZE_TEXT, "99h");
    else if (left >= 3600)
        (void)snprintf(text, DTR_SIZE_TEXT, "%u:%02u:%02u", (unsigned)(left / 3600),
                       (unsigned)(left / 60 % 60), (unsigned)(left % 60));
    else
        (void)snprintf(text, DTR_SIZE_TEXT, "%u:%02u", (unsigned)(left / 60), (unsigned)(left % 60));
}

/* Columns that text takes: bytes that begin a character. */
static size_t columns(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* --- what is known -------------------------------------------------------------------------------- */

void dtr_progress_begin(struct dtr_progress *progress, const char *name, FILE *out, uint64_t now_ms)
{
    *progress = (struct dtr_progress){.out = out, .began_ms = now_ms, .sampled_ms = now_ms};
    (void)snprintf(progress->name, sizeof(progress->name), "%s", name);
    /* A name may hold anything, also what a terminal would obey. */
    for (char *at = progress->name; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
}

static void take_sample(struct dtr_progress *progress, uint64_t now_ms)
{
    size_t i = progress->sample_count++ % DTR_PROGRESS_SAMPLES;
    progress->samples[i].ms = progress->sampled_ms = now_ms;
    progress->samples[i].done = progress->done;
}

void dtr_progress_start(struct dtr_progress *progress, uint64_t total, uint64_t now_ms)
{
    progress->started = true;
    progress->total = total;
    take_sample(progress, now_ms);
}

void dtr_progress_add(struct dtr_progress *progress, uint64_t bytes, uint64_t now_ms)
{
    if (now_ms - progress->sampled_ms >= DTR_PROGRESS_SAMPLE_MS)
        take_sample(progress, now_ms);
    progress->done += bytes;
}

double dtr_progress_rate(const struct dtr_progress *progress, uint64_t now_ms)
{
    size_t oldest =
        progress->sample_count > DTR_PROGRESS_SAMPLES ? progress->sample_count % DTR_PROGRESS_SAMPLES : 0;
    if (progress->sample_count == 0 || now_ms <= progress->samples[oldest].ms)
        return 0;
    return (double)(progress->done - progress->samples[oldest].done) * 1000 /
           (double)(now_ms - progress->samples[oldest].ms);
}

/* --- the line ------------------------------------------------------------------------------------- */

static unsigned percent(const struct dtr_progress *progress)
{
    if (progress->total == 0)
        return 100;
    return (unsigned)((double)progress->done * 100 / (double)progress->total);
}

/* "45%  12.3 MiB/27.0 MiB  8.1 MiB/s  0:02 left"; without the last two parts when not `whole`. */
static void numbers(const struct dtr_progress *progress, uint64_t now_ms, bool whole,
                    char text[DTR_PROGRESS_LINE])
{
    char done[DTR_SIZE_TEXT], total[DTR_SIZE_TEXT], speed[DTR_SIZE_TEXT], left[DTR_SIZE_TEXT] = "-:--";
    double rate = dtr_progress_rate(progress, now_ms);
    dtr_size_text((double)progress->done, done);
    dtr_size_text((double)progress->total, total);
    dtr_size_text(rate, speed);
    if (rate >= 1)
        dtr_time_left_text((double)(progress->total - progress->done) / rate, left);
    if (whole)
        (void)snprintf(text, DTR_PROGRESS_LINE, "%3u%%  %s/%s  %s/s  %s left", percent(progress), done, total,
                       speed, left);
    else
        (void)snprintf(text, DTR_PROGRESS_LINE, "%3u%%  %s/%s", percent(progress), done, total);
}

/* "[=====>    ]" of `size` columns. */
static void bar(const struct dtr_progress *progress, size_t size, char text[DTR_PROGRESS_LINE])
{
    size_t inside = size - 2;
    size_t full = progress->total
                      ? (size_t)((double)progress->done * (double)inside / (double)progress->total)
                      : inside;
    text[0] = '[';
    for (size_t i = 0; i < inside; i++)
        text[i + 1] = i < full ? '=' : i == full ? '>' : ' ';
    text[inside + 1] = ']';
    text[inside + 2] = '\0';
}

/* As much of the name as `room` columns hold. */
static void short_name(const struct dtr_progress *progress, size_t room, char text[DTR_PROGRESS_LINE])
{
    size_t at = 0, count = 0;
    bool fits = columns(progress->name) <= room;
    for (; progress->name[at]; at++) {
        bool begins = ((unsigned char)progress->name[at] & 0xc0) != 0x80;
        if (begins && count++ >= (fits ? room : room - 3))
            break;
        text[at] = progress->name[at];
    }
    (void)snprintf(text + at, 4, "%s", fits ? "" : "...");
}

static void waiting_line(const struct dtr_progress *progress, uint64_t now_ms, unsigned width,
                         char line[DTR_PROGRESS_LINE])
{
    char name[DTR_PROGRESS_LINE] = "", since[DTR_SIZE_TEXT];
    size_t room = width > 20 ? width - 20 : 0;
    dtr_time_left_text((double)(now_ms - progress->began_ms) / 1000, since);
    if (room >= NAME_LEAST)
        short_name(progress, room, name);
    (void)snprintf(line, DTR_PROGRESS_LINE, "%s%s%s", name, name[0] ? "  " : "", width >= 8 ? "waiting" : "");
    if (width >= columns(line) + 2 + strlen(since))
        (void)snprintf(line + strlen(line), DTR_PROGRESS_LINE - strlen(line), "  %s", since);
}

void dtr_progress_line(const struct dtr_progress *progress, uint64_t now_ms, unsigned width,
                       char line[DTR_PROGRESS_LINE])
{
    char name[DTR_PROGRESS_LINE] = "", middle[DTR_PROGRESS_LINE] = "", tail[DTR_PROGRESS_LINE];
    size_t room;
    if (width > 250)
        width = 250;
    if (!progress->started) {
        waiting_line(progress, now_ms, width, line);
        return;
    }
    numbers(progress, now_ms, true, tail);
    if (strlen(tail) > width)
        numbers(progress, now_ms, false, tail);
    if (strlen(tail) > width)
        (void)snprintf(tail, sizeof(tail), "%3u%%", percent(progress));
    room = strlen(tail) < width ? width - strlen(tail) : 0;
    if (room >= BAR_LEAST + 2) {
        size_t wanted = columns(progress->name), most = room - 2 - BAR_LEAST;
        if (most >= NAME_LEAST + 2) {
            short_name(progress, wanted < most - 2 ? wanted : most - 2, name);
            room -= columns(name) + 2;
        }
        bar(progress, room - 2 < BAR_MOST ? room - 2 : BAR_MOST, middle);
    }
    (void)snprintf(line, DTR_PROGRESS_LINE, "%.250s%s%.100s%s%.100s", name, name[0] ? "  " : "", middle,
                   middle[0] ? "  " : "", tail);
}

void dtr_progress_summary(const struct dtr_progress *progress, uint64_t now_ms, char line[DTR_PROGRESS_LINE])
{
    char size[DTR_SIZE_TEXT], speed[DTR_SIZE_TEXT];
    double seconds = (double)(now_ms - progress->began_ms) / 1000;
    dtr_size_text((double)progress->done, size);
    dtr_size_text(seconds > 0 ? (double)progress->done / seconds : (double)progress->done, speed);
    (void)snprintf(line, DTR_PROGRESS_LINE, "%s  %s in %.1f s, %s/s", progress->name, size, seconds, speed);
}

/* --- the terminal --------------------------------------------------------------------------------- */

bool dtr_progress_wanted(FILE *out)
{
    const char *term = getenv("TERM");
    int fd = fileno(out);
    return fd >= 0 && isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

static unsigned width_of(FILE *out)
{
    struct winsize size = {0};
    const char *said = getenv("COLUMNS");
    unsigned long number = said ? strtoul(said, NULL, 10) : 0;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        number = size.ws_col;
    return number > 0 && number < 10000 ? (unsigned)number : WIDTH_USUAL;
}

void dtr_progress_draw(struct dtr_progress *progress, uint64_t now_ms)
{
    char line[DTR_PROGRESS_LINE];
    if (!progress->out || (progress->drawn && now_ms - progress->drawn_ms < DTR_PROGRESS_TICK_MS))
        return;
    progress->drawn = true;
    progress->drawn_ms = now_ms;
    /* One column stays free: some terminals wrap as soon as the last one is written. */
    dtr_progress_line(progress, now_ms, width_of(progress->out) - 1, line);
    (void)fprintf(progress->out, "\r%s\033[K", line);
    (void)fflush(progress->out);
}

void dtr_progress_clear(struct dtr_progress *progress)
{
    if (!progress->out || !progress->drawn)
        return;
    (void)fputs("\r\033[K", progress->out);
    (void)fflush(progress->out);
    progress->drawn = false;
}
