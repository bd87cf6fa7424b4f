/* Programs of 32 bits, with the shim of each word size in LD_PRELOAD: what they start may have 64. */
#include "row.h"

#define NARROW(row_name, program, ...)                                                             \
    {                                                                                              \
        .name = "32-" row_name, .needs = LIST(program), .argv = LIST(program, __VA_ARGS__),        \
        .preload = "&", .agent = program, .prepare = without_cores                                 \
    }

#define NARROW_BY_KERNEL(row_name, program, ...)                                                   \
    {                                                                                              \
        .name = "32-" row_name, .needs = LIST(program), .argv = LIST(program, __VA_ARGS__),        \
        .preload = "&", .agent = program, .prepare = without_cores, .source = "kernel"             \
    }

#define NARROW_CHANGE(way)                                                                         \
    {                                                                                              \
        .name = "32-" way, .needs = LIST("change_32"), .argv = LIST("change_32", way),             \
        .preload = "&", .agent = "nightly",                                                        \
        .env = LIST("TELEMETRY_AGENT_NAME=nightly", "LAST=entry"),                                 \
    }

#define NARROW_SESSION(way, ...)                                                                   \
    {                                                                                              \
        .name = "32-session-" way, .needs = LIST("session_32"),                                    \
        .argv = LIST("session_32", way, __VA_ARGS__), .preload = "&", .agent = "session_32",       \
        .source = "any", .runs = 2,                                                                \
    }

static const struct row rows[] = {
    NARROW("look", "look_32", NULL),
    NARROW("call", "call_32", NULL),
    NARROW_CHANGE("title-last"),
    NARROW_CHANGE("title-contiguous"),
    NARROW_CHANGE("clearenv"),
    NARROW_CHANGE("own-array"),
    NARROW_CHANGE("write-over"),
    NARROW_CHANGE("close-everything"),
    NARROW_BY_KERNEL("seccomp-prctl-exit", "seccomp_32", "prctl", "exit"),
    NARROW_BY_KERNEL("seccomp-syscall-_exit", "seccomp_32", "syscall", "_exit"),
    NARROW_BY_KERNEL("seccomp-syscall-prctl-exit", "seccomp_32", "syscall-prctl", "exit"),
    NARROW_BY_KERNEL("seccomp-strict-exit-thread", "seccomp_32", "strict", "exit-thread"),
    NARROW("return-3", "end_32", "return-3"),
    NARROW("_exit", "end_32", "_exit"),
    NARROW_BY_KERNEL("abort", "end_32", "abort"),
    NARROW_BY_KERNEL("kill", "end_32", "kill"),
    NARROW("thread-exit", "end_32", "thread-exit"),
    NARROW("fork-exit", "end_32", "fork-exit"),
    NARROW("vfork-failed-exec", "end_32", "vfork-failed-exec"),
    NARROW("stack-thread-exit", "small_stack_32", "thread", "exit"),
    NARROW("stack-handler-exit", "small_stack_32", "handler", "exit"),
    NARROW("stack-handler-_exit", "small_stack_32", "handler", "_exit"),
    NARROW("exec-chain", "shape_32", "exec-chain"),
    NARROW_BY_KERNEL("exec-empty-environment", "shape_32", "exec-empty-environment"),
    NARROW("posix_spawn", "shape_32", "posix_spawn"),
    NARROW("subreaper", "shape_32", "subreaper"),
    NARROW_SESSION("once", NULL),
    NARROW_SESSION("daemon", NULL),
    NARROW_SESSION("cleared", NULL),
    NARROW_SESSION("vfork", "/bin/sleep", "0"),
    NARROW_SESSION("spawn", "/bin/sleep", "0"),
    {
        .name = "64-and-32",
        .needs = LIST("plain_32"),
        .script = "plain_32 3; plain 4; exec plain_32 5",
        .preload = "&",
        .agent = "plain_32",
    },
};

THEME(narrow, rows);
