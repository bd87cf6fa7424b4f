/* See append.h. */
#include "append.h"

#include "base/clock.h"

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
