/* Results being made of what schedulers answer: rows, and their texts as everybody may see them, as long as
 * there is room. Only for answer.c, answer_preheat.c and answer_task.c. Pure; any thread. */
#ifndef DTR_MANAGER_JOBS_MAKING_H
#define DTR_MANAGER_JOBS_MAKING_H

#include "core/manager/jobs/answer.h"

struct making {
    size_t room; /* bytes; rows are counted also when there is none for them */
    bool ok;     /* false: out of memory */
};

/* A new text for a row; "" when there is no room for it. */
json_t *making_text(struct making *making, const char *bytes);
/* A URL, without what gives access. */
json_t *making_url(struct making *making, const char *url);
/* What a host or a scheduler says, which may have URLs in it. */
json_t *making_said(struct making *making, const char *bytes);
/* Whether there is room for one more row, which is taken. */
bool making_has_room(struct making *making);
/* Takes the row over, or drops it. */
void making_add(struct making *making, json_t *list, json_t *row);
/* {success_tasks, failure_tasks}; the lists are borrowed. */
json_t *making_two_lists(json_t **ret_good, json_t **ret_bad);

/* The answers, by what was asked; `say` gets what `error` points to. */
void answer_progress(struct making *making, const ProtobufCMessage *message, char say[ANSWER_TEXT],
                     struct answer *answer);
void answer_image_holders(struct making *making, const ProtobufCMessage *message,
                          const struct holder_hosts *hosts, struct answer *answer);
void answer_file_holders(struct making *making, const ProtobufCMessage *message,
                         const struct holder_hosts *hosts, struct answer *answer);
void answer_found(struct making *making, const ProtobufCMessage *message, struct answer *answer);
void answer_file_found(struct making *making, const ProtobufCMessage *message, struct answer *answer);
void answer_dropped(struct making *making, const ProtobufCMessage *message, char say[ANSWER_TEXT],
                    struct answer *answer);
void answer_image(struct making *making, const ProtobufCMessage *message, struct answer *answer);

#endif
