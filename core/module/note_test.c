/* The ELF reader, on a real module and on every cut and many changes of it. */
#include "core/module/note.h"

#include "core/base/str.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* The file of a test module beside this program; free(). */
static uint8_t *load(const char *name, size_t *ret_size)
{
    struct dtr_str path = {0};
    char own[4096] = "";
    uint8_t *bytes;
    off_t size;
    int fd;

    if (readlink("/proc/self/exe", own, sizeof(own) - 1) < 0)
        fail_msg("%s", strerror(errno));
    *strrchr(own, '/') = 0;
    dtr_str_printf(&path, "%s/modules/%s.so", own, name);
    fd = open(dtr_str_text(&path), O_RDONLY | O_CLOEXEC);
    dtr_str_free(&path);
    assert_true(fd >= 0);
    size = lseek(fd, 0, SEEK_END);
    bytes = malloc((size_t)size);
    assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
    close(fd);
    *ret_size = (size_t)size;
    return bytes;
}

/* On a copy of exactly that size, so that a read past the end is seen. */
static int parse(const uint8_t *bytes, size_t size, struct dtr_abi_note *note)
{
    struct dtr_error err = {0};
    uint8_t *copy = malloc(size ? size : 1);
    int status;
    memcpy(copy, bytes, size);
    status = dtr_note_parse(copy, size, note, &err);
    free(copy);
    assert_true(status == DTR_OK || (status < 0 && err.text[0]));
    return status;
}

static void assert_ours(const struct dtr_abi_note *note)
{
    assert_int_equal(note->abi_major, DTR_ABI_MAJOR);
    assert_int_equal(note->abi_minor, DTR_ABI_MINOR);
    assert_int_equal(note->module_size, sizeof(struct dtr_module));
}

static void test_good(void **state)
{
    struct dtr_abi_note note = {0};
    size_t size;
    uint8_t *bytes = load("runtime_good", &size);
    (void)state;
    assert_int_equal(parse(bytes, size, &note), DTR_OK);
    assert_ours(&note);
    free(bytes);
}

/* Without program headers the note sections still say it. */
static void test_sections_only(void **state)
{
    struct dtr_abi_note note = {0};
    size_t size;
    uint8_t *bytes = load("runtime_good", &size);
    Elf64_Ehdr head;
    (void)state;
    memcpy(&head, bytes, sizeof(head));
    head.e_phnum = 0;
    memcpy(bytes, &head, sizeof(head));
    assert_int_equal(parse(bytes, size, &note), DTR_OK);
    assert_ours(&note);
    head.e_shnum = 0;
    memcpy(bytes, &head, sizeof(head));
    assert_int_equal(parse(bytes, size, &note), DTR_ENOT_FOUND);
    free(bytes);
}

static void test_cuts(void **state)
{
    struct dtr_abi_note note;
    size_t size;
    uint8_t *bytes = load("runtime_good", &size);
    Elf64_Ehdr head;
    uint64_t loaded = 0; /* end of the last byte that is mapped */
    (void)state;

    memcpy(&head, bytes, sizeof(head));
    for (size_t i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + head.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_LOAD && segment.p_offset + segment.p_filesz > loaded)
            loaded = segment.p_offset + segment.p_filesz;
    }
    for (size_t cut = 0; cut < size; cut += cut < 2048 ? 1 : 97) {
        int status = parse(bytes, cut, &note);
        assert_true(status != DTR_OK || cut >= loaded);
    }
    free(bytes);
}

/* Every bit of the headers and every byte of the note: never out of bounds, and never another ABI than the
 * changed byte says. */
static void test_changes(void **state)
{
    struct dtr_abi_note note;
    size_t size, limit;
    uint8_t *bytes = load("runtime_good", &size);
    (void)state;
    limit = size < 1200 ? size : 1200;
    for (size_t at = 0; at < limit; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1 << bit);
            (void)dtr_note_parse(bytes, size, &note, NULL);
            bytes[at] ^= (uint8_t)(1 << bit);
        }
        bytes[at] ^= 0xFF;
        (void)dtr_note_parse(bytes, size, &note, NULL);
        bytes[at] ^= 0xFF;
    }
    free(bytes);
}

static void test_other_machines(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *says;
    } changes[] = {{0, 'x', "not an ELF"},
                   {EI_CLASS, ELFCLASS32, "64-bit"},
                   {EI_DATA, ELFDATA2MSB, "little-endian"},
                   {offsetof(Elf64_Ehdr, e_machine), EM_386, "processor"},
                   {offsetof(Elf64_Ehdr, e_type), ET_EXEC, "shared object"}};
    size_t size;
    uint8_t *bytes = load("runtime_good", &size);
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct dtr_error err = {0};
        struct dtr_abi_note note;
        uint8_t kept = bytes[changes[i].at];
        bytes[changes[i].at] = changes[i].value;
        assert_int_equal(dtr_note_parse(bytes, size, &note, &err), DTR_ECORRUPT);
        assert_non_null(strstr(err.text, changes[i].says));
        bytes[changes[i].at] = kept;
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_sections_only),
                                       cmocka_unit_test(test_cuts), cmocka_unit_test(test_changes),
                                       cmocka_unit_test(test_other_machines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
