/* Task ids; see task_id.h. */
#include "core/brain/task_id.h"
#include "core/brain/url.h"
#include <string.h>

static void add_text(struct dtr_digest *digest, const char *text)
{
    if (text)
        dtr_digest_add(digest, text, strlen(text));
}

static void add_number(struct dtr_digest *digest, uint64_t number)
{
    char text[24];

    if (number > 0) {
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
        add_text(digest, text);
    }
}

static void end(char id[DTR_TASK_ID_SIZE], struct dtr_digest *digest)
{
    char hex[129];

    dtr_digest_end(digest, hex);
    memcpy(id, hex, DTR_TASK_ID_LENGTH);
    id[DTR_TASK_ID_LENGTH] = 0;
}

/* The bare root is left out: "https://example.com/" is hashed as "https://example.com". Every slash at the
 * end goes, wherever it belongs: with a path of "/", "https://example.com/#/" ends in '#'. */
static size_t without_root(const struct dtr_url *url)
{
    const char *text = dtr_str_text(&url->text);
    size_t length = url->text.length;

    if (url->query - url->path == 1 && text[url->path] == '/')
        while (length > 0 && text[length - 1] == '/')
            length--;
    return length;
}

static int hash_url(char id[DTR_TASK_ID_SIZE], const struct dtr_task_key *key, const struct dtr_url *url,
                    struct dtr_error *err)
{
    struct dtr_digest *digest = NULL;
    int code = dtr_digest_new("sha256", &digest, err);

    if (code)
        return code;
    dtr_digest_add(digest, dtr_str_text(&url->text), without_root(url));
    add_text(digest, key->tag);
    add_text(digest, key->application);
    add_text(digest, key->revision);
    add_number(digest, key->piece_length);
    add_text(digest, "STANDARD");
    end(id, digest);
    dtr_digest_free(digest);
    return DTR_OK;
}

static bool blob_id(char id[DTR_TASK_ID_SIZE], const char *url)
{
    struct dtr_blob_url blob;

    if (!dtr_url_blob(url, strlen(url), &blob) || blob.hex_length != DTR_TASK_ID_LENGTH)
        return false;
    memcpy(id, blob.hex, DTR_TASK_ID_LENGTH);
    id[DTR_TASK_ID_LENGTH] = 0;
    return true;
}

int dtr_task_id(char id[DTR_TASK_ID_SIZE], const struct dtr_task_key *key, struct dtr_error *err)
{
    struct dtr_url url = {0};
    int code;

    if (key->content) {
        dtr_task_id_content(id, key->content);
        return DTR_OK;
    }
    if (!key->url)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "a task needs a URL");
    if (key->blob_digest && blob_id(id, key->url))
        return DTR_OK;
    code = dtr_url_parse(&url, key->url, strlen(key->url), err);
    if (!code)
        code = dtr_url_filter(&url, key->filter, key->filter_count, err);
    if (!code)
        code = hash_url(id, key, &url, err);
    dtr_url_free(&url);
    return code;
}

int dtr_task_id_persistent(char id[DTR_TASK_ID_SIZE], const char *url, const char *region,
                           const char *endpoint, struct dtr_error *err)
{
    struct dtr_digest *digest = NULL;
    int code;

    if (!url || !*url || !region || !*region || !endpoint || !*endpoint)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "a persistent task needs a URL, a region and an endpoint");
    code = dtr_digest_new("sha256", &digest, err);
    if (code)
        return code;
    add_text(digest, url);
    add_text(digest, region);
    add_text(digest, endpoint);
    add_text(digest, "PERSISTENT");
    end(id, digest);
    dtr_digest_free(digest);
    return DTR_OK;
}

void dtr_task_id_content(char id[DTR_TASK_ID_SIZE], const char *content)
{
    dtr_sha256_hex(content, strlen(content), id);
}

void dtr_task_id_cache(char id[DTR_TASK_ID_SIZE], struct dtr_digest *sha256, const char *tag,
                       const char *application, uint64_t piece_length)
{
    add_text(sha256, tag);
    add_text(sha256, application);
    add_number(sha256, piece_length);
    add_text(sha256, "PERSISTENT_CACHE");
    end(id, sha256);
}
