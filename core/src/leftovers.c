/* See leftovers.h. */
#include "leftovers.h"

#include "base/proto.h"
#include "namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The pid namespace in the name of a lock of user's, as datadir.c makes it; 0 for any other name. */
static uint64_t namespace_in(const char *name, uid_t user)
{
    const size_t len = strlen(name);
    const size_t suffix = strlen(TEL_LOCK_SUFFIX);
    unsigned long long pid_ns;
    unsigned version;
    unsigned uid;

    if (len <= suffix || strcmp(name + len - suffix, TEL_LOCK_SUFFIX) != 0 ||
        sscanf(name, "collector-v%u-%u-%llu", &version, &uid, &pid_ns) != 3 || uid != user)
        return 0;
    return pid_ns;
}

static bool is_held(int directory, const char *name)
{
    const int fd = openat(directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool held;

    if (fd < 0)
        return true;
    held = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return held;
}

/* The lock's file last: while its name is there, so are the others'. */
static void remove_set(int directory, const char *lock)
{
    const int stem = (int)(strlen(lock) - strlen(TEL_LOCK_SUFFIX));
    char path[300];

    for (int which = 0; which < 2; which++) {
        snprintf(path, sizeof path, "%.*s%s", stem, lock, tel_socket_suffix[which]);
        unlinkat(directory, path, 0);
    }
    unlinkat(directory, lock, 0);
}

static void remove_gone(const struct tel_datadir *dir, DIR *run, const struct tel_namespaces *seen)
{
    for (struct dirent *entry = readdir(run); entry != NULL; entry = readdir(run)) {
        const uint64_t pid_ns = namespace_in(entry->d_name, dir->uid);

        if (pid_ns != 0 && !tel_namespaces_has(seen, pid_ns) && !is_held(dirfd(run), entry->d_name))
            remove_set(dirfd(run), entry->d_name);
    }
}

void tel_leftovers_remove(const struct tel_datadir *dir)
{
    DIR *run = opendir(dir->run);
    struct tel_namespaces seen;

    if (run == NULL)
        return;
    if (tel_namespaces_look(&seen))
        remove_gone(dir, run, &seen);
    tel_namespaces_free(&seen);
    closedir(run);
}
