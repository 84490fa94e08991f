/* Worker threads; see pool.h. */
#include "core/loop/pool.h"

#include <pthread.h>
#include <stdlib.h>

struct dtr_pool {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct dtr_list jobs; /* struct dtr_job.link */
    size_t waiting, limit;
    bool ending;
    unsigned thread_count;
    pthread_t *threads;
};

static void finish_job(struct dtr_msg *msg)
{
    struct dtr_job *job = dtr_container(msg, struct dtr_job, msg);
    job->done(job);
}

/* Runs a job outside the lock. Without `loop` the job is its owner's from the end of run(). */
static void run_job(struct dtr_pool *pool, struct dtr_job *job)
{
    struct dtr_loop *loop = job->loop;
    pthread_mutex_unlock(&pool->lock);
    job->run(job);
    if (loop) {
        job->msg.run = finish_job;
        dtr_loop_post(loop, &job->msg);
    }
    pthread_mutex_lock(&pool->lock);
}

static void *worker(void *context)
{
    struct dtr_pool *pool = context;
    (void)pthread_setname_np(pthread_self(), "dtr-work");
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct dtr_list *node = dtr_list_pop(&pool->jobs);
        if (node) {
            pool->waiting--;
            run_job(pool, dtr_container(node, struct dtr_job, link));
            continue;
        }
        if (pool->ending)
            break;
        pthread_cond_wait(&pool->filled, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int dtr_pool_new(unsigned threads, size_t limit, struct dtr_pool **ret_pool, struct dtr_error *err)
{
    struct dtr_pool *pool = calloc(1, sizeof(*pool));
    if (pool)
        pool->threads = calloc(threads, sizeof(*pool->threads));
    if (!pool || !pool->threads) {
        free(pool);
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for worker threads");
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->filled, NULL);
    dtr_list_init(&pool->jobs);
    pool->limit = limit;
    for (; pool->thread_count < threads; pool->thread_count++) {
        int rc = pthread_create(&pool->threads[pool->thread_count], NULL, worker, pool);
        if (rc != 0) {
            dtr_pool_free(pool);
            return dtr_error_set(err, DTR_EIO, DTR_RETRY_SAME, "cannot start a worker thread: %s",
                                 strerror(rc));
        }
    }
    *ret_pool = pool;
    return DTR_OK;
}

void dtr_pool_free(struct dtr_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

int dtr_pool_submit(struct dtr_pool *pool, struct dtr_job *job, struct dtr_error *err)
{
    pthread_mutex_lock(&pool->lock);
    const bool full = pool->waiting >= pool->limit;
    if (!full) {
        pool->waiting++;
        dtr_list_add_tail(&pool->jobs, &job->link);
        pthread_cond_signal(&pool->filled);
    }
    pthread_mutex_unlock(&pool->lock);
    return full ? dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_SAME, "%zu jobs wait for a worker thread already",
                                pool->limit)
                : DTR_OK;
}
