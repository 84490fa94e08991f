/* Certificates for tests; see tls_rig.h. */
#include "core/net/tls_rig.h"

#include "core/base/digest.h"
#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DAY_S = 24 * 3600 };

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "certificates for the test: %s failed\n", what);
        abort();
    }
}

static void extend(X509 *cert, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    must(extension && X509_add_ext(cert, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static X509 *new_certificate(const char *name, EVP_PKEY *key, X509 *issuer, long from_s, long until_s)
{
    X509 *cert = X509_new();
    uint32_t serial = 0;
    dtr_random(&serial, sizeof(serial));
    must(cert && X509_set_version(cert, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)(serial >> 1)) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(cert), from_s) &&
             X509_gmtime_adj(X509_getm_notAfter(cert), until_s) && X509_set_pubkey(cert, key) == 1,
         "a certificate");
    X509_NAME *subject = X509_get_subject_name(cert);
    must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) ==
             1,
         "a subject");
    must(X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject) == 1, "an issuer");
    return cert;
}

static void save(const struct tls_rig *rig, const char *name, const X509 *cert, const EVP_PKEY *key)
{
    FILE *file = fopen(tls_rig_path(rig, name), "w");
    must(file != NULL, name);
    must(!cert || PEM_write_X509(file, cert) == 1, "writing");
    must(!key || PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1, "writing");
    must(fclose(file) == 0, "writing");
}

static X509 *new_authority(const struct tls_rig *rig, const char *name, EVP_PKEY **ret_key)
{
    char file[32];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    must(key != NULL, "a key");
    X509 *cert = new_certificate(name, key, NULL, -DAY_S, DAY_S);
    extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
    extend(cert, cert, NID_subject_key_identifier, "hash");
    must(X509_sign(cert, key, EVP_sha256()) > 0, "signing");
    (void)snprintf(file, sizeof(file), "%s.pem", name);
    save(rig, file, cert, NULL);
    *ret_key = key;
    return cert;
}

void tls_rig_open(struct tls_rig *rig)
{
    (void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/darter-tls-XXXXXX");
    must(mkdtemp(rig->folder) != NULL, "a folder");
    rig->ca = new_authority(rig, "ca", &rig->ca_key);
    rig->other = new_authority(rig, "other", &rig->other_key);
}

void tls_rig_close(struct tls_rig *rig)
{
    DIR *folder = opendir(rig->folder);
    for (struct dirent *at; folder && (at = readdir(folder));) {
        if (at->d_name[0] != '.')
            (void)unlink(tls_rig_path(rig, at->d_name));
    }
    if (folder)
        (void)closedir(folder);
    (void)rmdir(rig->folder);
    X509_free(rig->ca);
    X509_free(rig->other);
    EVP_PKEY_free(rig->ca_key);
    EVP_PKEY_free(rig->other_key);
}

void tls_rig_issue(const struct tls_rig *rig, const char *name, const struct tls_rig_wish *wish)
{
    char file[64];
    X509 *issuer = wish->other ? rig->other : rig->ca;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool now = wish->from_s == 0 && wish->until_s == 0;
    must(key != NULL, "a key");
    X509 *cert = new_certificate(name, key, issuer, now ? -60 : wish->from_s, now ? DAY_S : wish->until_s);
    if (wish->names)
        extend(cert, issuer, NID_subject_alt_name, wish->names);
    if (wish->usage)
        extend(cert, issuer, NID_ext_key_usage, wish->usage);
    must(X509_sign(cert, wish->other ? rig->other_key : rig->ca_key, EVP_sha256()) > 0, "signing");
    (void)snprintf(file, sizeof(file), "%s.pem", name);
    save(rig, file, cert, NULL);
    (void)snprintf(file, sizeof(file), "%s.key", name);
    save(rig, file, NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void tls_rig_lock_key(const struct tls_rig *rig, const char *name)
{
    FILE *file = fopen(tls_rig_path(rig, name), "w");
    must(file != NULL, name);
    must(PEM_write_PKCS8PrivateKey(file, rig->ca_key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL) == 1,
         "writing");
    must(fclose(file) == 0, "writing");
}

void tls_rig_write(const struct tls_rig *rig, const char *name, const char *text)
{
    FILE *file = fopen(tls_rig_path(rig, name), "w");
    must(file != NULL, name);
    must(fputs(text, file) >= 0 && fclose(file) == 0, "writing");
}

const char *tls_rig_path(const struct tls_rig *rig, const char *name)
{
    static char paths[8][192];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof(paths[0]), "%.60s/%.120s", rig->folder, name);
    return path;
}
