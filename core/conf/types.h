/* The C types of configuration values. All pointers belong to the struct dtr_conf they came with. */
#ifndef DTR_CONF_TYPES_H
#define DTR_CONF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the structs: bool; int64_t; uint64_t for sizes (bytes) and durations (milliseconds, "_ms");
 * const char *, NULL when not set; and these. */
struct dtr_conf_strings {
    const char **items;
    size_t count;
};

struct dtr_conf_pair {
    const char *name, *value;
    unsigned line;     /* in the file; 0: from elsewhere */
    const char *where; /* of modules.options: "dfdaemon.yaml:7: modules.options", for messages; else NULL */
};

struct dtr_conf_pairs {
    struct dtr_conf_pair *items;
    size_t count;
};

/* One entry of modules.options: a module's name and what its descriptor will judge. */
struct dtr_conf_module {
    const char *name;
    unsigned line;
    struct dtr_conf_pairs options;
};

struct dtr_conf_modules {
    struct dtr_conf_module *items;
    size_t count;
};

/* TLS files of one server or client. */
struct dtr_conf_tls {
    const char *ca_cert, *cert, *key;
};

/* Where one listener binds. */
struct dtr_conf_listen {
    const char *ip; /* NULL: all interfaces */
    int64_t port;
};

#endif
