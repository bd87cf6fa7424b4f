/* Programs as files: which one a command name means, and where our own are. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "base/datadir.h"

#define SHIM_NAME "libtelemetry_auto.so"

/* Finds the file that execvp(3) would execute for name, in path (the value of PATH, or not set).
 * 0; -ENOENT; -EACCES when only files without permission were found; -EISDIR. For these out is the
 * path that failed, or name. */
int program_find(const char *name, struct tel_str path, char out[TEL_PATH_MAX]);

/* This very program, absolute. False when /proc does not tell. */
bool program_self(char *out, size_t cap);

/* The shim that belongs to this program: in its build tree, beside it where it was installed, or
 * where it was configured to be installed. False when there is none. */
bool program_find_shim(char out[TEL_PATH_MAX]);

/* Likewise those for both word sizes, by one path with "$LIB" in it, which each glibc's loader replaces by its
 * own directory. False when there is none for 32 bits. */
bool program_find_shims(char out[TEL_PATH_MAX]);

/* The program that posts runs to the remote API, likewise. */
bool program_find_poster(char out[TEL_PATH_MAX]);

#endif
