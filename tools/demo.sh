#!/bin/sh
# Records some real programs in a temporary data directory and shows the records.
# usage: demo.sh BUILD_DIRECTORY (what `tools/dev demo` runs after building)
set -eu

# shellcheck source=tools/script.sh
. "$(dirname "$0")/script.sh"
build=$1

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

# count_runs CONDITION
count_runs()
{
    query "SELECT count(*) FROM agent_runs WHERE $1"
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
use_build "$build" "$demo"
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
wait_until_ended 5

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
