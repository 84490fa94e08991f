/* Any bytes as an address, a platform, a challenge, and what a registry or its token server answers. */
#include "core/base/str.h"
#include "core/oci/parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_text(const char *text)
{
    struct oci_challenge challenge = {.kind = OCI_NO_CHALLENGE};
    struct oci_reference reference;
    struct oci_platform platform;
    if (oci_reference_read(text, &reference, NULL) == DTR_OK)
        require(reference.base[0] && reference.host[0] && reference.repository[0] && reference.reference[0] &&
                !strpbrk(reference.host, "/@\r\n "));
    oci_reference_free(&reference);
    if (oci_platform_read(text, &platform, NULL) == DTR_OK)
        require(platform.os[0] && platform.architecture[0]);
    oci_challenge_read(text, &challenge);
    require(challenge.kind != OCI_BEARER || challenge.realm[0]);
    require(!strpbrk(challenge.realm, "\r\n"));
    char *url = oci_redirect("https://r.example/v2/", text);
    require(!url || (strncasecmp(url, "https://", 8) == 0 && !strpbrk(url, " \r\n")));
    free(url);
    url = oci_token_url(&challenge, "a");
    require(url != NULL);
    free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct oci_manifest manifest;
    struct oci_platform platform;
    char said[120], *token, *text = dtr_text_dup(data, size);
    if (text)
        check_text(text);
    free(text);
    require(oci_platform_read("linux/amd64", &platform, NULL) == DTR_OK);
    if (oci_manifest_read(data, size, &platform, &manifest, NULL) == DTR_OK) {
        require(manifest.count <= DTR_OCI_BLOBS_MOST &&
                (!manifest.digest[0] || oci_digest_ok(manifest.digest)));
        for (size_t i = 0; i < manifest.count; i++)
            require(oci_digest_ok(manifest.blobs[i].digest));
    }
    oci_error_read(data, size, said);
    require(!strpbrk(said, "\r\n"));
    if (oci_token_read(data, size, &token, NULL) == DTR_OK)
        require(token[0] && !strpbrk(token, "\r\n"));
    free(token);
    return 0;
}
