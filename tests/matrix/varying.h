/* Takes out of a text what may differ from run to run. */
#ifndef TEL_MATRIX_VARYING_H
#define TEL_MATRIX_VARYING_H

/* Without the lines of an environment that are rightly there under the shim, and with "~" for each
 * match of one of the regular expressions (extended; NULL: none), or with nothing when the match
 * takes the end of the line along. */
const char *without_varying(const char *seen, const char *const *expressions);

#endif
