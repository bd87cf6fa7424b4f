/* Noticing that names in a directory have come, gone or moved, by a look at the directory alone. */
#ifndef TEL_DIRECTORY_H
#define TEL_DIRECTORY_H

#include <stdbool.h>
#include <sys/stat.h>

/* All zero: not looked at yet. */
struct tel_directory {
    bool is_known;
    struct stat seen; /* as it was at the last look, when is_known */
};

/* True when no name in the directory at path has come, gone or moved since the last call. False when that
 * is not known either: the first time, and when the last change is so fresh that a file system's clock
 * would give the next one the same time (is_known is false then). One system call. */
bool tel_directory_is_same(struct tel_directory *directory, const char *path);

#endif
