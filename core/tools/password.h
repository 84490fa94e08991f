/* A password for `darter ctl`: from the terminal without showing it, or a line of standard input. Main
 * thread. */
#ifndef DTR_TOOLS_PASSWORD_H
#define DTR_TOOLS_PASSWORD_H

#include <darter/error.h>

enum { DTR_PASSWORD_MOST = 256 }; /* bytes, the NUL included */

/* Asks on the process' terminal, wherever its input comes from. DTR_ENOT_FOUND: it has none; DTR_ECANCELLED:
 * Ctrl-C. */
int dtr_password_ask(const char *prompt, char password[DTR_PASSWORD_MOST], struct dtr_error *err);
/* The first line of a descriptor, without its end. */
int dtr_password_read(int fd, char password[DTR_PASSWORD_MOST], struct dtr_error *err);

#endif
