/* See orphans.h. A run whose process is gone may have written its end line just before: so first the
 * processes are looked at, then the journal once more, and only then is anything written. */
#include "orphans.h"

#include "base/process.h"
#include "base/runid.h"
#include "namespaces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* A run as the database has it: copied out, as the database must not be written to while it is
 * read. */
struct orphan {
    struct orphan *next;
    struct tel_process_key key;
    uint64_t pid_ns;
    struct tel_journal_pos last_line;
    const char *gone; /* why its process is no more; NULL while that is not known */
    bool other_boot;
    char run_id[TEL_RUN_ID_MAX];
};

static const char nobody_saw_it[] = "no collector was there to see it";

struct search {
    const struct tel_settler *settler;
    const struct tel_live *live;
    struct orphan *list;
    uint64_t pid_ns;
    bool crowded; /* no descriptor was left to look at one */
    bool looked_around;
    bool sees_all; /* namespaces holds every one that has a process */
    struct tel_namespaces namespaces;
    char boot_id[TEL_BOOT_ID_LEN + 1];
    struct utsname machine;
};

/* On a network filesystem another boot may be another machine's, which is up and running. */
static bool is_other_machines(const struct search *search, const struct tel_running *run)
{
    return search->settler->dir->network && !tel_str_is(run->host, search->machine.nodename);
}

static int collect(void *arg, const struct tel_running *run)
{
    struct search *search = arg;
    struct orphan *orphan;

    if (run->uid != (int64_t)search->settler->dir->uid || run->run_id.len >= TEL_RUN_ID_MAX ||
        is_other_machines(search, run) ||
        (search->live != NULL && tel_live_has(search->live, run->run_id)))
        return 0;
    orphan = calloc(1, sizeof *orphan);
    if (orphan == NULL)
        return -ENOMEM;
    memcpy(orphan->run_id, run->run_id.ptr, run->run_id.len);
    orphan->key = (struct tel_process_key){(pid_t)run->pid, run->pidfs_ino, run->start_ticks};
    orphan->pid_ns = run->pid_ns;
    orphan->last_line = run->last_line;
    orphan->other_boot = run->boot_id.len > 0 && search->boot_id[0] != '\0' &&
                         !tel_str_is(run->boot_id, search->boot_id);
    orphan->next = search->list;
    search->list = orphan;
    return 0;
}

/* Nobody is left in that namespace. */
static bool is_deserted(struct search *search, uint64_t pid_ns)
{
    if (!search->looked_around)
        search->sees_all = tel_namespaces_look(&search->namespaces);
    search->looked_around = true;
    return pid_ns != 0 && search->sees_all && !tel_namespaces_has(&search->namespaces, pid_ns);
}

/* Of another pid namespace, whose numbers mean nothing here. Should its own collector just be about to
 * tell how it ended, that line comes later, and counts. */
static bool is_gone_elsewhere(struct search *search, const struct orphan *orphan)
{
    switch (tel_process_whereabouts(orphan->key.pidfs_ino)) {
    case TEL_PROCESS_THERE:
        return false;
    case TEL_PROCESS_GONE:
        return true;
    default:
        return is_deserted(search, orphan->pid_ns);
    }
}

/* Notes when its process is gone; gives it away when it lives. */
static void look_for_process(struct search *search, struct orphan *orphan, tel_orphan_fn *fn,
                             void *arg)
{
    int pidfd;

    if (orphan->other_boot) {
        orphan->gone = "the machine was restarted meanwhile";
        return;
    }
    if (orphan->pid_ns != search->pid_ns) {
        if (is_gone_elsewhere(search, orphan))
            orphan->gone = nobody_saw_it;
        return;
    }
    pidfd = tel_process_open(&orphan->key);
    if (pidfd >= 0)
        fn(arg, tel_str_from(orphan->run_id), pidfd, &orphan->last_line);
    else if (pidfd == -ESRCH)
        orphan->gone = nobody_saw_it;
    else if (pidfd == -EMFILE || pidfd == -ENFILE)
        search->crowded = true;
}

/* True when a line was written. */
static bool close_orphan(const struct search *search, const struct orphan *orphan)
{
    const struct tel_settler *settler = search->settler;
    const struct tel_str run_id = tel_str_from(orphan->run_id);
    struct tel_store *store = tel_fold_store(settler->fold, NULL);
    struct tel_run_state state;

    if (orphan->gone == NULL || (search->live != NULL && tel_live_has(search->live, run_id)))
        return false;
    if (store == NULL || tel_store_run_state(store, run_id, &state, NULL) < 0 || !state.running)
        return false;
    return tel_settle_lost(settler, run_id, &state.last_line, orphan->gone) == TEL_SETTLED_WRITTEN;
}

static int close_all(const struct search *search, struct tel_error *err)
{
    bool written = false;
    int status = tel_fold_pass(search->settler->fold, false, NULL, err);

    for (struct orphan *orphan = search->list; status >= 0 && orphan != NULL; orphan = orphan->next)
        written = close_orphan(search, orphan) || written;
    return written ? tel_fold_pass(search->settler->fold, false, NULL, err) : status;
}

int tel_orphans_settle(const struct tel_settler *settler, const struct tel_live *live,
                       tel_orphan_fn *fn, void *arg, struct tel_error *err)
{
    struct search search = {.settler = settler, .live = live, .pid_ns = tel_pid_namespace()};
    struct tel_store *store = tel_fold_store(settler->fold, err);
    int status;

    tel_boot_id(search.boot_id);
    uname(&search.machine);
    status = store == NULL ? -EIO : tel_store_each_running(store, collect, &search, err);
    for (struct orphan *orphan = search.list; status >= 0 && orphan != NULL; orphan = orphan->next)
        look_for_process(&search, orphan, fn, arg);
    if (status >= 0 && search.list != NULL)
        status = close_all(&search, err);
    while (search.list != NULL) {
        struct orphan *orphan = search.list;

        search.list = orphan->next;
        free(orphan);
    }
    tel_namespaces_free(&search.namespaces);
    return status < 0 ? status : search.crowded ? 1 : 0;
}
