/* See doctor.h: how findings are printed and counted. */
#include "doctor.h"

#include "output.h"
#include "visible.h"

#include <stdarg.h>
#include <stdio.h>

void doctor_section(const char *title)
{
    static bool begun;

    printf("%s%s%s%s\n", begun ? "\n" : "", out_begin(OUT_BOLD), title, out_end(OUT_BOLD));
    begun = true;
}

static void put_finding(const char *mark, enum out_style style, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void put_finding(const char *mark, enum out_style style, const char *format, va_list args)
{
    char text[2048];

    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    printf("  %s%-4s%s  ", out_begin(style), mark, out_end(style));
    visible_put(stdout, tel_str_from(text));
    putchar('\n');
}

static void put_advice(const char *advice)
{
    printf("        -> %s\n", advice);
}

void doctor_ok(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_finding("ok", OUT_GOOD, format, args);
    va_end(args);
}

void doctor_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_finding("note", OUT_DIM, format, args);
    va_end(args);
}

void doctor_warn(struct doctor *doctor, const char *advice, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_finding("warn", OUT_WARN, format, args);
    va_end(args);
    put_advice(advice);
    doctor->problems++;
}

void doctor_fail(struct doctor *doctor, const char *advice, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_finding("FAIL", OUT_BAD, format, args);
    va_end(args);
    put_advice(advice);
    doctor->problems++;
}

const char *doctor_origin(const struct doctor *doctor, enum tel_var var,
                          char memory[DOCTOR_ORIGIN_MAX])
{
    const unsigned line = doctor->context.config.line[var];

    if (line == 0)
        return "environment";
    snprintf(memory, DOCTOR_ORIGIN_MAX, "%s:%u", doctor->context.file.path, line);
    return memory;
}
