/* Normalising a URL twice gives the same as once, with and without a rewritten query, and the parts stay in
 * order whatever the input. */
#include "core/brain/url.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_parts(const struct dtr_url *url)
{
    const char *text = dtr_str_text(&url->text);

    must(strlen(text) == url->text.length && url->text.length <= DTR_URL_MAX);
    must(url->scheme_length + 3 <= url->host && url->host <= url->host_end && url->host_end <= url->path);
    must(url->path <= url->query && url->query <= url->fragment && url->fragment <= url->text.length);
    must(url->path == url->query || text[url->path] == '/');
    must(url->query == url->fragment || text[url->query] == '?');
    must(url->fragment == url->text.length || text[url->fragment] == '#');
    for (size_t i = 0; i < url->text.length; i++)
        must(text[i] > ' ' && text[i] < 0x7f);
}

static void check_again(const struct dtr_url *first, bool filtered)
{
    struct dtr_url second = {0};
    struct dtr_error err;

    check_parts(first);
    if (dtr_url_parse(&second, first->text.text, first->text.length, &err))
        abort();
    if (filtered)
        must(dtr_url_filter(&second, NULL, 0, &err) == DTR_OK || err.code == DTR_ELIMIT);
    check_parts(&second);
    must(strcmp(dtr_str_text(&first->text), dtr_str_text(&second.text)) == 0);
    must(first->port == second.port && first->path == second.path && first->query == second.query);
    dtr_url_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dtr_url url = {0};
    struct dtr_error err;

    if (dtr_url_parse(&url, (const char *)data, size, &err) == DTR_OK) {
        check_again(&url, false);
        if (dtr_url_filter(&url, NULL, 0, &err) == DTR_OK)
            check_again(&url, true);
        if (dtr_url_filter(&url, dtr_url_default_filter, dtr_url_default_filter_count, &err) == DTR_OK)
            check_again(&url, true);
    }
    dtr_url_free(&url);
    return 0;
}
