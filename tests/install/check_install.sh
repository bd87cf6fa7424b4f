#!/bin/sh
# Installs into an empty prefix, and uses what is there as others would: headers alone, by pkg-config, by
# find_package, and the examples of examples/, which are the guide's code blocks, with their rows.
# usage: check_install.sh BUILD_DIRECTORY SOURCE_DIRECTORY
set -eu
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
warnings='-Wall -Wextra -Wpedantic -Werror'

fail()
{
    printf 'FAIL: %s\n' "$1" >&2
    exit 1
}

cmake --install "$build" --prefix "$prefix" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
pc=$(find "$prefix" -name telemetry.pc)
libdir=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
LD_LIBRARY_PATH=$libdir
PATH=$prefix/bin:$PATH
TELEMETRY_BASE_DIR=$work/data
TELEMETRY_AUTO_WAIT_MS=30000
# Not what started these tests: a CI job, a terminal.
TELEMETRY_TRIGGER_TYPE=manual
export PKG_CONFIG_PATH LD_LIBRARY_PATH PATH TELEMETRY_BASE_DIR TELEMETRY_AUTO_WAIT_MS TELEMETRY_TRIGGER_TYPE
# The words of these variables are meant to be split.
# shellcheck disable=SC2046,SC2086
compile()
{
    compiler=$1
    shift
    $compiler $warnings "$@" $(pkg-config --cflags --libs telemetry)
}

# --- headers alone ------------------------------------------------------------------------------
for header in client.h auto.h; do
    printf '#include <telemetry/%s>\nint main(void) { return 0; }\n' "$header" >"$work/h.c"
    cp "$work/h.c" "$work/h.cpp"
    compile 'cc -std=c11 -Wno-unused-function' -o "$work/h" "$work/h.c"
    compile 'c++ -std=c++17 -Wno-unused-function' -o "$work/h" "$work/h.cpp"
done
printf '#include <telemetry/client.hpp>\nint main() { return 0; }\n' >"$work/h.cpp"
compile 'c++ -std=c++17' -o "$work/h" "$work/h.cpp"

# --- examples -----------------------------------------------------------------------------------
compile 'cc -std=gnu11' -o "$work/tracked" "$source/examples/tracked.c"
compile 'cc -std=c11' -o "$work/explicit" "$source/examples/explicit.c"
compile 'c++ -std=c++17' -o "$work/raii" "$source/examples/raii.cpp"

# row JOB EXPECTED: the columns of the only run of that job.
row()
{
    found=$(sqlite3 "$TELEMETRY_BASE_DIR/db/telemetry.sqlite" "SELECT status,
        coalesce(error_summary, ''), coalesce(output_summary, ''), items_discovered, items_succeeded,
        items_failed, coalesce(product, ''), coalesce(metrics_json, ''), trigger_type
        FROM agent_runs WHERE job_type = '$1'")
    [ "$found" = "$2" ] || fail "$1: '$found' instead of '$2'"
}
"$work/tracked"
row tracked 'success|||3|3|0|||manual'
"$work/explicit"
row explicit 'partial|1 of 2 files was empty||0|0|1|words|{"tokens": 812}|manual'
"$work/raii" 2>"$work/err"
row raii 'failed|the second file is empty||2|0|0|||manual'
cat >"$work/thread.cpp" <<END
#include <pthread.h>
#include <telemetry/client.hpp>
static void *work(void *client)
{
    telemetry::track(*static_cast<telemetry::client *>(client), "thread", "thread",
                     [](telemetry::run &) { pthread_exit(nullptr); });
    return nullptr;
}
int main()
{
    telemetry::client client;
    pthread_t thread;

    return pthread_create(&thread, nullptr, work, &client) || pthread_join(thread, nullptr);
}
END
compile 'c++ -std=c++17 -pthread' -o "$work/thread" "$work/thread.cpp"
"$work/thread"
row thread 'failed|the thread was ended inside of the run||0|0|0|||manual'
TELEMETRY_JOB_NAME=script telemetry exec -- "$source/examples/script.sh"
row script 'partial|b was short||2|2|0|words||manual'
python3 "$source/examples/ctypes_run.py"
row ctypes 'success||4 pages|0|4|0|||manual'
"$source/examples/cron.sh" wrapped sh -c 'exit 3' && fail 'the wrapper hides the exit code'
row wrapped 'failed|exit code 3||0|0|0|||scheduler'
grep -q '"event_type": "file"' "$TELEMETRY_BASE_DIR"/raw/*.ndjson || fail 'no event'

# --- programs of 32 bits, and what they start -----------------------------------------------------
if [ -e "$build/shim32/libtelemetry_auto.so" ]; then
    printf '#include <stdlib.h>\nint main(int c, char **v)\n{ return c > 1 ? system(v[1]) >> 8 : 3; }\n' \
        >"$work/narrow.c"
    gcc -m32 -o "$work/narrow" "$work/narrow.c"
    # The loader's, not the shell's.
    # shellcheck disable=SC2016
    preload=$prefix'/$LIB/libtelemetry_auto.so'
    TELEMETRY_JOB_NAME=narrow LD_PRELOAD=$preload "$work/narrow" 2>"$work/err" || :
    row narrow 'failed|exit code 3||0|0|0|||manual'
    TELEMETRY_JOB_NAME=mixed LD_PRELOAD=$preload sh -c "'$work/narrow' '$work/narrow; exit 5'" \
        2>>"$work/err" || :
    row mixed 'failed|exit code 5||0|0|0|||manual'
    [ ! -s "$work/err" ] || fail "a loader says $(cat "$work/err")"
fi

# --- find_package -------------------------------------------------------------------------------
mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.21)
project(user C)
find_package(telemetry 0.1 REQUIRED)
add_executable(shared $source/examples/explicit.c)
target_link_libraries(shared PRIVATE telemetry::telemetry)
add_executable(static $source/examples/explicit.c)
target_link_libraries(static PRIVATE telemetry::static)
END
build_project()
{
    cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build "$work/project/build"
}
build_project >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$work/project/build/shared"
"$work/project/build/static"
count=$(sqlite3 "$TELEMETRY_BASE_DIR/db/telemetry.sqlite" \
    "SELECT count(*) FROM agent_runs WHERE job_type = 'explicit' AND status = 'partial'")
[ "$count" = 3 ] || fail "$count runs of the example instead of 3"

# --- the guide ----------------------------------------------------------------------------------
for example in "$source"/examples/*; do
    python3 -c 'import sys; sys.exit(open(sys.argv[1]).read() not in open(sys.argv[2]).read())' \
        "$example" "$source/docs/guide.md" || fail "docs/guide.md does not show $example as it is"
done
