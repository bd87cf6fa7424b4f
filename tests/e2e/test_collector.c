/* The collector that hosts start: one only, detached from them in every way, there as long as it is
 * needed, and replaced when it is killed. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proto.h"
#include "namespaces.h"
#include "support/places.h"

static bool has_running_row(const char *base, int count)
{
    return sql_becomes(base, "SELECT count(*) FROM agent_runs WHERE status = 'running'",
                       text("%d", count));
}

/* Names of base's sockets that are there. */
static int sockets_of(const char *base)
{
    DIR *run = opendir(text("%s/run", base));
    int count = 0;

    if (run == NULL)
        return 0;
    for (struct dirent *entry = readdir(run); entry != NULL; entry = readdir(run))
        count +=
            strstr(entry->d_name, ".start") != NULL || strstr(entry->d_name, ".request") != NULL;
    closedir(run);
    return count;
}

/* --- started on demand --------------------------------------------------------------------------- */

Test(collector, started_by_the_first_run_and_used_by_the_next)
{
    pid_t first;

    cr_assert_eq(record("/bin/true").status, 0);
    first = collector_of(base_dir());
    cr_assert_eq(record("/bin/true").status, 0);
    cr_expect_eq(collector_of(base_dir()), first);
    cr_expect_eq(sockets_of(base_dir()), 2);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs"), "2",
                     "and it records nothing of itself");
}

/* What is the same for all programs it leaves beside its sockets, for those to come. */
Test(collector, leaves_what_programs_need_not_look_up)
{
    const struct tel_process here = this_process();
    static struct tel_datadir dir;
    char path[TEL_SITE_PATH_MAX];
    char site[TEL_SITE_PATH_MAX] = "";

    cr_assert_eq(record("/bin/true").status, 0);
    make_place(&dir, base_dir());
    cr_assert_not_null(tel_site_path(path, &dir));
    cr_assert_gt(readlink(path, site, sizeof site - 1), 0, "%s", path);
    cr_expect_str_eq(site, text("%llu %d %s", (unsigned long long)here.pid_ns,
                                (int)collector_of(base_dir()), here.boot_id));
    cr_expect_str_eq(run_value(base_dir(), "boot_id"), here.boot_id);
    /* It is what the next one takes. */
    memcpy(strrchr(site, ' ') + 1, "01234567", 8);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink(site, path), 0);
    cr_assert_eq(record("/bin/true").status, 0);
    cr_expect_str_eq(run_value(base_dir(), "count(*), sum(boot_id LIKE '01234567-%')"), "2|1");
    cr_expect_str_eq(run_value(base_dir(), "DISTINCT pid_ns"),
                     text("%llu", (unsigned long long)here.pid_ns));
}

/* A herd of hosts, none of which finds one. */
Test(collector, only_one_for_many_at_once)
{
    enum { MANY = 40 };
    struct program *programs[MANY];

    for (int i = 0; i < MANY; i++)
        programs[i] = start(&(struct run_options){.argv = LIST("/bin/sh", "-c", "exit 3"),
                                                  .env = shim_env(base_dir())});
    for (int i = 0; i < MANY; i++)
        cr_expect_eq(finish(programs[i]).status, 3);
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 1);
    cr_assert(all_ended(base_dir(), MANY));
}

Test(collector, none_when_switched_off)
{
    struct run_result result = run(LIST("/bin/sh", "-c", "exit 3"),
                                   shim_env_and(base_dir(), LIST("TELEMETRY_COLLECTOR=off")));

    cr_assert_eq(result.status, 3);
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 0);
    cr_expect_eq(count_of(journal_text(base_dir()), "\n"), 2);
    cr_expect_not(file_exists(text("%s/db", base_dir())));
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "exit code 3");
}

/* One that somebody runs for good: hosts use it and start none. */
Test(collector, in_the_foreground)
{
    struct program *collector =
        start(&(struct run_options){.argv = LIST(cli_path(), "collect", "--foreground"),
                                    .env = shim_env_and(base_dir(), LIST("LD_PRELOAD="))});

    cr_assert_eq(collector_of(base_dir()), program_pid(collector));
    while (sockets_of(base_dir()) < 2)
        usleep(1000);
    cr_assert_eq(record("/bin/sh", "-c", "exit 3").status, 3);
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "exit code 3");
    cr_expect_eq(collector_of(base_dir()), program_pid(collector));
    cr_expect_eq(finish_by(collector, SIGTERM).status, 0);
    cr_expect_eq(sockets_of(base_dir()), 0);
}

/* --- detached ------------------------------------------------------------------------------------- */

/* A host that has changed everything a process can pass on. */
static void be_odd(void *arg)
{
    const struct rlimit few = {64, 100};
    const struct rlimit small = {1 << 20, RLIM_INFINITY};
    cpu_set_t one;
    sigset_t set;

    (void)arg;
    for (int fd = 10; fd < 60; fd++)
        dup2(0, fd);
    dup2(open("/etc/passwd", O_RDONLY), 40);
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof one, &one);
    setpriority(PRIO_PROCESS, 0, 15);
    sigfillset(&set);
    sigdelset(&set, SIGTERM);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    umask(0);
    setrlimit(RLIMIT_NOFILE, &few);
    setrlimit(RLIMIT_STACK, &small);
}

static const char *proc_text(pid_t pid, const char *name)
{
    static char content[64 * 1024];
    int fd = open(text("/proc/%d/%s", pid, name), O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, content, sizeof content - 1);

    cr_assert_geq(len, 0, "%s", name);
    close(fd);
    for (ssize_t i = 0; i < len; i++)
        if (content[i] == '\0')
            content[i] = '\n'; /* between the entries of environ */
    content[len] = '\0';
    return text("%s", content);
}

static const char *proc_link(pid_t pid, const char *name)
{
    char target[4096];
    ssize_t len = readlink(text("/proc/%d/%s", pid, name), target, sizeof target - 1);

    target[len > 0 ? len : 0] = '\0';
    return text("%s", target);
}

/* The value of a line "NAME: value" of /proc/PID/status. */
static const char *status_value(pid_t pid, const char *name)
{
    const char *status = proc_text(pid, "status");
    const char *line = strstr(status, text("\n%s:\t", name));

    cr_assert_not_null(line, "%s", name);
    line = strchr(line, '\t') + 1;
    return text("%.*s", (int)strcspn(line, "\n"), line);
}

static unsigned long long status_set(pid_t pid, const char *name)
{
    return strtoull(status_value(pid, name), NULL, 16);
}

static pid_t collector_of_an_odd_host(void)
{
    const struct run_options options = {
        .argv = LIST("/bin/sh", "-c", "exit 3"),
        .env = shim_env_and(base_dir(), LIST("LD_LIBRARY_PATH=/nonexistent", "SECRET=hunter2")),
        .prepare = be_odd,
    };

    cr_assert_eq(run_with(&options).status, 3);
    cr_assert_str_eq(run_value(base_dir(), "error_summary"), "exit code 3");
    return collector_of(base_dir());
}

/* Only what is its own: standard streams on /dev/null, files under base, sockets, kernel objects. */
static void expect_own_descriptors(pid_t pid)
{
    DIR *fds = opendir(text("/proc/%d/fd", pid));

    cr_assert_not_null(fds);
    for (struct dirent *entry = readdir(fds); entry != NULL; entry = readdir(fds)) {
        const char *target = proc_link(pid, text("fd/%s", entry->d_name));

        if (entry->d_name[0] == '.')
            continue;
        cr_expect(strcmp(target, "/dev/null") == 0 || strncmp(target, "socket:", 7) == 0 ||
                      strncmp(target, "anon_inode:", 11) == 0 ||
                      strncmp(target, base_dir(), strlen(base_dir())) == 0 || target[0] == '\0' ||
                      strncmp(target, "pidfd:", 6) == 0,
                  "fd %s: %s", entry->d_name, target);
        if (atoi(entry->d_name) < 3)
            cr_expect_str_eq(target, "/dev/null");
    }
    closedir(fds);
}

Test(collector, detached_from_its_host)
{
    pid_t pid = collector_of_an_odd_host();
    int own, parent, group, session, terminal;
    const char *stat = proc_text(pid, "stat");

    cr_assert_eq(sscanf(stat, "%d", &own), 1);
    cr_assert_eq(
        sscanf(strrchr(stat, ')') + 4, "%d %d %d %d", &parent, &group, &session, &terminal), 4);
    cr_expect_eq(session, pid, "its own session");
    cr_expect_eq(group, pid);
    cr_expect_eq(terminal, 0);
    cr_expect_neq(parent, getpid());
    cr_expect_str_eq(proc_link(pid, "cwd"), "/");
    expect_own_descriptors(pid);
}

Test(collector, with_an_environment_of_its_own)
{
    const char *environment = proc_text(collector_of_an_odd_host(), "environ");

    cr_expect_null(strstr(environment, "LD_"), "%s", environment);
    cr_expect_null(strstr(environment, "SECRET"), "%s", environment);
    cr_expect_null(strstr(environment, "TELEMETRY_RUN"), "%s", environment);
    cr_expect_not_null(strstr(environment, "TELEMETRY_AUTO=0\n"), "%s", environment);
}

/* CAP_SYS_RESOURCE, which not every root has. */
static bool may_raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NICE, &limit) != 0)
        return false;
    limit.rlim_max++;
    return setrlimit(RLIMIT_NICE, &limit) == 0;
}

Test(collector, with_signals_and_limits_of_its_own)
{
    pid_t pid = collector_of_an_odd_host();
    const unsigned long long taken = 1ULL << (SIGTERM - 1) | 1ULL << (SIGINT - 1);
    const unsigned long long ignored = 1ULL << (SIGPIPE - 1) | 1ULL << (SIGXFSZ - 1) |
                                       1ULL << (SIGHUP - 1) | 1ULL << (SIGCHLD - 1);
    struct rlimit limit;

    /* SIGTERM and SIGINT are blocked to be read from a signalfd. */
    cr_expect_eq(status_set(pid, "SigBlk") & ~taken, 0, "%llx", status_set(pid, "SigBlk"));
    cr_expect_eq(status_set(pid, "SigIgn"), ignored, "%llx", status_set(pid, "SigIgn"));
    cr_expect_str_eq(status_value(pid, "Umask"), "0077");
    cr_assert_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    cr_expect_eq(limit.rlim_cur, limit.rlim_max);
    if (may_raise_limits())
        cr_expect_geq(limit.rlim_max, 20000, "10 000 live runs need as many");
    cr_assert_eq(prlimit(pid, RLIMIT_STACK, NULL, &limit), 0);
    cr_expect_eq(limit.rlim_cur, RLIM_INFINITY);
    cr_assert_eq(prlimit(pid, RLIMIT_CORE, NULL, &limit), 0);
    cr_expect_eq(limit.rlim_cur, 0);
}

Test(collector, at_normal_priority_on_every_processor)
{
    pid_t pid = collector_of_an_odd_host();
    cpu_set_t here;
    cpu_set_t there;

    sched_getaffinity(0, sizeof here, &here);
    cr_assert_eq(sched_getaffinity(pid, sizeof there, &there), 0);
    cr_expect_eq(CPU_COUNT(&there), CPU_COUNT(&here));
    cr_expect_eq(sched_getscheduler(pid), SCHED_OTHER);
    if (geteuid() == 0)
        cr_expect_eq(getpriority(PRIO_PROCESS, (id_t)pid), 0, "others may not raise it");
}

/* SIGTERM was ignored in the host: the collector listens to it all the same. */
Test(collector, can_be_told_to_leave)
{
    collector_of_an_odd_host();
    end_collectors(base_dir(), SIGTERM);
    cr_expect_eq(sockets_of(base_dir()), 0);
}

/* A pipe that the collector held open would keep `$(…)` from ever ending. */
Test(collector, holds_no_pipe_of_its_host)
{
    struct run_result result =
        run(LIST("/bin/sh", "-c", "x=$(exec 9>&1; LD_PRELOAD=$1 /bin/echo hello); echo \"got $x\"",
                 "sh", shim_path()),
            shim_env_and(base_dir(), LIST("LD_PRELOAD=")));

    cr_expect_str_eq(result.out, "got hello\n");
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 1, "while it is still there");
}

Test(collector, is_not_traced_with_its_host)
{
    const char *log = text("%s/strace", test_dir());
    struct run_result result =
        run(LIST("strace", "-f", "-e", "trace=execve", "-o", log, "-E",
                 text("LD_PRELOAD=%s", shim_path()), "/bin/sh", "-c", "/bin/true; exit 3"),
            shim_env_and(base_dir(), LIST("LD_PRELOAD=")));

    if (result.status == 127 || strstr(result.err, "not permitted") != NULL)
        cr_skip_test("a traced host: needs strace, and the right to use it");
    cr_assert_eq(result.status, 3, "%s", result.err);
    cr_expect_not_null(strstr(read_file(log), "/bin/true"), "%s", read_file(log));
    cr_expect_null(strstr(read_file(log), "--inherited"), "%s", read_file(log));
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "exit code 3");
    collector_of(base_dir());
}

/* --- leaving ---------------------------------------------------------------------------------------- */

Test(collector, leaves_when_there_is_nothing_to_do)
{
    record("/bin/true");
    cr_expect(collectors_leave(base_dir()));
    cr_expect_eq(sockets_of(base_dir()), 0);
    cr_assert_eq(record("/bin/sh", "-c", "exit 3").status, 3);
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'running') FROM agent_runs"), "2|0",
        "and comes back");
}

/* Longer than its patience: nothing can make this fail but a collector that leaves a live run. */
Test(collector, stays_while_a_run_lives)
{
    struct program *program = start_waiting(base_dir());
    pid_t collector;

    need_exit_codes_of_strangers();
    cr_assert(has_running_row(base_dir(), 1));
    collector = collector_of(base_dir());
    sleep(4);
    cr_expect_eq(collector_of(base_dir()), collector);
    finish_by(program, SIGKILL);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "killed by SIGKILL (9)");
    cr_expect(collectors_leave(base_dir()), "and then leaves");
}

/* What has ended a moment ago is in the database, although nobody has waited for it. */
Test(collector, told_to_leave_right_after_a_run)
{
    record("/bin/true");
    run(LIST("sh", "-c", "kill -KILL $$"),
        shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=0")));
    run(LIST("/bin/false"), shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=0")));
    end_collectors(base_dir(), SIGTERM);
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*) FROM agent_runs WHERE status <> 'running'"), "3");
}

Test(collector, told_to_leave_although_a_run_lives)
{
    struct program *program = start_waiting(base_dir());

    need_exit_codes_of_strangers();
    cr_assert(has_running_row(base_dir(), 1));
    end_collectors(base_dir(), SIGTERM);
    cr_expect_eq(sockets_of(base_dir()), 0);
    cr_expect_str_eq(run_value(base_dir(), "status"), "running");

    /* The next one finds it in the journal. */
    record("/bin/true");
    wait_until_watched(base_dir(), program);
    finish_by(program, SIGTERM);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT error_summary FROM agent_runs WHERE agent_name = "
                                          "'plain'"),
                     "killed by SIGTERM (15)");
}

/* --- killed ------------------------------------------------------------------------------------------- */

Test(collector, a_new_one_finds_the_live_runs)
{
    struct program *program = start_waiting(base_dir());

    need_exit_codes_of_strangers();
    cr_assert(has_running_row(base_dir(), 1));
    end_collectors(base_dir(), SIGKILL);
    cr_expect_eq(sockets_of(base_dir()), 2, "stale ones");
    cr_assert_eq(record("/bin/true").status, 0);
    wait_until_watched(base_dir(), program);
    cr_expect_eq(finish_by(program, SIGTERM).status, 128 + SIGTERM);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT error_summary FROM agent_runs WHERE agent_name = "
                                          "'plain'"),
                     "killed by SIGTERM (15)");
}

/* The start message went to a collector that never read it. */
Test(collector, killed_before_it_knew_of_the_run)
{
    struct program *program;
    pid_t collector;

    need_exit_codes_of_strangers();
    record("/bin/true");
    collector = collector_of(base_dir());
    kill(collector, SIGSTOP);
    program = start_waiting(base_dir());
    while (count_of(journal_text(base_dir()), "\n") < 3)
        usleep(1000);
    end_collectors(base_dir(), SIGKILL);
    record("/bin/true");
    wait_until_watched(base_dir(), program);
    finish_by(program, SIGKILL);
    cr_assert(all_ended(base_dir(), 3));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT error_summary FROM agent_runs WHERE agent_name = "
                                          "'plain'"),
                     "killed by SIGKILL (9)");
}

Test(collector, a_run_that_ends_while_there_is_none)
{
    struct program *program = start_waiting(base_dir());

    cr_assert(has_running_row(base_dir(), 1));
    end_collectors(base_dir(), SIGKILL);
    finish_by(program, SIGKILL);
    cr_assert_eq(record("/bin/true").status, 0);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT status, error_summary, end_time FROM agent_runs "
                                          "WHERE agent_name = 'plain'"),
                     "failed|ended without a trace: no collector was there to see it|");
}

/* It wrote its own end line: that is known, whoever saw it. */
Test(collector, a_run_that_exits_while_there_is_none)
{
    struct program *program = start(&(struct run_options){
        .argv = LIST("/bin/sh", "-c", "read x < go; exit 6"), .env = shim_env(base_dir())});
    int go;

    cr_assert_eq(mkfifo(text("%s/go", test_dir()), 0600), 0);
    cr_assert(has_running_row(base_dir(), 1));
    go = open(text("%s/go", test_dir()), O_RDWR);
    end_collectors(base_dir(), SIGKILL);
    cr_assert_eq(write(go, "\n", 1), 1);
    cr_assert_eq(finish(program).status, 6);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "exit code 6");
    close(go);
}

/* A collector that is stopped, or busy, holds a host up no longer than it said. */
Test(collector, one_that_does_not_answer)
{
    pid_t collector;
    struct run_result result;

    record("/bin/true");
    collector = collector_of(base_dir());
    kill(collector, SIGSTOP);
    result = run(LIST("/bin/sh", "-c", "exit 3"),
                 shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=50")));
    cr_expect_eq(result.status, 3);
    cr_expect_eq(count_of(journal_text(base_dir()), "\n"), 4);
    kill(collector, SIGCONT);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_eq(collector_of(base_dir()), collector);
}

/* How a run ended the kernel remembers, and when it does not: no time is better than a wrong one. */
Test(collector, stopped_while_a_run_ends)
{
    struct program *program = start_waiting(base_dir());
    pid_t collector;

    need_exit_codes_of_strangers();
    wait_until_watched(base_dir(), program);
    collector = collector_of(base_dir());
    sleep(1);
    kill(collector, SIGSTOP);
    finish_by(program, SIGKILL);
    sleep(4); /* than which it has looked more often, had it not been stopped */
    kill(collector, SIGCONT);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "killed by SIGKILL (9)");
    cr_expect_str_eq(run_value(base_dir(), "end_time"), "");
    cr_expect_str_eq(run_value(base_dir(), "duration_ms"), "");
}

/* Its collector notes the end at once. */
Test(collector, when_a_killed_run_has_ended)
{
    struct program *program = start_waiting(base_dir());

    need_exit_codes_of_strangers();
    wait_until_watched(base_dir(), program);
    finish_by(program, SIGKILL);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(run_value(base_dir(), "end_time IS NOT NULL AND duration_ms IS NOT NULL"),
                     "1");
}

/* --- lost runs ------------------------------------------------------------------------------------------ */

static void append_line(const char *line)
{
    int fd = open(journal_path(text("%s/raw", base_dir()), this_date()), O_WRONLY | O_APPEND);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    close(fd);
}

Test(collector, runs_of_before_the_last_boot)
{
    char self_ns[64] = "";
    struct stat st;

    cr_assert_eq(stat("/proc/self/ns/pid", &st), 0);
    snprintf(self_ns, sizeof self_ns, "%llu", (unsigned long long)st.st_ino);
    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    /* This very process, alive, if it were not for the boot id. */
    append_line(changed_line(start_line("20261122T100000Z-old-00000001", 1), "boot_id",
                             "\"00000000-0000-0000-0000-000000000000\"", "pid",
                             text("%d", getpid()), "pid_ns", self_ns, NULL));
    record("/bin/true");
    cr_assert(all_ended(base_dir(), 3));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT status, error_summary FROM agent_runs WHERE run_id "
                              "LIKE '%-old-%'"),
                     "failed|ended without a trace: the machine was restarted meanwhile");
}

/* Of another user, another program, a namespace that nobody knows: left alone. */
Test(collector, runs_that_are_none_of_its_business)
{
    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    append_line(changed_line(start_line("20261122T100000Z-other-user", 1), "uid", "4242", "boot_id",
                             "\"00000000-0000-0000-0000-000000000000\"", NULL));
    append_line(changed_line(start_line("20261122T100000Z-other-ns", 1), "pid_ns", "0", NULL));
    append_line("{\"run_id\": \"20261122T100000Z-python\", \"agent_name\": \"python\", "
                "\"start_time\": \"2026-11-22T10:00:00+00:00\", \"status\": \"running\", "
                "\"record_type\": \"run\"}\n");
    record("/bin/true");
    cr_assert(has_running_row(base_dir(), 3));
    cr_expect(collectors_leave(base_dir()), "and waits for none of them");
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*) FROM agent_runs WHERE status = 'running'"), "3");
    cr_expect_eq(count_of(journal_text(base_dir()), "\n"), 7);
}

/* --- the directory -------------------------------------------------------------------------------------- */

static bool is_gone(void *arg)
{
    return kill(*(pid_t *)arg, 0) != 0;
}

/* The old collector goes without touching what is the new one's. */
Test(collector, the_directory_deleted_and_made_again)
{
    struct program *old_run = start_waiting(base_dir());
    struct program *new_run;
    pid_t old;
    pid_t pids[8];

    cr_assert(has_running_row(base_dir(), 1));
    old = collector_of(base_dir());
    cr_assert(remove_tree(base_dir()));
    new_run = start_waiting(base_dir());
    cr_assert(has_running_row(base_dir(), 1));
    cr_assert(wait_until(is_gone, &old, 20000), "the old collector stays");
    cr_assert_eq(collectors_of(base_dir(), pids, 8), 1);
    cr_expect_eq(sockets_of(base_dir()), 2, "the new one's");
    cr_assert_eq(record("/bin/sh", "-c", "exit 3").status, 3);
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT count(*) FROM agent_runs WHERE error_summary = 'exit "
                              "code 3'"),
                     "1", "it answers");
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 1);
    finish_by(old_run, SIGKILL);
    finish_by(new_run, SIGKILL);
    cr_expect(all_ended(base_dir(), 2));
}

/* What somebody has deleted does not come back. */
Test(collector, the_directory_deleted_for_good)
{
    struct program *program = start_waiting(base_dir());

    cr_assert(has_running_row(base_dir(), 1));
    cr_assert(remove_tree(base_dir()));
    finish_by(program, SIGKILL);
    cr_expect(collectors_leave(base_dir()));
    cr_expect_not(file_exists(base_dir()));
}

Test(collector, a_directory_too_deep_for_a_socket_address)
{
    const char *base = test_dir();
    struct program *program;

    need_exit_codes_of_strangers();
    while (strlen(base) < 300)
        base = text("%s/a-directory-with-a-long-name", base);
    program = start_waiting(base);
    cr_assert(has_running_row(base, 1));
    cr_expect_eq(run(LIST("/bin/sh", "-c", "exit 3"), shim_env(base)).status, 3);
    cr_expect_str_eq(sql_text(base,
                              "SELECT count(*) FROM agent_runs WHERE error_summary = 'exit code "
                              "3'"),
                     "1");
    finish_by(program, SIGKILL);
    cr_assert(all_ended(base, 2));
    end_collectors(base, SIGTERM);
    cr_expect_eq(sockets_of(base), 0);
}

/* --- many ------------------------------------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
static const bool has_sanitizers = true;
#elif defined(__has_feature)
static const bool has_sanitizers = __has_feature(address_sanitizer);
#else
static const bool has_sanitizers = false;
#endif

Test(collector, three_hundred_live_runs, .timeout = 120)
{
    enum { MANY = 300 };
    struct program *programs[MANY];
    pid_t collector;

    need_exit_codes_of_strangers();
    for (int i = 0; i < MANY; i++)
        programs[i] = start_waiting(base_dir());
    cr_assert(has_running_row(base_dir(), MANY));
    collector = collector_of(base_dir());
    if (!has_sanitizers)
        cr_expect_lt(strtol(status_value(collector, "VmRSS"), NULL, 10), 32 * 1024);
    for (int i = 0; i < MANY; i++)
        kill(program_pid(programs[i]), i % 2 == 0 ? SIGKILL : SIGTERM);
    for (int i = 0; i < MANY; i++)
        finish(programs[i]);
    cr_assert(all_ended(base_dir(), MANY));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT error_summary, count(*) FROM agent_runs GROUP BY 1 "
                              "ORDER BY 1"),
                     "killed by SIGKILL (9)|150\nkilled by SIGTERM (15)|150");
}

/* Where it may not have more: what it could not watch from the start, it takes up when others have
 * ended. */
Test(collector, more_runs_than_descriptors)
{
    enum { MANY = 12 };
    struct program *programs[MANY];
    struct rlimit few;
    pid_t collector;

    need_exit_codes_of_strangers();
    programs[0] = start_waiting(base_dir());
    cr_assert(has_running_row(base_dir(), 1));
    wait_until_watched(base_dir(), programs[0]);
    collector = collector_of(base_dir());
    cr_assert_eq(prlimit(collector, RLIMIT_NOFILE, NULL, &few), 0);
    few.rlim_cur = 20; /* about 15 are its own */
    cr_assert_eq(prlimit(collector, RLIMIT_NOFILE, &few, NULL), 0);
    for (int i = 1; i < MANY; i++)
        programs[i] = start_waiting(base_dir());
    cr_assert(has_running_row(base_dir(), MANY));
    for (int i = 0; i < MANY - 1; i++)
        finish_by(programs[i], SIGKILL);
    wait_until_watched(base_dir(), programs[MANY - 1]);
    finish_by(programs[MANY - 1], SIGTERM);
    cr_assert(all_ended(base_dir(), MANY));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT error_summary FROM agent_runs WHERE error_summary "
                              "LIKE '%SIGTERM%'"),
                     "killed by SIGTERM (15)");
    cr_expect_eq(collector_of(base_dir()), collector);
}

/* --- users and namespaces ------------------------------------------------------------------------------------ */

/* Each user has a collector of their own; the records are one. */
Test(collector, two_users_in_one_directory)
{
    need_build_for_others();
    const char *const *env = shim_env_and(base_dir(), LIST("TELEMETRY_FILE_MODE=0666"));

    if (geteuid() != 0)
        cr_skip_test("another user: only root can be one");
    cr_assert_eq(chmod(test_dir(), 0755), 0);
    cr_assert_eq(mkdir(base_dir(), 0700), 0);
    cr_assert_eq(chmod(base_dir(), 01777), 0);
    cr_assert_eq(run(LIST("/bin/sh", "-c", "exit 3"), env).status, 3);
    cr_assert_eq(run_with(&(struct run_options){.argv = LIST("/bin/sh", "-c", "exit 4"),
                                                .env = env,
                                                .prepare = be_nobody})
                     .status,
                 4);
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 2);
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT error_summary, uid FROM agent_runs JOIN run_process "
                              "USING (run_id) ORDER BY 1"),
                     "exit code 3|0\nexit code 4|65534");
}

static bool may_unshare(void)
{
    return run(LIST("unshare", "--fork", "--pid", "--mount-proc", "/bin/true"), NULL).status == 0;
}

/* Whatever process 1 starts and leaves behind becomes its child: it starts none. */
Test(collector, process_1_of_a_container_starts_none)
{
    struct run_result result;

    if (!may_unshare())
        cr_skip_test("a pid namespace: not allowed here");
    result = run(LIST("unshare", "--fork", "--pid", "--mount-proc", "env",
                      text("LD_PRELOAD=%s", shim_path()), fixture_path("look")),
                 shim_env_and(base_dir(), LIST("LD_PRELOAD=")));
    cr_assert_eq(result.status, 7, "%s", result.err);
    cr_expect_eq(count_of(result.out, "children: none"), 2, "%s", result.out);
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 0);
    cr_expect_eq(count_of(journal_text(base_dir()), "\n"), 2);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(run_value(base_dir(), "pid, error_summary"), "1|exit code 7");
}

/* Its first child is process 1 of a new namespace, and takes all others along: that is not to be the
 * collector. The /proc there is another namespace's. */
Test(collector, a_host_that_has_unshared_its_pid_namespace)
{
    struct run_result result;

    if (!may_unshare())
        cr_skip_test("a pid namespace: not allowed here");
    result = run(LIST("unshare", "--pid", "env", text("LD_PRELOAD=%s", shim_path()), "/bin/sh",
                      "-c", "/bin/echo hello; exit 3"),
                 shim_env_and(base_dir(), LIST("LD_PRELOAD=")));
    cr_expect_eq(result.status, 3, "%s", result.err);
    cr_expect_str_eq(result.out, "hello\n");
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 0);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT pid = 1, parent_run_id IS NULL, status, "
                                          "error_summary FROM agent_runs JOIN run_process USING "
                                          "(run_id) ORDER BY start_boot_ns"),
                     "0|1|failed|exit code 3\n1|0|success|");
}

static bool no_collector_is_there(void *arg)
{
    (void)arg;
    return collectors_of(base_dir(), NULL, 0) == 0;
}

static bool sees_every_namespace(void)
{
    struct tel_namespaces seen;
    const bool sees = tel_namespaces_look(&seen);

    tel_namespaces_free(&seen);
    return sees;
}

static int files_in_run(void)
{
    DIR *run = opendir(text("%s/run", base_dir()));
    int count = 0;

    cr_assert_not_null(run);
    for (struct dirent *entry = readdir(run); entry != NULL; entry = readdir(run))
        count += entry->d_name[0] != '.';
    closedir(run);
    return count;
}

/* Its collector dies with it, and nobody in there can tell of the end. */
Test(collector, a_container_that_is_gone)
{
    struct program *container;

    if (!may_unshare())
        cr_skip_test("a pid namespace: not allowed here");
    if (tel_process_whereabouts(UINT64_MAX) != TEL_PROCESS_GONE && !sees_every_namespace())
        cr_skip_test("the end of a pid namespace: needs the machine's own, and Linux 6.14 or root");
    container = start(&(struct run_options){
        .argv = LIST("unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "/bin/sh", "-c",
                     "LD_PRELOAD=$1 $2 & wait", "sh", shim_path(), fixture_path("plain")),
        .env = shim_env_and(base_dir(), LIST("LD_PRELOAD="))});
    cr_assert(has_running_row(base_dir(), 1));
    cr_expect_eq(files_in_run(), 4, "a lock, two sockets, and what programs need not look up");
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(run_value(base_dir(), "status"), "running", "somebody is in there");

    finish_by(container, SIGKILL);
    cr_assert(wait_until(no_collector_is_there, NULL, 20000));
    record("/bin/true");
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT error_summary, end_time, duration_ms FROM agent_runs "
                              "WHERE agent_name = 'plain'"),
                     "ended without a trace: no collector was there to see it||");
    if (sees_every_namespace())
        cr_expect_eq(files_in_run(), 4, "those of the collector that is there now");
}

static void limit_hard(void *arg)
{
    const struct rlimit limit = {1 << 30, 1 << 30};

    setrlimit(*(__rlimit_resource_t *)arg, &limit);
}

/* Limits that would end the collector sooner or later, and that it could not lift. */
Test(collector, none_under_hard_limits)
{
    __rlimit_resource_t resources[] = {RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_CPU};

    for (int i = 0; i < 3; i++) {
        const char *base = new_base();
        struct run_result result = run_with(&(struct run_options){
            .argv = LIST("/bin/sh", "-c", "exit 3"),
            .env = shim_env(base),
            .prepare = limit_hard,
            .arg = &resources[i],
        });

        cr_expect_eq(result.status, 3);
        cr_expect_eq(collectors_of(base, NULL, 0), 0);
        cr_expect_eq(count_of(journal_text(base), "\n"), 2);
    }
}
