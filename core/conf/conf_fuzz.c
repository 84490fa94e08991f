/* Any bytes as configuration: the first byte chooses the role. */
#include "core/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    struct dtr_conf_report report = {0};
    struct dtr_conf *conf;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    if (size == 0)
        return 0;
    enum dtr_conf_role role = (enum dtr_conf_role)(data[0] % DTR_ROLE_COUNT);
    /* The byte stays in: seeds are whole files. */
    if (dtr_conf_parse(role, "fuzz", (const char *)data, size, &conf, &report, NULL) == DTR_OK) {
        (void)dtr_conf_set(conf, "proxy.rules", "[{regex: a}]", NULL);
        dtr_conf_free(conf);
    }
    if (nowhere)
        dtr_conf_report_print(&report, nowhere);
    dtr_conf_report_free(&report);
    return 0;
}
