/* What `darter ctl explain` prints: a task's pulls in order, each with its sums, its parents and its events.
 */
#include "core/tools/ctl_print.h"

#include "core/tools/ctl_text.h"
#include "core/tools/progress.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>

typedef Darter__V1__ExplainResponse Story;
typedef Darter__V1__Pull Pull;
typedef Darter__V1__Giver Giver;

enum { CLOCK_AT = 11 }; /* bytes of the day with its T */

const char *ctl_wall_text(int64_t ms, char text[CTL_WALL_TEXT])
{
    time_t second = (time_t)(ms / 1000);
    struct tm utc;
    if (ms < 0 || !gmtime_r(&second, &utc) || !strftime(text, CTL_WALL_TEXT, "%Y-%m-%dT%H:%M:%S", &utc))
        return "0000-00-00T00:00:00";
    size_t length = strlen(text);
    (void)snprintf(text + length, CTL_WALL_TEXT - length, ".%03d", (int)(ms % 1000));
    return text;
}

static uint64_t sum(const Pull *pull)
{
    return pull->from_store + pull->from_origin + pull->from_peers;
}

/* --- for people ----------------------------------------------------------------------------------- */

static void line(FILE *out, const char *name, const char *text)
{
    (void)fprintf(out, "  %-10s ", name);
    ctl_put(out, 0, text);
    (void)fputc('\n', out);
}

static void print_bytes(const Pull *pull, FILE *out)
{
    (void)fprintf(out,
                  "  %-10s %" PRIu64 " of peers, %" PRIu64 " of the origin (%u request%s), %" PRIu64
                  " were stored before: %" PRIu64 "\n",
                  "bytes:", pull->from_peers, pull->from_origin, pull->origin_requests,
                  pull->origin_requests == 1 ? "" : "s", pull->from_store, sum(pull));
    if (pull->twice)
        (void)fprintf(out, "  %-10s %" PRIu64 " bytes came that were here already\n", "twice:", pull->twice);
    if (pull->stalls || pull->replans)
        (void)fprintf(out, "  %-10s parents that stalled: %u, plans made anew: %u\n",
                      "trouble:", pull->stalls, pull->replans);
}

static void print_giver(const Giver *giver, FILE *out)
{
    char size[DTR_SIZE_TEXT];
    dtr_size_text((double)giver->fresh, size);
    (void)fputs("  parent     ", out);
    ctl_put(out, 0, giver->address);
    (void)fprintf(out, ": %u of %u pieces, %s", giver->pieces, giver->asked, size);
    if (giver->failed)
        (void)fprintf(out, ", %u failed", giver->failed);
    if (giver->measured || giver->announced)
        (void)fprintf(out, ", %.1f MB/s as %s", giver->rate / 1e6,
                      giver->measured ? "measured" : "announced");
    (void)fprintf(out, "; joined +%" PRIu64 " ms", giver->joined_ms);
    if (giver->left) {
        (void)fprintf(out, ", left +%" PRIu64 " ms (", giver->left_ms);
        ctl_put(out, 0, giver->state);
        (void)fputs("): ", out);
        ctl_put(out, 0, giver->why_left);
    }
    (void)fputc('\n', out);
}

static void print_events(const Pull *pull, FILE *out)
{
    char at[CTL_WALL_TEXT];
    for (size_t i = 0; i < pull->n_events; i++) {
        const Darter__V1__Event *event = pull->events[i];
        (void)fprintf(out, "  %s %+7" PRId64 " ms  ",
                      ctl_wall_text(pull->began_wall_ms + (int64_t)event->at_ms, at) + CLOCK_AT,
                      (int64_t)event->at_ms);
        ctl_put(out, 10, event->kind);
        ctl_put(out, 0, event->text);
        (void)fputc('\n', out);
    }
    if (pull->dropped)
        (void)fprintf(out, "  and %u more that the journal had no room for\n", pull->dropped);
}

static void print_pull(const Pull *pull, FILE *out)
{
    char at[CTL_WALL_TEXT];
    (void)fputs("\npull ", out);
    ctl_put(out, 0, pull->id);
    const char *began = ctl_wall_text(pull->began_wall_ms, at);
    (void)fprintf(out, ": %.10s %s UTC, ", began, began + CLOCK_AT);
    ctl_put(out, 0, pull->outcome);
    (void)fprintf(out, " %s %" PRIu64 " ms\n", pull->outcome[0] == 'r' ? "for" : "after", pull->took_ms);
    if (*pull->error)
        line(out, "error:", pull->error);
    line(out, "asked by:", pull->asker);
    line(out, "wanted:", pull->part);
    line(out, "url:", pull->url);
    print_bytes(pull, out);
    for (size_t i = 0; i < pull->n_givers; i++)
        print_giver(pull->givers[i], out);
    if (pull->more_givers)
        (void)fprintf(out, "  and %u parents more\n", pull->more_givers);
    print_events(pull, out);
}

/* What there is when no pull can be told. */
static const char *no_pulls(const Story *story)
{
    if (!story->known)
        return "none that is known";
    if (story->earlier)
        return "none that is known: it was pulled before this daemon started, of which there is no journal";
    return "none that is known: the journal keeps the newest pulls only";
}

static int print_story(const Story *story, FILE *out)
{
    bool sized =
        story->has_content_length_case == DARTER__V1__EXPLAIN_RESPONSE__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
    (void)fprintf(out, "task:   ");
    ctl_put(out, 0, story->task_id);
    if (sized)
        (void)fprintf(out, "\nsize:   %" PRIu64 " bytes\nstored: ", story->content_length);
    else
        (void)fprintf(out, "\nsize:   not known\nstored: ");
    (void)fprintf(out, "%s\npulls:  ",
                  !story->known  ? "no"
                  : story->whole ? "yes"
                                 : "in part, or not at all");
    if (story->n_pulls)
        (void)fprintf(out, "%zu, the newest last\n", story->n_pulls);
    else
        (void)fprintf(out, "%s\n", no_pulls(story));
    for (size_t i = 0; i < story->n_pulls; i++)
        print_pull(story->pulls[i], out);
    return ctl_written(out);
}

/* --- for scripts ---------------------------------------------------------------------------------- */

/* A moment of a pull: as a time of day and as an offset. */
static void set_moment(json_t *object, const char *name, const Pull *pull, uint64_t offset_ms)
{
    char at[CTL_WALL_TEXT], text[CTL_WALL_TEXT + 2], offset_name[40];
    (void)snprintf(text, sizeof(text), "%sZ", ctl_wall_text(pull->began_wall_ms + (int64_t)offset_ms, at));
    (void)snprintf(offset_name, sizeof(offset_name), "%sMs", name);
    ctl_set_text(object, name, text);
    ctl_set_number(object, offset_name, offset_ms);
}

static json_t *giver_json(const Pull *pull, const Giver *giver)
{
    json_t *object = json_object();
    ctl_set_text(object, "address", giver->address);
    ctl_set_text(object, "peerId", giver->peer_id);
    ctl_set_text(object, "hostId", giver->host_id);
    set_moment(object, "joined", pull, giver->joined_ms);
    if (giver->last_ms)
        set_moment(object, "lastPiece", pull, giver->last_ms);
    if (giver->left) {
        set_moment(object, "left", pull, giver->left_ms);
        ctl_set_text(object, "whyLeft", giver->why_left);
    }
    ctl_set_text(object, "state", giver->state);
    ctl_set_number(object, "piecesAsked", giver->asked);
    ctl_set_number(object, "pieces", giver->pieces);
    ctl_set_number(object, "piecesFailed", giver->failed);
    ctl_set_number(object, "bytes", giver->bytes);
    ctl_set_number(object, "freshBytes", giver->fresh);
    bool known = giver->measured || giver->announced;
    (void)json_object_set_new(object, "bytesPerSecond", known ? json_real(giver->rate) : json_null());
    (void)json_object_set_new(object, "measured", json_boolean(giver->measured));
    return object;
}

static json_t *lists_json(const Pull *pull, json_t *object)
{
    json_t *events = json_array(), *givers = json_array();
    for (size_t i = 0; i < pull->n_events; i++) {
        json_t *event = json_object();
        set_moment(event, "at", pull, pull->events[i]->at_ms);
        ctl_set_text(event, "kind", pull->events[i]->kind);
        ctl_set_text(event, "text", pull->events[i]->text);
        (void)json_array_append_new(events, event);
    }
    for (size_t i = 0; i < pull->n_givers; i++)
        (void)json_array_append_new(givers, giver_json(pull, pull->givers[i]));
    (void)json_object_set_new(object, "parents", givers);
    (void)json_object_set_new(object, "events", events);
    return object;
}

static json_t *pull_json(const Pull *pull)
{
    json_t *object = json_object();
    bool sized = pull->has_content_length_case == DARTER__V1__PULL__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
    ctl_set_text(object, "id", pull->id);
    ctl_set_text(object, "url", pull->url);
    ctl_set_text(object, "askedBy", pull->asker);
    ctl_set_text(object, "wanted", pull->part);
    set_moment(object, "began", pull, 0);
    ctl_set_number(object, "tookMs", pull->took_ms);
    ctl_set_text(object, "outcome", pull->outcome);
    (void)json_object_set_new(object, "error", *pull->error ? ctl_text_json(pull->error) : json_null());
    (void)json_object_set_new(object, "contentLength",
                              sized ? json_integer((json_int_t)pull->content_length) : json_null());
    ctl_set_number(object, "fromStore", pull->from_store);
    ctl_set_number(object, "fromOrigin", pull->from_origin);
    ctl_set_number(object, "fromPeers", pull->from_peers);
    ctl_set_number(object, "twice", pull->twice);
    ctl_set_number(object, "originRequests", pull->origin_requests);
    ctl_set_number(object, "replans", pull->replans);
    ctl_set_number(object, "stalls", pull->stalls);
    ctl_set_number(object, "eventsDropped", pull->dropped);
    ctl_set_number(object, "parentsDropped", pull->more_givers);
    return lists_json(pull, object);
}

static json_t *story_json(const Story *story)
{
    json_t *object = json_object(), *pulls = json_array();
    bool sized =
        story->has_content_length_case == DARTER__V1__EXPLAIN_RESPONSE__HAS_CONTENT_LENGTH_CONTENT_LENGTH;
    ctl_set_text(object, "id", story->task_id);
    (void)json_object_set_new(object, "known", json_boolean(story->known));
    (void)json_object_set_new(object, "whole", json_boolean(story->whole));
    (void)json_object_set_new(object, "fromEarlierRun", json_boolean(story->earlier));
    (void)json_object_set_new(object, "contentLength",
                              sized ? json_integer((json_int_t)story->content_length) : json_null());
    ctl_set_number(object, "forgottenPulls", story->forgotten);
    for (size_t i = 0; i < story->n_pulls; i++)
        (void)json_array_append_new(pulls, pull_json(story->pulls[i]));
    (void)json_object_set_new(object, "pulls", pulls);
    return object;
}

int ctl_print_explain(const Story *story, bool json, FILE *out)
{
    return json ? ctl_dump(story_json(story), out) : print_story(story, out);
}
