/* See program.h. */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TELEMETRY_SHIM_PATH
#define TELEMETRY_SHIM_PATH "/usr/local/lib/" SHIM_NAME
#endif
#ifndef TELEMETRY_POSTER_PATH
#define TELEMETRY_POSTER_PATH "/usr/local/libexec/telemetry-post"
#endif
#ifndef TELEMETRY_MULTIARCH
#define TELEMETRY_MULTIARCH "lib"
#endif

#ifndef TELEMETRY_LIBDIR32
#define TELEMETRY_LIBDIR32 "" /* there is no shim for 32-bit programs */
#define TELEMETRY_LOADER_LIBDIR ""
#endif

/* confstr(_CS_PATH), as execvp takes it. */
#define DEFAULT_PATH "/bin:/usr/bin"

/* 0 when path can be executed, as far as permissions go. */
static int check(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return access(path, X_OK) == 0 ? 0 : -errno;
}

static bool join(char out[TEL_PATH_MAX], struct tel_str directory, const char *name)
{
    struct tel_buf path;

    tel_buf_init(&path, out, TEL_PATH_MAX);
    tel_buf_str(&path, directory);
    if (directory.len > 0) /* an empty element of PATH is the current directory */
        tel_buf_char(&path, '/');
    tel_buf_cstr(&path, name);
    return tel_buf_terminate(&path) != NULL;
}

/* Goes through PATH. A file that may not be executed is passed over, and remembered. */
static int search(const char *name, struct tel_str path, char out[TEL_PATH_MAX])
{
    int result = -ENOENT;

    for (;;) {
        const ptrdiff_t colon = tel_str_find(path, ':');
        const struct tel_str directory = {path.ptr, colon < 0 ? path.len : (size_t)colon};
        char candidate[TEL_PATH_MAX];
        int status = join(candidate, directory, name) ? check(candidate) : -ENAMETOOLONG;

        if (status == 0 || (status == -EACCES && result == -ENOENT)) {
            strcpy(out, candidate);
            result = status;
        }
        if (status == 0 || colon < 0)
            return result;
        path = tel_str_from_pos(path, (size_t)colon + 1);
    }
}

int program_find(const char *name, struct tel_str path, char out[TEL_PATH_MAX])
{
    snprintf(out, TEL_PATH_MAX, "%s", name);
    if (strlen(name) >= TEL_PATH_MAX)
        return -ENAMETOOLONG;
    if (name[0] == '\0')
        return -ENOENT;
    if (strchr(name, '/') != NULL)
        return check(name);
    return search(name, path.ptr != NULL ? path : TEL_STR(DEFAULT_PATH), out);
}

bool program_self(char *out, size_t cap)
{
    const ssize_t len = readlink("/proc/self/exe", out, cap - 1);

    if (len <= 0 || (size_t)len >= cap - 1)
        return false;
    out[len] = '\0';
    return true;
}

/* Takes the last component off. */
static struct tel_str parent_of(struct tel_str path)
{
    const ptrdiff_t slash = tel_str_find_last(path, '/');

    return (struct tel_str){path.ptr, slash < 0 ? 0 : (size_t)slash};
}

/* Looks for the first of these, by their paths from the directory above this program's, then at
 * installed. */
static bool find_part(const char *const *beside, size_t count, const char *installed, int mode,
                      char out[TEL_PATH_MAX])
{
    char self[TEL_PATH_MAX];

    if (program_self(self, sizeof self)) {
        const struct tel_str above = parent_of(parent_of(tel_str_from(self)));

        for (size_t i = 0; i < count; i++)
            if (join(out, above, beside[i]) && access(out, mode) == 0)
                return true;
    }
    snprintf(out, TEL_PATH_MAX, "%s", installed);
    return access(out, mode) == 0;
}

bool program_find_poster(char out[TEL_PATH_MAX])
{
    static const char *const beside[] = {
        "tools/telemetry-post",   /* the build tree */
        "libexec/telemetry-post", /* an installation: bin/telemetry */
    };

    return find_part(beside, sizeof beside / sizeof beside[0], TELEMETRY_POSTER_PATH, X_OK, out);
}

bool program_find_shim(char out[TEL_PATH_MAX])
{
    static const char *const beside[] = {
        "shim/" SHIM_NAME, /* the build tree: tools/telemetry */
        "lib/" SHIM_NAME,  /* an installation: bin/telemetry */
        "lib/" TELEMETRY_MULTIARCH "/" SHIM_NAME,
        "lib64/" SHIM_NAME,
    };

    return find_part(beside, sizeof beside / sizeof beside[0], TELEMETRY_SHIM_PATH, R_OK, out);
}

/* {above}/{before}/{library}/libtelemetry_auto.so */
static bool is_shim_in(struct tel_str above, const char *before, const char *library)
{
    char rest[256];
    char path[TEL_PATH_MAX];

    snprintf(rest, sizeof rest, "%s%s/%s", before, library, SHIM_NAME);
    return join(path, above, rest) && access(path, R_OK) == 0;
}

bool program_find_shims(char out[TEL_PATH_MAX])
{
    static const char *const places[] = {"preload/" /* the build tree */, ""};
    char self[TEL_PATH_MAX];
    struct tel_str above;

    if (TELEMETRY_LIBDIR32[0] == '\0' || !program_self(self, sizeof self))
        return false;
    above = parent_of(parent_of(tel_str_from(self)));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char rest[64];

        snprintf(rest, sizeof rest, "%s$LIB/%s", places[i], SHIM_NAME);
        if (is_shim_in(above, places[i], TELEMETRY_LOADER_LIBDIR) &&
            is_shim_in(above, places[i], TELEMETRY_LIBDIR32))
            return join(out, above, rest);
    }
    return false;
}
