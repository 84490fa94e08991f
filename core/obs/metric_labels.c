/* Values of labels that several roles give their families. */
#include "core/obs/metric.h"

#include <stdio.h>
#include <sys/utsname.h>

const char *dtr_metric_size_level(uint64_t bytes)
{
    /* Level n + 1 ends below 2^bits[n]: 1 MiB, 4 MiB, doubled up to 1 GiB, 4 GiB, doubled up to 1 TiB. */
    static const uint8_t bits[] = {20, 22, 23, 24, 25, 26, 27, 28, 29, 30,
                                   32, 33, 34, 35, 36, 37, 38, 39, 40};
    static const char *const levels[] = {"0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9", "10",
                                         "11", "12", "13", "14", "15", "16", "17", "18", "19", "20"};
    unsigned level = 1;
    if (bytes == 0 || bytes == UINT64_MAX)
        return levels[0];
    while (level <= sizeof(bits) && bytes >= (uint64_t)1 << bits[level - 1])
        level++;
    return levels[level];
}

const char *dtr_metric_platform(char text[DTR_METRIC_PLATFORM])
{
    struct utsname system;
    (void)snprintf(text, DTR_METRIC_PLATFORM, "linux/%.40s",
                   uname(&system) == 0 ? system.machine : "unknown");
    return text;
}
