/* Other pid namespaces, as seen from the machine's own. A container's collector dies with it, and what
 * it watched stays "running" unless somebody outside can be certain that it has ended. */
#ifndef TEL_NAMESPACES_H
#define TEL_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a process that has this pidfs inode is somewhere on the machine, as a zombie at least. Known
 * in the machine's own pid namespace, on Linux 6.14 and later. */
enum tel_whereabouts { TEL_PROCESS_THERE, TEL_PROCESS_GONE, TEL_PROCESS_NOT_KNOWN };
enum tel_whereabouts tel_process_whereabouts(uint64_t pidfs_ino);

/* The pid namespaces that have a process. */
struct tel_namespaces {
    uint64_t *inode; /* of each pid namespace that was seen, once */
    size_t count;
    size_t cap;
};

/* Looks at all processes of the machine. False when that is not possible: from within a container, or
 * without the right to look at everybody (CAP_SYS_PTRACE). seen is to be freed in any case. */
bool tel_namespaces_look(struct tel_namespaces *seen);
/* Numbers are used again: a namespace that is there need not be the one that is meant, but one that
 * is not there is gone. */
bool tel_namespaces_has(const struct tel_namespaces *seen, uint64_t inode);
void tel_namespaces_free(struct tel_namespaces *seen);

#endif
