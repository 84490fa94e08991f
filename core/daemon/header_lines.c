/* See header_lines.h. */
#include "core/daemon/header_lines.h"

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return !*text;
}

size_t header_lines_cut(char *lines, struct dtr_header headers[HEADER_LINES])
{
    size_t count = 0;
    for (char *line = lines, *next; line && *line && count < HEADER_LINES; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *colon = strstr(line, ": ");
        if (!colon || !is_ascii(line))
            continue;
        *colon = '\0';
        headers[count++] = (struct dtr_header){.name = line, .value = colon + 2};
    }
    return count;
}
