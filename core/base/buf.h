/* Making reference-counted memory (see darter/bytes.h). Any thread. */
#ifndef DTR_BASE_BUF_H
#define DTR_BASE_BUF_H

#include <darter/bytes.h>

/* The same holding a copy. */
struct dtr_buf *dtr_buf_copy(const void *bytes, size_t length);

#endif
