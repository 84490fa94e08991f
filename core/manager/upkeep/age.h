/* What time it is, for telling how old something is that is going to be deleted. That is the machine's date
 * as long as it goes on as time does. After a jump forward the date from before the jump goes on, until the
 * new one has stood for AGE_DOUBT_MS: a clock that is put right within that time has cost nothing. A jump
 * back is believed at once, since less is old by it. The date at the start of the process is believed. */
#ifndef DTR_MANAGER_AGE_H
#define DTR_MANAGER_AGE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    AGE_JUMP_MS = 600 * 1000,        /* what a date may gain between two looks */
    AGE_DOUBT_MS = 24 * 3600 * 1000, /* since the jump */
};

/* Now, in milliseconds since 1970. Any thread. It sees jumps from its first call on, so it is called now and
 * then. */
int64_t age_now_ms(void);

/* The same for a date and a clock that are given. A zeroed one begins. */
struct age {
    bool begun, doubts;
    int64_t offset_ms; /* of the date that is believed, to the steady clock */
    struct {
        int64_t offset_ms, since_ms;
    } doubted;
};
int64_t age_judge(struct age *age, int64_t wall_ms, int64_t steady_ms);

#endif
