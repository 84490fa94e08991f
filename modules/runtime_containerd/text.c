/* Small helpers for building texts in memory. Not for reading them. */
#include "containerd.h"

#include <stdlib.h>
#include <string.h>

void text_put_string(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            (void)fprintf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            (void)fprintf(out, "\\%c", c);
        else
            (void)fputc(c, out);
    }
    (void)fputc('"', out);
}

int text_close(FILE *out, char **text, struct dtr_error *err)
{
    int failed = ferror(out);
    if ((fclose(out) | failed) == 0 && *text)
        return DTR_OK;
    free(*text);
    *text = NULL;
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
}

const char *text_newline(const char *text)
{
    return strstr(text, "\r\n") ? "\r\n" : "\n";
}
