/* Reading the index of one task from memory; the format is described in index.h. */
#include "index_format.h"

#include <libdeflate.h>
#include <stdlib.h>

/* What parsing gathers; a piece needs its place in the log and its boot until the end. */
struct found {
    struct dtr_piece piece;
    size_t at;
    bool same_boot;
};

struct parse {
    const uint8_t *bytes;
    size_t size, at;
    uint64_t boot;
    const char *text;
    size_t text_size;
    struct found *found;
    uint32_t count, capacity;
};

static bool unit_at(const uint8_t *bytes, size_t at, uint32_t kind, struct unit *unit)
{
    memcpy(unit, bytes + at, sizeof(*unit));
    return unit->kind == kind && unit->crc == unit_crc(unit);
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static int add_piece(struct parse *parse, const struct unit *unit, struct dtr_error *err)
{
    if (unit->piece.length > UINT64_MAX - unit->piece.offset)
        return index_damaged(err, "piece out of range", parse->at);
    if (parse->count == parse->capacity) {
        uint32_t capacity = parse->capacity ? parse->capacity * 2 : 64;
        struct found *list = realloc(parse->found, capacity * sizeof(*list));
        if (!list)
            return index_fail(err, "index");
        parse->found = list;
        parse->capacity = capacity;
    }
    parse->found[parse->count] = (struct found){
        .piece = {.number = unit->piece.number,
                  .crc32 = unit->piece.crc32,
                  .offset = unit->piece.offset,
                  .length = unit->piece.length,
                  .has_crc32 = unit->piece.has_crc32 != 0,
                  .traffic = unit->piece.traffic,
                  .cost_ns = unit->piece.cost_ns,
                  .created_at = unit->piece.created_at},
        .at = parse->at,
        .same_boot = unit->piece.boot == parse->boot,
    };
    parse->count++;
    return DTR_OK;
}

static void drop_pieces(struct parse *parse, uint32_t first, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < parse->count; i++) {
        uint32_t number = parse->found[i].piece.number;
        if (number < first || number - first >= count)
            parse->found[kept++] = parse->found[i];
    }
    parse->count = kept;
}

/* Takes the strings of a text record. *ret_half: the file ends inside them. */
static int take_text(struct parse *parse, const struct unit *unit, bool *ret_half, struct dtr_error *err)
{
    size_t left = parse->size - parse->at - INDEX_UNIT;
    const char *text = (const char *)parse->bytes + parse->at + INDEX_UNIT;
    size_t size = unit->text.size;
    uint32_t strings = 0;

    if (unit->text.size > INDEX_TEXT_MOST)
        return index_damaged(err, "text too long", parse->at);
    *ret_half = padded(size) > left;
    if (*ret_half)
        return DTR_OK;
    for (size_t i = 0; i < size; i++)
        strings += text[i] == 0;
    if (size == 0 || text[size - 1] != 0 || strings != TEXT_COUNT ||
        libdeflate_crc32(0, text, size) != unit->text.crc ||
        !all_zero((const uint8_t *)text + size, padded(size) - size))
        return index_damaged(err, "text", parse->at);
    parse->text = text;
    parse->text_size = size;
    parse->at += padded(size);
    return DTR_OK;
}

static int parse_log(struct parse *parse, struct dtr_error *err)
{
    int status = DTR_OK;
    for (parse->at = FIRST_RECORD; parse->size - parse->at >= INDEX_UNIT; parse->at += INDEX_UNIT) {
        struct unit unit;
        bool half = false;
        memcpy(&unit, parse->bytes + parse->at, sizeof(unit));
        if (unit.kind == 0 && all_zero(parse->bytes + parse->at, parse->size - parse->at))
            return DTR_OK;
        if (unit.crc != unit_crc(&unit))
            return index_damaged(err, "record", parse->at);
        if (unit.kind == UNIT_PIECE)
            status = add_piece(parse, &unit, err);
        else if (unit.kind == UNIT_WITHDRAW)
            drop_pieces(parse, unit.withdraw.first, unit.withdraw.count);
        else if (unit.kind == UNIT_TEXT)
            status = take_text(parse, &unit, &half, err);
        else
            status = index_damaged(err, "unknown record", parse->at);
        if (status != DTR_OK || half)
            return status;
    }
    return DTR_OK;
}

static int by_number(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->piece.number != b->piece.number)
        return a->piece.number < b->piece.number ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

static int give_pieces(struct parse *parse, struct index_content *content, struct dtr_error *err)
{
    content->checked = true;
    content->count = 0;
    content->pieces = NULL;
    if (parse->count == 0)
        return DTR_OK;
    content->pieces = calloc(parse->count, sizeof(*content->pieces));
    if (!content->pieces)
        return index_fail(err, "index");
    qsort(parse->found, parse->count, sizeof(*parse->found), by_number);
    for (uint32_t i = 0; i < parse->count; i++) {
        const struct found *found = &parse->found[i];
        if (i + 1 < parse->count && found[1].piece.number == found->piece.number)
            continue;
        content->pieces[content->count++] = found->piece;
        content->checked = content->checked && found->same_boot;
    }
    return DTR_OK;
}

static void give_facts(const struct index *index, const struct unit *numbers, struct dtr_task_facts *facts)
{
    const char *text[TEXT_COUNT];
    const char *at = index->text;
    for (int i = 0; i < TEXT_COUNT; i++, at += strlen(at) + 1)
        text[i] = at;
    *facts = (struct dtr_task_facts){
        .task_id = text[0],
        .url = text[1],
        .digest = text[2],
        .headers = text[3],
        .tag = text[4],
        .application = text[5],
        .content_length = numbers->numbers.content_length,
        .piece_length = numbers->numbers.piece_length,
        .created_at = numbers->numbers.created_at,
        .finished_at = numbers->numbers.finished_at,
        .used_at = numbers->numbers.used_at,
    };
}

/* The numbers in force: of two valid units the later one. */
static bool pick_numbers(const uint8_t *bytes, struct unit *numbers)
{
    struct unit other;
    bool first = unit_at(bytes, INDEX_UNIT, UNIT_NUMBERS, numbers);
    bool second = unit_at(bytes, 2 * INDEX_UNIT, UNIT_NUMBERS, &other);
    if (second && (!first || other.numbers.sequence > numbers->numbers.sequence))
        *numbers = other;
    return first || second;
}

int index_parse(const uint8_t *bytes, size_t size, uint64_t boot, struct index *index,
                struct index_content *content, struct dtr_error *err)
{
    struct parse parse = {.bytes = bytes, .size = size, .boot = boot};
    struct unit head, numbers;
    int status;

    if (size < FIRST_RECORD || !unit_at(bytes, 0, UNIT_HEAD, &head))
        return index_damaged(err, "head", 0);
    if (memcmp(head.head.magic, INDEX_MAGIC, sizeof(head.head.magic)) != 0 ||
        head.head.version != INDEX_VERSION)
        return index_damaged(err, "version", 0);
    if (!pick_numbers(bytes, &numbers))
        return index_damaged(err, "numbers", INDEX_UNIT);
    status = parse_log(&parse, err);
    if (status == DTR_OK && !parse.text)
        status = index_damaged(err, "no text", FIRST_RECORD);
    if (status == DTR_OK && content)
        status = give_pieces(&parse, content, err);
    free(parse.found);
    if (status != DTR_OK)
        return status;

    index->text = malloc(parse.text_size);
    if (!index->text) {
        if (content)
            free(content->pieces);
        return index_fail(err, "index");
    }
    memcpy(index->text, parse.text, parse.text_size);
    index->text_size = parse.text_size;
    index->sequence = numbers.numbers.sequence;
    index->end = parse.at;
    if (content)
        give_facts(index, &numbers, &content->facts);
    return DTR_OK;
}
