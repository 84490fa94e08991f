/* Errands; see errand.h. The lock is held while the message is posted, so that dtr_errand_abandon() returns
 * either before the thread has looked, and then nothing is posted any more, or after it has posted. */
#include "core/loop/errand.h"

#include "core/base/list.h"

static void finish(struct dtr_errand *errand, bool abandoned)
{
    (void)pthread_mutex_destroy(&errand->lock);
    if (abandoned)
        errand->drop(errand);
    else
        errand->done(errand);
}

static void come_back(struct dtr_msg *msg)
{
    struct dtr_errand *errand = dtr_container(msg, struct dtr_errand, msg);
    (void)pthread_mutex_lock(&errand->lock); /* the thread is out of it */
    bool abandoned = errand->abandoned;
    (void)pthread_mutex_unlock(&errand->lock);
    finish(errand, abandoned);
}

static void *go(void *context)
{
    struct dtr_errand *errand = context;
    (void)pthread_setname_np(pthread_self(), "dtr-errand");
    errand->run(errand);
    (void)pthread_mutex_lock(&errand->lock);
    bool abandoned = errand->abandoned;
    if (!abandoned)
        dtr_loop_post(errand->loop, &errand->msg);
    (void)pthread_mutex_unlock(&errand->lock);
    if (abandoned)
        finish(errand, true);
    return NULL;
}

int dtr_errand_start(struct dtr_errand *errand, struct dtr_loop *loop, struct dtr_error *err)
{
    pthread_attr_t detached;
    pthread_t thread;
    errand->loop = loop;
    errand->abandoned = false;
    errand->msg = (struct dtr_msg){.run = come_back};
    (void)pthread_mutex_init(&errand->lock, NULL);
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &detached, go, errand);
    (void)pthread_attr_destroy(&detached);
    if (rc == 0)
        return DTR_OK;
    (void)pthread_mutex_destroy(&errand->lock);
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot start a thread: %s", strerror(rc));
}

void dtr_errand_abandon(struct dtr_errand *errand)
{
    (void)pthread_mutex_lock(&errand->lock);
    errand->abandoned = true;
    (void)pthread_mutex_unlock(&errand->lock);
}
