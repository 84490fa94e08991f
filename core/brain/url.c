/* URL parsing, component by component; see url.h. Hosts are in url_host.c, queries in url_encode.c. */
#include "core/brain/url.h"
#include "core/brain/url_internal.h"
#include <string.h>

static const struct {
    const char *name;
    int port;
} http_like_schemes[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}, {"ftp", 21}};

/* The text that is left, and the URL that grows from it. */
struct parse {
    const char *at, *end;
    struct dtr_url *url;
    struct dtr_error *err;
    int default_port;
};

static int refuse(struct parse *p, const char *why)
{
    return dtr_error_set(p->err, DTR_EINVALID, DTR_RETRY_NEVER, "URL %s", why);
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether c ends a component: one of `set`, or a backslash that counts as a slash. */
static bool stops(const struct parse *p, char c, const char *set)
{
    return (c && strchr(set, c)) || (c == '\\' && p->url->http_like);
}

static const char *find_stop(const struct parse *p, const char *set)
{
    const char *at = p->at;

    while (at < p->end && !stops(p, *at, set))
        at++;
    return at;
}

/* Without blanks around, without tabs and newlines anywhere; UTF-8 or refused. */
static int tidy(struct dtr_str *out, const char *text, size_t length, struct dtr_error *err)
{
    while (length > 0 && (unsigned char)text[0] <= 0x20)
        text++, length--;
    while (length > 0 && (unsigned char)text[length - 1] <= 0x20)
        length--;
    for (size_t i = 0, step; i < length; i += step) {
        bool valid;
        step = url_utf8(text + i, length - i, &valid);
        if (!valid)
            return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "URL is not UTF-8");
        if (text[i] != '\t' && text[i] != '\n' && text[i] != '\r')
            dtr_str_add(out, text + i, step);
    }
    return DTR_OK;
}

static int parse_scheme(struct parse *p)
{
    struct dtr_str *text = &p->url->text;

    if (p->at == p->end || !is_alpha(*p->at))
        return refuse(p, "has no scheme");
    for (; p->at < p->end && *p->at != ':'; p->at++) {
        char c = *p->at;
        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
            return refuse(p, "has no scheme");
        dtr_str_putc(text, (char)(is_alpha(c) ? c | 0x20 : c));
    }
    if (p->at == p->end)
        return refuse(p, "has no scheme");
    p->at++;
    p->url->scheme_length = text->length;
    if (strcmp(dtr_str_text(text), "file") == 0)
        return refuse(p, "is of a local file");
    p->default_port = -1;
    for (size_t i = 0; i < sizeof(http_like_schemes) / sizeof(http_like_schemes[0]); i++)
        if (strcmp(http_like_schemes[i].name, dtr_str_text(text)) == 0) {
            p->url->http_like = true;
            p->default_port = http_like_schemes[i].port;
        }
    dtr_str_puts(text, "://");
    return DTR_OK;
}

/* http-like schemes take any number of slashes, turned or not; others exactly two. */
static int parse_slashes(struct parse *p)
{
    if (p->url->http_like) {
        while (p->at < p->end && stops(p, *p->at, "/"))
            p->at++;
        return DTR_OK;
    }
    if (p->end - p->at < 2 || memcmp(p->at, "//", 2) != 0)
        return refuse(p, "has no // after the scheme");
    p->at += 2;
    return DTR_OK;
}

/* user:password@, up to the last '@' of the authority; an empty part leaves its sign out. */
static void parse_userinfo(struct parse *p, const char *authority_end)
{
    struct dtr_str *text = &p->url->text;
    const char *at_sign = memrchr(p->at, '@', (size_t)(authority_end - p->at));
    const char *colon, *user_end;

    if (!at_sign)
        return;
    colon = memchr(p->at, ':', (size_t)(at_sign - p->at));
    user_end = colon ? colon : at_sign;
    url_encode(text, p->at, (size_t)(user_end - p->at), URL_SET_USERINFO);
    if (colon && colon + 1 < at_sign) {
        dtr_str_putc(text, ':');
        url_encode(text, colon + 1, (size_t)(at_sign - colon - 1), URL_SET_USERINFO);
    }
    if (text->length > p->url->scheme_length + strlen("://"))
        dtr_str_putc(text, '@');
    p->at = at_sign + 1;
}

static int parse_port(struct parse *p, const char *at, const char *end)
{
    int port = 0;

    if (at == end)
        return DTR_OK;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return refuse(p, "has a port that is no number");
        port = port * 10 + (*at - '0');
        if (port > 65535)
            return refuse(p, "has a port above 65535");
    }
    if (port != p->default_port) {
        p->url->port = port;
        dtr_str_printf(&p->url->text, ":%d", port);
    }
    return DTR_OK;
}

static const char *find_port(const char *at, const char *end)
{
    bool in_brackets = false;

    for (; at < end; at++) {
        if (*at == '[')
            in_brackets = true;
        else if (*at == ']')
            in_brackets = false;
        else if (*at == ':' && !in_brackets)
            return at;
    }
    return end;
}

static int parse_authority(struct parse *p)
{
    struct dtr_url *url = p->url;
    const char *end = find_stop(p, "/?#"), *host = p->at, *colon;
    int code;

    parse_userinfo(p, end);
    colon = find_port(p->at, end);
    if (colon == p->at && (url->http_like || colon < end || p->at > host))
        return refuse(p, "has no host");
    url->host = url->text.length;
    code = url_host(&url->text, p->at, (size_t)(colon - p->at), url->http_like, p->err);
    if (code)
        return code;
    url->host_end = url->text.length;
    p->at = end;
    return colon < end ? parse_port(p, colon + 1, end) : DTR_OK;
}

/* 1 for ".", 2 for "..", in any spelling of the dots; else 0. */
static int dots_in(const char *at, const char *end)
{
    int dots = 0;

    while (at < end) {
        if (*at == '.')
            at++;
        else if (end - at >= 3 && at[0] == '%' && at[1] == '2' && (at[2] | 0x20) == 'e')
            at += 3;
        else
            return 0;
        if (++dots > 2)
            return 0;
    }
    return dots;
}

static void drop_segment(struct dtr_url *url)
{
    struct dtr_str *text = &url->text;

    while (text->length > url->path) {
        text->length--;
        if (text->text[text->length] == '/')
            break;
    }
    text->text[text->length] = 0;
}

static void parse_path(struct parse *p)
{
    struct dtr_url *url = p->url;
    struct dtr_str *text = &url->text;
    bool last = false;

    url->path = text->length;
    if (!url->http_like && (p->at == p->end || *p->at != '/'))
        return; /* no path at all: only http-like URLs get a root */
    if (p->at < p->end && stops(p, *p->at, "/"))
        p->at++;
    while (!last && dtr_str_ok(text)) {
        const char *end = find_stop(p, "/?#");
        int dots = dots_in(p->at, end);
        last = end == p->end || *end == '?' || *end == '#';
        if (dots == 2)
            drop_segment(url);
        if (dots == 0 || last)
            dtr_str_putc(text, '/');
        if (dots == 0)
            url_encode(text, p->at, (size_t)(end - p->at), URL_SET_PATH);
        p->at = last ? end : end + 1;
    }
}

static void parse_rest(struct parse *p)
{
    struct dtr_url *url = p->url;

    url->query = url->text.length;
    if (p->at < p->end && *p->at == '?') {
        const char *hash = memchr(p->at, '#', (size_t)(p->end - p->at));
        const char *end = hash ? hash : p->end;
        dtr_str_putc(&url->text, '?');
        url_encode(&url->text, p->at + 1, (size_t)(end - p->at - 1),
                   url->http_like ? URL_SET_SPECIAL_QUERY : URL_SET_QUERY);
        p->at = end;
    }
    url->fragment = url->text.length;
    if (p->at < p->end) {
        dtr_str_putc(&url->text, '#');
        url_encode(&url->text, p->at + 1, (size_t)(p->end - p->at - 1), URL_SET_FRAGMENT);
    }
}

static int parse_tidy(struct parse *p)
{
    int code = parse_scheme(p);

    if (!code)
        code = parse_slashes(p);
    if (!code)
        code = parse_authority(p);
    if (code)
        return code;
    parse_path(p);
    parse_rest(p);
    return DTR_OK;
}

int dtr_url_parse(struct dtr_url *url, const char *text, size_t length, struct dtr_error *err)
{
    struct dtr_str tidied = {.limit = DTR_URL_MAX};
    struct parse p = {.url = url, .err = err};
    int code;

    *url = (struct dtr_url){.text.limit = DTR_URL_MAX, .port = -1};
    code = tidy(&tidied, text, length, err);
    if (!code && dtr_str_ok(&tidied)) {
        p.at = dtr_str_text(&tidied);
        p.end = p.at + tidied.length;
        code = parse_tidy(&p);
    }
    if (!code && (!dtr_str_ok(&tidied) || !dtr_str_ok(&url->text)))
        code = dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "URL is longer than %zu bytes", DTR_URL_MAX);
    dtr_str_free(&tidied);
    return code;
}

void dtr_url_free(struct dtr_url *url)
{
    dtr_str_free(&url->text);
    *url = (struct dtr_url){0};
}

/* The last occurrence of `needle` in the text, or NULL. */
static const char *find_last(const char *text, size_t length, const char *needle)
{
    size_t size = strlen(needle);

    for (size_t i = length; i >= size; i--)
        if (memcmp(text + i - size, needle, size) == 0)
            return text + i - size;
    return NULL;
}

static bool split_digest(const char *at, const char *end, struct dtr_blob_url *blob)
{
    static const struct {
        const char *prefix;
        size_t hex_length;
    } algorithms[] = {{"sha256:", 64}, {"sha512:", 128}};

    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        size_t prefix = strlen(algorithms[i].prefix);
        if ((size_t)(end - at) != prefix + algorithms[i].hex_length ||
            memcmp(at, algorithms[i].prefix, prefix) != 0)
            continue;
        blob->digest = at;
        blob->digest_length = (size_t)(end - at);
        blob->hex = at + prefix;
        blob->hex_length = algorithms[i].hex_length;
        return dtr_is_hex(blob->hex, blob->hex_length);
    }
    return false;
}

bool dtr_url_blob(const char *text, size_t length, struct dtr_blob_url *ret_blob)
{
    const char *mark = memchr(text, '?', length), *end = mark ? mark : text + length;
    const char *host = memmem(text, (size_t)(end - text), "://", 3), *root, *blobs;

    if (!host || host == text)
        return false;
    host += 3;
    root = memmem(host, (size_t)(end - host), "/v2/", 4);
    if (!root || root == host)
        return false;
    root += 4;
    blobs = find_last(root, (size_t)(end - root), "/blobs/");
    if (!blobs || blobs == root)
        return false;
    ret_blob->name = root;
    ret_blob->name_length = (size_t)(blobs - root);
    return split_digest(blobs + strlen("/blobs/"), end, ret_blob);
}

char *dtr_url_blob_digest(const char *url)
{
    struct dtr_blob_url blob;
    return dtr_url_blob(url, strlen(url), &blob) ? strndup(blob.digest, blob.digest_length) : strdup("");
}
