/* The kernel's clock found in the vDSO, and images in which it is not. */
#include "base/vdso.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/sys.h"

Test(vdso, nothing_without_an_image)
{
    cr_expect_null((void *)(uintptr_t)tel_vdso_clock(0));
}

Test(vdso, tells_the_kernels_time)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_MONOTONIC};
    tel_clock_fn *clock = tel_vdso_clock(getauxval(AT_SYSINFO_EHDR));

    if (getauxval(AT_SYSINFO_EHDR) == 0)
        cr_skip_test("this kernel maps no vDSO");
    cr_assert_not_null((void *)(uintptr_t)clock);
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        struct timespec seen;
        int64_t before = tel_sys_clock_ns(clocks[i]);
        int64_t between;

        cr_assert_eq(clock(clocks[i], &seen), 0);
        between = (int64_t)seen.tv_sec * 1000000000 + seen.tv_nsec;
        if (clocks[i] == CLOCK_REALTIME)
            continue; /* may be set at any moment */
        cr_expect_leq(before, between);
        cr_expect_leq(between, tel_sys_clock_ns(clocks[i]));
    }
}

/* As small as an image can be: one segment, and a dynamic section with what the case wants. */
struct image {
    ElfW(Ehdr) header;
    ElfW(Phdr) programs[2];
    ElfW(Dyn) dynamic[4];
    ElfW(Word) hash[2];
    ElfW(Sym) symbols[3];
    char names[64];
};

static struct image image;

static void entry(int index, ElfW(Sxword) tag, const void *target)
{
    image.dynamic[index].d_tag = tag;
    image.dynamic[index].d_un.d_ptr = (uintptr_t)target - (uintptr_t)&image;
}

static void make_image(void)
{
    static const char names[] = "\0clock_gettime\0__vdso_clock_gettime2\0";

    memset(&image, 0, sizeof image);
    image.header.e_phoff = offsetof(struct image, programs);
    image.header.e_phnum = 2;
    image.programs[0] = (ElfW(Phdr)){.p_type = PT_LOAD};
    image.programs[1] =
        (ElfW(Phdr)){.p_type = PT_DYNAMIC, .p_offset = offsetof(struct image, dynamic)};
    entry(0, DT_SYMTAB, image.symbols);
    entry(1, DT_STRTAB, image.names);
    entry(2, DT_HASH, image.hash);
    image.hash[1] = 3;
    memcpy(image.names, names, sizeof names);
    image.symbols[1] = (ElfW(Sym)){.st_name = 1, .st_value = 16};
    image.symbols[2] = (ElfW(Sym)){.st_name = 15, .st_value = 32};
}

Test(vdso, only_the_whole_name_counts)
{
    make_image();
    cr_expect_null((void *)(uintptr_t)tel_vdso_clock((uintptr_t)&image));
}

Test(vdso, found_by_its_name_with_the_images_bias)
{
#if defined(__x86_64__)
    static const char name[] = "__vdso_clock_gettime";
#else
    static const char name[] = "__kernel_clock_gettime";
#endif

    make_image();
    memcpy(image.names + 15, name, sizeof name);
    cr_expect_eq((uintptr_t)tel_vdso_clock((uintptr_t)&image), (uintptr_t)&image + 32);

    image.symbols[2].st_value = 0; /* not defined here */
    cr_expect_null((void *)(uintptr_t)tel_vdso_clock((uintptr_t)&image));
}

Test(vdso, incomplete_images)
{
    make_image();
    image.programs[1].p_type = PT_NOTE;
    cr_expect_null((void *)(uintptr_t)tel_vdso_clock((uintptr_t)&image), "no dynamic section");

    for (int missing = 0; missing < 3; missing++) {
        make_image();
        image.dynamic[missing].d_tag = DT_FLAGS;
        cr_expect_null((void *)(uintptr_t)tel_vdso_clock((uintptr_t)&image), "%d", missing);
    }
}
