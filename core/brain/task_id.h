/* The name under which all daemons know an object: 64 lower-case hex digits (wire page 3.5). Each daemon
 * computes it for itself, so it must match that of every other implementation bit for bit; a wrong one is
 * no error anywhere, it only means that nothing is shared. Pure; any thread.
 *
 * Absent texts are NULL or "": both hash to nothing. */
#ifndef DTR_BRAIN_TASK_ID_H
#define DTR_BRAIN_TASK_ID_H

#include "core/base/digest.h"
#include <darter/error.h>
#include <darter/piece.h>

#define DTR_TASK_ID_SIZE (DTR_TASK_ID_LENGTH + 1) /* bytes, with the NUL */

/* What the id of a standard task depends on. Nothing else does: not the range, headers, expected digest. */
struct dtr_task_key {
    const char *content; /* content_for_calculating_task_id; wins over all else when not NULL */
    const char *url;
    bool blob_digest; /* enable_task_id_based_blob_digest: a sha256 blob URL of an OCI registry gives its
                         digest */
    const char *tag, *application;
    const char *revision;      /* of the hugging_face, model_scope or open_csg part of a request */
    uint64_t piece_length;     /* bytes, only when the request asked for one; else 0 */
    const char *const *filter; /* query parameters left out; see dtr_url_default_filter */
    size_t filter_count;
};

/* Fails when the URL cannot be normalised (url.h). With blob_digest, a URL that names no blob is hashed like
 * any other, as is one with a sha512 digest, which is too long for an id. */
int dtr_task_id(char id[DTR_TASK_ID_SIZE], const struct dtr_task_key *key, struct dtr_error *err);

/* Persistent tasks live in an object store; all three are needed. */
int dtr_task_id_persistent(char id[DTR_TASK_ID_SIZE], const char *url, const char *region,
                           const char *endpoint, struct dtr_error *err);

/* A persistent cache task named by a text of the user's. */
void dtr_task_id_content(char id[DTR_TASK_ID_SIZE], const char *content);
/* A persistent cache task named by its bytes: `sha256` has been fed with all of them and ends here (it
 * still has to be freed). piece_length 0: not asked for. */
void dtr_task_id_cache(char id[DTR_TASK_ID_SIZE], struct dtr_digest *sha256, const char *tag,
                       const char *application, uint64_t piece_length);

#endif
