/* A table of text for people. On a terminal it is made to fit: first some columns change to their
 * brief form, then the flexible ones are cut. */
#ifndef TABLE_H
#define TABLE_H

#include "output.h"

struct table_column {
    const char *title;
    bool right;    /* numbers: aligned to the right */
    bool flexible; /* may be cut, down to `least` columns */
    size_t least;
    size_t most; /* cut to that in any case; 0: no limit */
};

struct table;

/* columns is borrowed. */
struct table *table_new(const struct table_column *columns, size_t count);
/* Adds the next cell of the current row; a row is full when all columns have one. text and brief
 * must be visible text (visible.h) and are copied; brief, when not NULL, replaces text where there
 * is little room. */
void table_add(struct table *table, const char *text, const char *brief, enum out_style style);
size_t table_rows(const struct table *table);
void table_print(struct table *table);
void table_free(struct table *table);

#endif
