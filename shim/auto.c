/* The shim: decides at program start whether this process is a run, and sees to its end. Everything
 * it does is bound by the rules of docs/design.md ("Living in other people's processes"). */
#include "base/clock.h"
#include "base/debug.h"
#include "base/heirs.h"
#include "base/recorder.h"
#include "base/sys.h"
#include "shim.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* What the shim takes from libc. All weak: whatever a libc lacks is NULL, and done without. */
#define WEAK __attribute__((weak))
extern char **environ WEAK;
extern unsigned long getauxval(unsigned long type) WEAK;
extern int on_exit(void (*function)(int, void *), void *arg) WEAK;
extern int __cxa_at_quick_exit(void (*function)(void *), void *object) WEAK;
extern int at_quick_exit(void (*function)(void)) WEAK;
extern int dl_iterate_phdr(int (*function)(struct dl_phdr_info *, size_t, void *), void *arg) WEAK;
extern const char *gnu_get_libc_version(void) WEAK;
/* Defined by our own dynamically linked programs, which are never recorded. */
extern const char telemetry_own_program[] WEAK;

/* What main will get, as far as a constructor can know it. */
struct start {
    int argc;
    char **argv;
    char **envp;
    char **with_auxv; /* the array behind whose end lies the auxiliary vector; NULL: none known */
    const char *exe;
};

#define ID_NAME "TELEMETRY_RUN_ID="
#define OWNER_NAME "TELEMETRY_RUN_OWNER="

/* Which run this is, as entries of the environment. */
struct entries {
    char run_id[sizeof ID_NAME + TEL_RUN_ID_MAX];
    char owner[sizeof OWNER_NAME + TEL_OWNER_MAX];
};

/* Of a run whose process leads a session, in a page that is shared with forked children: one of them may go
 * on as a daemon. Numbers only, and believed only as far as the kernel confirms them: a child may have other
 * rights than its parent by then. */
struct leader {
    struct tel_follower follower; /* a child that has begun a session of its own by setsid */
    atomic_int session;           /* the leader's number; a daemon's, once it has a run, */
    struct tel_instant since;     /* and when that began */
    atomic_int heir;              /* who has the run now, if not who began it; else 0 */
    bool at_setsid;               /* the run began there */
};

/* A recorded process's memory: one mapping, made only when there is something to record. */
struct memory {
    char **environment;    /* the host's entries behind ours; it lies before this struct */
    struct leader *leader; /* NULL: leads no session */
    /* What environ points to: of a leader, the same page as the next, copied on write. */
    struct entries *shown;
    /* A leader's, in no child of it: what it writes is seen by all of them. */
    struct entries *published;
    struct entries entries;
    char traceparent[sizeof "TRACEPARENT=" + TEL_TRACEPARENT_LEN];
    struct tel_recorder recorder;
};

static struct {
    struct start start;    /* for a child that becomes a session leader */
    struct memory *memory; /* NULL: nothing is recorded here */
    pid_t pid;             /* a forked child has another one */
    const volatile char
        *own;          /* 1, but 0 in forked children; NULL: the shim has nothing to do here */
    atomic_bool ended; /* exactly one end for each run */
    atomic_bool silent;
    /* An on_exit handler, which gets the exit code, runs after destructors. */
    bool code_comes_later;
} run;

/* Declared in error.h: only TELEMETRY_DEBUG would show the names. */
const char *tel_errno_text(int number)
{
    (void)number;
    return NULL;
}

/* --- the end --------------------------------------------------------------------------------- */

static void record_end(bool known, int status)
{
    const struct tel_ending ending = {
        .source = TEL_END_OBSERVED,
        .known = known,
        .wait_status = (status & 0xff) << 8,
        .boottime_ns = tel_clock_boottime_ns(),
    };
    struct tel_error err = {0};

    tel_recorder_end(&run.memory->recorder, &ending, &err);
}

/* The process of the run. A forked child never is, be it given the run's number one day; but a session
 * leader may have left its run to one. */
static bool is_run(void)
{
    struct leader *leader = run.memory->leader;

    if (*run.own != 0)
        return tel_sys_getpid() == run.pid;
    return leader != NULL && atomic_load(&leader->heir) == tel_sys_getpid() &&
           tel_recorder_inherit(
               &run.memory->recorder, tel_str_from(run.memory->shown->run_id + sizeof ID_NAME - 1),
               tel_str_from(run.memory->shown->owner + sizeof OWNER_NAME - 1), &leader->since);
}

static bool may_end(void)
{
    if (run.memory == NULL || atomic_load(&run.silent))
        return false;
    if (*run.own == 0 && run.memory->leader != NULL)
        tel_recorder_step_aside(&run.memory->leader->follower);
    return is_run() && !atomic_exchange(&run.ended, true);
}

/* A session leader that ends well may leave a daemon. If it became one at setsid, and ends soon, it was but a
 * step on the way: its child goes on with the run. */
static bool passes_on(void)
{
    enum { SOON_S = 5 };
    struct tel_recorder *recorder = &run.memory->recorder;
    struct leader *leader = run.memory->leader;
    struct entries unseen; /* of a daemon, whose texts are its parent's to write */
    struct entries *entries = *run.own != 0 ? run.memory->published : &unseen;
    struct tel_buf run_id;
    struct tel_buf owner;
    pid_t heir;

    if (leader == NULL || tel_sys_getpid() != atomic_load(&leader->session))
        return false;
    tel_buf_init(&owner, entries->owner + sizeof OWNER_NAME - 1, TEL_OWNER_MAX);
    if (leader->at_setsid) {
        if (tel_clock_boottime_ns() - recorder->began_boot_ns > SOON_S * INT64_C(1000000000))
            return false;
        heir = tel_recorder_pass(recorder, &leader->follower, &owner);
        if (heir > 0)
            atomic_store(&leader->heir, heir);
        return heir > 0;
    }
    tel_buf_init(&run_id, entries->run_id + sizeof ID_NAME - 1, TEL_RUN_ID_MAX);
    heir = tel_recorder_found(recorder, &leader->follower, &leader->since, &run_id, &owner);
    if (heir > 0) {
        leader->at_setsid = true;
        atomic_store(&leader->session, leader->follower.session);
        atomic_store(&leader->heir, heir);
        atomic_store(&leader->follower.pid, 0);
    }
    return false;
}

/* The host may have lowered its file size limit since the start: without a signal for it, the line goes
 * another way then. One that the host has blocked itself may be pending already, and is not ours to take. */
static void end(bool known, int status)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t old;

    if (!may_end())
        return;
    tel_sys_sigprocmask(SIG_BLOCK, &all, &old);
    run.memory->recorder.journal.signals_blocked = (old & UINT64_C(1) << (SIGXFSZ - 1)) == 0;
    if (status != 0 || !passes_on())
        record_end(known, status);
    tel_sys_sigprocmask(SIG_SETMASK, &old, NULL);
}

void tel_shim_end(int status)
{
    end(true, status);
}

void tel_shim_fall_silent(void)
{
    atomic_store(&run.silent, true);
}

/* exit(), after all destructors. Threads that go on running now work with destroyed objects: a host
 * that has some is not held up by waiting for the row. */
static void end_with_code(int status, void *arg)
{
    (void)arg;
    if (run.memory != NULL && !atomic_load(&run.silent) &&
        run.memory->recorder.config.wait_ms > 0 && !tel_process_is_alone())
        run.memory->recorder.config.wait_ms = 0;
    tel_shim_end(status);
}

/* exit() in a libc that does not tell its code (musl), and quick_exit(). */
static void end_without_code(void)
{
    end(false, 0);
}

static void end_quickly(void *arg)
{
    (void)arg;
    end_without_code();
}

__attribute__((destructor)) static void finish(void)
{
    if (!run.code_comes_later)
        end_without_code();
}

static void watch_exits(void)
{
    run.code_comes_later = on_exit != NULL && on_exit(end_with_code, NULL) == 0;
    if (__cxa_at_quick_exit != NULL)
        __cxa_at_quick_exit(end_quickly, NULL);
    else if (at_quick_exit != NULL)
        at_quick_exit(end_without_code);
}

/* --- the environment of what the run starts --------------------------------------------------- */

static bool is_ours(const char *entry)
{
    const struct tel_str text = tel_str_from(entry);

    return tel_str_starts(text, ID_NAME) || tel_str_starts(text, OWNER_NAME);
}

static char *join_entry(char *out, size_t cap, const char *name, const char *value)
{
    struct tel_buf buf;

    tel_buf_init(&buf, out, cap);
    tel_buf_cstr(&buf, name);
    tel_buf_cstr(&buf, value);
    return tel_buf_terminate(&buf);
}

enum { AUXV_PAIRS = 64 }; /* room for twice as many as any kernel gives */

/* True when envp is the block that the kernel laid out: on the stack, below the program's path. */
static bool is_initial_block(char *const *envp, const char *exe)
{
    return (const char *)envp > (const char *)__builtin_frame_address(0) &&
           (const char *)envp < exe;
}

/* Behind the environment's NULL lies the auxiliary vector (the ABI's initial process stack), and there
 * are programs that look for it there. */
static void copy_auxv(char **out, char *const *auxv)
{
    for (int i = 0; i < AUXV_PAIRS - 1 && auxv[0] != NULL; i++) {
        *out++ = *auxv++;
        *out++ = *auxv++;
    }
}

/* Later images find the run in new entries, first in an array of our own. The original block is left as
 * it is: hosts clear it, walk it, and write their process title over it. */
static void extend_environment(struct memory *memory, struct start *start)
{
    char **envp = start->envp;
    char **out = memory->environment;

    *out++ = memory->shown->run_id;
    *out++ = memory->shown->owner;
    if (memory->recorder.traceparent[0] != '\0')
        *out++ = join_entry(memory->traceparent, sizeof memory->traceparent,
                            "TRACEPARENT=", memory->recorder.traceparent);
    for (; *envp != NULL; envp++)
        if (!is_ours(*envp))
            *out++ = *envp;
    *out++ = NULL;
    if (start->envp == start->with_auxv) {
        copy_auxv(out, envp + 1);
        start->with_auxv = memory->environment;
    }
    environ = start->envp = memory->environment;
}

/* A program may have put texts of its own into the arrays it was given, and released them since. What
 * the kernel laid out lies between the arguments and the program's path, for good. */
static bool lies_in_block(const struct start *start, const char *text)
{
    return text > (const char *)start->argv && text < start->exe;
}

static bool is_own_text(const char *text)
{
    struct memory *memory = run.memory;

    return memory != NULL && (text == memory->shown->run_id || text == memory->shown->owner ||
                              text == memory->traceparent);
}

/* The same for a run that begins in the middle of a program. The array may be the program's by now, and so
 * may what it points to (perl releases both): it stays, and only what is nobody's is replaced in it. */
static void change_environment(struct memory *memory, const struct start *start)
{
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if ((lies_in_block(start, *entry) || is_own_text(*entry)) && is_ours(*entry))
            *entry = tel_str_starts(tel_str_from(*entry), OWNER_NAME) ? memory->shown->owner
                                                                      : memory->shown->run_id;
}

static size_t count_entries(char *const *entries)
{
    size_t count = 0;

    while (entries[count] != NULL)
        count++;
    return count;
}

/* --- the start ------------------------------------------------------------------------------- */

/* Finds the object that contains this very function among those that are loaded. */
struct object_search {
    char *out;
    size_t cap;
    bool found;
};

static int match_object(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct object_search *search = arg;
    const uintptr_t here = (uintptr_t)&match_object - object->dlpi_addr;

    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        struct tel_buf path;

        if (part->p_type != PT_LOAD || here < part->p_vaddr ||
            here >= part->p_vaddr + part->p_memsz)
            continue;
        tel_buf_init(&path, search->out, search->cap);
        tel_buf_cstr(&path, object->dlpi_name);
        search->found = tel_buf_terminate(&path) != NULL;
        return 1;
    }
    return 0;
}

static bool own_path(char *out, size_t cap)
{
    struct object_search search = {out, cap, false};

    if (dl_iterate_phdr != NULL)
        dl_iterate_phdr(match_object, &search);
    return search.found;
}

/* Memory behind a page that says whose it is: the kernel empties that page in a forked child (not in
 * one of vfork, which has another pid). Before Linux 4.14 only the pid tells. */
static char *map_marked(size_t size, size_t page)
{
    enum { WIPE_ON_FORK = 18 }; /* MADV_WIPEONFORK, madvise(2) */
    char *mark = tel_sys_map(page + size);

    if (mark == NULL)
        return NULL;
    tel_sys_call(SYS_madvise, (long)mark, (long)page, WIPE_ON_FORK, 0, 0, 0);
    *mark = 1;
    return mark;
}

/* How a run of this image comes to be. */
enum beginning { BEGINS, BEGINS_PENDING, CONTINUES };

static void *map_page(size_t size, int flags, int fd)
{
    const long at = tel_sys_call(TEL_SYS_MMAP, 0, (long)size, PROT_READ | PROT_WRITE, flags, fd, 0);

    return at < 0 && at > -4096 ? NULL : (void *)at; // NOLINT(performance-no-int-to-ptr)
}

/* Two views of one page: published is the caller's alone, shown is inherited, and whoever writes to it has a
 * page of his own from then on. */
static bool map_texts(struct memory *memory)
{
    enum { NOEXEC_SEAL = 8, DONTFORK = 10 }; /* MFD_NOEXEC_SEAL, memfd_create(2); madvise(2) */
    const size_t size = sizeof(struct entries);
    long fd =
        tel_sys_call(SYS_memfd_create, (long)"telemetry", MFD_CLOEXEC | NOEXEC_SEAL, 0, 0, 0, 0);

    if (fd == -EINVAL)
        fd = tel_sys_call(SYS_memfd_create, (long)"telemetry", MFD_CLOEXEC, 0, 0, 0, 0);
    if (fd < 0)
        return false;
    if (tel_sys_call(SYS_ftruncate, fd, (long)size, 0, 0, 0, 0) == 0) {
        memory->published = map_page(size, MAP_SHARED, (int)fd);
        memory->shown = map_page(size, MAP_PRIVATE, (int)fd);
    }
    tel_sys_close((int)fd);
    return memory->published != NULL && memory->shown != NULL &&
           tel_sys_call(SYS_madvise, (long)memory->published, (long)size, DONTFORK, 0, 0, 0) == 0;
}

/* For a run that begins so, or goes on. Where it cannot be, daemons are not told from workers. */
static void become_leader(struct memory *memory, enum beginning beginning)
{
    struct leader *leader = map_page(sizeof *leader, MAP_SHARED | MAP_ANONYMOUS, -1);

    if (leader == NULL || !map_texts(memory)) {
        memory->shown = memory->published = &memory->entries;
        return;
    }
    leader->at_setsid = beginning == BEGINS_PENDING;
    atomic_init(&leader->session, tel_sys_getpid());
    memory->leader = leader;
}

/* run_id: of the parent, or of the run to go on with. */
static int record(struct memory *memory, struct start *start, enum beginning beginning,
                  struct tel_str run_id, const struct tel_owner *owner, struct tel_error *err)
{
    const struct tel_env env = {start->envp};
    const struct tel_subject subject = {
        .env = &env,
        .argc = start->argc,
        .argv = start->argv,
        .exe = start->exe,
        .object = own_path,
        .uid = (uid_t)getauxval(AT_EUID),
        .parent_run_id = run_id,
        .pending = beginning == BEGINS_PENDING,
    };
    struct tel_recorder *recorder = &memory->recorder;
    struct entries *entries;
    int status;

    if (beginning == CONTINUES)
        status = tel_recorder_continue(recorder, &subject, run_id, owner, err);
    else
        status = tel_recorder_start(recorder, &subject, err);
    if (status < 0)
        return status;
    memory->shown = memory->published = &memory->entries;
    if (beginning == BEGINS_PENDING || recorder->self.session == recorder->self.pid)
        become_leader(memory, beginning);
    if (beginning == CONTINUES && memory->leader == NULL)
        return 0; /* the environment has it all */
    entries = memory->published;
    join_entry(entries->run_id, sizeof entries->run_id, ID_NAME, recorder->run_id);
    join_entry(entries->owner, sizeof entries->owner, OWNER_NAME, recorder->owner_text);
    if (beginning == BEGINS_PENDING)
        change_environment(memory, start);
    else
        extend_environment(memory, start);
    return 0;
}

/* Opens a run, inside the one of run_id where that is set; or takes that one up again after an exec. */
static int begin(struct start *start, enum beginning beginning, struct tel_str run_id,
                 const struct tel_owner *owner, struct tel_error *err)
{
    const size_t entries = (count_entries(start->envp) + 4 + 2 * AUXV_PAIRS) * sizeof(char *);
    const size_t size = entries + sizeof *run.memory;
    const size_t page = getauxval(AT_PAGESZ);
    char *mark = map_marked(size, page);
    struct memory *memory;
    int status;

    if (mark == NULL)
        return tel_fail(err, -ENOMEM, "no memory", NULL);
    memory = (struct memory *)(void *)(mark + page + entries);
    memory->environment = (char **)(void *)(mark + page);
    tel_clock_use(tel_vdso_clock(getauxval(AT_SYSINFO_EHDR)));
    status = record(memory, start, beginning, run_id, owner, err);
    if (status < 0) {
        tel_sys_unmap(mark, page + size);
        return status;
    }
    run.pid = memory->recorder.self.pid;
    run.own = mark;
    run.memory = memory;
    return 0;
}

/* argv from the block that the kernel laid out below envp: argc, argv, NULL, envp (the ABI's initial
 * process stack). For a libc that gives constructors no arguments. */
static bool find_arguments(struct start *start)
{
    char **at = start->envp - 1;

    if (start->with_auxv == NULL || *at != NULL)
        return false; /* somebody has replaced environ already */
    for (start->argc = 0; (uintptr_t)at[-1] != (uintptr_t)start->argc; at--)
        start->argc++;
    start->argv = at;
    return true;
}

static bool gather(struct start *start, int argc, char **argv, char **envp)
{
    if (getauxval == NULL || getauxval(AT_SECURE) != 0 || &environ == NULL)
        return false;
    start->exe = (const char *)getauxval(AT_EXECFN); // NOLINT(performance-no-int-to-ptr)
    if (start->exe == NULL)
        return false;
    start->envp = environ;
    if (start->envp == NULL && gnu_get_libc_version != NULL)
        start->envp = envp; /* musl gives constructors no arguments */
    if (start->envp == NULL)
        return false;
    if (is_initial_block(start->envp, start->exe))
        start->with_auxv = start->envp;
    if (gnu_get_libc_version != NULL) {
        start->argc = argc;
        start->argv = argv;
    } else if (!find_arguments(start)) {
        start->argc = 0;
        start->argv = NULL;
    }
    return true;
}

/* What the environment says of the shim and of the run that this image may be in. */
struct inherited {
    struct tel_str run_id; /* unset when there is none, or none that can be */
    struct tel_str debug;
    struct tel_owner owner;
    bool off;
    bool known;        /* owner is */
    bool all_children; /* each image is a run */
};

static void inherit(struct inherited *in, char **envp)
{
    enum { AUTO, RUN_ID, RUN_OWNER, CHILDREN, DEBUG, NAMES };
    static const char names[NAMES][24] = {"TELEMETRY_AUTO", "TELEMETRY_RUN_ID",
                                          "TELEMETRY_RUN_OWNER", "TELEMETRY_AUTO_CHILDREN",
                                          "TELEMETRY_DEBUG"};
    const char *const pointers[NAMES] = {names[0], names[1], names[2], names[3], names[4]};
    const struct tel_env env = {envp};
    struct tel_str value[NAMES];

    tel_env_get_many(&env, pointers, value, NAMES);
    in->off = tel_config_parse_bool(value[AUTO]) == 0;
    in->debug = value[DEBUG];
    in->run_id = tel_owner_id_valid(value[RUN_ID]) ? value[RUN_ID] : TEL_STR_NONE;
    in->known = in->run_id.len > 0 && tel_owner_parse(value[RUN_OWNER], &in->owner);
    in->all_children = value[CHILDREN].len > 0
                           ? tel_str_is_nocase(value[CHILDREN], "all")
                           : in->known && (in->owner.flags & TEL_OWNER_ALL_CHILDREN) != 0;
}

/* How this image's run begins; run_id is its parent's then. False when it is part of another's. */
static bool has_run(struct inherited *in, enum beginning *beginning)
{
    enum tel_standing standing;

    *beginning = BEGINS;
    if (!in->known)
        return true;
    run.pid = tel_sys_getpid();
    standing = tel_owner_standing(&in->owner, run.pid);
    if (standing == TEL_INSIDE)
        return in->all_children || tel_sys_getsid() == run.pid;
    if ((in->owner.flags & TEL_OWNER_PENDING) != 0 &&
        (standing == TEL_OWNS || tel_sys_getsid() == in->owner.process.pid))
        in->run_id = in->owner.parent; /* takes the place of the run that began at setsid */
    else if (standing == TEL_OWNS)
        *beginning = CONTINUES;
    return true;
}

/* Part of another's run. Its forked children may yet become session leaders, and must be told from
 * those of vfork then. */
static void stand_by(void)
{
    run.own = map_marked(0, getauxval(AT_PAGESZ));
}

/* The kill switch, and the run that this process may already be in: the first look at everything,
 * and for children inside a run the only one. */
static void decide(struct start *start)
{
    struct inherited in;
    enum beginning beginning;
    struct tel_error err = {0};

    inherit(&in, start->envp);
    if (in.off)
        return;
    if (!has_run(&in, &beginning)) {
        stand_by();
        tel_debug(in.debug, "part of the run that started it", NULL);
    } else if (begin(start, beginning, in.run_id, &in.owner, &err) < 0) {
        tel_debug(in.debug, "not recorded: ", err.message, NULL);
    } else {
        tel_debug(in.debug, "recorded as ", run.memory->recorder.run_id,
                  err.message[0] != '\0' ? "; " : NULL, err.message, NULL);
    }
    if (run.own != NULL)
        watch_exits();
}

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
    if (telemetry_own_program == NULL && gather(&run.start, argc, argv, envp))
        decide(&run.start);
}

/* --- a session of its own ---------------------------------------------------------------------- */

/* Leaves what can still be read of the start. The environment is the program's own, unless that does not
 * know of the run any more; false when there is none. */
static bool look_again(struct start *start)
{
    const struct tel_env now = {environ};
    int count = 0;

    while (count < start->argc && lies_in_block(start, start->argv[count]))
        count++;
    start->argc = count;
    if (tel_env_get(&now, "TELEMETRY_RUN_ID").len > 0) {
        start->envp = environ;
        return true;
    }
    for (char **entry = start->envp; *entry != NULL; entry++)
        if (!lies_in_block(start, *entry) && !is_own_text(*entry))
            return false;
    return true;
}

pid_t tel_shim_session(void)
{
    struct leader *leader;
    pid_t session;

    if (run.memory == NULL || atomic_load(&run.silent))
        return 0;
    leader = run.memory->leader;
    session = tel_sys_getsid();
    if (*run.own == 0 && leader != NULL && session == atomic_load(&leader->session)) {
        if (!tel_recorder_follow(&leader->follower))
            return 0;
        return run.pid;
    }
    return session;
}

void tel_shim_no_session(void)
{
    if (run.memory != NULL && *run.own == 0 && run.memory->leader != NULL)
        tel_recorder_stay(&run.memory->leader->follower);
}

/* A crash handler's child, say: such a stack has as little as 2 KiB. */
static bool on_signal_stack(void)
{
    stack_t stack;

    return tel_sys_call(SYS_sigaltstack, 0, (long)&stack, 0, 0, 0, 0) < 0 ||
           (stack.ss_flags & SS_ONSTACK) != 0;
}

void tel_shim_new_session(pid_t before)
{
    const uint64_t all = ~UINT64_C(0);
    struct start start = run.start;
    struct inherited in;
    struct tel_error err = {0};
    uint64_t old;

    if (run.own == NULL || atomic_load(&run.silent))
        return;
    /* The run's own process remains what it is; a child of vfork works in its parent's memory. */
    if (*run.own != 0 ? run.memory != NULL || tel_sys_getpid() != run.pid
                      : run.memory != NULL && is_run())
        return;
    /* A daemon's worker, such as each backend of PostgreSQL; or one that its leader leaves behind, which is
     * known when that one ends. */
    if (run.memory != NULL && before == run.pid)
        return;
    if (on_signal_stack() || !look_again(&start))
        return;
    inherit(&in, start.envp);
    if (in.run_id.len == 0)
        return; /* emptied where it lies: nothing is left that says where to record */
    tel_sys_sigprocmask(SIG_BLOCK, &all, &old);
    if (begin(&start, BEGINS_PENDING, in.run_id, NULL, &err) == 0) {
        atomic_store(&run.ended, false);
        tel_debug(in.debug, "recorded as ", run.memory->recorder.run_id, NULL);
    }
    tel_sys_sigprocmask(SIG_SETMASK, &old, NULL);
}

/* --- the run, for those who speak of it ---------------------------------------------------------- */

/* In an image that is part of another's run nothing has been looked up yet. */
static struct tel_recorder *look_up(void)
{
    struct tel_recorder *recorder = tel_sys_map(sizeof *recorder);
    const struct tel_env env = {environ};
    const struct tel_subject subject = {.env = &env, .uid = (uid_t)getauxval(AT_EUID)};
    struct inherited in;

    if (recorder == NULL)
        return NULL;
    inherit(&in, environ);
    if (in.known && tel_recorder_continue(recorder, &subject, in.run_id, &in.owner, NULL) == 0)
        return recorder;
    tel_sys_unmap(recorder, sizeof *recorder);
    return NULL;
}

struct tel_recorder *tel_shim_recorder(void)
{
    static _Atomic(struct tel_recorder *) found;
    struct tel_recorder *recorder = atomic_load(&found);
    struct tel_recorder *none = NULL;

    if (run.own == NULL || atomic_load(&run.silent))
        return NULL;
    if (run.memory != NULL) {
        is_run(); /* it may be by now */
        recorder = &run.memory->recorder;
    } else if (recorder == NULL) {
        recorder = look_up();
        if (recorder != NULL && !atomic_compare_exchange_strong(&found, &none, recorder)) {
            tel_sys_unmap(recorder, sizeof *recorder);
            recorder = none; /* another thread was first */
        }
    }
    if (recorder == NULL || tel_owner_standing(&recorder->owner, tel_sys_getpid()) == TEL_OUTSIDE)
        return NULL;
    return recorder;
}
