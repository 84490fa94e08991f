/* Labels; see labels.h. */
#include "core/brain/labels.h"

#include "core/base/str.h"
#include <string.h>

#define LOCATION_ELEMENTS 5 /* that count */

double dtr_location_match(const char *a, const char *b)
{
    if (!*a || !*b)
        return 0;
    if (dtr_casecmp(a, b) == 0)
        return 1;
    unsigned equal = 0;
    while (equal < LOCATION_ELEMENTS) {
        size_t length = strcspn(a, "|");
        if (strcspn(b, "|") != length || strncasecmp(a, b, length) != 0)
            break;
        equal++;
        if (!a[length] || !b[length])
            break;
        a += length + 1;
        b += length + 1;
    }
    return (double)equal / LOCATION_ELEMENTS;
}

double dtr_idc_listed(const char *idc, const char *list)
{
    size_t wanted = strlen(idc);
    if (!*idc || !*list)
        return 0;
    if (dtr_casecmp(idc, list) == 0)
        return 1;
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, "|");
        if (length == wanted && strncasecmp(at, idc, length) == 0)
            return 1;
        at += length;
        if (!*at)
            return 0;
    }
}
