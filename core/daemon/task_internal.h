/* What task.c, pull.c and reader.c share. */
#ifndef DTR_DAEMON_TASK_INTERNAL_H
#define DTR_DAEMON_TASK_INTERNAL_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/base/ranges.h"
#include "core/daemon/pull_log.h"
#include "core/daemon/task.h"
#include "core/loop/loop.h"

struct dtr_tasks {
    struct dtr_tasks_options options;
    struct dtr_map by_id; /* struct dtr_task.node */
    size_t next_data;     /* data threads take turns */
    uint32_t next_reader;
    bool closing;
    struct dtr_msg msg;
    void (*closed)(void *context);
    void *closed_context;
};

enum copy_state { COPY_CLOSED, COPY_OPENING, COPY_OPEN, COPY_CLOSING };

/* What this thread knows of a task. The copy itself belongs to the data thread. */
struct dtr_task {
    struct dtr_map_node node;
    struct dtr_tasks *tasks;
    struct dtr_loop *data; /* pinned */
    struct dtr_task_facts facts;
    char *strings[7]; /* of facts, and the request headers */
    bool trusted;
    struct dtr_piece *pieces; /* by number, length 0: not there */
    uint32_t piece_room, piece_count_had;
    struct dtr_ranges readable;

    enum copy_state state;
    struct dtr_copy *copy;
    struct dtr_msg copy_msg; /* opening and closing, there and back */
    struct dtr_error copy_error;

    struct dtr_list readers;   /* struct dtr_reader */
    struct dtr_list transfers; /* struct running */
    struct dtr_planner *planner;
    struct dtr_timer *timer;
    struct dtr_addr *parents; /* where they serve pieces, by the planner's index */
    uint32_t parent_room;
    char version[200];            /* of the origin's object, for If-Range */
    struct pull_log *log;         /* of the pull that runs; pull_log.c */
    struct dtr_read_request wish; /* of the newest reader: its numbers and switches, no strings */
    bool acting;
};

struct dtr_reader {
    struct dtr_list link;
    struct dtr_task *task;
    const struct dtr_reader_events *events;
    void *context;
    uint32_t number;
    uint64_t offset, length; /* what it wants */
    uint64_t told;           /* readable was told up to here */
    uint64_t here;           /* was readable up to here when it came */
    bool head_told, ended, closed;
    bool announce, local_only; /* of its request */
    struct dtr_msg msg;        /* events come later */
    bool posted;
    bool failed; /* result is to be told */
    struct dtr_error result;
};

/* One transfer of a pull. */
struct running {
    struct dtr_list link;
    struct dtr_task *task;
    struct dtr_transfer *transfer;
    uint32_t id, piece;
    bool origin;
    char from[DTR_ADDR_TEXT]; /* a peer's address, for counting */
};

enum { REQUEST_HEADERS = 6 }; /* index in dtr_task.strings */

/* task.c */
int task_reserve_piece(struct dtr_task *task, uint32_t number, struct dtr_error *err);
/* Opens the copy when it is needed, closes it when nobody uses it any more. */
void task_settle(struct dtr_task *task);

/* pull.c */
int pull_start(struct dtr_task *task, const struct dtr_reader *first, struct dtr_error *err);
void pull_cancel(struct dtr_task *task);

/* reader.c */
void readers_wake(struct dtr_task *task);
void readers_fail(struct dtr_task *task, const struct dtr_error *err);

#endif
