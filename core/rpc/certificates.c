/* See certificates.h. */
#include "core/rpc/certificates.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1000 };

static int add(struct dtr_certificates *certificates, const X509 *certificate, struct dtr_error *err)
{
    unsigned char *bytes = NULL;
    const int length = i2d_X509(certificate, &bytes);
    ProtobufCBinaryData *list =
        length > 0 ? realloc(certificates->list, (certificates->count + 1) * sizeof(*list)) : NULL;
    ProtobufCBinaryData der = {.len = length > 0 ? (size_t)length : 0};
    if (list) {
        certificates->list = list;
        der.data = malloc(der.len);
    }
    if (der.data) {
        memcpy(der.data, bytes, der.len);
        list[certificates->count++] = der;
    }
    OPENSSL_free(bytes);
    return der.data ? DTR_OK
                    : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for certificates");
}

static BIO *open_value(const char *value, struct dtr_error *err)
{
    BIO *bio = strstr(value, "-----BEGIN") ? BIO_new_mem_buf(value, -1) : BIO_new_file(value, "r");
    if (!bio)
        (void)dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.120s: %s", value, strerror(errno));
    return bio;
}

static int read_all(BIO *bio, struct dtr_certificates *certificates, struct dtr_error *err)
{
    X509 *certificate;
    int rc = DTR_OK;
    while (rc == DTR_OK && certificates->count < MOST &&
           (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        rc = add(certificates, certificate, err);
        X509_free(certificate);
    }
    /* The end of the text is an error too. */
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (rc == DTR_OK && (!at_end || certificates->count == 0))
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                           "needed is a PEM file, or PEM text, with one to %d certificates; certificate %zu "
                           "cannot be read",
                           (int)MOST, certificates->count + 1);
    return rc;
}

int dtr_certificates_read(const char *value, struct dtr_certificates *ret_certificates, struct dtr_error *err)
{
    *ret_certificates = (struct dtr_certificates){0};
    if (!value || !*value)
        return DTR_OK;
    BIO *bio = open_value(value, err);
    if (!bio)
        return DTR_EINVALID;
    ERR_clear_error();
    int rc = read_all(bio, ret_certificates, err);
    BIO_free(bio);
    if (rc != DTR_OK)
        dtr_certificates_free(ret_certificates);
    return rc;
}

static int write_pem(BIO *bio, const ProtobufCBinaryData *der, struct dtr_error *err)
{
    const unsigned char *at = der->data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der->len);
    int rc = DTR_OK;
    if (!certificate || at != der->data + der->len)
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                           "certificate_chain: an entry is no X.509 certificate in DER");
    else if (PEM_write_bio_X509(bio, certificate) != 1)
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for certificates");
    X509_free(certificate);
    ERR_clear_error();
    return rc;
}

int dtr_certificates_pem(const ProtobufCBinaryData *list, size_t count, struct dtr_str *pem,
                         struct dtr_error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    int rc = bio ? DTR_OK : dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for certificates");
    for (size_t i = 0; i < count && rc == DTR_OK; i++)
        rc = write_pem(bio, &list[i], err);
    const long length = rc == DTR_OK ? BIO_get_mem_data(bio, &text) : 0;
    if (length > 0)
        dtr_str_add(pem, text, (size_t)length);
    BIO_free(bio);
    return rc;
}

void dtr_certificates_free(struct dtr_certificates *certificates)
{
    for (size_t i = 0; i < certificates->count; i++)
        free(certificates->list[i].data);
    free(certificates->list);
    *certificates = (struct dtr_certificates){0};
}
