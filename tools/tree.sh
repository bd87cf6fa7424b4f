#!/bin/sh
# Records `make -j2` of a small C project, each process that it starts as a run of its own, and shows
# the tree of them.
# usage: tree.sh BUILD_DIRECTORY (what `tools/dev tree` runs after building)
set -eu

# shellcheck source=tools/script.sh
. "$(dirname "$0")/script.sh"
build=$1

write_project()
{
    cat >"$1/Makefile" <<'END_OF_MAKEFILE'
CFLAGS = -O1
parts = main.o words.o count.o print.o

words: $(parts)
	$(CC) -o $@ $(parts)
	printf 'one two three' | ./words

$(parts): words.h
END_OF_MAKEFILE
    cat >"$1/words.h" <<'END_OF_C'
int next_word(void);
int count_words(void);
void print_count(int count);
END_OF_C
    cat >"$1/main.c" <<'END_OF_C'
#include "words.h"

int main(void)
{
    print_count(count_words());
    return 0;
}
END_OF_C
    cat >"$1/words.c" <<'END_OF_C'
#include "words.h"

#include <stdio.h>

int next_word(void)
{
    char word[64];

    return scanf("%63s", word) == 1;
}
END_OF_C
    cat >"$1/count.c" <<'END_OF_C'
#include "words.h"

int count_words(void)
{
    int count = 0;

    while (next_word())
        count++;
    return count;
}
END_OF_C
    cat >"$1/print.c" <<'END_OF_C'
#include "words.h"

#include <stdio.h>

void print_count(int count)
{
    printf("%d words\n", count);
}
END_OF_C
}

forget_settings
scratch=$(mktemp -d "${TMPDIR:-/tmp}/telemetry-tree.XXXXXX")
mkdir "$scratch/words"
write_project "$scratch/words"
use_build "$build" "$scratch"
cd "$scratch/words"

say
# The commands are shown as they are written here, and expanded when they run.
# shellcheck disable=SC2016
show 'LD_PRELOAD=$SHIM TELEMETRY_AUTO_CHILDREN=all make -j2'
wait_until_ended 1
show 'telemetry runs --tree'

# Four compilations, a link and the test: what each of them starts depends on the compiler.
[ "$(query 'SELECT count(*) FROM run_process WHERE parent_run_id IS NOT NULL')" -ge 6 ] ||
    die 'not every process was recorded'
say "All of it is in $scratch; when done: rm -r $scratch"
