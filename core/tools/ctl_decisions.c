/* What `darter ctl explain --scheduler` prints: a scheduler's decisions about a task, oldest first. */
#include "core/tools/ctl_print.h"

#include "core/tools/ctl_text.h"
#include <inttypes.h>
#include <math.h>

typedef Darter__V1__DecisionsResponse Story;
typedef Darter__V1__Decision Decision;

/* --- for people ----------------------------------------------------------------------------------- */

static void print_left_out(const Decision *decision, FILE *out)
{
    for (size_t i = 0; i < decision->n_left_out; i++) {
        (void)fprintf(out, "  left out  %5u  ", decision->left_out[i]->count);
        ctl_put(out, 0, decision->left_out[i]->reason);
        (void)fputc('\n', out);
    }
}

static void print_policy(const Decision *decision, FILE *out)
{
    if (!decision->ranked)
        return;
    (void)fputs("  policy    ", out);
    if (*decision->policy) {
        ctl_put(out, 0, decision->policy);
        (void)fprintf(out, ", generation %" PRIu64 "\n", decision->generation);
    } else {
        (void)fputs("the built-in formula\n", out);
    }
}

static void print_candidates(const Decision *decision, FILE *out)
{
    for (size_t i = 0; i < decision->n_candidates; i++) {
        const Darter__V1__Candidate *candidate = decision->candidates[i];
        (void)fprintf(out, "  %-9s ", candidate->chosen ? "chosen" : "not taken");
        ctl_put(out, 24, candidate->host);
        if (isnan(candidate->score))
            (void)fputs("not ranked\n", out);
        else
            (void)fprintf(out, "score %.6g\n", candidate->score);
    }
    if (decision->more_candidates)
        (void)fprintf(out, "  and %u candidates more\n", decision->more_candidates);
}

static void print_decision(const Decision *decision, int64_t first_ms, FILE *out)
{
    char at[CTL_WALL_TEXT];
    (void)fprintf(out, "\n%s UTC %+" PRId64 " ms  ", ctl_wall_text(decision->wall_ms, at),
                  decision->wall_ms - first_ms);
    ctl_put(out, 0, decision->host);
    (void)fputs(": ", out);
    ctl_put(out, 0, decision->asked);
    (void)fputs(" -> ", out);
    ctl_put(out, 0, decision->answer);
    (void)fputs("\n  peer      ", out);
    ctl_put(out, 0, decision->peer_id);
    if (*decision->why) {
        (void)fputs("\n  why       ", out);
        ctl_put(out, 0, decision->why);
    }
    (void)fprintf(out, "\n  looked at %5u  peers of the task\n", decision->looked_at);
    print_left_out(decision, out);
    print_policy(decision, out);
    print_candidates(decision, out);
}

static int print_story(const Story *story, FILE *out)
{
    (void)fputs("task:      ", out);
    ctl_put(out, 0, story->task_id);
    (void)fprintf(out, "\ndecisions: %zu, the newest last\n", story->n_decisions);
    for (size_t i = 0; i < story->n_decisions; i++)
        print_decision(story->decisions[i], story->decisions[0]->wall_ms, out);
    return ctl_written(out);
}

/* --- for scripts ---------------------------------------------------------------------------------- */

static json_t *left_out_json(const Decision *decision)
{
    json_t *list = json_array();
    for (size_t i = 0; i < decision->n_left_out; i++) {
        json_t *object = json_object();
        ctl_set_text(object, "reason", decision->left_out[i]->reason);
        ctl_set_number(object, "count", decision->left_out[i]->count);
        (void)json_array_append_new(list, object);
    }
    return list;
}

static json_t *candidates_json(const Decision *decision)
{
    json_t *list = json_array();
    for (size_t i = 0; i < decision->n_candidates; i++) {
        const Darter__V1__Candidate *candidate = decision->candidates[i];
        json_t *object = json_object();
        ctl_set_text(object, "host", candidate->host);
        (void)json_object_set_new(object, "score",
                                  isfinite(candidate->score) ? json_real(candidate->score) : json_null());
        (void)json_object_set_new(object, "chosen", json_boolean(candidate->chosen));
        (void)json_array_append_new(list, object);
    }
    return list;
}

static json_t *decision_json(const Decision *decision, int64_t first_ms)
{
    char at[CTL_WALL_TEXT], zulu[CTL_WALL_TEXT + 2];
    json_t *object = json_object();
    (void)snprintf(zulu, sizeof(zulu), "%sZ", ctl_wall_text(decision->wall_ms, at));
    ctl_set_text(object, "at", zulu);
    ctl_set_number(object, "atMs", (uint64_t)(decision->wall_ms - first_ms));
    ctl_set_text(object, "peerId", decision->peer_id);
    ctl_set_text(object, "host", decision->host);
    ctl_set_text(object, "asked", decision->asked);
    ctl_set_text(object, "answer", decision->answer);
    ctl_set_text(object, "why", decision->why);
    ctl_set_number(object, "lookedAt", decision->looked_at);
    (void)json_object_set_new(object, "leftOut", left_out_json(decision));
    (void)json_object_set_new(object, "ranked", json_boolean(decision->ranked));
    if (decision->ranked)
        ctl_set_text(object, "policy", *decision->policy ? decision->policy : "built-in formula");
    ctl_set_number(object, "generation", decision->generation);
    (void)json_object_set_new(object, "candidates", candidates_json(decision));
    ctl_set_number(object, "candidatesDropped", decision->more_candidates);
    return object;
}

static json_t *story_json(const Story *story)
{
    json_t *object = json_object(), *list = json_array();
    ctl_set_text(object, "id", story->task_id);
    for (size_t i = 0; i < story->n_decisions; i++)
        (void)json_array_append_new(list, decision_json(story->decisions[i], story->decisions[0]->wall_ms));
    (void)json_object_set_new(object, "decisions", list);
    return object;
}

int ctl_print_decisions(const Story *story, bool json, FILE *out)
{
    return json ? ctl_dump(story_json(story), out) : print_story(story, out);
}
