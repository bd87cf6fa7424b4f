/* Repository and branch, read from .git itself; git is never run (DESIGN 4). */
#ifndef TEL_BASE_GIT_H
#define TEL_BASE_GIT_H

#include "buf.h"

#define TEL_GIT_TEXT_MAX 256

struct tel_git {
    char repo[TEL_GIT_TEXT_MAX];   /* last part of origin's URL without ".git", else the name of the
                                      work tree's folder; "" when not in a work tree */
    char branch[TEL_GIT_TEXT_MAX]; /* "" when unknown; "HEAD" when detached, as git itself says */
};

/* Looks for .git in cwd (absolute, NUL-terminated) and its parents: at most 16 levels, and only a
 * repository on cwd's device counts; follows a "gitdir:" file (work trees, submodules) once. Reads at most 4 KiB of
 * HEAD and 16 KiB of config. Uses raw system calls alone. */
void tel_git_discover(struct tel_git *git, const char *cwd);

#endif
