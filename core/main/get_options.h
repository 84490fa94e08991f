/* The command line of `darter get`, which is that of dfget: flags, and their values from the environment
 * (DFGET_ and the flag's name in capitals, '-' as '_'; the command line wins). */
#ifndef DTR_MAIN_GET_OPTIONS_H
#define DTR_MAIN_GET_OPTIONS_H

#include "core/tools/get.h"

enum { GET_LIST = 128 }; /* headers, and names of query parameters */

struct get_options {
    struct dtr_get_options get;
    const char *headers[GET_LIST], *filter[GET_LIST];
    bool no_progress, version;
};

/* Texts point into argv and the environment. DTR_EINVALID names what is wrong; DTR_EUNSUPPORTED a flag of
 * dfget's that is not there yet. */
int get_options_read(struct get_options *options, int argc, char **argv, struct dtr_error *err);
extern const char get_usage[];

#endif
