/* Asking a registry what an image is made of (core/oci/fetch.h), for one call of a job. Control thread. */
#ifndef DTR_SCHEDULER_IMAGE_H
#define DTR_SCHEDULER_IMAGE_H

#include "core/oci/fetch.h"
#include "core/scheduler/role.h"
#include "core/scheduler/wish.h"

struct image;

/* Once, later: with the image or with an error; the question is gone when it returns. */
typedef void image_done(void *context, const struct dtr_oci_image *image, const struct dtr_error *err);

/* DTR_EINVALID: the URL, the platform or a certificate is none. DTR_EUNSUPPORTED: there is nothing to ask a
 * registry with. `wish` may go meanwhile. */
int image_ask(struct dtr_scheduler *scheduler, const struct wish *wish, image_done *done, void *context,
              struct image **ret_image, struct dtr_error *err);
/* `done` follows, later, with DTR_ECANCELLED. */
void image_cancel(struct image *image);

#endif
