/* The pieces of a request target that several parsers check: authorities ("host:port").
 * Not for: whole URLs, and not for resolving names. Pure; any thread. */
#ifndef DTR_HTTP_TARGET_H
#define DTR_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the longest authority accepted, with its NUL: a name of 255 characters and a port. */
#define DTR_HTTP_AUTHORITY 262

/* Whether the text is a host (name, IPv4, or IPv6 in brackets) and, after a colon, a port in 1..65535; with
 * `need_port` the port must be there. Stricter than RFC 3986: no user information, no percent encoding, no
 * empty port, names of letters, digits, '-', '.' and '_' only, since nothing else resolves. */
bool dtr_http_authority_ok(const char *text, size_t length, bool need_port);
/* Length of the host part of an authority that passed the check, brackets included. */
size_t dtr_http_host_length(const char *authority, size_t length);
/* "http://" or "https://" at the start of the text, in any case: the lower-case scheme without "://", and
 * *ret_length set to what it took; NULL for everything else. */
const char *dtr_http_scheme(const char *text, size_t length, size_t *ret_length);

#endif
