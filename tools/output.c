/* See output.h. */
#include "output.h"

#include "cli.h"
#include "complain.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { USUAL_WIDTH = 80, LEAST_WIDTH = 20, MOST_WIDTH = 10000 };

void out_ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

bool out_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

size_t out_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long width = 0;

    if (!out_is_terminal())
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width == 0 && columns != NULL)
        width = strtol(columns, NULL, 10);
    if (width < LEAST_WIDTH || width > MOST_WIDTH)
        width = USUAL_WIDTH;
    return (size_t)width;
}

bool out_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *locale = getenv(names[i]);

        if (locale != NULL && locale[0] != '\0')
            return strcasestr(locale, "utf-8") != NULL || strcasestr(locale, "utf8") != NULL;
    }
    return false;
}

/* https://no-color.org/ */
static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return out_is_terminal() && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static bool is_coloured(void)
{
    static int known = -1;

    if (known < 0)
        known = wants_colour();
    return known == 1;
}

const char *out_begin(enum out_style style)
{
    static const char *const codes[] = {
        [OUT_PLAIN] = "",        [OUT_BOLD] = "\033[1m",  [OUT_DIM] = "\033[2m",
        [OUT_GOOD] = "\033[32m", [OUT_WARN] = "\033[33m", [OUT_BAD] = "\033[31m",
    };

    return is_coloured() ? codes[style] : "";
}

const char *out_end(enum out_style style)
{
    return style != OUT_PLAIN && is_coloured() ? "\033[0m" : "";
}

int out_finish(int exit_code)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return exit_code;
    if (errno != EPIPE && errno != 0)
        complain("cannot write the output: %s", strerror(errno));
    return CLI_FAILED;
}
