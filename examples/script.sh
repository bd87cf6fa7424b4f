#!/bin/sh
# Run as:  LD_PRELOAD=libtelemetry_auto.so examples/script.sh
# or:      telemetry exec -- examples/script.sh
telemetry set items_discovered=2 product=words
for file in a b; do
    telemetry event file name="$file"
    telemetry add items_succeeded=1
done
telemetry status partial --summary 'b was short'
