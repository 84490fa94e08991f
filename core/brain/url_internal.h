/* What the parts of the URL code share: percent-encoding, UTF-8, hosts. */
#ifndef DTR_BRAIN_URL_INTERNAL_H
#define DTR_BRAIN_URL_INTERNAL_H

#include "core/brain/url.h"

/* Percent-encode sets of the Standard: what a component must not hold besides controls and non-ASCII. */
#define URL_SET_CONTROL       ""
#define URL_SET_FRAGMENT      " \"<>`"
#define URL_SET_QUERY         " \"#<>"
#define URL_SET_SPECIAL_QUERY URL_SET_QUERY "'"
#define URL_SET_PATH          URL_SET_FRAGMENT "#?{}"
#define URL_SET_USERINFO      URL_SET_PATH "/:;=@[\\]^|"

void url_encode(struct dtr_str *out, const char *text, size_t length, const char *set);
/* Replaces %XX; with `plus`, '+' by a space too. What is no escape stays. */
void url_decode(struct dtr_str *out, const char *text, size_t length, bool plus);
/* Bytes of the UTF-8 character at `at`; when it is none, *ret_valid is false and the result is how many
 * bytes one U+FFFD stands for. `left` is not 0. */
size_t url_utf8(const char *at, size_t left, bool *ret_valid);

/* Appends the host in its normal form. http_like: names and IPv4 are looked into, else the name is opaque. */
int url_host(struct dtr_str *out, const char *text, size_t length, bool http_like, struct dtr_error *err);

#endif
