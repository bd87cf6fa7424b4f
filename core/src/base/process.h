/* Facts about processes, cheaply: the caller's own, and whether another one is still the process
 * that was meant. A process is recognised by its pidfs inode (Linux 6.9 and later: unique for the
 * machine until the next boot), elsewhere by pid and start time. */
#ifndef TEL_BASE_PROCESS_H
#define TEL_BASE_PROCESS_H

#include "buf.h"

#include <sys/types.h>

#define TEL_BOOT_ID_LEN 36

/* CPU time in milliseconds, in steps of a clock tick (10 ms). */
struct tel_cpu_times {
    uint64_t user_ms;
    uint64_t system_ms;
    uint64_t children_user_ms; /* of children that were waited for */
    uint64_t children_system_ms;
};

struct tel_process {
    pid_t pid;
    pid_t ppid;
    uint64_t pid_ns;          /* inode of the pid namespace, 0 unknown */
    uint64_t pidfs_ino;       /* 0 before Linux 6.9 */
    uint64_t start_ticks;     /* clock ticks since boot, field 22 of proc_pid_stat(5); 0 unknown */
    pid_t session;            /* 0 unknown */
    bool has_terminal;        /* a controlling terminal */
    struct tel_cpu_times cpu; /* spent so far: by what this process was before it executed us */
    char boot_id[TEL_BOOT_ID_LEN + 1]; /* "" unknown */
};

/* Fills facts about the calling process, but for pid_ns and boot_id, which are left unknown. pidfd receives a
 * descriptor of it, the caller's to close, or -1 where the kernel gives none. */
void tel_process_self(struct tel_process *self, int *pidfd);
/* Fills pid_ns and boot_id. */
void tel_process_look_around(struct tel_process *self);

/* The calling process has no thread beside this one. Asked of the kernel, because libc's own word for it is
 * newer than the oldest libc. False when it cannot be known. */
bool tel_process_is_alone(void);

/* The machine's boot id, or "". */
void tel_boot_id(char out[TEL_BOOT_ID_LEN + 1]);
/* Inode of the caller's pid namespace, 0 unknown. */
uint64_t tel_pid_namespace(void);

/* What recognises a process later on. */
struct tel_process_key {
    pid_t pid;
    uint64_t pidfs_ino;
    uint64_t start_ticks;
};
/* Opens a pidfd if pid is still, alive or as a zombie, the process of key.
 * Errors: -ESRCH when it is gone or another one; other negative errno when it cannot be known. */
int tel_process_open(const struct tel_process_key *key);
/* The process of key exists and has not ended (a zombie has). */
bool tel_process_is_running(const struct tel_process_key *key);
/* A child that the calling thread has forked and that goes on: one in session, or follower, in another one, if it
 * has executed nothing. Fills key, and gives a pidfd, the caller's to close. -ESRCH when there is none. */
int tel_process_heir(pid_t session, pid_t follower, struct tel_process_key *key);
/* pid is a process that has not ended. */
bool tel_process_lives(pid_t pid);
/* The same as tel_process_heir for pid alone: it leads session, a child of the caller that has executed nothing; or it is in the
 * session of such a child that is gone. */
int tel_process_follower(pid_t pid, pid_t session, struct tel_process_key *key);
/* The pidfs inode behind a pidfd, 0 where the kernel has no pidfs. */
uint64_t tel_pidfd_inode(int pidfd);

/* The fields of /proc/PID/stat that matter here. */
struct tel_proc_stat {
    pid_t pid;
    char state; /* 'Z' zombie … */
    pid_t ppid;
    int tty;
    pid_t session;
    unsigned flags; /* PF_… of the kernel */
    uint64_t start_ticks;
    struct tel_cpu_times cpu;
    int exit_code; /* wait status of a zombie; 0 unless the reader may trace the process */
};
/* path such as "/proc/self/stat". 0 or negative errno. */
int tel_proc_stat_read(const char *path, struct tel_proc_stat *out);
/* The process that stat describes has ended: a zombie, or what is left of one. */
bool tel_proc_stat_has_ended(const struct tel_proc_stat *stat);
/* Parses the text of such a file; the command name may hold anything, ')' and newlines too. */
bool tel_proc_stat_parse(struct tel_str text, struct tel_proc_stat *out);

#endif
