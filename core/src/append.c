/* See append.h. */
#include "append.h"

#include "base/clock.h"
#include "base/sys.h"
#include "journal_scan.h"

#include <errno.h>

int tel_append(const struct tel_datadir *dir, uint32_t not_before, bool sync, struct tel_str line,
               struct tel_error *err)
{
    struct tel_instant now;
    struct tel_journal_writer writer = {
        .raw = dir->raw,
        .file_mode = dir->file_mode,
        .sync = sync,
        .exclusive = dir->network,
        .max_size = UINT64_MAX,
        .last = {.date = not_before},
    };

    tel_clock_now(&now);
    return tel_journal_append(&writer, tel_date_of(now.realtime_ns), line, NULL, err);
}

int tel_append_sync(const struct tel_datadir *dir, uint32_t date, struct tel_error *err)
{
    struct tel_journal_facts facts;
    const int fd = tel_journal_open(dir->raw, date, &facts, err);
    int status;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    status = tel_sys_fdatasync(fd);
    tel_sys_close(fd);
    return status < 0 ? tel_fail_sys(err, status, "cannot sync the journal", NULL) : 0;
}
