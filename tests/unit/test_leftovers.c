/* What the collectors of namespaces that are gone leave in run/. */
#include "leftovers.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "namespaces.h"
#include "support/places.h"
#include "support/support.h"

static const uint64_t living_ns = 4026531836;
static const uint64_t gone_ns = 4026532999;

/* What a look at the machine's processes tells. */
static bool sees_all = true;

bool __wrap_tel_namespaces_look(struct tel_namespaces *seen);

bool __wrap_tel_namespaces_look(struct tel_namespaces *seen)
{
    *seen = (struct tel_namespaces){calloc(1, sizeof *seen->inode), 1, 1};
    seen->inode[0] = living_ns;
    return sees_all;
}

static struct tel_datadir dir;

static void set_up(void)
{
    make_place(&dir, test_dir());
    cr_assert_eq(tel_datadir_prepare_run(&dir, NULL), 0);
}

TestSuite(leftovers, .init = set_up);

static const char *path_of(const char *stem, const char *suffix)
{
    return text("%s/%s%s", dir.run, stem, suffix);
}

static const char *stem_of(unsigned uid, unsigned long pid_ns, const char *more)
{
    return text("collector-v%d-%u-%lu%s", TEL_PROTO_VERSION, uid, pid_ns, more);
}

static const char *make_set(const char *stem)
{
    static const char *const suffixes[] = {".lock", ".start", ".request"};

    for (int i = 0; i < 3; i++)
        write_file(path_of(stem, suffixes[i]), "", 0600);
    return stem;
}

/* Files of the set that are there. */
static int files_of(const char *stem)
{
    return file_exists(path_of(stem, ".lock")) + file_exists(path_of(stem, ".start")) +
           file_exists(path_of(stem, ".request"));
}

Test(leftovers, of_a_namespace_that_is_gone)
{
    const char *gone = make_set(stem_of(geteuid(), gone_ns, ""));
    const char *elsewhere = make_set(stem_of(geteuid(), gone_ns, "-0a1b2c3d"));

    tel_leftovers_remove(&dir);
    cr_expect_eq(files_of(gone), 0);
    cr_expect_eq(files_of(elsewhere), 0, "with a journal or database of its own");
}

Test(leftovers, what_is_none)
{
    const char *living = make_set(stem_of(geteuid(), living_ns, ""));
    const char *others = make_set(stem_of(geteuid() + 1, gone_ns, ""));
    const char *unknown = make_set(stem_of(geteuid(), 0, ""));
    const char *foreign = make_set("collector-of-stamps");

    tel_leftovers_remove(&dir);
    cr_expect_eq(files_of(living), 3);
    cr_expect_eq(files_of(others), 3, "another user's");
    cr_expect_eq(files_of(unknown), 3, "a namespace that was not known");
    cr_expect_eq(files_of(foreign), 3);
}

Test(leftovers, in_use)
{
    const char *gone = make_set(stem_of(geteuid(), gone_ns, ""));
    const int fd = open(path_of(gone, ".lock"), O_RDWR | O_CLOEXEC);

    cr_assert_eq(flock(fd, LOCK_EX), 0);
    tel_leftovers_remove(&dir);
    cr_expect_eq(files_of(gone), 3);
    close(fd);
}

Test(leftovers, without_certainty)
{
    const char *gone = make_set(stem_of(geteuid(), gone_ns, ""));

    sees_all = false;
    tel_leftovers_remove(&dir);
    cr_expect_eq(files_of(gone), 3);
}

Test(leftovers, no_directory)
{
    int before = count_descriptors();

    cr_assert_eq(rmdir(dir.run), 0);
    tel_leftovers_remove(&dir);
    cr_expect_eq(count_descriptors(), before);
}
