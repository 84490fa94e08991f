/* Log lines as bytes: layout, escaping, bounds. No output and no state. */
#include "core/obs/log_line.h"

#include "core/base/str.h"

#include <time.h>

struct line {
    char *at, *end; /* end leaves room for the tail */
    bool cut;
};

/* Adds a whole token or nothing: once something did not fit, nothing more is added. */
static void put(struct line *line, const char *bytes, size_t length)
{
    if (line->cut || (size_t)(line->end - line->at) < length) {
        line->cut = true;
        return;
    }
    memcpy(line->at, bytes, length);
    line->at += length;
}

static void puts_to(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Length of the UTF-8 sequence at `at` (RFC 3629), 0 when it is none. */
static size_t utf8_length(const uint8_t *at)
{
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (at[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xED && at[1] > 0x9F;
    bool beyond = at[0] == 0xF4 && at[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : length;
}

static void put_escaped(struct line *line, uint8_t c, bool json)
{
    char token[8];
    if (c == '\n' || c == '\r' || c == '\t') {
        token[0] = '\\';
        token[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
        put(line, token, 2);
        return;
    }
    (void)snprintf(token, sizeof(token), json ? "\\u%04x" : "\\x%02x", c);
    puts_to(line, token);
}

static void put_text(struct line *line, const char *text, bool json)
{
    const uint8_t *at = (const uint8_t *)text;
    while (*at) {
        size_t length = utf8_length(at);
        if (length == 0 && json)
            puts_to(line, "\\ufffd");
        else if (length == 0 || *at < 0x20 || *at == 0x7F)
            put_escaped(line, *at, json);
        else if (json && (*at == '"' || *at == '\\'))
            put(line, *at == '"' ? "\\\"" : "\\\\", 2);
        else
            put(line, (const char *)at, length);
        at += length ? length : 1;
    }
}

static void put_time(struct line *line, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    char text[40];
    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof(tm));
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    put(line, text, length);
    (void)snprintf(text, sizeof(text), ".%06dZ", (int)(wall_ns % 1000000000 / 1000));
    puts_to(line, text);
}

static void put_member(struct line *line, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    puts_to(line, ",\"");
    puts_to(line, name);
    puts_to(line, "\":\"");
    put_text(line, value, true);
    puts_to(line, "\"");
}

/* Ids and module names are short by contract; a long one must not push out the message. */
static const char *shortened(const char *text, char copy[128])
{
    if (!text)
        return "";
    (void)snprintf(copy, 128, "%s", text);
    return copy;
}

static void put_json_head(struct line *line, const struct dtr_log_record *record)
{
    char copy[128];
    puts_to(line, "{\"time\":\"");
    put_time(line, record->wall_ns);
    puts_to(line, "\"");
    put_member(line, "level", dtr_log_level_name(record->level));
    put_member(line, "pull", shortened(record->pull, copy));
    put_member(line, "module", shortened(record->module, copy));
    puts_to(line, ",\"message\":\"");
}

static void put_text_head(struct line *line, const struct dtr_log_record *record)
{
    static const char *const levels[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    char copy[128];
    put_time(line, record->wall_ns);
    puts_to(line, " ");
    puts_to(line, levels[record->level]);
    puts_to(line, " ");
    if (record->pull && *record->pull) {
        puts_to(line, "[");
        put_text(line, shortened(record->pull, copy), false);
        puts_to(line, "] ");
    }
    if (record->module && *record->module) {
        put_text(line, shortened(record->module, copy), false);
        puts_to(line, ": ");
    }
}

size_t dtr_log_line(const struct dtr_log_record *record, bool json, char line[DTR_LOG_LINE])
{
    const char *tail = json ? "\"}\n" : "\n";
    const size_t reserve = strlen(tail) + 3; /* and "..." */
    struct line l = {.at = line, .end = line + DTR_LOG_LINE - reserve};
    if (json)
        put_json_head(&l, record);
    else
        put_text_head(&l, record);
    put_text(&l, record->message, json);
    if (l.cut) {
        memcpy(l.at, "...", 3);
        l.at += 3;
    }
    memcpy(l.at, tail, strlen(tail));
    return (size_t)(l.at - line) + strlen(tail);
}

const char *dtr_log_level_name(enum dtr_log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return names[level];
}

bool dtr_log_level_parse(const char *name, enum dtr_log_level *ret_level)
{
    static const struct {
        const char *name;
        enum dtr_log_level level;
    } words[] = {{"error", DTR_LOG_ERROR}, {"warn", DTR_LOG_WARN},   {"warning", DTR_LOG_WARN},
                 {"info", DTR_LOG_INFO},   {"debug", DTR_LOG_DEBUG}, {"trace", DTR_LOG_DEBUG}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (dtr_casecmp(words[i].name, name) == 0) {
            *ret_level = words[i].level;
            return true;
        }
    }
    return false;
}

const char *dtr_log_url(const char *url, char *text, size_t size)
{
    if (size == 0)
        return text;
    if (!url)
        url = "";
    const char *scheme_end = strstr(url, "://");
    const char *authority = url;
    if (scheme_end && strcspn(url, "/?#@") > (size_t)(scheme_end - url))
        authority = scheme_end + 3;
    size_t authority_length = strcspn(authority, "/?#");
    const char *host = authority;
    for (size_t i = 0; i < authority_length; i++)
        if (authority[i] == '@')
            host = authority + i + 1;
    int scheme = (int)(authority - url);
    int rest = (int)strcspn(host, "?#");
    (void)snprintf(text, size, "%.*s%.*s", scheme, url, rest, host);
    return text;
}
