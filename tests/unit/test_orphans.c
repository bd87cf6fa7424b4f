/* Runs that nobody watches: whose they are, and what is certain of them. */
#include "orphans.h"

#include <criterion/criterion.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/process.h"
#include "support/places.h"
#include "support/support.h"

static struct tel_datadir dir;
static struct tel_fold *fold;
static struct tel_error err;
static int alive;

static void set_up(void)
{
    make_place(&dir, test_dir());
    cr_assert_eq(tel_fold_open(&fold, &dir, 0, &err), 0, "%s", err.message);
}

static void tear_down(void)
{
    tel_fold_close(fold);
}

TestSuite(orphans, .init = set_up, .fini = tear_down);

static void note_alive(void *arg, struct tel_str run_id, int pidfd,
                       const struct tel_journal_pos *last_line)
{
    (void)arg;
    (void)last_line;
    cr_expect(tel_str_is(run_id, "alive"));
    close(pidfd);
    alive++;
}

static void settle(void)
{
    const struct tel_settler settler = {.dir = &dir, .fold = fold, .source = TEL_EXIT_AUTO};

    cr_assert_eq(tel_fold_pass(fold, true, NULL, &err), 0, "%s", err.message);
    cr_assert_eq(tel_orphans_settle(&settler, NULL, note_alive, NULL, &err), 0, "%s", err.message);
}

static const char *state_of(const char *run_id)
{
    return sql_text(test_dir(), text("SELECT status, error_summary, end_time FROM agent_runs WHERE "
                                     "run_id = '%s'",
                                     run_id));
}

static const char *host(const char *name)
{
    return text("\"%s\"", name);
}

/* A run of this boot and namespace, by the process pid. */
static const char *run_here(const char *run_id, pid_t pid, uint64_t pidfs_ino)
{
    char boot_id[TEL_BOOT_ID_LEN + 1];

    tel_boot_id(boot_id);
    return text("%s", changed_line(start_line(run_id, 1), "boot_id", text("\"%s\"", boot_id), "pid",
                                   text("%d", pid), "pid_ns",
                                   text("%llu", (unsigned long long)tel_pid_namespace()),
                                   "pidfs_ino", text("%llu", (unsigned long long)pidfs_ino), NULL));
}

Test(orphans, alive_and_gone)
{
    const struct tel_process self = this_process();

    if (self.pidfs_ino == 0)
        cr_skip_test("a process's own number: needs Linux 6.9");
    write_line(&dir, run_here("alive", self.pid, self.pidfs_ino));
    write_line(&dir, run_here("gone", self.pid, self.pidfs_ino + 1000000));
    settle();
    cr_expect_eq(alive, 1);
    cr_expect_str_eq(state_of("alive"), "running||");
    cr_expect_str_eq(state_of("gone"),
                     "failed|ended without a trace: no collector was there to see it|",
                     "its number is another process's by now");
}

#define OTHER_BOOT "\"00000000-0000-0000-0000-000000000000\""

static void write_runs_of_another_boot(void)
{
    struct utsname machine;

    uname(&machine);
    write_line(&dir, changed_line(start_line("here", 1), "boot_id", OTHER_BOOT, "host",
                                  host(machine.nodename), NULL));
    write_line(&dir, changed_line(start_line("elsewhere", 1), "boot_id", OTHER_BOOT, "host",
                                  host("another.machine.example"), NULL));
}

/* Whatever it was called then. */
Test(orphans, before_the_last_boot)
{
    write_runs_of_another_boot();
    settle();
    cr_expect_str_eq(state_of("here"),
                     "failed|ended without a trace: the machine was restarted meanwhile|");
    cr_expect_str_eq(state_of("elsewhere"), state_of("here"));
}

/* Two machines share the directory: the other one's runs are alive for all we know. */
Test(orphans, of_another_machine)
{
    dir.network = true;
    write_runs_of_another_boot();
    settle();
    cr_expect_str_eq(state_of("here"),
                     "failed|ended without a trace: the machine was restarted meanwhile|");
    cr_expect_str_eq(state_of("elsewhere"), "running||");
}
