/* From the texts of a configuration file to the struct that a module's start() gets, by the module's own
 * table. Main thread. */
#ifndef DTR_MODULE_OPTIONS_H
#define DTR_MODULE_OPTIONS_H

#include <darter/module.h>

/* One option as configured. `where` ("dfdaemon.yaml:12", or NULL) goes into messages. */
struct dtr_option_text {
    const char *key, *value, *where;
};

/* Fills defaults, then what is given; of two with the same key the later counts. Keys match without
 * regard to case. On success *ret_options (free()) holds the struct and every string it points to. A bad
 * value or an unknown option: DTR_EINVALID, naming option, place, and what is allowed. */
int dtr_options_read(const struct dtr_module *module, const struct dtr_option_text *given, size_t count,
                     void **ret_options, struct dtr_error *err);
/* Whether the table itself is sound: known types, fields inside the struct, defaults in their ranges. */
int dtr_options_check(const struct dtr_module *module, struct dtr_error *err);

/* "true or false" and so on. */
const char *dtr_option_type_words(enum dtr_option_type type);
/* The range as text, "" when there is none: "1 to 100", "at least 1". */
#define DTR_OPTION_RANGE 64
void dtr_option_range(const struct dtr_option *option, char text[DTR_OPTION_RANGE]);

#endif
