/* Feeds any bytes to the TOML reader and to both editors; an edit must be stable: editing the result again
 * changes nothing more. */
#include "containerd.h"
#include "toml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void walk(const char *text, size_t length)
{
    struct toml_reader reader = toml_open(text, length);
    struct toml_item item;
    size_t end = 0;
    while (toml_next(&reader, &item) > 0) {
        char value[64];
        if (item.start < end || item.end > length || item.end <= item.start)
            abort();
        end = item.end;
        if (!item.is_table)
            (void)toml_string(item.value, value, sizeof(value));
    }
}

static void edit_config(const char *text)
{
    struct config_edit first, again;
    if (config_edit_text("f", text, "/certs", &first, NULL) || !first.text)
        return;
    if (config_edit_text("f", first.text, "/certs", &again, NULL) || again.text ||
        strcmp(again.folder, "/certs") != 0)
        abort();
    free(first.text);
}

static void edit_hosts(const char *text)
{
    struct hosts_wish wish = {.proxy = "http://p", .server = "https://s", .capabilities = "pull,resolve"};
    char *first, *again;
    if (hosts_edit_text("f", text, &wish, &first, NULL) || !first)
        return;
    if (hosts_edit_text("f", first, &wish, &again, NULL) || again)
        abort();
    free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *text = malloc(length + 1);
    if (!text)
        return 0;
    memcpy(text, bytes, length);
    text[length] = '\0';
    walk(text, length);
    edit_config(text);
    edit_hosts(text);
    free(text);
    return 0;
}
