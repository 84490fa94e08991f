/* Which known key somebody may have meant. */
#include "core/conf/internal.h"

enum { LONGEST = 48 }; /* characters of one part of a key */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool dtr_conf_prefix(const char *whole, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!whole[i] || lower(whole[i]) != lower(text[i]))
            return false;
    return true;
}

/* Edits (insert, remove, replace, swap neighbours) between two words, in any case. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][LONGEST + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    if (a_length > LONGEST || b_length > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    memcpy(before, last, sizeof(rows[0]));
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned best = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            bool swapped =
                i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_length];
}

struct best {
    unsigned edits;
    const char *key;
    size_t length; /* of the key, or of the section that is its beginning */
};

static void consider(struct best *best, unsigned edits, const char *key, size_t length)
{
    if (edits < best->edits)
        *best = (struct best){edits, key, length};
}

/* Parts of known keys at the place where `path` leaves the known, then last parts of keys anywhere. */
static void search(const struct dtr_conf_schema *schema, const char *path, struct best *best)
{
    const char *dot = strrchr(path, '.');
    size_t prefix = dot ? (size_t)(dot - path) + 1 : 0;
    const char *word = path + prefix;
    size_t length = strlen(word);
    for (size_t i = 0; i < schema->count; i++) {
        const char *key = schema->rows[i].key;
        if (dtr_conf_prefix(key, path, prefix)) {
            size_t part = strcspn(key + prefix, ".");
            consider(best, distance(word, length, key + prefix, part), key, prefix + part);
        }
    }
    if (best->key)
        return;
    for (size_t i = 0; i < schema->count; i++) {
        const char *key = schema->rows[i].key, *last = strrchr(key, '.');
        last = last ? last + 1 : key;
        if (distance(word, length, last, strlen(last)) <= 1 && length > 3)
            consider(best, 0, key, strlen(key));
    }
}

const char *dtr_conf_nearest(const struct dtr_conf_schema *schema, const char *path, char found[128])
{
    const char *dot = strrchr(path, '.');
    size_t length = strlen(dot ? dot + 1 : path);
    struct best best = {.edits = length < 4 ? 2 : (unsigned)(length / 3 + 2)};
    if (length > LONGEST)
        return NULL;
    search(schema, path, &best);
    if (!best.key || best.length >= 128)
        return NULL;
    memcpy(found, best.key, best.length);
    found[best.length] = '\0';
    return found;
}
