#!/bin/sh
# A wrapper for crontab lines: every job is recorded, under its name, whatever kind of program it is.
#     17 3 * * *  cron.sh nightly-report ./report --all
job=$1
shift
exec telemetry exec --job "$job" --trigger scheduler --quiet -- "$@"
