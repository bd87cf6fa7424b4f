/* What a program has made: files, with their types, modes, owners and contents. */
#ifndef TEL_MATRIX_FILES_H
#define TEL_MATRIX_FILES_H

/* A line for each entry below directory, sorted. Sizes and contents are left out for paths (relative
 * to directory) that match one of the globs; NULL: none. */
const char *files_below(const char *directory, const char *const *volatile_globs);

#endif
