/* The table of services that every module gets: darter/host.h, filled with what core/loop, core/net and
 * core/obs implement. One per process. */
#ifndef DTR_MODULE_HOST_H
#define DTR_MODULE_HOST_H

#include <darter/module.h>

/* Lives as long as the process. service_ask and question_cancel are NULL until dtr_host_serve(). */
const struct dtr_host *dtr_host_table(void);

/* The daemon's side of transports. Before any module is started. */
void dtr_host_serve(int (*ask)(struct dtr_service *service, struct dtr_loop *loop, const char *task_id,
                               uint32_t piece_number,
                               void (*answered)(void *context, const struct dtr_answer *), void *context,
                               struct dtr_question **ret_question, struct dtr_error *err),
                    void (*cancel)(struct dtr_question *question));

/* What modules' connections bring in takes its share of this limit from now on; NULL: of none. It outlives
 * them. */
struct dtr_pace;
void dtr_host_pace(struct dtr_pace *in);

/* Makes a module's counters, so that `count` finds them: darter_module_<module>_<metric>. On the main
 * thread; once per module. */
int dtr_host_metrics(const struct dtr_module *module, struct dtr_error *err);

#endif
