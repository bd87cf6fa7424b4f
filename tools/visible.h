/* Recorded text on a terminal: what could steer the terminal, or turn a line around, is shown as an
 * escape such as \x1b instead, and how many columns the rest takes is known. */
#ifndef VISIBLE_H
#define VISIBLE_H

#include "base/buf.h"

#include <stdio.h>

void visible_put(FILE *out, struct tel_str text);
/* The same as a string, the caller's to free. */
char *visible_text(struct tel_str text);

/* Columns that visible text takes on a terminal: East Asian wide characters take two, combining ones
 * none (Unicode Standard Annex 11, in ranges rather than in every detail). */
size_t visible_width(const char *text);
/* How many bytes of visible text fit into that many columns. */
size_t visible_fit(const char *text, size_t columns);

#endif
