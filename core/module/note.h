/* The ABI note of a module, read from the file before it is loaded.
 *
 * Formats: System V gABI "ELF Header", "Sections", "Program Header", "Note Section"; darter/module.h for
 * what is in the note. Only 64-bit little-endian shared objects for this processor are accepted. Nothing
 * in the file is trusted: every table has a ceiling and every access is checked against the size. */
#ifndef DTR_MODULE_NOTE_H
#define DTR_MODULE_NOTE_H

#include <darter/module.h>

/* From an open descriptor. DTR_ECORRUPT: not such a file, or cut short; DTR_ENOT_FOUND: no note;
 * err->text says it without the file's name. */
int dtr_note_read(int fd, struct dtr_abi_note *ret_note, struct dtr_error *err);
/* From memory. */
int dtr_note_parse(const void *bytes, size_t size, struct dtr_abi_note *ret_note, struct dtr_error *err);

#endif
