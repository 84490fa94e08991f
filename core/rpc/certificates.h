/* Certificates as messages carry them (DER), and as configurations and TLS libraries want them (PEM). */
#ifndef DTR_RPC_CERTIFICATES_H
#define DTR_RPC_CERTIFICATES_H

#include "core/base/str.h"
#include <darter/error.h>
#include <protobuf-c/protobuf-c.h>

struct dtr_certificates {
    ProtobufCBinaryData *list; /* DER */
    size_t count;
};

/* `value` is PEM text, or the path of a file with it; NULL or "": none. Blocks. DTR_EINVALID says what is
 * wrong, without the key of the configuration that has it. Free `ret_certificates` when it was DTR_OK. */
int dtr_certificates_read(const char *value, struct dtr_certificates *ret_certificates,
                          struct dtr_error *err);
void dtr_certificates_free(struct dtr_certificates *certificates);

/* Appends them to `pem`, whose limit may be exceeded after it. DTR_EINVALID when one is none; the text begins
 * with the name of the field. */
int dtr_certificates_pem(const ProtobufCBinaryData *list, size_t count, struct dtr_str *pem,
                         struct dtr_error *err);

#endif
