/* See header_lines.h. */
#include "core/daemon/header_lines.h"

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return !*text;
}

size_t header_lines_split(char *lines, struct dtr_header headers[HEADER_LINES], size_t given)
{
    size_t count = given;
    for (char *line = lines, *next; line && *line && count < HEADER_LINES; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = '\0';
        if (!dtr_header_find(headers, given, line))
            headers[count++] =
                (struct dtr_header){.name = line, .value = colon + 1 + strspn(colon + 1, " \t")};
    }
    return count;
}

size_t header_lines_cut(char *lines, struct dtr_header headers[HEADER_LINES])
{
    size_t count = header_lines_split(lines, headers, 0), kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_ascii(headers[i].name) && is_ascii(headers[i].value))
            headers[kept++] = headers[i];
    }
    return kept;
}
