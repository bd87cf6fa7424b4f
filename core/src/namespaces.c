/* See namespaces.h. A process never changes its pid namespace, and one that lives all through a look
 * at /proc is seen by it. */
#include "namespaces.h"

#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* PROC_PID_INIT_INO of include/linux/proc_ns.h: the only namespace from which all others are seen. */
#define MACHINES_OWN UINT64_C(0xEFFFFFFC)

/* --- one process ------------------------------------------------------------------------------- */

/* A file handle of pidfs holds the inode number and nothing else (fs/pidfs.c). That is not promised:
 * so the caller's own has to look like that, and to be found, before another one is made. */
union pidfs_handle {
    struct file_handle head;
    char space[sizeof(struct file_handle) + sizeof(uint64_t)];
};

static bool get_own_handle(int pidfd, union pidfs_handle *handle)
{
    const uint64_t inode = tel_pidfd_inode(pidfd);
    int mount;

    handle->head.handle_bytes = sizeof inode;
    return inode != 0 && name_to_handle_at(pidfd, "", &handle->head, &mount, AT_EMPTY_PATH) == 0 &&
           handle->head.handle_bytes == sizeof inode &&
           memcmp(handle->head.f_handle, &inode, sizeof inode) == 0;
}

static enum tel_whereabouts find(int pidfd, union pidfs_handle *handle)
{
    const int found = open_by_handle_at(pidfd, &handle->head, O_RDONLY | O_CLOEXEC);

    if (found < 0)
        return errno == ESTALE ? TEL_PROCESS_GONE : TEL_PROCESS_NOT_KNOWN;
    close(found);
    return TEL_PROCESS_THERE;
}

enum tel_whereabouts tel_process_whereabouts(uint64_t pidfs_ino)
{
    enum tel_whereabouts whereabouts = TEL_PROCESS_NOT_KNOWN;
    union pidfs_handle handle;
    int self;

    if (pidfs_ino == 0 || tel_pid_namespace() != MACHINES_OWN)
        return TEL_PROCESS_NOT_KNOWN;
    self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0)
        return TEL_PROCESS_NOT_KNOWN;
    if (get_own_handle(self, &handle) && find(self, &handle) == TEL_PROCESS_THERE) {
        memcpy(handle.head.f_handle, &pidfs_ino, sizeof pidfs_ino);
        whereabouts = find(self, &handle);
    }
    close(self);
    return whereabouts;
}

/* --- all of them -------------------------------------------------------------------------------- */

bool tel_namespaces_has(const struct tel_namespaces *seen, uint64_t inode)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->inode[i] == inode)
            return true;
    return false;
}

void tel_namespaces_free(struct tel_namespaces *seen)
{
    free(seen->inode);
    *seen = (struct tel_namespaces){0};
}

static bool add(struct tel_namespaces *seen, uint64_t inode)
{
    if (tel_namespaces_has(seen, inode))
        return true;
    if (seen->count == seen->cap) {
        const size_t cap = seen->cap == 0 ? 16 : seen->cap * 2;
        uint64_t *memory = realloc(seen->inode, cap * sizeof *memory);

        if (memory == NULL)
            return false;
        seen->inode = memory;
        seen->cap = cap;
    }
    seen->inode[seen->count++] = inode;
    return true;
}

/* False when there is such a process, but it may not be looked at. */
static bool add_of(struct tel_namespaces *seen, int proc, const char *pid)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof path, "%s/ns/pid", pid);
    if (fstatat(proc, path, &st, 0) == 0)
        return add(seen, st.st_ino);
    return fstatat(proc, pid, &st, 0) != 0 && errno == ENOENT; /* it has just gone */
}

static bool is_number(const char *name)
{
    return name[0] != '\0' && strspn(name, "0123456789") == strlen(name);
}

/* Hidden processes (the option hidepid of /proc) are those that may not be looked at. Whoever may look
 * at process 1, which has every capability, may look at all. */
bool tel_namespaces_look(struct tel_namespaces *seen)
{
    bool all = true;
    bool first = false;
    DIR *proc;

    *seen = (struct tel_namespaces){0};
    if (tel_pid_namespace() != MACHINES_OWN)
        return false;
    proc = opendir("/proc");
    if (proc == NULL)
        return false;
    for (struct dirent *entry = readdir(proc); entry != NULL && all; entry = readdir(proc)) {
        if (!is_number(entry->d_name))
            continue;
        all = add_of(seen, dirfd(proc), entry->d_name);
        first = first || strcmp(entry->d_name, "1") == 0;
    }
    closedir(proc);
    return all && first;
}
