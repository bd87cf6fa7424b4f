/* A recorded run as JSON and as CSV, for programs. */
#ifndef RUN_TEXT_H
#define RUN_TEXT_H

#include "query.h"

#include <stdio.h>

/* A JSON string, or null when text is not set. */
void run_text_json_string(FILE *out, struct tel_str text);
/* One object on one line, without its end of line: the keys of a journal line, typed as there, with
 * "process" an object or null. more is put before the closing brace, such as `, "events": []`. */
void run_text_json(FILE *out, const struct tel_run_row *row, const char *more);
/* The same, up to where more and the closing brace are to be put. */
void run_text_json_begin(FILE *out, const struct tel_run_row *row);

/* RFC 4180: a header, and rows of all columns of agent_runs in their order. Not set is empty, empty
 * text is "". With visible set, for a terminal, control characters are made visible. */
void run_text_csv_header(FILE *out);
void run_text_csv(FILE *out, const struct tel_run_row *row, bool visible);

#endif
