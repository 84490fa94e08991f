/* Headers as tasks keep them, "Name: value\n" lines, for requests and messages. Pure; any thread. */
#ifndef DTR_DAEMON_HEADER_LINES_H
#define DTR_DAEMON_HEADER_LINES_H

#include <darter/origin.h>

enum { HEADER_LINES = 128 }; /* more than that are left out */

/* Cuts the lines up in place, behind the first `given` of `headers`, which point into them; of the names that
 * are among the `given` nothing is taken. Returns how many there are then. */
size_t header_lines_split(char *lines, struct dtr_header headers[HEADER_LINES], size_t given);
/* The same for a message, from the first on. Lines with other than
 * ASCII are left out: a message's strings are UTF-8, and all of it would be refused for one byte that is not.
 */
size_t header_lines_cut(char *lines, struct dtr_header headers[HEADER_LINES]);

#endif
