/* See elf_file.h. Only files of this machine and byte order are looked into. Headers of 32 bits are kept in
 * their form of 64. */
#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bounds on what is read of a file that says that it has more. */
enum { HEADERS_MAX = 256, DYNAMIC_MAX = 2048, NOTES_MAX = 4096, NAME_MAX_LEN = 256 };

struct elf_file {
    int fd;
    bool narrow; /* 32 bits */
    Elf64_Phdr headers[HEADERS_MAX];
    size_t count;
};

static Elf64_Half own_machine(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr header = {0};

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
        const Elf64_Phdr *part = &file->headers[i];

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

/* As many entries as fit; those of 32 bits are spread out from the last on. */
static size_t read_entries(const struct elf_file *file, const Elf64_Phdr *part, Elf64_Dyn *entries)
{
    const size_t size = file->narrow ? sizeof(Elf32_Dyn) : sizeof *entries;
    const size_t room = DYNAMIC_MAX * size;
    const size_t wanted = part->p_filesz < room ? part->p_filesz : room;
    const size_t count = read_at(file->fd, entries, wanted, part->p_offset) / size;

    for (size_t i = count; file->narrow && i-- > 0;) {
        Elf32_Dyn entry;

        memcpy(&entry, (const char *)entries + i * sizeof entry, sizeof entry);
        entries[i] = (Elf64_Dyn){.d_tag = entry.d_tag, .d_un.d_val = entry.d_un.d_val};
    }
    return count;
}

static void read_dynamic(const struct elf_file *file, const Elf64_Phdr *part,
                         struct elf_facts *facts)
{
    Elf64_Dyn *entries = malloc(DYNAMIC_MAX * sizeof *entries);
    uint64_t names = 0;
    size_t count;

    if (entries == NULL)
        return;
    count = read_entries(file, part, entries);
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
static void read_notes(const struct elf_file *file, const Elf64_Phdr *part, struct elf_facts *facts)
{
    unsigned char memory[NOTES_MAX];
    const size_t wanted = part->p_filesz < sizeof memory ? part->p_filesz : sizeof memory;
    const size_t len = read_at(file->fd, memory, wanted, part->p_offset);
    Elf64_Nhdr note; /* the same in both word sizes */

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
        const Elf64_Phdr *part = &file->headers[i];

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

static Elf64_Phdr widened(const Elf32_Phdr *part)
{
    return (Elf64_Phdr){.p_type = part->p_type,
                        .p_offset = part->p_offset,
                        .p_vaddr = part->p_vaddr,
                        .p_filesz = part->p_filesz};
}

static void read_headers(struct elf_file *file, uint64_t offset, size_t size, size_t count)
{
    Elf32_Phdr narrow[HEADERS_MAX];

    if (size != (file->narrow ? sizeof narrow[0] : sizeof file->headers[0]))
        return;
    if (count > HEADERS_MAX)
        count = HEADERS_MAX;
    file->count =
        read_at(file->fd, file->narrow ? (void *)narrow : file->headers, count * size, offset) /
        size;
    for (size_t i = 0; file->narrow && i < file->count; i++)
        file->headers[i] = widened(&narrow[i]);
}

/* Whose kernel executes the other's programs, and has loaders of both kinds. */
static bool is_twin(unsigned machine, unsigned own)
{
    return (machine == EM_386 && own == EM_X86_64) || (machine == EM_ARM && own == EM_AARCH64);
}

static void inspect(int fd, struct elf_facts *facts)
{
    union {
        Elf64_Ehdr wide;
        Elf32_Ehdr narrow;
    } own = {0};
    const unsigned char *ident = own.wide.e_ident;
    struct elf_file file = {.fd = fd};
    const size_t got = read_at(fd, &own, sizeof own, 0);

    if (got < EI_NIDENT + 4 || memcmp(ident, ELFMAG, SELFMAG) != 0)
        return;
    facts->is_elf = true;
    facts->is_64_bit = ident[EI_CLASS] == ELFCLASS64;
    facts->machine = own.wide.e_machine; /* at the same place in both word sizes */
    if (ident[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB))
        return;
    facts->is_native =
        got == sizeof own.wide && facts->is_64_bit && facts->machine == own_machine();
    facts->is_twin =
        got >= sizeof own.narrow && !facts->is_64_bit && is_twin(facts->machine, own_machine());
    file.narrow = facts->is_twin;
    if (facts->is_native)
        read_headers(&file, own.wide.e_phoff, own.wide.e_phentsize, own.wide.e_phnum);
    else if (facts->is_twin)
        read_headers(&file, own.narrow.e_phoff, own.narrow.e_phentsize, own.narrow.e_phnum);
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
