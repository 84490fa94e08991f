/* Checks of strings whose form others rely on. Numbers: value.c. */
#include "core/conf/value.h"

#include "core/base/pattern.h"
#include "core/base/str.h"

#include <arpa/inet.h>
#include <sys/un.h>

static int wrong(struct dtr_error *err, const char *what)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%s", what);
}

int dtr_value_check_regex(const char *text, struct dtr_error *err)
{
    struct dtr_pattern *pattern = NULL;
    int rc = dtr_pattern_new(text, &pattern, err);
    dtr_pattern_free(pattern);
    return rc;
}

int dtr_value_check_ip(const char *text, struct dtr_error *err)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
        return DTR_OK;
    return wrong(err, "not an IP address");
}

int dtr_value_check_cidr(const char *text, struct dtr_error *err)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr bytes;
    uint64_t bits;
    size_t length = strcspn(text, "/");
    if (length >= sizeof(address))
        return wrong(err, "not a network such as 10.0.0.0/8");
    memcpy(address, text, length);
    address[length] = '\0';
    bool v4 = inet_pton(AF_INET, address, &bytes) == 1;
    if (!v4 && inet_pton(AF_INET6, address, &bytes) != 1)
        return wrong(err, "not a network such as 10.0.0.0/8");
    if (!text[length])
        return DTR_OK;
    text += length + 1;
    if (!dtr_parse_u64(text, strlen(text), &bits) || bits > (v4 ? 32 : 128))
        return wrong(err, v4 ? "the prefix length is not in 0..32" : "the prefix length is not in 0..128");
    return DTR_OK;
}

int dtr_value_check_url(const char *text, struct dtr_error *err)
{
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    if (!host)
        return wrong(err, "not a URL that begins with http:// or https://");
    if (strcspn(host, "/?#") == 0 || strpbrk(host, " \t\r\n\"<>"))
        return wrong(err, "not a URL: the host is missing or a character is not allowed");
    return DTR_OK;
}

int dtr_value_check_hostport(const char *text, struct dtr_error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (strstr(text, "://"))
        return wrong(err, "written without scheme, as host:port");
    bool many = colon && memchr(text, ':', (size_t)(colon - text)) != NULL;
    bool bracketed = colon && colon > text && colon[-1] == ']' && *text == '[';
    if (!colon || (many && !bracketed) || strpbrk(text, " \t/@"))
        return wrong(err, "not host:port");
    if (!dtr_parse_u64(colon + 1, strlen(colon + 1), &port) || port > 65535)
        return wrong(err, "the port is not in 0..65535");
    return DTR_OK;
}

int dtr_value_check_server(const char *text, struct dtr_error *err)
{
    const char *host = *text == '[' ? strchr(text, ']') : text, *colon = host ? strchr(host, ':') : NULL;
    uint64_t port;
    if (strstr(text, "://"))
        return wrong(err, "written without scheme, as host:port");
    if (!host || !*text || colon == text || strpbrk(text, " \t/@,"))
        return wrong(err, "not host or host:port");
    if (colon && (!dtr_parse_u64(colon + 1, strlen(colon + 1), &port) || port < 1 || port > 65535))
        return wrong(err, "the port is not in 1..65535");
    return DTR_OK;
}

int dtr_value_check_absolute(const char *text, struct dtr_error *err)
{
    return *text == '/' ? DTR_OK : wrong(err, "not a path from the root");
}

int dtr_value_check_socket(const char *text, struct dtr_error *err)
{
    size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1, length = strlen(text);
    if (length > most)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                             "%zu bytes long; a unix socket's path has at most %zu", length, most);
    return dtr_value_check_absolute(text, err);
}

int dtr_value_check_script(const char *text, struct dtr_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t length = strlen(text);
    bool file = *text == '/' && length > 5 && strcmp(text + length - 4, ".lua") == 0;
    bool name = length > 0 && length < 32 && strspn(text, letters) == length;
    return file || name ? DTR_OK
                        : wrong(err, "neither a script's name nor a path from the root to a .lua file");
}
