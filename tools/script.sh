# shellcheck shell=sh
# What the scripts behind `tools/dev` that record real programs have in common; they source it.

say()
{
    printf '%s\n' "$*"
}

die()
{
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
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
# no failure of the script.
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

# use_build BUILD_DIRECTORY DIRECTORY: what was built there, and a data directory in DIRECTORY, are
# what everything from here on uses.
use_build()
{
    TELEMETRY_BASE_DIR=$2/data
    SHIM=$1/shim/libtelemetry_auto.so
    PATH=$1/tools:$PATH
    export TELEMETRY_BASE_DIR SHIM PATH
}

# query SQL: its rows, columns separated by |.
query()
{
    sqlite3 -readonly -cmd '.timeout 5000' "$TELEMETRY_BASE_DIR/db/telemetry.sqlite" "$1"
}

# wait_until_ended COUNT: so many runs, and none that still runs. The end of a killed process reaches
# the database when the collector has seen it: a moment; a daemon's, when it ends.
wait_until_ended()
{
    tries=100
    while [ "$tries" -gt 0 ]; do
        # There may be no database yet.
        all=$(query "SELECT count(*) >= $1 AND sum(status = 'running') = 0 FROM agent_runs" \
            2>/dev/null) || :
        [ "$all" != 1 ] || return 0
        sleep 0.1
        tries=$((tries - 1))
    done
}
