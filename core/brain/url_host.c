/* Hosts of URLs: names, IPv4 in every spelling that browsers take, IPv6, opaque names. */
#include "core/brain/url_internal.h"
#include <arpa/inet.h>
#include <string.h>

/* What no host may hold; names of http-like URLs may not hold '%' and controls either. */
#define FORBIDDEN "\t\n\r #/:<>?@[\\]^|"

static int refuse(struct dtr_error *err, const char *why)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "URL %s", why);
}

/* Length of the longest run of zero groups, and where it starts; runs of one do not count. */
static int longest_zeros(const uint16_t groups[8], int *ret_start)
{
    int best = 1;

    *ret_start = -1;
    for (int i = 0; i < 8; i++) {
        int run = 0;
        while (i + run < 8 && groups[i + run] == 0)
            run++;
        if (run > best) {
            best = run;
            *ret_start = i;
        }
        i += run;
    }
    return *ret_start < 0 ? 0 : best;
}

/* The shortest form of RFC 5952, but never with a dotted IPv4 tail. */
static void put_ipv6(struct dtr_str *out, const struct in6_addr *address)
{
    uint16_t groups[8];
    int start, zeros;

    for (int i = 0; i < 8; i++)
        groups[i] = (uint16_t)(address->s6_addr[2 * i] << 8 | address->s6_addr[2 * i + 1]);
    zeros = longest_zeros(groups, &start);
    dtr_str_putc(out, '[');
    for (int i = 0; i < 8; i++) {
        if (zeros && i == start) {
            dtr_str_puts(out, i ? ":" : "::");
            i += zeros - 1;
            continue;
        }
        dtr_str_printf(out, i < 7 ? "%x:" : "%x", groups[i]);
    }
    dtr_str_putc(out, ']');
}

static int parse_ipv6(struct dtr_str *out, const char *text, size_t length, struct dtr_error *err)
{
    char copy[INET6_ADDRSTRLEN + 1];
    struct in6_addr address;

    if (length < 2 || length - 2 >= sizeof(copy) || text[length - 1] != ']')
        return refuse(err, "has a bad IPv6 address");
    memcpy(copy, text + 1, length - 2);
    copy[length - 2] = 0;
    if (strlen(copy) != length - 2 || inet_pton(AF_INET6, copy, &address) != 1)
        return refuse(err, "has a bad IPv6 address");
    put_ipv6(out, &address);
    return DTR_OK;
}

/* One part of an IPv4 address: decimal, 0octal or 0xhex ("0x" is 0). False: no number. Too large values
 * stay too large. */
static bool parse_ipv4_number(const char *at, const char *end, uint64_t *ret_value)
{
    unsigned base = 10;
    uint64_t value = 0;

    if (at == end)
        return false;
    if (end - at >= 2 && at[0] == '0' && (at[1] | 0x20) == 'x') {
        base = 16;
        at += 2;
    } else if (end - at >= 2 && at[0] == '0') {
        base = 8;
        at++;
    }
    for (; at < end; at++) {
        char c = *at >= 'A' && *at <= 'F' ? (char)(*at | 0x20) : *at;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 99;
        if (digit >= base)
            return false;
        if (value <= UINT32_MAX)
            value = value * base + digit;
    }
    *ret_value = value;
    return true;
}

/* Whether a name must be an IPv4 address: its last label (a final dot aside) is a number. */
static bool ends_in_number(const char *text, size_t length)
{
    const char *end = text + length, *start;
    uint64_t value;
    size_t digits = 0;

    if (length > 1 && end[-1] == '.')
        end--;
    for (start = end; start > text && start[-1] != '.'; start--)
        digits += start[-1] >= '0' && start[-1] <= '9';
    return start < end && (digits == (size_t)(end - start) || parse_ipv4_number(start, end, &value));
}

static int parse_ipv4(struct dtr_str *out, const char *text, size_t length, struct dtr_error *err)
{
    const char *end = text + length;
    uint64_t parts[4], address;
    unsigned count = 0;

    if (end[-1] == '.')
        end--;
    for (bool more = true; more; count++) {
        const char *dot = memchr(text, '.', (size_t)(end - text));
        more = dot != NULL;
        if (count == 4 || !parse_ipv4_number(text, dot ? dot : end, &parts[count]))
            return refuse(err, "has a bad IPv4 address");
        text = dot ? dot + 1 : end;
    }
    /* The last part fills all bytes that are left. */
    address = parts[count - 1];
    if (address >= (uint64_t)1 << (8 * (5 - count)))
        return refuse(err, "has a bad IPv4 address");
    for (unsigned i = 0; i + 1 < count; i++) {
        if (parts[i] > 255)
            return refuse(err, "has a bad IPv4 address");
        address += parts[i] << (8 * (3 - i));
    }
    dtr_str_printf(out, "%u.%u.%u.%u", (unsigned)(address >> 24), (unsigned)(address >> 16 & 255),
                   (unsigned)(address >> 8 & 255), (unsigned)(address & 255));
    return DTR_OK;
}

static int check_name(const struct dtr_str *name, struct dtr_error *err)
{
    if (name->length == 0)
        return refuse(err, "has no host");
    for (size_t i = 0; i < name->length; i++) {
        unsigned char c = (unsigned char)name->text[i];
        if (c >= 0x80)
            return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                                 "URL has a host outside ASCII; write its xn-- form");
        if (c <= 0x20 || c == 0x7f || strchr(FORBIDDEN "%", c))
            return refuse(err, "has a character in its host that no host may hold");
    }
    return DTR_OK;
}

static int parse_name(struct dtr_str *out, const char *text, size_t length, struct dtr_error *err)
{
    struct dtr_str name = {.limit = DTR_URL_MAX};
    int code;

    url_decode(&name, text, length, false);
    code = check_name(&name, err);
    for (size_t i = 0; i < name.length; i++)
        if (name.text[i] >= 'A' && name.text[i] <= 'Z')
            name.text[i] = (char)(name.text[i] | 0x20);
    if (!code && ends_in_number(dtr_str_text(&name), name.length))
        code = parse_ipv4(out, dtr_str_text(&name), name.length, err);
    else if (!code)
        dtr_str_add(out, name.text, name.length);
    out->failed = out->failed || name.failed;
    dtr_str_free(&name);
    return code;
}

int url_host(struct dtr_str *out, const char *text, size_t length, bool http_like, struct dtr_error *err)
{
    if (length > 0 && text[0] == '[')
        return parse_ipv6(out, text, length, err);
    if (http_like)
        return parse_name(out, text, length, err);
    for (size_t i = 0; i < length; i++)
        if (!text[i] || strchr(FORBIDDEN, text[i]))
            return refuse(err, "has a character in its host that no host may hold");
    url_encode(out, text, length, URL_SET_CONTROL);
    return DTR_OK;
}
