/* docs/reference is true to the code: its tables have every variable, key, column and function, none
 * that does not exist, and the defaults that hold. */
#include "base/config.h"
#include "base/fields.h"
#include "store.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "support/places.h"
#include "support/support.h"

static const char *source(const char *path)
{
    return read_file(text("%s/%s", TELEMETRY_TEST_SOURCE, path));
}

/* --- pages ----------------------------------------------------------------------------------- */

/* What stands below a page's heading, up to the next heading of any level. */
static struct tel_str section_of(const char *page, const char *heading)
{
    const char *begin = strstr(page, text("\n%s\n", heading));
    const char *end;

    cr_assert_not_null(begin, "there is no heading \"%s\"", heading);
    begin += strlen(heading) + 2;
    end = strstr(begin, "\n#");
    return (struct tel_str){begin, end != NULL ? (size_t)(end - begin) : strlen(begin)};
}

/* A table's cell, from 0; none in lines that are no row. */
static struct tel_str cell_of(struct tel_str row, int index)
{
    struct tel_str cell = TEL_STR_NONE;

    if (row.len == 0 || row.ptr[0] != '|')
        return TEL_STR_NONE;
    tel_str_take(&row, '|');
    for (int i = 0; i <= index; i++)
        cell = tel_str_trim(tel_str_take(&row, '|'));
    return cell;
}

static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The next name in text, which moves on behind it. */
static struct tel_str take_name(struct tel_str *rest)
{
    size_t len = 0;

    while (rest->len > 0 && !is_of_name(rest->ptr[0]))
        *rest = tel_str_from_pos(*rest, 1);
    while (len < rest->len && is_of_name(rest->ptr[len]))
        len++;
    const struct tel_str name = {rest->ptr, len};

    *rest = tel_str_from_pos(*rest, len);
    return name;
}

static bool names(struct tel_str list, struct tel_str wanted)
{
    struct tel_str name;

    while ((name = take_name(&list)).len > 0)
        if (tel_str_equal(name, wanted))
            return true;
    return false;
}

/* The row whose first cell has that name; none when there is no such row. */
static struct tel_str row_of(struct tel_str section, const char *name)
{
    while (section.len > 0) {
        const struct tel_str row = tel_str_take(&section, '\n');

        if (names(cell_of(row, 0), tel_str_from(name)))
            return row;
    }
    return TEL_STR_NONE;
}

/* Calls check for each name in the first cells of a section's tables, but those of their heads. */
static void for_each_name(struct tel_str section, void (*check)(struct tel_str name, void *arg),
                          void *arg)
{
    bool in_head = true;

    while (section.len > 0) {
        const struct tel_str row = tel_str_take(&section, '\n');
        struct tel_str cell = cell_of(row, 0);
        struct tel_str name;

        if (cell.ptr == NULL || in_head) {
            in_head = cell.ptr == NULL;
            continue;
        }
        while ((name = take_name(&cell)).len > 0)
            check(name, arg);
    }
}

/* --- config.md ------------------------------------------------------------------------------- */

static struct tel_str variables(void)
{
    return section_of(source("docs/reference/config.md"), "## Variables");
}

Test(reference, every_variable_is_on_the_page)
{
    const struct tel_str section = variables();

    for (int var = 0; var < TEL_VARS; var++) {
        const char *name = tel_var_name((enum tel_var)var);

        if (var != TEL_VAR_EXIT_SOURCE) /* internal: in a sentence of its own */
            cr_expect_not_null(row_of(section, name).ptr, "config.md lacks %s", name);
        else
            cr_expect(names(section, tel_str_from(name)), "config.md lacks %s", name);
    }
}

static void is_variable(struct tel_str name, void *arg)
{
    (void)arg;
    cr_expect_lt(tel_var_find(name), TEL_VARS, "config.md has %.*s, which is no variable",
                 (int)name.len, name.ptr);
}

Test(reference, every_variable_on_the_page_exists)
{
    for_each_name(variables(), is_variable, NULL);
}

/* Of others: whoever looks at one has its name as a text, or as one of several in a text. */
static void is_looked_at(struct tel_str name, void *arg)
{
    static const char *const readers[] = {
        "core/src/base/recorder.c",
        "core/src/base/spawn.c",
        "core/src/post/http.c",
        "tools/output.c",
    };
    const char *quoted = text("\"%.*s\"", (int)name.len, name.ptr);
    const char *listed = text("\"%.*s\\0\"", (int)name.len, name.ptr);

    (void)arg;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (strstr(source(readers[i]), quoted) != NULL ||
            strstr(source(readers[i]), listed) != NULL)
            return;
    cr_expect_fail("config.md has %s, which nobody looks at", quoted);
}

Test(reference, every_variable_of_others_is_looked_at)
{
    for_each_name(section_of(source("docs/reference/config.md"), "## Variables of others"),
                  is_looked_at, NULL);
}

static void expect_default(enum tel_var var, const char *value)
{
    struct tel_str cell = cell_of(row_of(variables(), tel_var_name(var)), 2);

    cr_expect(tel_str_equal(take_name(&cell), tel_str_from(value)),
              "config.md does not give %s as the default of %s", value, tel_var_name(var));
}

Test(reference, the_defaults_are_those_that_hold)
{
    const char *const none[] = {NULL};
    const struct tel_env env = block_of(none);
    const struct tel_config_source nothing = {&env, TEL_STR_NONE, TEL_STR_NONE};
    struct tel_config config;

    tel_config_load(&config, &nothing, NULL, NULL);
    expect_default(TEL_VAR_AUTO, config.enabled ? "on" : "off");
    expect_default(TEL_VAR_AUTO_CHILDREN, config.children_all ? "all" : "root");
    expect_default(TEL_VAR_SKIP_VALIDATION, config.skip_validation ? "on" : "off");
    expect_default(TEL_VAR_WAIT_MS, text("%u", config.wait_ms));
    expect_default(TEL_VAR_FILE_MODE, text("%04o", (unsigned)config.file_mode));
    expect_default(TEL_VAR_DURABILITY,
                   config.durability == TEL_DURABILITY_SYSTEM ? "system" : "process");
    for (int code = 0; code < 256; code++)
        if (tel_config_is_success(config.success_codes, code))
            expect_default(TEL_VAR_SUCCESS_EXIT_CODES, text("%d", code));
}

Test(reference, the_bounds_are_those_that_hold)
{
    const struct tel_str section = variables();

    cr_expect(names(section, tel_str_from(text("%d", TEL_TEXT_MAX))));
    cr_expect(names(row_of(section, "TELEMETRY_METRICS_JSON"),
                    tel_str_from(text("%d", TEL_METRICS_JSON_MAX))));
    cr_expect(
        names(row_of(section, "METRICS_API_URL"), tel_str_from(text("%d", TEL_API_TEXT_MAX))));
    cr_expect(names(row_of(section, "TELEMETRY_AUTO_WAIT_MS"),
                    tel_str_from(text("%d", TEL_WAIT_MS_MAX))));
}

/* --- file-contracts.md ----------------------------------------------------------------------- */

static struct tel_str contracts(const char *heading)
{
    return section_of(source("docs/reference/file-contracts.md"), heading);
}

Test(reference, the_keys_of_a_run_line_are_listed_in_their_order)
{
    const char *begin = strstr(contracts("## Journal").ptr, "**Run lines**");
    struct tel_str keys = tel_str_from(begin);

    tel_str_take(&keys, ':');
    for (int i = 0; i < TEL_RUN_FIELDS; i++) {
        struct tel_str name = take_name(&keys);

        if (tel_str_is(name, "run") && i > 0) /* the value of record_type */
            name = take_name(&keys);
        cr_assert(tel_str_is(name, tel_field_name(&tel_run_fields[i]).ptr),
                  "'%.*s' instead of '%s'", (int)name.len, name.ptr,
                  tel_field_name(&tel_run_fields[i]).ptr);
    }
    cr_expect_eq(keys.ptr[0], '\n', "there is more behind the last key");
}

Test(reference, every_key_of_the_process_object_is_in_its_table)
{
    const struct tel_str section = contracts("### run_process");

    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        cr_expect_not_null(row_of(section, tel_field_name(&tel_process_fields[i]).ptr).ptr,
                           "file-contracts.md lacks %s",
                           tel_field_name(&tel_process_fields[i]).ptr);
}

struct table {
    const char *name;
    struct tel_str columns; /* of the database, one a line */
};

static void is_column(struct tel_str name, void *arg)
{
    const struct table *table = arg;

    cr_expect(names(table->columns, name), "file-contracts.md has %s.%.*s, which is no column",
              table->name, (int)name.len, name.ptr);
}

Test(reference, every_table_has_the_columns_that_are_listed)
{
    static const char *const tables[] = {"agent_runs", "run_events", "commits", "schema_migrations",
                                         "run_process"};
    char set_aside[TEL_PATH_MAX];
    struct tel_store *store;
    struct tel_datadir dir;

    make_place(&dir, text("%s/base", test_dir()));
    cr_assert_eq(tel_store_open(&store, &dir, 1000, set_aside, NULL), 0);
    tel_store_close(store);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const struct tel_str section = contracts(text("### %s", tables[i]));
        const char *columns =
            sql_text(dir.base, text("SELECT name FROM pragma_table_info('%s')", tables[i]));
        struct table table = {tables[i], tel_str_from(columns)};
        struct tel_str rest = table.columns;
        struct tel_str column;

        cr_assert_gt(table.columns.len, 0, "%s", tables[i]);
        while ((column = take_name(&rest)).len > 0)
            cr_expect_not_null(row_of(section, text("%.*s", (int)column.len, column.ptr)).ptr,
                               "file-contracts.md lacks %s.%.*s", tables[i], (int)column.len,
                               column.ptr);
        for_each_name(section, is_column, &table);
    }
}

/* --- api.md ---------------------------------------------------------------------------------- */

/* Checks each function that a header declares in lines that begin with those words. */
static void expect_functions_on_page(const char *header, const char *words, const char *page)
{
    const char *at = source(header);
    int count = 0;

    while ((at = strstr(at, words)) != NULL) {
        const char *end = strchr(at, '(');
        const char *name = end;

        cr_assert_not_null(end, "%s ends in a declaration", header);
        while (is_of_name(name[-1]))
            name--;
        cr_expect_not_null(strstr(page, text("`%.*s`", (int)(end - name), name)),
                           "api.md lacks %.*s", (int)(end - name), name);
        at = end;
        count++;
    }
    cr_expect_gt(count, 0, "%s has no functions", header);
}

Test(reference, every_function_of_the_headers_is_on_the_page)
{
    const char *page = source("docs/reference/api.md");

    expect_functions_on_page("core/include/telemetry/client.h", "\nTELEMETRY_API ", page);
    expect_functions_on_page("core/include/telemetry/auto.h", "\nstatic inline ", page);
}

Test(reference, every_function_on_the_page_exists)
{
    const char *headers = text("%s%s", source("core/include/telemetry/client.h"),
                               source("core/include/telemetry/auto.h"));
    const char *at = source("docs/reference/api.md");

    while ((at = strstr(at, "`telemetry_")) != NULL) {
        struct tel_str rest = tel_str_from(at);
        const struct tel_str name = take_name(&rest);

        at = rest.ptr;
        cr_expect_not_null(strstr(headers, text("%.*s", (int)name.len, name.ptr)),
                           "api.md has %.*s, which no header has", (int)name.len, name.ptr);
    }
}
