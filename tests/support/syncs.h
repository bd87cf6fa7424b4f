/* A disk that counts what is synced to it, and may fail at that: for tests that are linked with WRAP
 * tel_sys_fdatasync. */
#ifndef TEL_TEST_SYNCS_H
#define TEL_TEST_SYNCS_H

#include "base/sys.h"

static int syncs;       /* so far */
static off_t synced;    /* the size of the file that was synced last */
static int sync_status; /* negative: how the next ones fail */

int __real_tel_sys_fdatasync(int fd);
int __wrap_tel_sys_fdatasync(int fd);

int __wrap_tel_sys_fdatasync(int fd)
{
    struct stat st = {0};

    tel_sys_fstat(fd, &st);
    syncs++;
    synced = st.st_size;
    return sync_status < 0 ? sync_status : __real_tel_sys_fdatasync(fd);
}

#endif
