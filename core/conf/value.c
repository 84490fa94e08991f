/* Numbers, sizes and durations. Checks of strings: check.c. */
#include "core/conf/value.h"

#include "core/base/str.h"

bool dtr_value_bool(const char *text, bool *ret_value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"yes", true},
                 {"no", false},  {"on", true},     {"off", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (dtr_casecmp(text, words[i].word) == 0) {
            *ret_value = words[i].value;
            return true;
        }
    }
    return false;
}

bool dtr_value_int(const char *text, int64_t *ret_value)
{
    bool negative = *text == '-';
    uint64_t value;
    if (*text == '-' || *text == '+')
        text++;
    if (!dtr_parse_u64(text, strlen(text), &value) || value > INT64_MAX)
        return false;
    *ret_value = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* A decimal number with fraction, without sign and exponent. Long digits are enough for every value here:
 * 2^64 has 20. */
static bool read_number(const char **text, long double *ret_value)
{
    const char *at = *text;
    long double value = 0, scale = 1;
    size_t digits = 0;
    for (; *at >= '0' && *at <= '9'; at++, digits++)
        value = value * 10 + (*at - '0');
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++, digits++)
            value += (*at - '0') * (scale /= 10);
    *text = at;
    *ret_value = value;
    return digits > 0 && digits <= 40;
}

/* Copies the letters at *text as the unit; false when there are too many. */
static bool read_unit(const char **text, char unit[8])
{
    size_t length = 0;
    while (**text == ' ')
        (*text)++;
    for (; (**text >= 'a' && **text <= 'z') || (**text >= 'A' && **text <= 'Z'); (*text)++) {
        if (length == 7)
            return false;
        unit[length++] = **text;
    }
    unit[length] = '\0';
    return true;
}

bool dtr_value_size(const char *text, uint64_t *ret_bytes)
{
    static const char letters[] = "kmgtp";
    long double value, factor = 1;
    char unit[8];
    if (!read_number(&text, &value) || !read_unit(&text, unit) || *text)
        return false;
    const char *rest = unit, *letter = *unit ? strchr(letters, *unit | 0x20) : NULL;
    if (letter) {
        bool binary = (unit[1] | 0x20) == 'i';
        for (const char *c = letters; c <= letter; c++)
            factor *= binary ? 1024 : 1000;
        rest += binary ? 2 : 1;
    }
    if (*rest && dtr_casecmp(rest, "b") != 0)
        return false;
    value *= factor;
    if (value >= 9223372036854775808.0L)
        return false;
    *ret_bytes = (uint64_t)value;
    return true;
}

/* Nanoseconds of a unit, 0 when there is none such. Case matters: "M" would be months elsewhere. */
static long double unit_ns(const char *unit)
{
    static const struct {
        const char *names; /* each with a space before and after */
        long double ns;
    } units[] = {
        {" ns nsec nanos ", 1.0L},
        {" us usec micros ", 1e3L},
        {" ms msec millis ", 1e6L},
        {" s sec secs second seconds ", 1e9L},
        {" m min mins minute minutes ", 60e9L},
        {" h hr hrs hour hours ", 3600e9L},
        {" d day days ", 86400e9L},
        {" w week weeks ", 7 * 86400e9L},
    };
    char wanted[10];
    (void)snprintf(wanted, sizeof(wanted), " %s ", unit);
    for (size_t i = 0; *unit && i < sizeof(units) / sizeof(units[0]); i++)
        if (strstr(units[i].names, wanted))
            return units[i].ns;
    return 0;
}

bool dtr_value_duration(const char *text, uint64_t *ret_ms)
{
    long double total_ns = 0, value;
    char unit[8];
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    if (!*text)
        return false;
    while (*text) {
        if (!read_number(&text, &value) || !read_unit(&text, unit) || unit_ns(unit) == 0)
            return false;
        total_ns += value * unit_ns(unit);
        while (*text == ' ')
            text++;
    }
    /* A thousand years: more is a slip, and sums of such values must not overflow. */
    if (total_ns > 1000.0L * 366 * 86400e9L)
        return false;
    uint64_t ms = (uint64_t)(total_ns / 1e6L);
    *ret_ms = ms + ((long double)ms * 1e6L < total_ns);
    return true;
}
