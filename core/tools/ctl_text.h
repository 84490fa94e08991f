/* How `darter ctl` puts texts of others on a terminal, cleaned of what that would obey, and into JSON, where
 * jansson escapes them by itself. */
#ifndef DTR_TOOLS_CTL_TEXT_H
#define DTR_TOOLS_CTL_TEXT_H

#include <darter/error.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Prints a text in a column of `width`, "-" when it is empty. */
void ctl_put(FILE *out, int width, const char *text);
json_t *ctl_text_json(const char *text);
/* Sets a member of an object; without memory it is left out. */
void ctl_set_text(json_t *object, const char *name, const char *text);
void ctl_set_number(json_t *object, const char *name, uint64_t number);
/* Writes and frees the value; DTR_EIO. */
int ctl_dump(json_t *value, FILE *out);
/* DTR_EIO when something could not be written. */
int ctl_written(FILE *out);

/* Fills *err unless `rc`, of one of these, is DTR_OK. Returns it. */
int ctl_printed(int rc, struct dtr_error *err);

#endif
