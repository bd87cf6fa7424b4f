/* Looks one symbol up in the vDSO's dynamic section: a small, complete ELF image that the kernel
 * maps into every process (vdso(7)). */
#include "vdso.h"

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#define CLOCK_SYMBOL "__vdso_clock_gettime"
#elif defined(__i386__)
#define CLOCK_SYMBOL "__vdso_clock_gettime64"
#else
#define CLOCK_SYMBOL "__kernel_clock_gettime"
#endif

struct image {
    uintptr_t bias; /* what to add to an address in the image */
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Word) * hash; /* DT_HASH: tells how many symbols there are */
};

static const void *at(uintptr_t address)
{
    return (const void *)address;
}

static const ElfW(Dyn) * find_dynamic(uintptr_t base, uintptr_t *bias)
{
    const ElfW(Ehdr) *header = at(base);
    const ElfW(Phdr) *program = at(base + header->e_phoff);
    const ElfW(Dyn) *dynamic = NULL;

    *bias = base;
    for (int i = 0; i < header->e_phnum; i++) {
        if (program[i].p_type == PT_LOAD && program[i].p_offset == 0)
            *bias = base - program[i].p_vaddr;
        if (program[i].p_type == PT_DYNAMIC)
            dynamic = at(base + program[i].p_offset);
    }
    return dynamic;
}

static void read_dynamic(struct image *image, const ElfW(Dyn) * dynamic)
{
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        const void *target = at(image->bias + dynamic->d_un.d_ptr);

        if (dynamic->d_tag == DT_SYMTAB)
            image->symbols = target;
        else if (dynamic->d_tag == DT_STRTAB)
            image->names = target;
        else if (dynamic->d_tag == DT_HASH)
            image->hash = target;
    }
}

tel_clock_fn *tel_vdso_clock(uintptr_t base)
{
    static const char wanted[] = CLOCK_SYMBOL;
    struct image image = {0};
    const ElfW(Dyn) * dynamic;

    if (base == 0)
        return NULL;
    dynamic = find_dynamic(base, &image.bias);
    if (dynamic == NULL)
        return NULL;
    read_dynamic(&image, dynamic);
    if (image.symbols == NULL || image.names == NULL || image.hash == NULL)
        return NULL;
    for (ElfW(Word) i = 0; i < image.hash[1]; i++) {
        const ElfW(Sym) *symbol = &image.symbols[i];

        if (symbol->st_value != 0 &&
            memcmp(image.names + symbol->st_name, wanted, sizeof wanted) == 0)
            return (tel_clock_fn *)(image.bias + symbol->st_value);
    }
    return NULL;
}
