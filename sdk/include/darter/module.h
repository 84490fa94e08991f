/* The descriptor of a module and the one function it exports.
 *
 * A module is a shared object that exports `dtr_module_open` and nothing else, and carries an ELF note
 * (owner "Darter", type DTR_NOTE_ABI, a struct dtr_abi_note) that core reads before dlopen. Write
 *
 *     DTR_MODULE_NOTE
 *     DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *host)
 *
 * Everything that can be data is data: core parses and checks the options, prints them
 * (`darter module describe`), counts calls and names the module in logs. */
#ifndef DARTER_MODULE_H
#define DARTER_MODULE_H

#include <darter/host.h>

#define DTR_MODULE_MAGIC 0x44545231u /* "DTR1" */
#define DTR_ABI_MAJOR    1           /* changes when an existing field or call changes */
#define DTR_ABI_MINOR    2           /* grows when something is added */
#define DTR_NOTE_ABI     1

#define DTR_EXPORT __attribute__((visibility("default")))

struct dtr_abi_note {
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t module_size; /* sizeof(struct dtr_module) that the module was built with */
};

/* Places the note; once per module, in any file. */
#define DTR_MODULE_NOTE                                                                                      \
    __attribute__((section(".note.darter"), used, aligned(4))) static const struct {                         \
        uint32_t name_size, value_size, type;                                                                \
        char name[8];                                                                                        \
        struct dtr_abi_note value;                                                                           \
    } dtr_module_note = {7,                                                                                  \
                         sizeof(struct dtr_abi_note),                                                        \
                         DTR_NOTE_ABI,                                                                       \
                         "Darter",                                                                           \
                         {DTR_ABI_MAJOR, DTR_ABI_MINOR, sizeof(struct dtr_module)}};

enum dtr_option_type {
    DTR_OPTION_BOOL,     /* bool */
    DTR_OPTION_INT,      /* int64_t */
    DTR_OPTION_SIZE,     /* uint64_t, bytes: "4MiB" */
    DTR_OPTION_DURATION, /* uint64_t, milliseconds: "5s" */
    DTR_OPTION_STRING,   /* const char *, owned by core, lives as long as the module */
};

/* One option: core writes the value at `offset` of the options struct that it passes to start(). */
struct dtr_option {
    const char *name; /* NULL ends the table */
    enum dtr_option_type type;
    size_t offset;
    const char *initial; /* default, written as in YAML */
    const char *unit;    /* "" or e.g. "bytes" */
    int64_t least, most; /* range for numbers; both 0: any */
    const char *help;    /* one line */
};

struct dtr_metric {
    const char *name; /* without prefix, e.g. "writes_total"; NULL ends the table */
    const char *help;
};

/* Where the operations of a feature run. */
enum dtr_calling {
    DTR_CALL_BLOCKING, /* on a worker thread; they may block and simply return */
    DTR_CALL_ASYNC,    /* on a loop; each completes exactly once, later */
    DTR_CALL_DATA,     /* on a data thread; they do file input/output and return */
};

struct dtr_feature {
    const char
        *kind; /* "storage", "origin", "transport", "runtime", "database", "cache"; NULL ends the table */
    const char *name; /* what configuration calls it, e.g. "file" */
    enum dtr_calling calling;
    const void *ops; /* struct dtr_storage_ops and so on, by kind */
};

struct dtr_module {
    uint32_t magic; /* DTR_MODULE_MAGIC */
    uint16_t abi_major, abi_minor;
    uint32_t size;       /* sizeof(struct dtr_module) */
    const char *name;    /* "storage_file": <kind>_<name>, as the file is called */
    const char *version; /* the module's own */
    const char *summary; /* one line */
    size_t options_size; /* of the struct that `options` describes */
    const struct dtr_option *options;
    const struct dtr_metric *metrics;
    const struct dtr_feature *features;
    /* Makes the module ready. `options` lives until stop(). *ret_instance goes into every operation.
     * Called once, on the main thread, before any loop runs. */
    int (*start)(const void *options, void **ret_instance, struct dtr_error *err);
    /* Called once, after every operation has completed. */
    void (*stop)(void *instance);
};

/* The exported function. Called once after dlopen; returns a descriptor that lives in the module. */
DTR_EXPORT const struct dtr_module *dtr_module_open(const struct dtr_host *host);

#endif
