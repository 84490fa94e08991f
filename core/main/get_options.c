/* See get_options.h. */
#include "core/main/get_options.h"

#include "core/conf/value.h"
#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char get_usage[] =
    "Usage: darter get [OPTION]... -O FILE URL\n\n"
    "Downloads a file by way of the daemon on this machine, which takes it from its peers where it can. The "
    "file\n"
    "appears under its name when all of it is there and right; otherwise nothing is left, and the exit "
    "status is 1\n"
    "(2: wrong usage, 130 and 143: interrupted).\n\n"
    "  -O, --output FILE            where to; an existing file is refused without --overwrite\n"
    "      --overwrite              replace an existing file\n"
    "      --digest DIGEST          what the file must have: sha256:HEX, sha512:HEX or crc32:DECIMAL\n"
    "      --timeout TIME           for all of it [2h]\n"
    "  -H, --header 'NAME: VALUE'   sent to the origin; may be repeated\n"
    "      --disable-back-to-source take it from peers only, never from the origin\n"
    "  -p, --priority N             0 to 6, for the scheduler [6]\n"
    "      --no-progress            draw no progress; without a terminal none is drawn anyway\n"
    "  -e, --endpoint PATH          the daemon's socket [" DTR_GET_ENDPOINT "]\n"
    "  -V, --version                print the version\n\n"
    "What else makes two downloads of one URL the same or another object to the swarm:\n\n"
    "      --tag TEXT, --application TEXT\n"
    "      --piece-length SIZE      4MiB to 64MiB [by the file's length]\n"
    "      --filtered-query-param NAME\n"
    "                               does not count; may be repeated [what signers of object stores add]\n"
    "      --content-for-calculating-task-id TEXT\n"
    "                               counts instead of all else\n\n"
    "All but --header, --filtered-query-param and --version can also come from the environment:\n"
    "--piece-length as DFGET_PIECE_LENGTH, and so on. Accepted without effect: --transfer-from-dfdaemon\n"
    "(the bytes always come over the socket), --console, --log-level, --log-dir, --log-max-files,\n"
    "--log-max-file-size.\n";

enum kind {
    TEXT,
    SWITCH,
    SIZE,
    TIME,
    PRIORITY,
    HEADER,
    FILTER,
    NO_EFFECT,       /* a switch of dfget's that changes nothing here */
    NO_EFFECT_VALUE, /* the same with a value */
    LATER,           /* dfget has it, we do not */
    LATER_VALUE
};

struct flag {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct get_options */
    char letter;
};

#define AT(member) offsetof(struct get_options, member)

static const struct flag flags[] = {
    {"output", TEXT, AT(get.output), 'O'},
    {"overwrite", SWITCH, AT(get.overwrite), 0},
    {"digest", TEXT, AT(get.digest), 0},
    {"timeout", TIME, AT(get.timeout_ms), 0},
    {"header", HEADER, 0, 'H'},
    {"disable-back-to-source", SWITCH, AT(get.disable_back_to_source), 0},
    {"priority", PRIORITY, AT(get.priority), 'p'},
    {"no-progress", SWITCH, AT(no_progress), 0},
    {"endpoint", TEXT, AT(get.endpoint), 'e'},
    {"version", SWITCH, AT(version), 'V'},
    {"tag", TEXT, AT(get.tag), 0},
    {"application", TEXT, AT(get.application), 0},
    {"piece-length", SIZE, AT(get.piece_length), 0},
    {"filtered-query-param", FILTER, 0, 0},
    {"content-for-calculating-task-id", TEXT, AT(get.content_for_task_id), 0},
    {"transfer-from-dfdaemon", NO_EFFECT, 0, 0},
    {"console", NO_EFFECT, 0, 0},
    {"log-level", NO_EFFECT_VALUE, 0, 'l'},
    {"log-dir", NO_EFFECT_VALUE, 0, 0},
    {"log-max-files", NO_EFFECT_VALUE, 0, 0},
    {"log-max-file-size", NO_EFFECT_VALUE, 0, 0},
    {"force-hard-link", LATER, 0, 0},
    {"recursive", LATER, 0, 'r'},
    {"include-files", LATER_VALUE, 0, 'I'},
    {"max-files", LATER_VALUE, 0, 0},
    {"max-concurrent-requests", LATER_VALUE, 0, 0},
    {"storage-region", LATER_VALUE, 0, 0},
    {"storage-endpoint", LATER_VALUE, 0, 0},
    {"storage-access-key-id", LATER_VALUE, 0, 0},
    {"storage-access-key-secret", LATER_VALUE, 0, 0},
    {"storage-security-token", LATER_VALUE, 0, 0},
    {"storage-session-token", LATER_VALUE, 0, 0},
    {"storage-credential-path", LATER_VALUE, 0, 0},
    {"storage-predefined-acl", LATER_VALUE, 0, 0},
    {"storage-insecure-skip-verify", LATER, 0, 0},
    {"hdfs-delegation-token", LATER_VALUE, 0, 0},
    {"hf-revision", LATER_VALUE, 0, 0},
    {"hf-token", LATER_VALUE, 0, 0},
    {"hf-base-url", LATER_VALUE, 0, 0},
    {"ms-revision", LATER_VALUE, 0, 0},
    {"ms-token", LATER_VALUE, 0, 0},
    {"ms-base-url", LATER_VALUE, 0, 0},
    {"csg-revision", LATER_VALUE, 0, 0},
    {"csg-token", LATER_VALUE, 0, 0},
    {"csg-base-url", LATER_VALUE, 0, 0},
};

enum { FLAGS = sizeof(flags) / sizeof(flags[0]), OWN = 256 /* getopt's values: OWN + index */ };

static bool has_value(const struct flag *flag)
{
    return flag->kind != SWITCH && flag->kind != NO_EFFECT && flag->kind != LATER;
}

/* --- values --------------------------------------------------------------------------------------- */

static int bad(struct dtr_error *err, const struct flag *flag, const char *value, const char *allowed)
{
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "--%s %.60s: %s", flag->name, value, allowed);
}

static int add(const char **list, size_t *count, const char *value, const struct flag *flag,
               struct dtr_error *err)
{
    if (*count == GET_LIST)
        return dtr_error_set(err, DTR_ELIMIT, DTR_RETRY_NEVER, "--%s is there more than %d times", flag->name,
                             GET_LIST);
    list[(*count)++] = value;
    return DTR_OK;
}

static int take_number(const struct flag *flag, void *at, const char *value, struct dtr_error *err)
{
    uint64_t number = 0;
    int64_t level = 0;
    switch (flag->kind) {
    case SIZE:
        if (!dtr_value_size(value, &number) || number < (uint64_t)4 << 20 || number > (uint64_t)64 << 20)
            return bad(err, flag, value, "a size within 4MiB and 64MiB is meant");
        *(uint64_t *)at = number;
        return DTR_OK;
    case TIME:
        if (!dtr_value_duration(value, &number) || number == 0)
            return bad(err, flag, value, "a time like 90s, 30m or 2h is meant");
        *(uint64_t *)at = number;
        return DTR_OK;
    default:
        if (!dtr_value_int(value, &level) || level < 0 || level > 6)
            return bad(err, flag, value, "a number within 0 and 6 is meant");
        *(uint32_t *)at = (uint32_t)level;
        return DTR_OK;
    }
}

static int take(struct get_options *options, const struct flag *flag, const char *value,
                struct dtr_error *err)
{
    struct dtr_get_options *get = &options->get;
    void *at = (char *)options + flag->offset;
    switch (flag->kind) {
    case TEXT:
        *(const char **)at = value;
        return DTR_OK;
    case SWITCH:
        *(bool *)at = true;
        return DTR_OK;
    case HEADER:
        return add(options->headers, &get->header_count, value, flag, err);
    case FILTER:
        get->default_filter = false;
        return add(options->filter, &get->filter_count, value, flag, err);
    case NO_EFFECT:
    case NO_EFFECT_VALUE:
        return DTR_OK;
    case LATER:
    case LATER_VALUE:
        return dtr_error_set(err, DTR_EUNSUPPORTED, DTR_RETRY_NEVER,
                             "--%s: links, folders, object stores and model hubs are not there yet",
                             flag->name);
    default:
        return take_number(flag, at, value, err);
    }
}

/* --- the environment, then the command line ------------------------------------------------------- */

static int take_environment(struct get_options *options, struct dtr_error *err)
{
    int rc = DTR_OK;
    for (size_t i = 0; i < FLAGS && rc == DTR_OK; i++) {
        const struct flag *flag = &flags[i];
        char name[64] = "DFGET_";
        bool on = true;
        if (flag->kind > PRIORITY || strcmp(flag->name, "version") == 0)
            continue;
        for (size_t j = 0; flag->name[j] && j + 7 < sizeof(name); j++)
            name[6 + j] = flag->name[j] == '-' ? '_' : (char)toupper((unsigned char)flag->name[j]);
        const char *value = getenv(name);
        if (!value || !value[0])
            continue;
        if (flag->kind == SWITCH && !dtr_value_bool(value, &on))
            rc = bad(err, flag, value, "true or false is meant (it comes from the environment)");
        else if (on)
            rc = take(options, flag, value, err);
    }
    return rc;
}

static const struct flag *of_letter(int letter)
{
    for (size_t i = 0; i < FLAGS; i++) {
        if (flags[i].letter && flags[i].letter == letter)
            return &flags[i];
    }
    return NULL;
}

/* getopt's own tables; ":" first, so that a missing value is told from an unknown flag. */
static void make_tables(struct option longs[FLAGS + 1], char shorts[3 * FLAGS + 2])
{
    char *at = shorts;
    *at++ = ':';
    for (size_t i = 0; i < FLAGS; i++) {
        bool value = has_value(&flags[i]);
        longs[i] =
            (struct option){flags[i].name, value ? required_argument : no_argument, NULL, OWN + (int)i};
        if (flags[i].letter) {
            *at++ = flags[i].letter;
            if (value)
                *at++ = ':';
        }
    }
    *at = '\0';
    longs[FLAGS] = (struct option){0};
}

static int take_flags(struct get_options *options, int argc, char **argv, struct dtr_error *err)
{
    struct option longs[FLAGS + 1];
    char shorts[3 * FLAGS + 2];
    int found, rc = DTR_OK;
    make_tables(longs, shorts);
    opterr = 0;
    optind = 0; /* getopt's way to begin anew */
    while (rc == DTR_OK && (found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct flag *flag = found >= OWN ? &flags[found - OWN] : of_letter(found);
        if (found == ':')
            rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "%.60s: a value is missing",
                               argv[optind - 1]);
        else if (!flag)
            rc = dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "what is %.60s?", argv[optind - 1]);
        else
            rc = take(options, flag, optarg, err);
    }
    return rc;
}

static int take_url(struct get_options *options, int argc, char **argv, struct dtr_error *err)
{
    if (optind >= argc)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "the URL is missing");
    if (optind + 1 < argc)
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "one URL at a time; what is %.60s?",
                             argv[optind + 1]);
    options->get.url = argv[optind];
    if (!options->get.output[0])
        return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER, "where to? Name a file with -O");
    return DTR_OK;
}

int get_options_read(struct get_options *options, int argc, char **argv, struct dtr_error *err)
{
    *options = (struct get_options){.get = {.url = "",
                                            .output = "",
                                            .endpoint = DTR_GET_ENDPOINT,
                                            .digest = "",
                                            .tag = "",
                                            .application = "",
                                            .content_for_task_id = "",
                                            .timeout_ms = DTR_GET_TIMEOUT_MS,
                                            .priority = 6,
                                            .default_filter = true}};
    options->get.headers = options->headers;
    options->get.filter = options->filter;
    int rc = take_environment(options, err);
    if (rc == DTR_OK)
        rc = take_flags(options, argc, argv, err);
    if (rc == DTR_OK && !options->version)
        rc = take_url(options, argc, argv, err);
    return rc;
}
