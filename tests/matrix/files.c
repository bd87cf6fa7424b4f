/* See files.h. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "support/support.h"

static bool matches(const char *const *globs, const char *path)
{
    for (; globs != NULL && *globs != NULL; globs++)
        if (fnmatch(*globs, path, 0) == 0)
            return true;
    return false;
}

static const char *hash_of(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint32_t hash = TEL_HASH_START;
    char chunk[65536];
    ssize_t got;

    if (fd < 0)
        return text("unreadable: %s", strerror(errno));
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        hash = tel_str_hash((struct tel_str){chunk, (size_t)got}, hash);
    close(fd);
    return text("%08x", hash);
}

static const char *content_of(const char *path, const struct stat *st)
{
    char target[1024];
    ssize_t len;

    if (S_ISREG(st->st_mode))
        return text(" %lld bytes %s", (long long)st->st_size, hash_of(path));
    if (!S_ISLNK(st->st_mode))
        return "";
    len = readlink(path, target, sizeof target);
    return text(" -> %.*s", (int)(len > 0 ? len : 0), target);
}

static const char *type_of(mode_t mode)
{
    return S_ISREG(mode)    ? "file"
           : S_ISDIR(mode)  ? "directory"
           : S_ISLNK(mode)  ? "link"
           : S_ISSOCK(mode) ? "socket"
           : S_ISFIFO(mode) ? "pipe"
                            : "device";
}

static void list(FILE *out, const char *directory, const char *prefix, const char *const *globs)
{
    struct dirent **entries;
    const int count = scandir(directory, &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        const char *path = text("%s/%s", directory, name);
        const char *shown = text("%s%s", prefix, name);
        struct stat st;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || lstat(path, &st) != 0)
            continue;
        fprintf(out, "%s: %s %o %u:%u%s\n", shown, type_of(st.st_mode), st.st_mode & 07777,
                st.st_uid, st.st_gid, matches(globs, shown) ? "" : content_of(path, &st));
        if (S_ISDIR(st.st_mode))
            list(out, path, text("%s/", shown), globs);
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    if (count >= 0)
        free(entries);
}

const char *files_below(const char *directory, const char *const *volatile_globs)
{
    char *memory = NULL;
    size_t len;
    FILE *out = open_memstream(&memory, &len);
    const char *kept;

    if (out == NULL)
        return "no memory\n";
    list(out, directory, "", volatile_globs);
    fclose(out);
    kept = text("%s", memory);
    free(memory);
    return kept;
}
