/* Headers as tasks keep them, "Name: value\n" lines, for messages. Pure; any thread. */
#ifndef DTR_DAEMON_HEADER_LINES_H
#define DTR_DAEMON_HEADER_LINES_H

#include <darter/origin.h>

enum { HEADER_LINES = 128 }; /* more than that are left out */

/* Cuts the lines up in place; `headers` point into them. Returns how many there are. Lines with other than
 * ASCII are left out: a message's strings are UTF-8, and all of it would be refused for one byte that is not.
 */
size_t header_lines_cut(char *lines, struct dtr_header headers[HEADER_LINES]);

#endif
