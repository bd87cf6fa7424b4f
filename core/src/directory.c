/* See directory.h. */
#include "directory.h"

#include "base/clock.h"
#include "base/sys.h"

static const int64_t fresh_ns = 50 * 1000 * 1000;

static bool is_settled(const struct stat *st)
{
    const int64_t changed_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
    struct tel_instant now;

    tel_clock_now(&now);
    return now.realtime_ns - changed_ns > fresh_ns;
}

static bool is_as_seen(const struct tel_directory *directory, const struct stat *st)
{
    const struct stat *seen = &directory->seen;

    return directory->is_known && st->st_ino == seen->st_ino && st->st_dev == seen->st_dev &&
           st->st_ctim.tv_sec == seen->st_ctim.tv_sec &&
           st->st_ctim.tv_nsec == seen->st_ctim.tv_nsec;
}

bool tel_directory_is_same(struct tel_directory *directory, const char *path)
{
    struct stat st;
    const bool is_settled_now = tel_sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && is_settled(&st);

    if (is_settled_now && is_as_seen(directory, &st))
        return true;
    directory->is_known = is_settled_now;
    if (is_settled_now)
        directory->seen = st;
    return false;
}
