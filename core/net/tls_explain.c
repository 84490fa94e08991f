/* What a failed handshake or a broken connection means, in an operator's words; see tls_internal.h. */
#include "core/net/tls_internal.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* --- the other side's certificate ------------------------------------------------------------------------
 */

static void subject_of(X509 *cert, char text[TLS_SUBJECT])
{
    BIO *out = BIO_new(BIO_s_mem());
    int length = 0;
    if (out && cert && X509_NAME_print_ex(out, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
        length = BIO_read(out, text, TLS_SUBJECT - 1);
    text[length > 0 ? length : 0] = '\0';
    BIO_free(out);
}

static int add_name(char *text, int length, const GENERAL_NAME *name)
{
    char ip[INET6_ADDRSTRLEN] = "";
    const ASN1_STRING *value = name->d.ia5; /* of both kinds */
    const unsigned char *bytes =
        name->type == GEN_DNS || name->type == GEN_IPADD ? ASN1_STRING_get0_data(value) : NULL;
    int size = bytes ? ASN1_STRING_length(value) : 0, added = 0;
    const char *comma = length > 0 ? ", " : "";
    size_t room = (size_t)(TLS_NAMES - length);
    if (bytes && name->type == GEN_DNS)
        added = snprintf(text + length, room, "%s%.*s", comma, size < 60 ? size : 60, (const char *)bytes);
    else if (bytes && inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, ip, sizeof(ip)) &&
             (size == 4 || size == 16))
        added = snprintf(text + length, room, "%s%s", comma, ip);
    return added > 0 && (size_t)added < room ? length + added : length;
}

/* Whom it is for: "node1, 10.0.0.1". Names come from outside; the log escapes what is no text. */
static void names_of(X509 *cert, char text[TLS_NAMES])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int length = 0;
    text[0] = '\0';
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        length = add_name(text, length, sk_GENERAL_NAME_value(names, i));
        text[length] = '\0';
    }
    if (length == 0)
        (void)snprintf(text, TLS_NAMES, "no name");
    GENERAL_NAMES_free(names);
}

static const char *authorities(const struct dtr_tls *tls)
{
    return tls->files[DTR_TLS_CA_CERT] ? tls->files[DTR_TLS_CA_CERT] : "the system's store";
}

static void set(struct dtr_error *err, const char *text)
{
    (void)dtr_error_set(err, DTR_EDENIED, DTR_RETRY_ELSEWHERE, "%s", text);
}

static bool is_without_issuer(int error)
{
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_CERT_SIGNATURE_FAILURE;
}

void tls_explain_certificate(const struct dtr_tls *tls, const char *wanted, const X509_STORE_CTX *store,
                             struct dtr_error *ret_err)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    char subject[TLS_SUBJECT] = "", names[TLS_NAMES], date[TLS_DATE], text[320];
    if (is_without_issuer(error))
        cert = X509_STORE_CTX_get0_cert(store); /* whichever of those above it the chain ended at */
    if (cert)
        subject_of(cert, subject);
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        tls_date(X509_get0_notAfter(cert), date);
        (void)snprintf(text, sizeof(text), "its certificate (%s) expired on %s", subject, date);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        tls_date(X509_get0_notBefore(cert), date);
        (void)snprintf(text, sizeof(text), "its certificate (%s) is not valid before %s; is the clock right?",
                       subject, date);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        names_of(cert, names);
        (void)snprintf(text, sizeof(text), "its certificate (%s) is for %s, not for %.60s", subject, names,
                       wanted);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        (void)snprintf(text, sizeof(text), "its certificate (%s) is signed by no authority in %.100s",
                       subject, authorities(tls));
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        (void)snprintf(text, sizeof(text),
                       "its certificate (%s) may not be used by a %s (extended key usage)", subject,
                       tls->side == DTR_TLS_SERVER ? "client" : "server");
        break;
    default:
        if (is_without_issuer(error))
            (void)snprintf(text, sizeof(text), "its certificate (%s) is signed by no authority in %.100s",
                           subject, authorities(tls));
        else
            (void)snprintf(text, sizeof(text), "its certificate (%s) is no good: %s", subject,
                           X509_verify_cert_error_string(error));
        break;
    }
    set(ret_err, text);
}

/* --- what it says of ours --------------------------------------------------------------------------------
 */

static const struct {
    int alert;
    bool certificate; /* it is about ours */
    const char *text;
} alerts[] = {
    {SSL_AD_HANDSHAKE_FAILURE, false, "finds no common ground (ciphers, or a certificate that it asks for)"},
    {SSL_AD_BAD_CERTIFICATE, true, "refuses the certificate"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, true, "refuses the certificate for its kind"},
    {SSL_AD_CERTIFICATE_REVOKED, true, "refuses the certificate as revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, true, "refuses the certificate as expired"},
    {SSL_AD_CERTIFICATE_UNKNOWN, true, "refuses the certificate"},
    {SSL_AD_UNKNOWN_CA, true, "does not know who signed the certificate"},
    {SSL_AD_PROTOCOL_VERSION, false, "speaks no TLS version that is spoken here (1.2 and 1.3)"},
    {TLS13_AD_CERTIFICATE_REQUIRED, true, "asks for a certificate, and gets none"},
    {SSL_AD_NO_APPLICATION_PROTOCOL, false, "does not speak HTTP/2 there (ALPN)"},
};

static void explain_alert(const struct dtr_tls *tls, int alert, struct dtr_error *err)
{
    const char *cert = tls->files[DTR_TLS_CERT];
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].alert != alert)
            continue;
        bool shown = alerts[i].certificate && cert;
        (void)dtr_error_set(err, DTR_EDENIED, DTR_RETRY_ELSEWHERE, "%s%s%.120s", alerts[i].text,
                            shown ? " in " : "", shown ? cert : "");
        return;
    }
    (void)dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE, "ends TLS with alert %d (%s)", alert,
                        SSL_alert_desc_string_long(alert));
}

/* --- the rest --------------------------------------------------------------------------------------------
 */

static void explain_end(const struct tls_failure *failure, struct dtr_error *err)
{
    if (!failure->settled)
        (void)dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_ELSEWHERE,
                            "closed by the other side during the TLS handshake");
    else
        (void)dtr_error_set(err, DTR_ECLOSED, DTR_RETRY_ELSEWHERE,
                            "cut off: the other side ended without TLS's close_notify");
}

static void explain_reason(const struct tls_failure *failure, int reason, struct dtr_error *err)
{
    const char *text = NULL;
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        (void)dtr_error_set(err, DTR_EDENIED, DTR_RETRY_ELSEWHERE,
                            "shows no certificate; one signed by an authority in %.120s is asked for",
                            authorities(failure->tls));
        return;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        explain_end(failure, err);
        return;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        if (!failure->settled)
            text = "does not speak TLS";
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        text = "offers no TLS version that is spoken here (1.2 and 1.3)";
        break;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        text = "does not offer HTTP/2 (ALPN h2)";
        break;
    default:
        break;
    }
    if (text)
        (void)dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE, "%s", text);
    else
        (void)dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_ELSEWHERE, "TLS fails: %s",
                            ERR_reason_error_string(ERR_peek_error())
                                ? ERR_reason_error_string(ERR_peek_error())
                                : "no reason is known");
}

void tls_explain(const struct tls_failure *failure, struct dtr_error *ret_err)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    if (failure->number)
        (void)dtr_error_set(ret_err, DTR_ECLOSED, DTR_RETRY_ELSEWHERE, "%s: %s",
                            failure->settled ? "the connection broke"
                                             : "the connection broke during the TLS handshake",
                            strerror(failure->number));
    else if (code == 0)
        explain_end(failure, ret_err);
    else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
        explain_alert(failure->tls, reason - SSL_AD_REASON_OFFSET, ret_err);
    else
        explain_reason(failure, reason, ret_err);
}
