#!/bin/sh
# Checks what the linker made of the shim: a wrong dependency, symbol or version here means "symbol
# not found" in every program of a machine that preloads it.
# usage: check_shim.sh libtelemetry_auto.so MAX_BYTES
set -eu
LC_ALL=C
export LC_ALL

golden=$(dirname "$0")
shim=$1
max_text_and_data=$2
newest_glibc_minor=17
failures=0

fail()
{
    printf 'FAIL: %s\n' "$1"
    if [ -n "${2:-}" ]; then
        printf '%s\n' "$2" | sed 's/^/    /'
    fi
    failures=$((failures + 1))
}

# The golden list $1 without its comments.
golden_list()
{
    sed -e '/^#/d' -e '/^$/d' "$golden/$1" | sort -u
}

# Lines of $1 that are not among the lines of $2.
lines_not_in()
{
    printf '%s\n' "$1" | awk -v known="$2" '
        BEGIN { n = split(known, list, "\n"); for (i = 1; i <= n; i++) seen[list[i]] = 1 }
        $0 != "" && !($0 in seen)'
}

check_exports()
{
    exported=$(nm -D --defined-only "$shim" | awk '{ print $NF }' | sort -u)
    expected=$(golden_list exports.txt)
    extra=$(lines_not_in "$exported" "$expected")
    absent=$(lines_not_in "$expected" "$exported")
    [ -z "$extra" ] || fail 'exported, but not in exports.txt:' "$extra"
    [ -z "$absent" ] || fail 'in exports.txt, but not exported:' "$absent"
}

check_needed()
{
    needed=$(readelf -dW "$shim" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
    extra=$(lines_not_in "$needed" libc.so.6)
    [ -z "$extra" ] || fail 'needs more than libc.so.6:' "$extra"
}

check_versions()
{
    # In the section of needed versions: "0x0010:   Name: GLIBC_2.2.5  Flags: WEAK  Version: 2".
    too_new=$(readelf -VW "$shim" | sed -n 's/.*Name: \([^ ]*\) *Flags:.*Version:.*/\1/p' |
        awk -F '[_.]' -v newest="$newest_glibc_minor" \
            '!/^GLIBC_2\.[0-9.]+$/ || $3 + 0 > newest + 0' | sort -u)
    [ -z "$too_new" ] || fail "needs versions newer than GLIBC_2.$newest_glibc_minor:" "$too_new"
}

check_strong_references()
{
    strong=$(nm -D --undefined-only "$shim" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }')
    extra=$(lines_not_in "$strong" "$(golden_list musl-ok.txt)")
    [ -z "$extra" ] || fail 'strong references that are not in musl-ok.txt:' "$extra"
}

check_memory_layout()
{
    segments=$(readelf -lW "$shim")
    case $(readelf -dW "$shim") in
    *TEXTREL*) fail 'has text relocations' ;;
    esac
    case $(printf '%s\n' "$segments" | awk '$1 == "GNU_STACK" { print $7 }') in
    RW) ;;
    *) fail 'wants an executable stack, or does not say' ;;
    esac
    case $(readelf -dW "$shim") in
    *NODELETE*) ;;
    *) fail 'can be unloaded, with its exit handlers left behind' ;;
    esac
    case $segments in
    *' TLS '*) fail 'has thread-local storage' ;;
    esac
}

check_size()
{
    total=$(size "$shim" | awk 'NR == 2 { print $1 + $2 }')
    [ "$total" -le "$max_text_and_data" ] ||
        fail "text and data are $total bytes, more than $max_text_and_data"
}

check_exports
check_needed
check_versions
check_strong_references
check_memory_layout
check_size

if [ "$failures" -ne 0 ]; then
    exit 1
fi
printf 'exports, dependencies, versions and layout are as they should be; %s bytes\n' "$total"
