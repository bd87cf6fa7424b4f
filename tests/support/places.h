/* Data directories and journal lines for unit tests, without any program that records. */
#ifndef TEL_TEST_PLACES_H
#define TEL_TEST_PLACES_H

#include <stdint.h>

#include "base/datadir.h"
#include "base/journal.h"
#include "base/process.h"
#include "base/runline.h"

/* An environment block of these entries ("NAME=value", NULL-terminated), which may be written to. */
struct tel_env block_of(const char *const *entries);

/* Resolves the directory that env ("NAME=value", NULL-terminated) asks for, as a host of this user
 * and pid namespace would. Fails the test when it cannot be. */
void resolve_place(struct tel_datadir *dir, const char *const *env);
/* Likewise for TELEMETRY_BASE_DIR=base, and makes base and raw/. */
void make_place(struct tel_datadir *dir, const char *base);

/* Path of the journal file of that date; of today's. */
const char *journal_path(const char *raw, uint32_t date);
uint32_t this_date(void);

/* A start line of a run, such as a shim writes: agent "agent", status "running", begun at
 * 2026-11-22T10:00:00 and start_boot_ns. Lives until the test ends. */
const char *start_line(const char *run_id, int64_t start_boot_ns);
/* Appends a line to today's journal file, or to that of a date. Returns where it lies. */
struct tel_journal_pos write_line(const struct tel_datadir *dir, const char *line);
struct tel_journal_pos write_line_to(const struct tel_datadir *dir, uint32_t date,
                                     const char *line);
/* A line with some fields replaced: name and raw JSON value in turn, NULL at the end. Names are those
 * of a run line's fields, or of the process object's. */
const char *changed_line(const char *line, ...) __attribute__((sentinel));
/* Raw JSON value of a field on a line; "" when it is unset. */
const char *field_of(const char *line, const char *name);
/* The last line of a text, with its newline; "" when there is none. */
const char *last_line_of(const char *lines);

/* This process, as tel_process_self has it. */
struct tel_process this_process(void);
/* Descriptors that this process has open. */
int count_descriptors(void);

#endif
