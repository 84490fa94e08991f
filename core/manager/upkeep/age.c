/* The date that things are old by; see age.h. */
#include "core/manager/upkeep/age.h"

#include "core/base/clock.h"
#include "core/obs/log.h"

#include <pthread.h>

int64_t age_judge(struct age *age, int64_t wall_ms, int64_t steady_ms)
{
    const int64_t offset_ms = wall_ms - steady_ms;
    bool jumped = age->begun && offset_ms > age->offset_ms + AGE_JUMP_MS;
    if (!jumped) {
        age->offset_ms = offset_ms;
    } else if (!age->doubts || offset_ms > age->doubted.offset_ms + AGE_JUMP_MS ||
               offset_ms < age->doubted.offset_ms - AGE_JUMP_MS) {
        age->doubted.offset_ms = offset_ms;
        age->doubted.since_ms = steady_ms;
    } else if (steady_ms - age->doubted.since_ms >= AGE_DOUBT_MS) {
        age->offset_ms = offset_ms;
        jumped = false;
    }
    age->begun = true;
    age->doubts = jumped;
    return steady_ms + age->offset_ms;
}

int64_t age_now_ms(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct age age;
    (void)pthread_mutex_lock(&lock);
    bool doubted = age.doubts;
    int64_t now_ms = age_judge(&age, dtr_wall_ns() / 1000000, (int64_t)dtr_now_ms());
    bool news = age.doubts && !doubted;
    (void)pthread_mutex_unlock(&lock);
    if (news)
        dtr_log(DTR_LOG_WARN, NULL,
                "the machine's date has jumped forward: until it has stood for a day, what is old is told by "
                "the one before");
    return now_ms;
}
