/* The tables and indexes of CONTRACT 4, and ours beside them: made when missing, completed when an
 * older schema lacks some, left alone when they are of a newer one. */
#ifndef TEL_SCHEMA_H
#define TEL_SCHEMA_H

#include "db.h"

#define TEL_SCHEMA_VERSION 3

/* True (in out) when db holds nothing at all. */
int tel_schema_is_empty(sqlite3 *db, bool *out, struct tel_error *err);
/* 1 there is such a table, 0 not, negative on error. */
int tel_schema_has_table(sqlite3 *db, const char *name, struct tel_error *err);
/* The highest version of schema_migrations, 0 when there is none. */
int tel_schema_version(sqlite3 *db, int64_t *out, struct tel_error *err);
/* TEL_ERR_SCHEMA when db is of a newer schema, which nothing here may touch; else 0. */
int tel_schema_check(sqlite3 *db, struct tel_error *err);
/* Makes what is missing, in one transaction; without a transaction when nothing is. */
int tel_schema_complete(sqlite3 *db, struct tel_error *err);

#endif
