/* What an ELF file says of how it will be started (elf(5)): enough to know whether a preloaded
 * object gets into it. */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include "base/error.h"

struct elf_facts {
    bool is_elf; /* the other members are only set when it is */
    bool is_64_bit;
    bool is_native; /* word size, byte order and machine of this very program */
    bool
        is_twin; /* a 32-bit program of this machine: it has another loader, and needs another shim */
    bool has_loader; /* it is started by a dynamic loader, which takes preloaded objects */
    bool needs_libc; /* it is linked with a libc, as all but a few Go programs are */
    bool is_musl;
    bool is_go;
    char loader[256];
    unsigned machine; /* e_machine */
};

/* Nothing in the file is trusted. Errors: negative errno; a file that is too short or has another
 * format is none, but no ELF file. */
int elf_file_inspect(const char *path, struct elf_facts *facts, struct tel_error *err);

/* "x86-64", "32-bit ARM"; "machine 0x1234" in memory for less usual ones. */
const char *elf_machine_name(const struct elf_facts *facts, char memory[32]);

#endif
