/* The report that telemetry doctor makes, and the parts that it is made of. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "context.h"

struct doctor {
    struct context context;
    int problems; /* warnings and failures so far */
};

void doctor_section(const char *title);
/* One finding each; control characters in it are made visible. ok: it was checked, and is well.
 * note: good to know, nothing to do. */
void doctor_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
void doctor_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* warn: works, but not as it should. fail: does not work. advice is what to do about it. */
void doctor_warn(struct doctor *doctor, const char *advice, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_fail(struct doctor *doctor, const char *advice, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum { DOCTOR_ORIGIN_MAX = TEL_PATH_MAX + 16 };
/* "environment" or "FILE:LINE" of a variable that is set; in memory. */
const char *doctor_origin(const struct doctor *doctor, enum tel_var var,
                          char memory[DOCTOR_ORIGIN_MAX]);

/* Loads the context, and reports the configuration. False when there can be no data directory. */
bool doctor_check_configuration(struct doctor *doctor);
/* Which configuration file is used, and what is wrong in it. */
void doctor_check_file(struct doctor *doctor);
void doctor_check_directory(struct doctor *doctor);
void doctor_check_journal(struct doctor *doctor);
void doctor_check_database(struct doctor *doctor);
void doctor_check_collector(struct doctor *doctor);
void doctor_check_shim(struct doctor *doctor);
void doctor_check_posting(struct doctor *doctor);
/* Would this command be recorded? argv is NULL-terminated and not empty. */
void doctor_check_command(struct doctor *doctor, char **argv);

#endif
