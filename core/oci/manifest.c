/* Manifests, indexes, and what else registries answer with; see parts.h. */
#include "core/oci/parts.h"

#include "core/base/str.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* No manifest comes near this; and what jansson makes of a value takes a hundred times the bytes that the
 * shortest ones are written in. */
enum { VALUES_MOST = 1 << 16 };

/* Whether it may have more, as far as the characters tell without being read. */
static bool has_too_many(const char *bytes, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length && count <= VALUES_MOST; i++)
        count += bytes[i] == ',' || bytes[i] == '{' || bytes[i] == '[';
    return count > VALUES_MOST;
}

/* NULL: it is no JSON, or too much of it. */
static json_t *read_json(const void *bytes, size_t length, size_t flags)
{
    return has_too_many(bytes, length) ? NULL : json_loadb(bytes, length, flags, NULL);
}

static int bad(struct dtr_error *err, const char *what)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the manifest %s", what);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Line ends, and what a cut may leave of a character outside ASCII, have no place in a line of a log. */
static void clean(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
            *text = '?';
    }
}

/* --- an image ------------------------------------------------------------------------------------------ */

/* Those that a registry may not hold: their bytes are elsewhere. */
static bool is_foreign(const json_t *descriptor)
{
    const char *type = text_of(descriptor, "mediaType");
    return json_array_size(json_object_get(descriptor, "urls")) > 0 || strstr(type, ".foreign.") ||
           strstr(type, ".nondistributable.");
}

static int add_blob(struct oci_manifest *manifest, const json_t *descriptor, struct dtr_error *err)
{
    const char *digest = text_of(descriptor, "digest");
    const json_t *size = json_object_get(descriptor, "size");
    if (is_foreign(descriptor))
        return DTR_OK;
    if (!oci_digest_ok(digest))
        return bad(err, "names a blob without a sha256 or sha512 digest");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return bad(err, "names a blob without a size");
    for (size_t i = 0; i < manifest->count; i++) {
        if (strcmp(manifest->blobs[i].digest, digest) == 0)
            return DTR_OK;
    }
    if (manifest->count == DTR_OCI_BLOBS_MOST)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "the manifest names more than %d blobs",
                             DTR_OCI_BLOBS_MOST);
    struct oci_blob *blob = &manifest->blobs[manifest->count++];
    (void)dtr_copy_text(blob->digest, sizeof(blob->digest), digest);
    blob->size = (uint64_t)json_integer_value(size);
    return DTR_OK;
}

static int read_image(const json_t *json, struct oci_manifest *manifest, struct dtr_error *err)
{
    const json_t *layers = json_object_get(json, "layers");
    int rc = add_blob(manifest, json_object_get(json, "config"), err);
    for (size_t i = 0; i < json_array_size(layers) && rc == DTR_OK; i++)
        rc = add_blob(manifest, json_array_get(layers, i), err);
    return rc;
}

/* --- an index ------------------------------------------------------------------------------------------ */

/* What a descriptor in an index states; false when it states no platform, or one of absurd length. */
static bool read_platform(const json_t *descriptor, struct oci_platform *ret_platform)
{
    const json_t *stated = json_object_get(descriptor, "platform");
    *ret_platform = (struct oci_platform){0};
    return dtr_copy_text(ret_platform->os, sizeof(ret_platform->os), text_of(stated, "os")) &&
           dtr_copy_text(ret_platform->architecture, sizeof(ret_platform->architecture),
                         text_of(stated, "architecture")) &&
           dtr_copy_text(ret_platform->variant, sizeof(ret_platform->variant), text_of(stated, "variant")) &&
           ret_platform->os[0] && ret_platform->architecture[0];
}

/* Builders keep attestations in an index as images for "unknown/unknown". */
static void list_platforms(const json_t *list, struct dtr_str *out)
{
    struct oci_platform offered;
    char text[OCI_PLATFORM_TEXT];
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!read_platform(json_array_get(list, i), &offered) || strcmp(offered.os, "unknown") == 0)
            continue;
        oci_platform_text(&offered, text);
        dtr_str_printf(out, "%s%s", out->length > 0 ? ", " : "", text);
    }
}

static int none_suits(const json_t *list, const struct oci_platform *wanted, struct dtr_error *err)
{
    struct dtr_str offered = {0};
    char text[OCI_PLATFORM_TEXT];
    oci_platform_text(wanted, text);
    list_platforms(list, &offered);
    int rc = dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                           "the image is not there for platform %.60s; it is for %.120s", text,
                           offered.length > 0 ? dtr_str_text(&offered) : "none that it names");
    dtr_str_free(&offered);
    if (err)
        clean(err->text);
    return rc;
}

/* The first of those that suit best. */
static int read_index(const json_t *list, const struct oci_platform *wanted, struct oci_manifest *manifest,
                      struct dtr_error *err)
{
    const char *chosen = NULL;
    unsigned best = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *descriptor = json_array_get(list, i);
        struct oci_platform offered;
        unsigned rank = read_platform(descriptor, &offered) ? oci_platform_rank(&offered, wanted) : 0;
        if (rank > best) {
            best = rank;
            chosen = text_of(descriptor, "digest");
        }
    }
    if (!chosen)
        return none_suits(list, wanted, err);
    if (!oci_digest_ok(chosen))
        return bad(err, "names an image without a sha256 or sha512 digest");
    (void)dtr_copy_text(manifest->digest, sizeof(manifest->digest), chosen);
    return DTR_OK;
}

int oci_manifest_read(const void *bytes, size_t length, const struct oci_platform *platform,
                      struct oci_manifest *ret_manifest, struct dtr_error *err)
{
    int rc;
    json_t *json = read_json(bytes, length, JSON_REJECT_DUPLICATES);
    ret_manifest->count = 0;
    ret_manifest->digest[0] = '\0';
    if (!json && has_too_many(bytes, length))
        rc = dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "the manifest has more than %d values",
                           VALUES_MOST);
    else if (!json_is_object(json))
        rc = bad(err, "is no JSON object");
    else if (json_object_get(json, "manifests") && json_object_get(json, "layers"))
        rc = bad(err, "is both an image and an index");
    else if (json_is_array(json_object_get(json, "manifests")))
        rc = read_index(json_object_get(json, "manifests"), platform, ret_manifest, err);
    else if (json_is_array(json_object_get(json, "layers")) &&
             json_is_object(json_object_get(json, "config")))
        rc = read_image(json, ret_manifest, err);
    else if (json_is_array(json_object_get(json, "fsLayers")))
        rc = dtr_error_set(
            err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
            "the manifest is Docker's schema 1, which is not supported; push the image again with "
            "a present tool");
    else
        rc = bad(err, "is neither an image nor an index");
    json_decref(json);
    return rc;
}

/* --- other answers ------------------------------------------------------------------------------------- */

void oci_error_read(const void *bytes, size_t length, char text[120])
{
    json_t *json = read_json(bytes, length, 0);
    const json_t *first = json_array_get(json_object_get(json, "errors"), 0);
    text[0] = '\0';
    if (first)
        (void)snprintf(text, 120, "%.40s: %.70s", text_of(first, "code"), text_of(first, "message"));
    clean(text);
    json_decref(json);
}

/* As a header's value must be. */
static bool visible(const char *text)
{
    while (*text > ' ' && *text < 0x7f)
        text++;
    return !*text;
}

int oci_token_read(const void *bytes, size_t length, char **ret_token, struct dtr_error *err)
{
    json_t *json = read_json(bytes, length, 0);
    const char *token = text_of(json, "token");
    int rc = DTR_OK;
    if (!token[0])
        token = text_of(json, "access_token");
    *ret_token = NULL;
    if (!token[0] || !visible(token))
        rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the answer holds no token");
    else if (!(*ret_token = strdup(token)))
        rc = dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for an image");
    json_decref(json);
    return rc;
}
