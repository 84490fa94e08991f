/* Pieces for other peers: the Vortex port on the data threads, and gRPC for peers and local tools. */
#ifndef DTR_DAEMON_UPLOAD_H
#define DTR_DAEMON_UPLOAD_H

#include "core/daemon/role.h"

/* Binds the transport's port; before the loops run. */
int upload_new(struct dtr_daemon *daemon, struct upload **ret_upload, struct dtr_error *err);
/* dtr_tasks_options.piece; the context is the daemon. */
void upload_piece(void *context, struct dtr_task *task, const struct dtr_piece *piece);
/* Adds DfdaemonUpload to `peers` and DfdaemonDownload to `local`. */
int upload_serve(struct dtr_daemon *daemon, struct dtr_rpc_table *peers, struct dtr_rpc_table *local,
                 struct dtr_error *err);
/* Bounds of the gRPC server: requests are small, whoever sends them. */
extern const struct dtr_rpc_limits upload_limits;
/* On the control loop: upload.contentMemory is what the configuration says now. */
void upload_limit_content(struct upload *upload);
/* On the control loop: stops listening, answers questions that wait with "not found", lets what is being sent
 * end within `limit_ms`. `stopped` comes later on the control loop. */
void upload_stop(struct upload *upload, uint64_t limit_ms, void (*stopped)(void *context), void *context);
/* On the control loop, when tasks and servers are gone: waits for what is on worker threads. `ended` comes
 * later. */
void upload_end(struct upload *upload, void (*ended)(void *context), void *context);
/* After the loops have ended: answers may be on their way until then. NULL is fine. */
void upload_free(struct upload *upload);

/* service_ask and question_cancel of darter/host.h. */
int upload_ask(struct dtr_service *service, struct dtr_loop *loop, const char *task_id, uint32_t piece_number,
               void (*answered)(void *context, const struct dtr_answer *answer), void *context,
               struct dtr_question **ret_question, struct dtr_error *err);
void upload_cancel(struct dtr_question *question);

#endif
