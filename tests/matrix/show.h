/* Two descriptions of a run, for people: what differs, or both side by side. */
#ifndef TEL_MATRIX_SHOW_H
#define TEL_MATRIX_SHOW_H

void show_difference(const char *bare, const char *recorded);
void show_side_by_side(const char *bare, const char *recorded);

#endif
