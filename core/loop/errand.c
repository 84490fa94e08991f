/* Errands; see errand.h. The lock is held while the message is posted, so that dtr_errand_abandon() returns
 * either before the thread has looked, and then nothing is posted any more, or after it has posted. */
#include "core/loop/errand.h"

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

static void carry_out(struct dtr_errand *errand)
{
    errand->run(errand);
    (void)pthread_mutex_lock(&errand->lock);
    bool abandoned = errand->abandoned;
    if (!abandoned)
        dtr_loop_post(errand->loop, &errand->msg);
    (void)pthread_mutex_unlock(&errand->lock);
    if (abandoned)
        finish(errand, true);
}

static int start_thread(void *(*run)(void *context), void *context, struct dtr_error *err)
{
    pthread_attr_t detached;
    pthread_t thread;
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &detached, run, context);
    (void)pthread_attr_destroy(&detached);
    if (rc == 0)
        return DTR_OK;
    return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot start a thread: %s", strerror(rc));
}

static void *go_alone(void *context)
{
    (void)pthread_setname_np(pthread_self(), "dtr-errand");
    carry_out(context);
    return NULL;
}

/* --- crews --------------------------------------------------------------------------------------------- */

/* Takes one after the other from the line, and ends when it is empty. */
static void *go_with_crew(void *context)
{
    struct dtr_crew *crew = context;
    (void)pthread_setname_np(pthread_self(), "dtr-errand");
    (void)pthread_mutex_lock(&crew->lock);
    for (struct dtr_list *node; (node = dtr_list_pop(&crew->line));) {
        crew->waiting--;
        (void)pthread_mutex_unlock(&crew->lock);
        carry_out(dtr_container(node, struct dtr_errand, link));
        (void)pthread_mutex_lock(&crew->lock);
    }
    crew->threads--;
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* Under the crew's lock. That no thread more can be had matters only when there is none. */
static int add_thread(struct dtr_crew *crew, struct dtr_error *err)
{
    if (crew->threads == crew->most)
        return DTR_OK;
    int rc = start_thread(go_with_crew, crew, err);
    if (rc == DTR_OK)
        crew->threads++;
    return crew->threads > 0 ? DTR_OK : rc;
}

static int join_line(struct dtr_errand *errand, struct dtr_error *err)
{
    struct dtr_crew *crew = errand->crew;
    int rc = DTR_OK;
    (void)pthread_mutex_lock(&crew->lock);
    if (crew->waiting >= crew->room)
        rc = dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "%u wait in line already", crew->room);
    else
        rc = add_thread(crew, err);
    if (rc == DTR_OK) {
        dtr_list_add_tail(&crew->line, &errand->link);
        crew->waiting++;
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return rc;
}

/* False: it is not in the line any more. */
static bool leave_line(struct dtr_errand *errand)
{
    struct dtr_crew *crew = errand->crew;
    (void)pthread_mutex_lock(&crew->lock);
    bool waited = dtr_list_linked(&errand->link);
    if (waited) {
        dtr_list_remove(&errand->link);
        crew->waiting--;
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return waited;
}

/* --- for the owner ------------------------------------------------------------------------------------- */

int dtr_errand_start(struct dtr_errand *errand, struct dtr_loop *loop, struct dtr_error *err)
{
    errand->loop = loop;
    errand->abandoned = false;
    errand->msg = (struct dtr_msg){.run = come_back};
    (void)pthread_mutex_init(&errand->lock, NULL);
    int rc = errand->crew ? join_line(errand, err) : start_thread(go_alone, errand, err);
    if (rc != DTR_OK)
        (void)pthread_mutex_destroy(&errand->lock);
    return rc;
}

void dtr_errand_abandon(struct dtr_errand *errand)
{
    if (errand->crew && leave_line(errand)) {
        finish(errand, true);
        return;
    }
    (void)pthread_mutex_lock(&errand->lock);
    errand->abandoned = true;
    (void)pthread_mutex_unlock(&errand->lock);
}
