/* Which question is asked next; see grid.h. */
#include "core/scheduler/jobs/grid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One object's rows, and how far they are. */
struct span {
    size_t first, count;
    size_t next; /* the first that was not asked yet, from `first` */
    uint32_t running;
};

struct grid {
    struct grid_limits limits;
    struct grid_row *rows;
    size_t row_count, row_room;
    struct span *spans; /* by object */
    size_t span_count, span_room;
    size_t high;     /* objects from this one on were not begun */
    uint32_t *begun; /* objects that were begun and are not over, in their order; limits.objects at most */
    uint32_t begun_count;
    size_t left; /* rows that are not over */
};

const char *grid_state_text(enum grid_state state)
{
    static const char *const texts[] = {
#define GRID_STATE_TEXT(name, text) [GRID_##name] = (text),
        GRID_STATES(GRID_STATE_TEXT)
#undef GRID_STATE_TEXT
    };
    return texts[state];
}

int grid_new(const struct grid_limits *limits, struct grid **ret_grid, struct dtr_error *err)
{
    assert(limits->objects > 0 && limits->hosts > 0);
    struct grid *grid = calloc(1, sizeof(*grid));
    if (grid)
        grid->begun = calloc(limits->objects, sizeof(*grid->begun));
    if (!grid || !grid->begun) {
        free(grid);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    }
    grid->limits = *limits;
    *ret_grid = grid;
    return DTR_OK;
}

void grid_free(struct grid *grid)
{
    if (!grid)
        return;
    for (size_t i = 0; i < grid->row_count; i++)
        free(grid->rows[i].why);
    free(grid->rows);
    free(grid->spans);
    free(grid->begun);
    free(grid);
}

/* Makes room for `more` items behind `count`. */
static bool grow(void **list, size_t size, size_t count, size_t more, size_t *room)
{
    size_t wanted = *room ? *room : 16;
    while (wanted < count + more)
        wanted *= 2;
    if (wanted == *room)
        return true;
    void *grown = reallocarray(*list, wanted, size);
    if (!grown)
        return false;
    *list = grown;
    *room = wanted;
    return true;
}

int grid_add(struct grid *grid, const uint32_t *hosts, size_t count, struct dtr_error *err)
{
    void *rows = grid->rows, *spans = grid->spans;
    if (count > GRID_ROWS_MOST - grid->row_count)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "more than %d questions: name fewer hosts (ips, count, percentage)",
                             GRID_ROWS_MOST);
    bool room = grow(&rows, sizeof(*grid->rows), grid->row_count, count, &grid->row_room);
    grid->rows = rows;
    room = room && grow(&spans, sizeof(*grid->spans), grid->span_count, 1, &grid->span_room);
    grid->spans = spans;
    if (!room)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for a job");
    uint32_t object = (uint32_t)grid->span_count;
    grid->spans[grid->span_count++] = (struct span){.first = grid->row_count, .count = count};
    for (size_t i = 0; i < count; i++)
        grid->rows[grid->row_count++] = (struct grid_row){.object = object, .host = hosts[i]};
    grid->left += count;
    return DTR_OK;
}

static bool span_over(const struct span *span)
{
    return span->next == span->count && span->running == 0;
}

/* The next row of this object, if it may be asked now. */
static bool next_of(struct grid *grid, size_t object, size_t *ret_row)
{
    struct span *span = &grid->spans[object];
    if (span->next == span->count || span->running == grid->limits.hosts)
        return false;
    *ret_row = span->first + span->next++;
    span->running++;
    grid->rows[*ret_row].state = GRID_RUNNING;
    return true;
}

bool grid_next(struct grid *grid, size_t *ret_row)
{
    for (uint32_t i = 0; i < grid->begun_count; i++) {
        if (next_of(grid, grid->begun[i], ret_row))
            return true;
    }
    while (grid->begun_count < grid->limits.objects && grid->high < grid->span_count) {
        const size_t object = grid->high++;
        if (next_of(grid, object, ret_row)) {
            grid->begun[grid->begun_count++] = (uint32_t)object;
            return true;
        }
    }
    return false;
}

/* Those that are over make room for others. */
static void forget_over(struct grid *grid)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < grid->begun_count; i++) {
        if (!span_over(&grid->spans[grid->begun[i]]))
            grid->begun[count++] = grid->begun[i];
    }
    grid->begun_count = count;
}

static void finish(struct grid *grid, struct grid_row *row, const char *why)
{
    row->state = why ? GRID_FAILED : GRID_DONE;
    row->why = why ? strdup(why) : NULL;
    grid->left--;
}

void grid_ended(struct grid *grid, size_t row, const char *why)
{
    struct span *span = &grid->spans[grid->rows[row].object];
    assert(grid->rows[row].state == GRID_RUNNING);
    finish(grid, &grid->rows[row], why);
    span->running--;
    if (span_over(span))
        forget_over(grid);
}

static void stop_span(struct grid *grid, struct span *span, const char *why)
{
    while (span->next < span->count)
        finish(grid, &grid->rows[span->first + span->next++], why);
}

void grid_stop(struct grid *grid, const char *why)
{
    for (uint32_t i = 0; i < grid->begun_count; i++)
        stop_span(grid, &grid->spans[grid->begun[i]], why);
    forget_over(grid);
    while (grid->high < grid->span_count)
        stop_span(grid, &grid->spans[grid->high++], why);
}

bool grid_over(const struct grid *grid)
{
    return grid->left == 0;
}

const struct grid_row *grid_rows(const struct grid *grid, size_t *ret_count)
{
    *ret_count = grid->row_count;
    return grid->rows;
}
