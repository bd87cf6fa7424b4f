/* Changing a database behind the back of what is tested. */
#ifndef TEL_TEST_DATABASE_H
#define TEL_TEST_DATABASE_H

#include <criterion/criterion.h>
#include <sqlite3.h>

#include "support/support.h"

/* Runs statements on the database at path, which is made when missing. */
static inline void change_database(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;

    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK, "%s", path);
    sqlite3_busy_timeout(db, 5000);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &why), SQLITE_OK, "%s: %s", sql, why);
    sqlite3_close(db);
}

/* A table's rows in order of their run ids, one line each, without the times at which they were
 * made. */
static inline const char *table_rows(const char *base, const char *table)
{
    const char *values = sql_text(
        base, text("SELECT group_concat('quote(' || name || ')', ' || '' '' || ') FROM "
                   "pragma_table_info('%s') WHERE name NOT IN ('created_at', 'updated_at')",
                   table));

    return sql_text(base, text("SELECT group_concat(%s, char(10)) FROM (SELECT * FROM %s ORDER BY "
                               "run_id)",
                               values, table));
}

static inline const char *all_rows(const char *base)
{
    return text("%s\n%s\n", table_rows(base, "agent_runs"), table_rows(base, "run_process"));
}

#endif
