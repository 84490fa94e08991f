/* The smallest ELF reader that finds a note: file header, then every PT_NOTE segment, then every note
 * section (a file whose program headers were stripped or made by another linker). */
#include "core/module/note.h"

#include "core/base/reader.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are read as they stand");

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#else
#define OUR_MACHINE EM_NONE
#endif

enum { SEGMENTS_MOST = 256, NOTES_MOST = 64 << 10 };

/* The file: a descriptor, or memory when fd is -1. */
struct elf {
    int fd;
    const uint8_t *bytes;
    uint64_t size;
    Elf64_Ehdr head;
};

static bool fetch(const struct elf *elf, uint64_t at, void *to, size_t length)
{
    size_t have = 0;
    if (length > elf->size || at > elf->size - length)
        return false;
    if (elf->fd < 0) {
        memcpy(to, elf->bytes + at, length);
        return true;
    }
    while (have < length) {
        ssize_t got = pread(elf->fd, (uint8_t *)to + have, length - have, (off_t)(at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static int bad(struct dtr_error *err, const char *what)
{
    return dtr_error_set(err, DTR_ECORRUPT, DTR_RETRY_NEVER, "%s", what);
}

static int check_head(struct elf *elf, struct dtr_error *err)
{
    const Elf64_Ehdr *head = &elf->head;
    if (!fetch(elf, 0, &elf->head, sizeof(elf->head)) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
        return bad(err, "not an ELF file");
    if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB)
        return bad(err, "not a 64-bit little-endian ELF file");
    if (head->e_machine != OUR_MACHINE)
        return bad(err, "built for another processor");
    if (head->e_type != ET_DYN)
        return bad(err, "not a shared object");
    return DTR_OK;
}

/* Looks for our note in one run of notes, whose names and values are padded to `align`. */
static bool search(const uint8_t *notes, size_t size, size_t align, struct dtr_abi_note *ret_note)
{
    struct dtr_reader reader = dtr_reader_of(notes, size);
    while (dtr_reader_left(&reader) >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr head;
        const uint8_t *name, *value;
        size_t name_padding, value_padding;

        memcpy(&head, dtr_read_bytes(&reader, sizeof(head)), sizeof(head));
        name_padding = (align - head.n_namesz % align) % align;
        value_padding = (align - head.n_descsz % align) % align;
        name = dtr_read_bytes(&reader, head.n_namesz);
        (void)dtr_read_bytes(&reader, name_padding);
        value = dtr_read_bytes(&reader, head.n_descsz);
        if (reader.failed)
            return false;
        if (head.n_type == DTR_NOTE_ABI && head.n_namesz == sizeof("Darter") &&
            memcmp(name, "Darter", sizeof("Darter")) == 0 && head.n_descsz >= sizeof(*ret_note)) {
            memcpy(ret_note, value, sizeof(*ret_note));
            return true;
        }
        /* The last value of a run may stand without its padding. */
        if (dtr_reader_left(&reader) < value_padding)
            return false;
        (void)dtr_read_bytes(&reader, value_padding);
    }
    return false;
}

/* Reads one run of notes and looks in it. */
static int search_at(const struct elf *elf, uint64_t at, uint64_t size, uint64_t align,
                     struct dtr_abi_note *ret_note, bool *ret_found, struct dtr_error *err)
{
    uint8_t *notes;
    if (size > NOTES_MOST)
        return bad(err, "unbelievably large notes");
    notes = malloc(size + 1);
    if (!notes)
        return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory");
    if (!fetch(elf, at, notes, size)) {
        free(notes);
        return bad(err, "cut short: the notes lie behind its end");
    }
    *ret_found = search(notes, size, align == 8 ? 8 : 4, ret_note);
    free(notes);
    return DTR_OK;
}

static int search_segments(const struct elf *elf, struct dtr_abi_note *ret_note, bool *ret_found,
                           struct dtr_error *err)
{
    int status = DTR_OK;
    if (elf->head.e_phnum > SEGMENTS_MOST ||
        (elf->head.e_phnum > 0 && elf->head.e_phentsize != sizeof(Elf64_Phdr)))
        return bad(err, "odd program headers");
    for (uint64_t i = 0; status == DTR_OK && !*ret_found && i < elf->head.e_phnum; i++) {
        Elf64_Phdr segment;
        if (elf->head.e_phoff > elf->size ||
            !fetch(elf, elf->head.e_phoff + i * sizeof(segment), &segment, sizeof(segment)))
            return bad(err, "cut short: the program headers lie behind its end");
        /* What is to be loaded must be there, or the dynamic linker would run into it. */
        if (segment.p_type == PT_LOAD &&
            (segment.p_filesz > elf->size || segment.p_offset > elf->size - segment.p_filesz))
            return bad(err, "cut short: a segment lies behind its end");
        if (segment.p_type == PT_NOTE)
            status =
                search_at(elf, segment.p_offset, segment.p_filesz, segment.p_align, ret_note, ret_found, err);
    }
    return status;
}

static int search_sections(const struct elf *elf, struct dtr_abi_note *ret_note, bool *ret_found,
                           struct dtr_error *err)
{
    int status = DTR_OK;
    if (elf->head.e_shnum > 0 && elf->head.e_shentsize != sizeof(Elf64_Shdr))
        return bad(err, "odd section headers");
    for (uint64_t i = 0; status == DTR_OK && !*ret_found && i < elf->head.e_shnum; i++) {
        Elf64_Shdr section;
        if (elf->head.e_shoff > elf->size ||
            !fetch(elf, elf->head.e_shoff + i * sizeof(section), &section, sizeof(section)))
            return bad(err, "cut short: the section headers lie behind its end");
        if (section.sh_type == SHT_NOTE)
            status = search_at(elf, section.sh_offset, section.sh_size, section.sh_addralign, ret_note,
                               ret_found, err);
    }
    return status;
}

static int search_elf(struct elf *elf, struct dtr_abi_note *ret_note, struct dtr_error *err)
{
    bool found = false;
    int status = check_head(elf, err);
    if (status == DTR_OK)
        status = search_segments(elf, ret_note, &found, err);
    if (status == DTR_OK && !found)
        status = search_sections(elf, ret_note, &found, err);
    if (status == DTR_OK && !found)
        return dtr_error_set(err, DTR_ENOT_FOUND, DTR_RETRY_NEVER, "no ABI note");
    return status;
}

int dtr_note_read(int fd, struct dtr_abi_note *ret_note, struct dtr_error *err)
{
    struct elf elf = {.fd = fd};
    struct stat st;
    if (fstat(fd, &st) != 0)
        return dtr_error_set(err, DTR_EIO, DTR_RETRY_NEVER, "%s", strerror(errno));
    elf.size = (uint64_t)st.st_size;
    return search_elf(&elf, ret_note, err);
}

int dtr_note_parse(const void *bytes, size_t size, struct dtr_abi_note *ret_note, struct dtr_error *err)
{
    struct elf elf = {.fd = -1, .bytes = bytes, .size = size};
    return search_elf(&elf, ret_note, err);
}
