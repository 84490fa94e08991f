/* See ctl_text.h. */
#include "core/tools/ctl_text.h"

void ctl_put(FILE *out, int width, const char *text)
{
    int count = 0;
    for (; *text; text++, count++)
        (void)fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
    if (count == 0)
        (void)fputc('-', out), count++;
    (void)fprintf(out, "%*s", width > count ? width - count : 0, "");
}

json_t *ctl_text_json(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_string("(not UTF-8)");
}

void ctl_set_text(json_t *object, const char *name, const char *text)
{
    (void)json_object_set_new(object, name, ctl_text_json(text));
}

void ctl_set_number(json_t *object, const char *name, uint64_t number)
{
    (void)json_object_set_new(object, name, json_integer((json_int_t)number));
}

int ctl_dump(json_t *value, FILE *out)
{
    int bad = json_dumpf(value, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(value);
    return bad || fputc('\n', out) == EOF ? DTR_EIO : DTR_OK;
}

int ctl_written(FILE *out)
{
    return fflush(out) != 0 || ferror(out) ? DTR_EIO : DTR_OK;
}

int ctl_printed(int rc, struct dtr_error *err)
{
    if (rc != DTR_OK)
        (void)dtr_error_set(err, rc, DTR_RETRY_NEVER, "the answer could not be written out");
    return rc;
}
