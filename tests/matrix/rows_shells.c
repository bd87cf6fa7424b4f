/* Shells, and what is run from them. */
#include "row.h"

static const struct row rows[] = {
    {
        .name = "dash",
        .needs = LIST("dash"),
        .argv =
            LIST("dash", "-c",
                 "trap 'echo bye' EXIT; echo hello; echo oops >&2; (exit 4) & wait $!; "
                 "x=$(echo $(echo nested)); echo \"$x $?\" >made; umask 077; : >private; exit 3"),
        .agent = "dash",
    },
    {
        .name = "dash-killed",
        .needs = LIST("dash"),
        .argv = LIST("dash", "-c", "echo before; kill -TERM $$; echo after"),
        .agent = "dash",
        .source = "kernel",
    },
    {
        .name = "sh-limits",
        .argv = LIST("sh", "-c",
                     "exec 3<>/dev/null; ulimit -n 20; cat /etc/hostname >made; echo $?; "
                     "ulimit -n 3; echo still here; kill -s INT $$; echo not reached"),
        .agent = "cat",
        .source = "kernel",
    },
    {
        .name = "bash",
        .needs = LIST("bash"),
        .argv = LIST("bash", "-c",
                     "trap 'echo bye' EXIT; cat </dev/null; { coproc cat; echo hi >&${COPROC[1]}; "
                     "read -u ${COPROC[0]} x; echo $x; kill %1; wait; }; diff <(seq 3) <(seq 4); "
                     "ulimit -a; trap; shopt; set -o; type -a test; echo ${#BASHPID} >/dev/null; "
                     "exit 9"),
        .env = LIST("TELEMETRY_AGENT_NAME=bash"),
        .agent = "bash",
    },
    {
        .name = "bash-environment",
        .needs = LIST("bash"),
        .argv = LIST("bash", "-c",
                     "export ADDED=1; unset HOME; declare -x; x=$(env | sort); echo \"$x\""),
        .env = LIST("MULTI=one\ntwo", "EMPTY=", "ODD-NAME=x", "BASH_FUNC_f%%=() { echo f; }"),
        .agent = "bash",
    },
    {
        .name = "bash-jobs",
        .needs = LIST("bash"),
        .argv = LIST("bash", "-mc",
                     "exec 2>/dev/null; sleep 100 & p=$!; jobs; kill -STOP %1; kill -CONT %1; "
                     "kill %1; wait $p; echo $?"),
        .agent = "sleep",
    },
    {
        .name = "busybox",
        .needs = LIST("busybox"),
        .argv = LIST("busybox", "sh", "-c",
                     "echo hello | sed s/l/L/g; seq 5 | awk '{ s += $1 } END { print s }'; "
                     "ls / >/dev/null; exit 3"),
        .agent = "busybox",
        .runs = NO_RUN, /* a static program: only telemetry exec reaches it */
    },
    {
        .name = "zsh",
        .needs = LIST("zsh"),
        .argv = LIST("zsh", "-fc",
                     "for i in {1..3}; do echo $i; done | tail -1; a=(b c); echo $a[2]; exit 3"),
        .agent = "tail",
    },
};

THEME(shells, rows);
