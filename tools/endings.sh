#!/bin/sh
# Ends real programs in every way there is, and prints what was recorded of each as a table.
# usage: endings.sh [--check] BUILD_DIRECTORY (what `tools/dev endings` runs after building)
# With --check, exit status 1 when a line is not as expected.
set -eu

# shellcheck source=tools/script.sh
. "$(dirname "$0")/script.sh"
check=no
if [ "$1" = --check ]; then
    check=yes
    shift
fi
build=$1
fixtures=$build/tests/fixtures

# What XALT and Darshan record of the same is in a word for each, explained here; the pages and sources
# that say so are in docs/comparison.md.
legend()
{
    cat <<'END_OF_LEGEND'
LEARNT          observed: the shim saw it from inside; kernel: the kernel told the collector
DURATION, COST  are they known: how long it took; CPU time, memory, page faults and so on
XALT, DARSHAN   from their documentation and sources (docs/comparison.md), not from runs. Neither
                records an exit code or a signal; each has more than we have on other matters.
  end      XALT: a record at the end, with start, end, executable, libraries; by sampling, if that
           is on. In a forked child the start is that of its parent
  handler  as "end", but only with XALT_SIGNAL_HANDLER=yes (off since XALT 2.10.2)
  linked   as "end", but only if XALT's own ld linked the static program
  syslog   as "end" by syslog; where it writes files, HOME says where, and nothing is written
  log      Darshan, with DARSHAN_ENABLE_NONMPI=1: a log, with start, end, I/O counters of each file
  mmap     no log; a build with mmap logs leaves its raw one in /tmp, for darshan-merge
  -        nothing (XALT: but for the start record that it writes for MPI programs of many tasks, and
           for Python, R and MATLAB where their packages are tracked)
  ?        not documented for musl
END_OF_LEGEND
}

# --- the lines --------------------------------------------------------------------------------

# A line of the table is a word (the job's name of its run) and what is expected of it, in a file of
# its own: WHAT|WHOSE|STATUS|ENDING|LEARNT|XALT|DARSHAN. WHOSE run it is: own, or child for the one
# below it (a daemon's).
expect()
{
    printf '%s|%s|%s|%s|%s|%s|%s\n' "$2" "$3" "$4" "$5" "$6" "$7" "$8" >"$lines/$1"
    case $3 in
    own) runs=$((runs + 1)) ;;
    child) runs=$((runs + 2)) ;;
    esac
    order="$order $1"
}

skip()
{
    printf '%s||skipped|%s\n' "$2" "$3" >"$lines/$1"
    order="$order $1"
}

# record WORD COMMAND...: under the shim; its exit status, as a parent sees it, is kept.
record()
{
    word=$1
    shift
    seen=0
    # The braces: what the shell has to say of a signal.
    { (LD_PRELOAD=$SHIM TELEMETRY_JOB_NAME=$word exec "$@") || seen=$?; } >/dev/null 2>&1
    echo "$seen" >"$lines/$word.seen"
}

# line WHAT STATUS ENDING LEARNT XALT DARSHAN WAY...: the fixture `end`, ending in that way.
line()
{
    what=$1 status=$2 ending=$3 learnt=$4 xalt=$5 darshan=$6
    shift 6
    expect "$1" "$what" own "$status" "$ending" "$learnt" "$xalt" "$darshan"
    record "$1" "$fixtures/end" "$@"
}

end_the_process()
{
    line 'return from main' success 'exit code 0' observed end log return-0
    line 'exit(3)' failed 'exit code 3' observed end log exit 3
    line '_exit(4)' failed 'exit code 4' observed - log _exit 4
    line '_Exit(5)' failed 'exit code 5' observed - mmap _Exit 5
    line 'quick_exit(6)' failed 'exit code 6' kernel - mmap quick_exit 6
    line 'exit_group(7), the system call' failed 'exit code 7' kernel - mmap exit_group 7
    line 'a thread calls exit(4)' failed 'exit code 4' observed end log thread-exit
}

die_of_signals()
{
    line 'abort' failed SIGABRT kernel handler mmap abort
    line 'SEGV' failed SIGSEGV kernel handler mmap segv
    line 'TERM' failed SIGTERM kernel handler mmap term
    line 'KILL' failed SIGKILL kernel - mmap kill
}

# The children are part of the run.
have_children()
{
    line 'fork, the child calls exit(9)' failed 'exit code 2' observed end log fork-exit
    line 'fork, the child calls _exit(9)' failed 'exit code 2' observed end log fork-_exit
}

# --- programs that become something else ------------------------------------------------------

become_static()
{
    expect exec-static 'exec to a static program, exit(3)' own failed 'exit code 3' kernel linked mmap
    record exec-static /bin/sh -c "exec '$fixtures/plain_static' 3"
}

become_a_daemon()
{
    expect daemon 'daemon(), then exit(4)' child failed 'exit code 4' observed end log
    record daemon "$fixtures/session" daemon
    expect double-fork 'fork, setsid, fork, then exit(4)' child failed 'exit code 4' observed end log
    record double-fork "$fixtures/session" twice
}

change_the_world()
{
    if [ "$(id -u)" -eq 0 ]; then
        expect chroot 'chroot, then _exit(6)' own failed 'exit code 6' kernel - mmap
        mkdir "$scratch/jail"
        record chroot "$fixtures/change" chroot "$scratch/jail"
    else
        skip chroot 'chroot, then _exit(6)' 'only root may'
    fi
    expect clearenv 'clearenv, then return 6' own failed 'exit code 6' observed syslog mmap
    record clearenv "$fixtures/change" clearenv
}

# --- programs of other kinds ------------------------------------------------------------------

# Built once for a build directory: Go builds its runtime, too.
build_go_program()
{
    (
        cd "$scratch"
        printf 'package main\n\nimport "os"\n\nfunc main() { os.Exit(7) }\n' >main.go
        HOME=$scratch GOCACHE=$build/go-cache GO111MODULE=off CGO_ENABLED=0 go build -o go main.go
    ) >/dev/null 2>&1
}

be_of_another_kind()
{
    what='a Go program (static), os.Exit(7)'
    if ! command -v go >/dev/null; then
        skip go "$what" 'there is no go'
    elif ! build_go_program; then
        skip go "$what" 'go does not build it'
    else
        expect go "$what" own failed 'exit code 7' kernel - -
        record go telemetry exec --no-preload -- "$scratch/go"
    fi
    if [ -x "$fixtures/end_musl" ]; then
        expect musl 'a musl program, exit(3)' own failed 'exit code 3' kernel '?' '?'
        record musl "$fixtures/end_musl" exit 3
    else
        skip musl 'a musl program, exit(3)' 'there is no musl-gcc'
    fi
}

# --- a memory cgroup --------------------------------------------------------------------------

# own_group V: the path of this process' cgroup in hierarchy V (`memory`, or nothing for version 2).
own_group()
{
    sed -n "s/^[0-9]*:$1:\(.*\)/\1/p" /proc/self/cgroup
}

# make_memory_group: sets group to a new memory cgroup of 16 MiB without swap, below our own where that
# can be, so that nothing escapes from a limit. Version 2 limits only below groups that hand it on.
make_memory_group()
{
    mount_of_1=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts)
    mount_of_2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    for parent in ${mount_of_1:+"$mount_of_1$(own_group memory)" "$mount_of_1"} \
        ${mount_of_2:+"$mount_of_2$(own_group '')" "$mount_of_2"}; do
        group=$parent/telemetry-endings.$$
        mkdir "$group" 2>/dev/null || continue
        if limit "$group/memory.max" 16M; then
            limit "$group/memory.swap.max" 0 || :
            return 0
        elif limit "$group/memory.limit_in_bytes" 16M; then
            limit "$group/memory.swappiness" 0 || :
            return 0
        fi
        rmdir "$group"
    done
    group=
    return 1
}

limit()
{
    { [ -f "$1" ] && echo "$2" >"$1"; } 2>/dev/null
}

# Empty only a moment after the death.
remove_memory_group()
{
    tries=50
    until rmdir "$group" || [ "$tries" -eq 0 ]; do
        sleep 0.1
        tries=$((tries - 1))
    done 2>/dev/null
}

run_out_of_memory()
{
    if ! make_memory_group; then
        skip oom 'killed by the OOM killer' 'no memory cgroup can be made here'
        return
    fi
    expect oom 'killed by the OOM killer' own failed SIGKILL kernel - mmap
    # The shell is the run, and joins the group only then: a collector that it starts stays outside.
    # shellcheck disable=SC2016
    record oom /bin/sh -c 'echo 0 >"$0/cgroup.procs" && exec "$1" out-of-memory' "$group" "$fixtures/end"
    remove_memory_group
}

# --- the table --------------------------------------------------------------------------------

# What was recorded: STATUS|ENDING|LEARNT|DURATION|COST. The signal's name is in error_summary.
recorded()
{
    case $2 in
    own) whose='IS NULL' ;;
    child) whose='IS NOT NULL' ;;
    esac
    query "SELECT status, CASE WHEN exit_code IS NOT NULL THEN 'exit code ' || exit_code
               WHEN signal IS NOT NULL
               THEN substr(error_summary, 11, instr(error_summary, ' (') - 11)
               ELSE coalesce(error_summary, '-') END, coalesce(end_source, '-'),
               iif(duration_ms IS NULL, 'no', 'yes'), iif(user_ms IS NULL, 'no', 'yes')
           FROM agent_runs JOIN run_process USING (run_id)
           WHERE job_type = '$1' AND parent_run_id $whose"
}

row()
{
    printf '%-34s %-8s %-12s %-9s %-9s %-5s %-8s %s\n' "$@"
}

# Whether what its parent saw, as a shell's exit status, is what was recorded.
parent_saw()
{
    case $2 in
    'exit code '*) [ "$1" -eq "${2#exit code }" ] ;;
    SIG*) [ "$1" -gt 128 ] && [ "$(kill -l "$1")" = "${2#SIG}" ] ;;
    *) return 1 ;;
    esac
}

wrong()
{
    say "  ^ $*"
    failures=$((failures + 1))
}

# Says below the line what is not as expected.
check_line()
{
    [ "$2" = "$3" ] || wrong "expected: $3"
    if [ -f "$lines/$1.seen" ] && [ "$4" = own ] &&
        ! parent_saw "$(cat "$lines/$1.seen")" "$5"; then
        wrong "its parent saw exit status $(cat "$lines/$1.seen")"
    fi
}

print_line()
{
    IFS='|' read -r what whose status ending learnt xalt darshan <"$lines/$1"
    if [ "$status" = skipped ]; then
        printf '%-34s %-8s (%s)\n' "$what" skipped "$ending"
        return
    fi
    found=$(recorded "$1" "$whose")
    IFS='|' read -r is_status is_ending is_learnt duration cost <<END_OF_ROW
$found
END_OF_ROW
    row "$what" "$is_status" "$is_ending" "$is_learnt" "$duration" "$cost" "$xalt" "$darshan"
    # Nobody but the shim sees the cost; the duration is there whoever learnt of the end.
    known=no
    [ "$learnt" != observed ] || known=yes
    case $1 in
    quick_exit | musl) known=yes ;;
    esac
    [ "$learnt" = observed ] || [ "$kernel_tells" = yes ] || return 0
    check_line "$1" "$found" "$status|$ending|$learnt|yes|$known" "$whose" "$is_ending"
}

print_table()
{
    printf '%s' "$bold"
    row 'WHAT THE PROGRAM DOES' STATUS ENDING LEARNT DURATION COST XALT DARSHAN
    printf '%s' "$plain"
    for word in $order; do
        print_line "$word"
    done
    say
    legend
}

# ----------------------------------------------------------------------------------------------

forget_settings
# No core files; every shell that Linux has for sh knows the option.
# shellcheck disable=SC3045
ulimit -c 0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-endings.XXXXXX")
[ "$check" = no ] || trap 'rm -rf "$scratch"' EXIT INT TERM
lines=$scratch/lines
mkdir "$lines"
use_build "$build" "$scratch"
kernel_tells=no
if telemetry doctor | grep -q 'tells how every process ended'; then
    kernel_tells=yes
fi
order='' runs=0 failures=0

end_the_process
die_of_signals
run_out_of_memory
have_children
become_static
become_a_daemon
change_the_world
be_of_another_kind
wait_until_ended "$runs"

print_table
if [ "$kernel_tells" = no ]; then
    say
    say "The kernel here, $(uname -r), does not tell how a program ended that the shim did not see end"
    say '(Linux 6.15 does): what is known is recorded.'
fi
if [ "$check" = no ]; then
    say
    say 'All of it is recorded; to look around:'
    say "  TELEMETRY_BASE_DIR=$TELEMETRY_BASE_DIR $build/tools/telemetry runs --limit 0"
    say "When done: rm -r $scratch"
fi
[ "$failures" -eq 0 ] || die "$failures expectations were not met"
