/* For tests of the fetch planner: a scene that plays the role (it drains actions into readable text,
 * remembers transfers, brings bytes when told to) and a checker of the AnnouncePeer conversation that
 * watches every action. Not for: worlds that act by themselves, see planner_random_test.c. */
#ifndef DTR_BRAIN_PLANNER_FIXTURE_H
#define DTR_BRAIN_PLANNER_FIXTURE_H

#include "core/brain/planner.h"

#define MIB ((uint64_t)1 << 20)

/* Whether what is told to the scheduler follows wire page 3.2. */
struct talk_check {
    enum { TALK_NONE, TALK_WAITS, TALK_ANSWERED, TALK_RUNS, TALK_SOURCE, TALK_ENDED } state;
    enum dtr_plan_answer_kind answer;
    bool lost;            /* the scheduler went away: nothing may be said to it */
    bool over;            /* DONE or FAIL was said */
    uint8_t reported[64]; /* bit per piece, in this conversation */
    uint32_t answers, answers_max;
    char wrong[200]; /* the first fault, "" when none */
};

void talk_check_action(struct talk_check *check, const struct dtr_plan_action *action);
void talk_check_answer(struct talk_check *check, enum dtr_plan_answer_kind kind);

struct scene_transfer {
    struct dtr_plan_action action; /* FETCH or ORIGIN */
    uint64_t end;                  /* of its bytes in the object, as CUT leaves it */
    bool open;
};

struct scene {
    struct dtr_plan_config config;
    bool whole;     /* of the start */
    bool no_ranges; /* the origin does not say that it takes ranges */
    struct dtr_planner *planner;
    uint64_t now, content_length, piece_length;
    struct scene_transfer transfers[600];
    uint32_t transfer_count; /* ids are 1..count */
    uint8_t arrived[600];    /* MiB n of the object came from the origin */
    struct talk_check talk;
    char said[16384]; /* actions since the last look at them */
    bool shown;
};

/* Default configuration with a scheduler, a clock at 1000 ms, an object of `content_length` bytes. */
void scene_set(struct scene *scene, uint64_t content_length);
/* Makes the planner. `known`: it is told the length; `length` UNKNOWN: the rest is wanted. */
void scene_start(struct scene *scene, uint64_t offset, uint64_t length, bool known);
void scene_end(struct scene *scene);

/* Carries out what the planner says; the text since the last look, actions divided by "; ". */
const char *scene_drain(struct scene *scene);
/* Drains and compares; fails the test at `line`. */
void scene_expect(struct scene *scene, const char *text, int line);
#define expect(scene, text) scene_expect((scene), (text), __LINE__)
/* How often a kind is in the text of the last drain. */
uint32_t scene_count(const struct scene *scene, const char *kind);
/* Transfers under way, from one parent or (UINT32_MAX) from all. */
uint32_t scene_in_flight(const struct scene *scene, uint32_t parent);

/* Lets time pass, waking the planner whenever it wants; the actions of all that are in `said`. */
void scene_pass(struct scene *scene, uint64_t ms);
void scene_stat(struct scene *scene, bool available, uint64_t content_length);
/* Parents named by their letters, "AB". */
void scene_parents(struct scene *scene, const char *names);
/* The same though nobody asked. */
void scene_more_parents(struct scene *scene, const char *names);
/* A scene that is registered and was told of parents; what was said so far is forgotten. */
void scene_with_parents(struct scene *scene, uint64_t content_length, const char *names);
void scene_answer(struct scene *scene, enum dtr_plan_answer_kind kind);
void scene_lost(struct scene *scene);
void scene_lost_for_now(struct scene *scene); /* it may be back at once */
void scene_seen(struct scene *scene, uint32_t parent, uint32_t first, uint32_t last);
void scene_head(struct scene *scene, uint32_t id);
/* The origin's transfer brings the next `bytes` (whole MiB); complete pieces are verified. */
void scene_origin(struct scene *scene, uint32_t id, uint64_t bytes);
/* A parent's transfer brings its piece and ends. */
void scene_piece(struct scene *scene, uint32_t id);
void scene_ends(struct scene *scene, uint32_t id, int code, enum dtr_retry retry, int status);
/* Pieces come from whoever is asked until nothing is under way, `ms` apart. */
void scene_flow(struct scene *scene, uint64_t ms);

#endif
