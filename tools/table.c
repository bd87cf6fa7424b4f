/* See table.h. */
#include "table.h"

#include "complain.h"
#include "visible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2 };

struct cell {
    char *text;
    char *brief;
    enum out_style style;
};

struct table {
    const struct table_column *columns;
    size_t count;
    struct cell *cells; /* row by row */
    size_t used;
    size_t room;
    size_t *widths;
    bool *is_brief;
};

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = must_alloc(sizeof *table);

    *table = (struct table){.columns = columns, .count = count};
    table->widths = must_alloc(count * sizeof *table->widths);
    table->is_brief = must_alloc(count * sizeof *table->is_brief);
    memset(table->is_brief, 0, count * sizeof *table->is_brief);
    return table;
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : strcpy(must_alloc(strlen(text) + 1), text);
}

void table_add(struct table *table, const char *text, const char *brief, enum out_style style)
{
    if (table->used == table->room) {
        table->room = table->room * 2 + 64;
        table->cells = must_grow(table->cells, table->room * sizeof *table->cells);
    }
    table->cells[table->used++] = (struct cell){copy(text), copy(brief), style};
}

size_t table_rows(const struct table *table)
{
    return table->count > 0 ? table->used / table->count : 0;
}

static const struct cell *cell_at(const struct table *table, size_t row, size_t column)
{
    return &table->cells[row * table->count + column];
}

static const char *shown(const struct table *table, size_t row, size_t column)
{
    const struct cell *cell = cell_at(table, row, column);

    return table->is_brief[column] && cell->brief != NULL ? cell->brief : cell->text;
}

static void measure(struct table *table, size_t column)
{
    const size_t most = table->columns[column].most;
    size_t width = strlen(table->columns[column].title);

    for (size_t row = 0; row < table_rows(table); row++) {
        const size_t needed = visible_width(shown(table, row, column));

        if (needed > width)
            width = needed;
    }
    table->widths[column] = most > 0 && width > most ? most : width;
}

static size_t total_width(const struct table *table)
{
    size_t total = (table->count - 1) * GAP;

    for (size_t i = 0; i < table->count; i++)
        total += table->widths[i];
    return total;
}

static bool has_brief(const struct table *table, size_t column)
{
    for (size_t row = 0; row < table_rows(table); row++)
        if (cell_at(table, row, column)->brief != NULL)
            return true;
    return false;
}

/* The flexible column with the most to give, or count when there is none. */
static size_t widest_flexible(const struct table *table)
{
    size_t widest = table->count;

    for (size_t i = 0; i < table->count; i++)
        if (table->columns[i].flexible && table->widths[i] > table->columns[i].least &&
            (widest == table->count || table->widths[i] > table->widths[widest]))
            widest = i;
    return widest;
}

static void fit(struct table *table, size_t limit)
{
    for (size_t i = table->count; i > 0 && total_width(table) > limit; i--) {
        if (!has_brief(table, i - 1))
            continue;
        table->is_brief[i - 1] = true;
        measure(table, i - 1);
    }
    while (total_width(table) > limit) {
        const size_t column = widest_flexible(table);

        if (column == table->count)
            break;
        table->widths[column]--;
    }
}

static void print_spaces(size_t count)
{
    printf("%*s", (int)count, "");
}

/* The text, cut when it is too wide, and filled up; the last column is not filled up. */
static void print_cell(const struct table *table, size_t column, const char *text,
                       enum out_style style)
{
    const size_t width = table->widths[column];
    const bool last = column + 1 == table->count;
    const char *mark = out_is_utf8() ? "…" : "~";
    size_t used = visible_width(text);
    size_t bytes = strlen(text);

    if (used > width) {
        bytes = visible_fit(text, width - 1);
        used = width;
    } else {
        mark = "";
    }
    if (table->columns[column].right)
        print_spaces(width - used);
    printf("%s%.*s%s%s", out_begin(style), (int)bytes, text, mark, out_end(style));
    if (!table->columns[column].right && !last)
        print_spaces(width - used);
    if (!last)
        print_spaces(GAP);
}

void table_print(struct table *table)
{
    const size_t limit = out_width();

    for (size_t i = 0; i < table->count; i++)
        measure(table, i);
    if (limit > 0)
        fit(table, limit);
    for (size_t i = 0; i < table->count; i++)
        print_cell(table, i, table->columns[i].title, OUT_BOLD);
    putchar('\n');
    for (size_t row = 0; row < table_rows(table); row++) {
        for (size_t i = 0; i < table->count; i++)
            print_cell(table, i, shown(table, row, i), cell_at(table, row, i)->style);
        putchar('\n');
    }
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->used; i++) {
        free(table->cells[i].text);
        free(table->cells[i].brief);
    }
    free(table->cells);
    free(table->widths);
    free(table->is_brief);
    free(table);
}
