/* Which machine an image is for; see parts.h. */
#include "core/oci/parts.h"

#include "core/base/str.h"
#include <ctype.h>
#include <string.h>
#include <sys/utsname.h>

static bool all(const char *from, const char *end, const char *also)
{
    for (; from < end; from++) {
        if (!isalnum((unsigned char)*from) && !strchr(also, *from))
            return false;
    }
    return true;
}

/* What uname says, and what images say (the OCI image specification takes Go's names). */
static const char *const machines[][3] = {
    {"x86_64", "amd64", ""}, {"aarch64", "arm64", ""},       {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"}, {"armv5tel", "arm", "v5"},      {"i686", "386", ""},
    {"i386", "386", ""},     {"loongarch64", "loong64", ""},
};

static void this_machine(struct oci_platform *platform)
{
    struct utsname name;
    const char *architecture = uname(&name) == 0 ? name.machine : "x86_64", *variant = "";
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (strcmp(architecture, machines[i][0]) == 0) {
            variant = machines[i][2];
            architecture = machines[i][1];
            break;
        }
    }
    (void)dtr_copy_text(platform->os, sizeof(platform->os), "linux");
    (void)dtr_copy_text(platform->architecture, sizeof(platform->architecture), architecture);
    (void)dtr_copy_text(platform->variant, sizeof(platform->variant), variant);
}

int oci_platform_read(const char *text, struct oci_platform *ret_platform, struct dtr_error *err)
{
    char *const fields[] = {ret_platform->os, ret_platform->architecture, ret_platform->variant};
    enum { SIZE = sizeof(ret_platform->os), FIELDS = 3 };
    const char *at = text;
    size_t count = 0;
    *ret_platform = (struct oci_platform){0};
    if (!text) {
        this_machine(ret_platform);
        return DTR_OK;
    }
    while (count < FIELDS) {
        const char *end = at + strcspn(at, "/");
        size_t length = (size_t)(end - at);
        if (length == 0 || length >= SIZE || !all(at, end, "._-"))
            break;
        memcpy(fields[count], at, length);
        fields[count++][length] = '\0';
        if (!*end)
            return count >= 2 ? DTR_OK
                              : dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                                              "platform: \"%.60s\" names no architecture; needed is "
                                              "os/architecture, as in linux/amd64",
                                              text);
        at = end + 1;
    }
    return dtr_error_set(err, DTR_EINVALID, DTR_RETRY_NEVER,
                         "platform: \"%.60s\" is none; needed is os/architecture or os/architecture/variant, "
                         "as in linux/amd64",
                         text);
}

int dtr_oci_check_platform(const char *platform, struct dtr_error *err)
{
    struct oci_platform read;
    return oci_platform_read(platform, &read, err);
}

/* --- the choice ------------------------------------------------------------------------------------------
 */

/* Architectures whose variants are levels, each of which runs what is for a lower one; and what no variant
 * means (as containerd and Go have it). */
static const struct {
    const char *architecture;
    unsigned level;
} leveled[] = {{"amd64", 1}, {"arm", 7}, {"arm64", 8}};

/* The level that a variant names, 0: it is no level. */
static unsigned level_of(const struct oci_platform *platform)
{
    uint64_t level;
    for (size_t i = 0; i < sizeof(leveled) / sizeof(leveled[0]); i++) {
        if (strcmp(platform->architecture, leveled[i].architecture) != 0)
            continue;
        if (!platform->variant[0])
            return leveled[i].level;
        bool named = platform->variant[0] == 'v' &&
                     dtr_parse_u64(platform->variant + 1, strlen(platform->variant + 1), &level);
        return named && level < 100 ? (unsigned)level : 0;
    }
    return 0;
}

unsigned oci_platform_rank(const struct oci_platform *offered, const struct oci_platform *wanted)
{
    unsigned has = level_of(offered), may = level_of(wanted);
    if (strcmp(offered->os, wanted->os) != 0 || strcmp(offered->architecture, wanted->architecture) != 0 ||
        strcmp(offered->os, "unknown") == 0)
        return 0;
    if (strcmp(offered->variant, wanted->variant) == 0)
        return OCI_RANK_EXACT;
    if (has > 0 && may > 0)
        return has <= may ? has : 0;
    return offered->variant[0] && wanted->variant[0] ? 0 : 1;
}

void oci_platform_text(const struct oci_platform *platform, char text[OCI_PLATFORM_TEXT])
{
    (void)snprintf(text, OCI_PLATFORM_TEXT, "%s/%s%s%s", platform->os, platform->architecture,
                   platform->variant[0] ? "/" : "", platform->variant);
}
