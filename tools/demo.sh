#!/bin/sh
# Records some real programs in a temporary data directory and shows the records.
# usage: demo.sh BUILD_DIRECTORY (what `tools/dev demo` runs after building)
set -eu

build=$1

say()
{
    printf '%s\n' "$*"
}

die()
{
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m')
    plain=$(printf '\033[0m')
else
    bold=
    plain=
fi

# show COMMAND: prints a command line as one would type it, then runs it; a failure is shown, and is
# no failure of the demo.
show()
{
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    status=0
    (eval "$1") 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        say "(exit status $status)"
    fi
    say
}

headline()
{
    printf '%s--- %s%s\n\n' "$bold" "$*" "$plain"
}

# Starts from an environment in which nothing is set for us.
forget_settings()
{
    for name in $(env | sed -n 's/^\(TELEMETRY_[A-Z_]*\|METRICS_API_[A-Z]*\)=.*/\1/p'); do
        unset "$name"
    done
    unset LD_PRELOAD AGENT_METRICS_DIR AGENT_OWNER
}

write_demo_programs()
{
    cat >"$1/report.sh" <<'END'
#!/bin/sh
# A job like many: a shell script that starts other programs.
ls /usr/bin | sort -r | head -n 100 >"$0.list"
for step in fetch merge publish; do
    echo "  $step: $(wc -l <"$0.list") files, $(date -u +%H:%M:%S) UTC"
done
rm "$0.list"
END
    cat >"$1/score.py" <<'END'
import hashlib

digest = b"telemetry"
for _ in range(200_000):
    digest = hashlib.sha256(digest).digest()
print("  score:", digest.hex()[:16])
END
    chmod +x "$1/report.sh"
}

count_runs()
{
    sqlite3 "$TELEMETRY_BASE_DIR/db/telemetry.sqlite" "SELECT count(*) FROM agent_runs WHERE $1" \
        2>/dev/null || echo 0
}

# The end of a killed process reaches the database when the collector has seen it: a moment.
wait_until_all_ended()
{
    tries=50
    while [ "$tries" -gt 0 ]; do
        if [ "$(count_runs "status <> 'running'")" -ge "$1" ]; then
            return
        fi
        sleep 0.1
        tries=$((tries - 1))
    done
}

# All that was shown really was recorded; otherwise the demo fails.
check_demo()
{
    ended=$(count_runs "status <> 'running'")
    [ "$ended" -eq "$1" ] || die "$ended finished runs were recorded instead of $1"
    [ "$(count_runs "error_summary = 'exit code 3'")" -eq 1 ] || die 'exit code 3 was not recorded'
    if [ "$(count_runs "error_summary LIKE 'killed by SIGKILL (9)%'")" -ne 1 ]; then
        say "The kernel here, $(uname -r), does not tell how the killed run ended (Linux 6.15 does);"
        say 'what is known is recorded.'
        say
    fi
}

forget_settings
demo=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-demo.XXXXXX")
write_demo_programs "$demo"
TELEMETRY_BASE_DIR=$demo/data
SHIM=$build/shim/libtelemetry_auto.so
PATH=$build/tools:$PATH
export TELEMETRY_BASE_DIR SHIM PATH
cd "$demo"

say
headline 'Programs, none of which knows that it is recorded'
say "$bold\$ cd $demo"
say "\$ export TELEMETRY_BASE_DIR=$TELEMETRY_BASE_DIR"
say "\$ export SHIM=$SHIM"
say "\$ export PATH=$build/tools:\$PATH$plain"
say
# The commands are shown as they are written here, and expanded when they run.
# shellcheck disable=SC2016
{
    show 'LD_PRELOAD=$SHIM TELEMETRY_JOB_NAME=nightly-report ./report.sh'
    show 'LD_PRELOAD=$SHIM TELEMETRY_JOB_NAME=scoring AGENT_OWNER=ml-team python3 score.py'
    show 'LD_PRELOAD=$SHIM TELEMETRY_JOB_NAME=import sh -c "exit 3"'
    show 'LD_PRELOAD=$SHIM TELEMETRY_JOB_NAME=backup sh -c '"'kill -9 \$\$'"
    show 'TELEMETRY_JOB_NAME=cleanup telemetry exec -- sleep 0.2'
}
wait_until_all_ended 5

headline 'What was recorded'
show 'telemetry runs'
show 'telemetry show latest'

headline 'The same in SQLite, and in the log that the database is made from'
# shellcheck disable=SC2016
{
    show 'sqlite3 -box $TELEMETRY_BASE_DIR/db/telemetry.sqlite "
    SELECT job_type, agent_name, status, error_summary, duration_ms
    FROM agent_runs ORDER BY start_time"'
    show 'wc -l $TELEMETRY_BASE_DIR/raw/events_*.ndjson'
    show 'head -c 600 $TELEMETRY_BASE_DIR/raw/events_*.ndjson; echo ...'
}
check_demo 5

say "All of it is in $demo; to look around:"
say "  TELEMETRY_BASE_DIR=$TELEMETRY_BASE_DIR $build/tools/telemetry runs"
say "and to record a program of your own there:"
say "  TELEMETRY_BASE_DIR=$TELEMETRY_BASE_DIR LD_PRELOAD=$SHIM PROGRAM"
say "When done: rm -r $demo"
