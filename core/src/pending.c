/* See pending.h. A list: there are as many as daemons begin within half a second. */
#include "pending.h"

#include "base/runid.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    uint64_t process;
    int64_t due;
    char run_id[TEL_RUN_ID_MAX];
    size_t len;
    char line[];
};

struct tel_pending {
    struct entry *first; /* the oldest one first */
};

struct tel_pending *tel_pending_new(void)
{
    return calloc(1, sizeof(struct tel_pending));
}

static void drop(struct entry **link)
{
    struct entry *entry = *link;

    *link = entry->next;
    free(entry);
}

void tel_pending_free(struct tel_pending *pending)
{
    if (pending == NULL)
        return;
    while (pending->first != NULL)
        drop(&pending->first);
    free(pending);
}

static struct entry **find_run(struct tel_pending *pending, struct tel_str run_id)
{
    struct entry **link = &pending->first;

    while (*link != NULL && !tel_str_is(run_id, (*link)->run_id))
        link = &(*link)->next;
    return link;
}

void tel_pending_drop(struct tel_pending *pending, struct tel_str run_id)
{
    struct entry **link = find_run(pending, run_id);

    if (*link != NULL)
        drop(link);
}

bool tel_pending_has(const struct tel_pending *pending, struct tel_str run_id)
{
    const struct entry *entry = pending->first;

    while (entry != NULL && !tel_str_is(run_id, entry->run_id))
        entry = entry->next;
    return entry != NULL;
}

bool tel_pending_add(struct tel_pending *pending, struct tel_str run_id, struct tel_str line,
                     uint64_t process, int64_t due_boot_ns)
{
    struct entry *entry;
    struct entry **link = find_run(pending, run_id);

    if (run_id.len >= TEL_RUN_ID_MAX)
        return false;
    entry = calloc(1, sizeof *entry + line.len);
    if (entry == NULL)
        return false;
    if (*link != NULL)
        drop(link);
    entry->process = process;
    entry->due = due_boot_ns;
    entry->len = line.len;
    memcpy(entry->run_id, run_id.ptr, run_id.len);
    memcpy(entry->line, line.ptr, line.len);
    for (link = &pending->first; *link != NULL;)
        link = &(*link)->next;
    *link = entry;
    return true;
}

bool tel_pending_take_process(struct tel_pending *pending, uint64_t process, char *run_id)
{
    for (struct entry **link = &pending->first; process != 0 && *link != NULL;
         link = &(*link)->next) {
        if ((*link)->process != process)
            continue;
        memcpy(run_id, (*link)->run_id, TEL_RUN_ID_MAX);
        drop(link);
        return true;
    }
    return false;
}

int64_t tel_pending_due(const struct tel_pending *pending)
{
    return pending->first == NULL ? 0 : pending->first->due;
}

static void release(struct entry **link, tel_pending_fn *fn, void *arg)
{
    fn(arg, (struct tel_str){(*link)->line, (*link)->len});
    drop(link);
}

void tel_pending_release(struct tel_pending *pending, int64_t now, tel_pending_fn *fn, void *arg)
{
    while (pending->first != NULL && pending->first->due <= now)
        release(&pending->first, fn, arg);
}

void tel_pending_release_run(struct tel_pending *pending, struct tel_str run_id, tel_pending_fn *fn,
                             void *arg)
{
    struct entry **link = find_run(pending, run_id);

    if (*link != NULL)
        release(link, fn, arg);
}
