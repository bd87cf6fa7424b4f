/* See elf_file.h. Only files of our own word size and byte order are looked into. */
#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bounds on what is read of a file that says that it has more. */
enum { HEADERS_MAX = 256, DYNAMIC_MAX = 2048, NOTES_MAX = 4096, NAME_MAX_LEN = 256 };

struct elf_file {
    int fd;
    ElfW(Phdr) headers[HEADERS_MAX];
    size_t count;
};

static ElfW(Half) own_machine(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ElfW(Ehdr) header = {0};

    if (fd < 0)
        return EM_NONE;
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        header.e_machine = EM_NONE;
    close(fd);
    return header.e_machine;
}

/* Up to cap bytes at offset; a short file gives fewer. */
static size_t read_at(int fd, void *out, size_t cap, uint64_t offset)
{
    ssize_t got;

    if (offset > INT64_MAX)
        return 0;
    got = pread(fd, out, cap, (off_t)offset);
    return got < 0 ? 0 : (size_t)got;
}

/* A NUL-terminated text at offset, cut to fit. */
static void read_text(int fd, char *out, size_t cap, uint64_t offset)
{
    out[read_at(fd, out, cap - 1, offset)] = '\0';
}

/* Where in the file lies what will be at that address. */
static bool offset_of(const struct elf_file *file, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < file->count; i++) {
        const ElfW(Phdr) *part = &file->headers[i];

        if (part->p_type == PT_LOAD && address >= part->p_vaddr &&
            address - part->p_vaddr < part->p_filesz) {
            *offset = part->p_offset + (address - part->p_vaddr);
            return true;
        }
    }
    return false;
}

static void take_needed(const struct elf_file *file, uint64_t offset, struct elf_facts *facts)
{
    char name[NAME_MAX_LEN];

    read_text(file->fd, name, sizeof name, offset);
    if (strncmp(name, "libc.so", strlen("libc.so")) == 0)
        facts->needs_libc = true;
    if (strncmp(name, "libc.musl", strlen("libc.musl")) == 0) {
        facts->needs_libc = true;
        facts->is_musl = true;
    }
}

static void read_dynamic(const struct elf_file *file, const ElfW(Phdr) * part,
                         struct elf_facts *facts)
{
    const size_t room = DYNAMIC_MAX * sizeof(ElfW(Dyn));
    const size_t wanted = part->p_filesz < room ? part->p_filesz : room;
    ElfW(Dyn) *entries = malloc(room);
    uint64_t names = 0;
    size_t count;

    if (entries == NULL)
        return;
    count = read_at(file->fd, entries, wanted, part->p_offset) / sizeof *entries;
    for (size_t i = 0; i < count; i++)
        if (entries[i].d_tag == DT_STRTAB && !offset_of(file, entries[i].d_un.d_ptr, &names))
            names = 0;
    for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++)
        if (entries[i].d_tag == DT_NEEDED && names != 0)
            take_needed(file, names + entries[i].d_un.d_val, facts);
    free(entries);
}

static size_t aligned(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* Go's linker leaves a note named "Go": the build id. */
static void read_notes(const struct elf_file *file, const ElfW(Phdr) * part,
                       struct elf_facts *facts)
{
    unsigned char memory[NOTES_MAX];
    const size_t wanted = part->p_filesz < sizeof memory ? part->p_filesz : sizeof memory;
    const size_t len = read_at(file->fd, memory, wanted, part->p_offset);
    ElfW(Nhdr) note;

    for (size_t at = 0; at + sizeof note + 4 <= len;) {
        memcpy(&note, memory + at, sizeof note);
        at += sizeof note;
        if (note.n_namesz == 4 && memcmp(memory + at, "Go\0", 4) == 0)
            facts->is_go = true;
        if (note.n_namesz > NOTES_MAX || note.n_descsz > NOTES_MAX)
            return;
        at += aligned(note.n_namesz) + aligned(note.n_descsz);
    }
}

static void read_parts(const struct elf_file *file, struct elf_facts *facts)
{
    for (size_t i = 0; i < file->count; i++) {
        const ElfW(Phdr) *part = &file->headers[i];

        if (part->p_type == PT_INTERP) {
            facts->has_loader = true;
            read_text(file->fd, facts->loader, sizeof facts->loader, part->p_offset);
            facts->is_musl = facts->is_musl || strstr(facts->loader, "/ld-musl-") != NULL;
        } else if (part->p_type == PT_DYNAMIC) {
            read_dynamic(file, part, facts);
        } else if (part->p_type == PT_NOTE) {
            read_notes(file, part, facts);
        }
    }
}

static void inspect(int fd, struct elf_facts *facts)
{
    ElfW(Ehdr) own = {0};
    struct elf_file file = {.fd = fd};
    const size_t got = read_at(fd, &own, sizeof own, 0);
    size_t count;

    if (got < EI_NIDENT + 4 || memcmp(own.e_ident, ELFMAG, SELFMAG) != 0)
        return;
    facts->is_elf = true;
    facts->is_64_bit = own.e_ident[EI_CLASS] == ELFCLASS64;
    facts->machine = own.e_machine; /* at the same place in both word sizes */
    facts->is_native = got == sizeof own && own.e_machine == own_machine() &&
                       own.e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
                       own.e_ident[EI_DATA] ==
                           (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
    if (!facts->is_native || own.e_phentsize != sizeof(ElfW(Phdr)))
        return;
    count = own.e_phnum < HEADERS_MAX ? own.e_phnum : HEADERS_MAX;
    file.count = read_at(fd, file.headers, count * sizeof file.headers[0], own.e_phoff) /
                 sizeof file.headers[0];
    read_parts(&file, facts);
}

int elf_file_inspect(const char *path, struct elf_facts *facts, struct tel_error *err)
{
    /* O_NONBLOCK: a FIFO without a writer must not hang us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return tel_fail_sys(err, -errno, "cannot read ", path, NULL);
    memset(facts, 0, sizeof *facts);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        inspect(fd, facts);
    close(fd);
    return 0;
}

const char *elf_machine_name(const struct elf_facts *facts, char memory[32])
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {
        {EM_X86_64, "x86-64"},  {EM_386, "32-bit x86"},      {EM_AARCH64, "ARM64"},
        {EM_ARM, "32-bit ARM"}, {EM_RISCV, "RISC-V"},        {EM_PPC64, "POWER"},
        {EM_S390, "IBM Z"},     {EM_LOONGARCH, "LoongArch"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].machine == facts->machine)
            return facts->machine == EM_X86_64 && !facts->is_64_bit ? "x32" : names[i].name;
    snprintf(memory, 32, "machine 0x%x", facts->machine);
    return memory;
}
