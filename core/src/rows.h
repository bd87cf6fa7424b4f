/* Rows of agent_runs and run_process: making them what a run line says, with as few changed pages
 * as possible. The columns come from base/fields.h. */
#ifndef TEL_ROWS_H
#define TEL_ROWS_H

#include "base/journal.h"
#include "base/runline.h"
#include "db.h"

struct tel_rows;

/* Nothing is prepared before it is needed. db is borrowed and must outlive rows. */
int tel_rows_open(struct tel_rows **out, sqlite3 *db, struct tel_error *err);
void tel_rows_close(struct tel_rows *rows);

/* True when line has all that a row must have: run_id, agent_name and start_time. */
bool tel_rows_accept(const struct tel_runline *line);
/* As tel_store_put_run. */
int tel_rows_put(struct tel_rows *rows, const struct tel_runline *line,
                 const struct tel_journal_pos *pos, struct tel_error *err);

#endif
