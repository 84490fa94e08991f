/* The progress line of a download on a terminal: percentage, bytes, rate and time left. The text is made by
 * pure functions of the time that is passed in, so that tests need no terminal and no clock. One thread. */
#ifndef DTR_TOOLS_PROGRESS_H
#define DTR_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    DTR_PROGRESS_LINE = 512,     /* bytes of a line, the NUL included */
    DTR_PROGRESS_TICK_MS = 100,  /* between two drawings at least */
    DTR_PROGRESS_SAMPLES = 20,   /* the rate is that of so many ... */
    DTR_PROGRESS_SAMPLE_MS = 250 /* ... of these */
};

struct dtr_progress {
    char name[128]; /* what is shown of the file's name */
    bool started;   /* the length is known */
    uint64_t total, done;
    uint64_t began_ms, sampled_ms, drawn_ms;
    struct {
        uint64_t ms, done;
    } samples[DTR_PROGRESS_SAMPLES]; /* a ring, the oldest overwritten */
    size_t sample_count;
    FILE *out; /* NULL: nothing is drawn */
    bool drawn;
};

/* `out` NULL draws nothing. */
void dtr_progress_begin(struct dtr_progress *progress, const char *name, FILE *out, uint64_t now_ms);
void dtr_progress_start(struct dtr_progress *progress, uint64_t total, uint64_t now_ms);
void dtr_progress_add(struct dtr_progress *progress, uint64_t bytes, uint64_t now_ms);
/* Bytes per second over the last seconds; 0 while nothing is known. */
double dtr_progress_rate(const struct dtr_progress *progress, uint64_t now_ms);
/* One line of at most `width` columns. What does not fit is left out: the name first, then the bar, then time
 * and rate. */
void dtr_progress_line(const struct dtr_progress *progress, uint64_t now_ms, unsigned width,
                       char line[DTR_PROGRESS_LINE]);
/* What is left of it when all is there: "27.0 MiB in 3.3 s, 8.1 MiB/s". */
void dtr_progress_summary(const struct dtr_progress *progress, uint64_t now_ms, char line[DTR_PROGRESS_LINE]);

/* Draws unless it did less than DTR_PROGRESS_TICK_MS ago. */
void dtr_progress_draw(struct dtr_progress *progress, uint64_t now_ms);
/* Takes the line off the terminal, if there is one. */
void dtr_progress_clear(struct dtr_progress *progress);
/* Whether a line may be drawn there: a terminal that can. */
bool dtr_progress_wanted(FILE *out);

/* "27.0 MiB", "512 B". */
#define DTR_SIZE_TEXT 16
void dtr_size_text(double bytes, char text[DTR_SIZE_TEXT]);
/* "0:07", "1:02:03", "99h" beyond four days. */
void dtr_time_left_text(double seconds, char text[DTR_SIZE_TEXT]);

#endif
