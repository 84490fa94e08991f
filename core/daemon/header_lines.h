/* Headers as tasks keep them: "Name: value\n" lines. Pure; any thread. */
#ifndef DTR_DAEMON_HEADER_LINES_H
#define DTR_DAEMON_HEADER_LINES_H

#include <darter/origin.h>

enum { HEADER_LINES = 128 }; /* more than that are left out */

/* Cuts the lines up in place; `headers` point into them. Returns how many there are. */
size_t header_lines_cut(char *lines, struct dtr_header headers[HEADER_LINES]);

#endif
