/* See password.h. */
#include "core/tools/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <termios.h>
#include <unistd.h>

enum { INTERRUPT = 3, END = 4, BACKSPACE = 8, DELETE = 127 };

static int too_long(struct dtr_error *err)
{
    return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "the password has more than %d bytes",
                         DTR_PASSWORD_MOST - 1);
}

/* One byte; false at the end. */
static bool next(int fd, unsigned char *ret_byte)
{
    ssize_t got;
    do
        got = read(fd, ret_byte, 1);
    while (got < 0 && errno == EINTR);
    return got == 1;
}

int dtr_password_read(int fd, char password[DTR_PASSWORD_MOST], struct dtr_error *err)
{
    size_t length = 0;
    unsigned char byte;
    while (next(fd, &byte) && byte != '\n') {
        if (length + 1 == DTR_PASSWORD_MOST)
            return too_long(err);
        password[length++] = (char)byte;
    }
    if (length > 0 && password[length - 1] == '\r')
        length--;
    password[length] = '\0';
    return length > 0 ? DTR_OK
                      : dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                      "standard input has no password: it is its first line");
}

/* Byte by byte, since the terminal neither edits the line nor sends signals meanwhile: whoever interrupts
 * gets the terminal back as it was. */
static int read_hidden(int terminal, char password[DTR_PASSWORD_MOST], struct dtr_error *err)
{
    size_t length = 0;
    unsigned char byte;
    while (next(terminal, &byte) && byte != '\n' && byte != '\r' && byte != END) {
        if (byte == INTERRUPT)
            return dtr_error_set(err, DTR_ECANCELLED, DTR_RETRY_NEVER, "interrupted; nobody is signed in");
        if (byte == BACKSPACE || byte == DELETE)
            length -= length > 0;
        else if (length + 1 == DTR_PASSWORD_MOST)
            return too_long(err);
        else
            password[length++] = (char)byte;
    }
    password[length] = '\0';
    return DTR_OK;
}

int dtr_password_ask(const char *prompt, char password[DTR_PASSWORD_MOST], struct dtr_error *err)
{
    struct termios usual, hidden;
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || tcgetattr(terminal, &usual) != 0) {
        if (terminal >= 0)
            (void)close(terminal);
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER,
                             "there is no terminal to ask for the password; give it by --password-stdin");
    }
    hidden = usual;
    hidden.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
    (void)tcsetattr(terminal, TCSAFLUSH, &hidden);
    (void)dprintf(terminal, "%s", prompt);
    int rc = read_hidden(terminal, password, err);
    (void)tcsetattr(terminal, TCSAFLUSH, &usual);
    (void)dprintf(terminal, "\n");
    (void)close(terminal);
    return rc;
}
