/* See show.h. What compares texts line by line is diff(1), of whom every system has one. */
#include "show.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "support/support.h"

enum { WIDTH = 140, NARROWEST = 60, SHOWN_LINE = 400 };

/* A program's output may hold anything, and lines of any length: a terminal should survive it. */
static const char *printable(const char *seen)
{
    char *out = malloc(strlen(seen) + 1);
    size_t column = 0;
    size_t used = 0;
    const char *kept;

    for (; out != NULL && *seen != '\0'; seen++) {
        column = *seen == '\n' ? 0 : column + 1;
        if (column <= SHOWN_LINE)
            out[used++] = *seen == '\n' || isprint((unsigned char)*seen) ? *seen : '?';
    }
    kept = text("%.*s", (int)used, out != NULL ? out : "");
    free(out);
    return kept;
}

static void show(const char *bare, const char *recorded, const char *option, const char *more)
{
    const char *left = text("%s/bare", test_dir());
    const char *right = text("%s/recorded", test_dir());

    write_file(left, printable(bare), 0600);
    write_file(right, printable(recorded), 0600);
    fflush(stdout);
    fputs(
        run(LIST("diff", option, more, "--label", "bare", "--label", "recorded", left, right), NULL)
            .out,
        stdout);
}

void show_difference(const char *bare, const char *recorded)
{
    show(bare, recorded, "--unified=1", "--text");
}

void show_side_by_side(const char *bare, const char *recorded)
{
    struct winsize size = {0};
    int width = WIDTH;

    if (ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col >= NARROWEST)
        width = size.ws_col;
    printf("%-*s   %s\n", (width - 3) / 2, "bare", "recorded");
    show(bare, recorded, text("--width=%d", width), "-ty");
}
