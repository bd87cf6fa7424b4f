/* See kept_fd.h. */
#include "kept_fd.h"

#include "base/sys.h"

#include <errno.h>
#include <unistd.h>

enum { HIGH = 512 }; /* below it is where programs look for their own; select() takes up to 1023 */

int tel_kept_fd_raise(int fd)
{
    const int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH);

    if (high < 0)
        return fd; /* there is none, or the limit is lower than that */
    tel_sys_close(fd);
    return high;
}

bool tel_kept_fd_is_high(const struct tel_kept_fd *kept)
{
    return atomic_load(&kept->number) >= HIGH;
}

void tel_kept_fd_init(struct tel_kept_fd *kept)
{
    atomic_init(&kept->number, -1);
    atomic_init(&kept->dev, 0);
    atomic_init(&kept->inode, 0);
}

void tel_kept_fd_set(struct tel_kept_fd *kept, int fd)
{
    struct stat st = {0};

    if (fd >= 0 && tel_sys_fstat(fd, &st) == 0) {
        atomic_store(&kept->dev, st.st_dev);
        atomic_store(&kept->inode, st.st_ino);
    }
    atomic_store(&kept->number, fd);
}

int tel_kept_fd_replace(struct tel_kept_fd *kept, int fd)
{
    const int old = tel_kept_fd_use(kept, NULL);
    int status = 0;

    if (old < 0) {
        tel_kept_fd_set(kept, tel_kept_fd_raise(fd));
        return 0;
    }
    if (dup3(fd, old, O_CLOEXEC) < 0)
        status = -errno;
    else
        tel_kept_fd_set(kept, old);
    tel_sys_close(fd);
    return status;
}

int tel_kept_fd_use(const struct tel_kept_fd *kept, bool *linked)
{
    const int fd = atomic_load(&kept->number);
    struct stat st;

    if (fd < 0 || tel_sys_fstat(fd, &st) < 0 || st.st_dev != atomic_load(&kept->dev) ||
        st.st_ino != atomic_load(&kept->inode))
        return -1;
    if (linked != NULL)
        *linked = st.st_nlink > 0;
    return fd;
}

void tel_kept_fd_close(struct tel_kept_fd *kept)
{
    const int fd = tel_kept_fd_use(kept, NULL);

    if (fd >= 0)
        tel_sys_close(fd);
    atomic_store(&kept->number, -1);
}
