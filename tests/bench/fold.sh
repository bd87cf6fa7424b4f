#!/bin/sh
# How fast a journal becomes rows, compared with `sqlite3 .import` of the same rows into the same
# schema. The folded lines are twice as many, and JSON; the goal is 0.6 of the import's speed.
#
#   fold.sh BENCH_FOLD [RUNS [ROUNDS]]
#
# BENCH_FOLD is the program built from bench_fold.c. RUNS (500000) have two lines each. Rounds (3)
# are interleaved, and the fastest of each counts. The journal lies in $TMPDIR; 500000 runs take
# about 4 GB there while this runs.
set -eu

bench=${1:?usage: fold.sh BENCH_FOLD [RUNS [ROUNDS]]}
runs=${2:-500000}
rounds=${3:-3}
base=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-bench.XXXXXX")
trap 'rm -rf "$base"' EXIT
trap 'exit 1' HUP INT TERM
db=$base/db/telemetry.sqlite

now() { date +%s.%N; }
sum() { awk "BEGIN { printf \"%.3f\", $1 }"; }
least() { sort -n "$1" | head -n 1; }

# The tables' rows as CSV, and their schema, from the database the fold made.
dump() {
    sqlite3 -csv "$db" 'SELECT * FROM agent_runs' >"$base/agent_runs.csv"
    sqlite3 -csv "$db" 'SELECT * FROM run_process' >"$base/run_process.csv"
    sqlite3 "$db" "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL
                   AND name NOT LIKE 'sqlite_%'" >"$base/schema.sql"
}

fold_once() {
    rm -rf "$base/db"
    "$bench" fold "$base" | awk '{ print $1 + $2 }' >>"$base/fold.times"
}

import_once() {
    rm -f "$base"/import.sqlite*
    sqlite3 "$base/import.sqlite" 'PRAGMA journal_mode = WAL' ".read $base/schema.sql" >/dev/null
    started=$(now)
    sqlite3 "$base/import.sqlite" 'PRAGMA synchronous = NORMAL' '.mode csv' \
        ".import $base/agent_runs.csv agent_runs" ".import $base/run_process.csv run_process"
    sum "$(now) - $started" >>"$base/import.times"
    echo >>"$base/import.times"
}

same_counts() {
    for table in agent_runs run_process; do
        test "$(sqlite3 "$db" "SELECT count(*) FROM $table")" = "$runs"
        test "$(sqlite3 "$base/import.sqlite" "SELECT count(*) FROM $table")" = "$runs"
    done
}

"$bench" generate "$base" "$runs"
round=0
while [ "$round" -lt "$rounds" ]; do
    fold_once
    [ "$round" -gt 0 ] || dump
    import_once
    round=$((round + 1))
done
same_counts

fold=$(least "$base/fold.times")
import=$(least "$base/import.times")
rows=$((runs * 2))
echo "fold:    $fold s, $(awk "BEGIN { printf \"%d\", $rows / $fold }") rows/s, checkpoint included"
echo ".import: $import s, $(awk "BEGIN { printf \"%d\", $rows / $import }") rows/s"
echo "ratio:   $(awk "BEGIN { printf \"%.2f\", $import / $fold }") (goal: at least 0.60)"
echo
echo "one run at a time, in the database of $runs runs:"
"$bench" hot "$base" 10000
