/* Servers: in the foreground and as daemons, asked something, reloaded, ended. They listen on socket
 * files in their own directories; hosts/NAME.sh is what is done with them. */
#include "row.h"

static const struct row rows[] = {
    {
        /* It rewrites its environment by hand, and its arguments as a title. */
        .name = "redis",
        .needs = LIST("redis-server", "redis-cli"),
        .argv = LIST("sh", MATRIX_HOSTS "/redis.sh", "foreground"),
        .volatile_files = LIST("log", "dump.rdb", "temp-*"),
        .agent = "redis.sh",
    },
    {
        .name = "redis-killed",
        .needs = LIST("redis-server", "redis-cli"),
        .argv = LIST("sh", MATRIX_HOSTS "/redis.sh", "killed"),
        .volatile_files = LIST("log"),
        .agent = "redis.sh",
        .source = "kernel",
    },
    {
        .name = "redis-daemon",
        .needs = LIST("redis-server", "redis-cli"),
        .argv = LIST("sh", MATRIX_HOSTS "/redis.sh", "daemon"),
        .volatile_files = LIST("log"),
        .varies = LIST("pid=[0-9]+"),
        .agent = "redis.sh",
        .runs = 2, /* the daemon is a run of its own */
    },
    {
        .name = "nginx-foreground",
        .needs = LIST("nginx", "curl", "pgrep"),
        .argv = LIST("sh", MATRIX_HOSTS "/nginx.sh", "foreground"),
        .agent = "nginx.sh",
    },
    {
        .name = "nginx-daemon",
        .needs = LIST("nginx", "curl", "pgrep"),
        .argv = LIST("sh", MATRIX_HOSTS "/nginx.sh", "daemon"),
        .agent = "nginx.sh",
        .runs = 2,
    },
    {
        .name = "nginx-left-behind",
        .needs = LIST("nginx", "curl"),
        .argv = LIST("sh", MATRIX_HOSTS "/nginx.sh", "left-behind"),
        .volatile_files = LIST("p"),
        .stays = "nginx nginx nginx",
        .agent = "nginx.sh",
        .runs = 2,
    },
    {
        .name = "nginx-bad-config",
        .needs = LIST("nginx"),
        .argv = LIST("sh", MATRIX_HOSTS "/nginx.sh", "bad-config"),
        .volatile_files = LIST("e"),
        .varies = LIST("[0-9/]{10} [0-9:]{8} ", "[0-9]+#[0-9]+"),
        .agent = "nginx.sh",
    },
    {
        /* It writes its title over arguments and environment. Each of its processes leads a session, and
         * each connection was a run once. */
        .name = "postgres",
        .needs = LIST("/usr/lib/postgresql/*/bin/initdb"),
        .user = "postgres",
        .setup = "cp \"$HOSTS/postgres.sh\" .",
        .argv = LIST("sh", "../made/postgres.sh"),
        .volatile_files = LIST("log", "d", "d/*"),
        .timeout_ms = 120000,
        .slow = true,
        .agent = "postgres.sh",
        .runs = 2,
    },
    {
        .name = "sshd-test",
        .needs = LIST("/usr/sbin/sshd", "ssh-keygen", "unshare"),
        .needs_root = true,
        .argv = LIST("sh", MATRIX_HOSTS "/sshd.sh"),
        .volatile_files = LIST("key*"),
        .agent = "sshd.sh",
    },
    {
        .name = "cron",
        .needs = LIST("cron", "unshare"),
        .needs_root = true,
        .needs_mounts = true,
        .argv = LIST("sh", MATRIX_HOSTS "/cron.sh"),
        .agent = "cron.sh",
        .runs = 2,
    },
};

THEME(servers, rows);
