/* See complain.h. */
#include "complain.h"

#include "cli.h"
#include "visible.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *command_name;

void complain_as(const char *command)
{
    command_name = command;
}

void complain(const char *format, ...)
{
    char message[4096];
    char *shown;
    va_list args;

    va_start(args, format);
    if (vsnprintf(message, sizeof message, format, args) < 0)
        message[0] = '\0';
    va_end(args);
    shown = visible_text(tel_str_from(message));
    fflush(stdout); /* in the order of events, where both are one terminal or file */
    fprintf(stderr, "telemetry%s%s: %s\n", command_name != NULL ? " " : "",
            command_name != NULL ? command_name : "", shown);
    free(shown);
}

void *must_grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size > 0 ? size : 1);

    if (grown == NULL) {
        fputs("telemetry: out of memory\n", stderr);
        exit(CLI_FAILED);
    }
    return grown;
}

void *must_alloc(size_t size)
{
    return must_grow(NULL, size);
}
