/* Finding a work tree's repository and branch (gitrepository-layout(5), git-config(1)). */
#include "git.h"

#include <errno.h>
#include <string.h>

#include "sys.h"

enum {
    MAX_LEVELS = 16,
    PATH_LEN = 1280, /* on the stack, and that may be a thread's of 16 KiB; longer is "not found" */
    CHUNK_LEN = 512,
    MAX_HEAD = 512,
    MAX_CONFIG = 16 * 1024
};

/* --- files, line by line -------------------------------------------------------------------- */

struct lines {
    int fd;
    size_t left; /* bytes that may still be read */
    size_t len;  /* in chunk */
    size_t at;   /* where the next line begins in chunk */
    char chunk[CHUNK_LEN];
};

/* Neither a FIFO nor a link to a device is opened in earnest: the directory may be anybody's. */
static bool open_lines(struct lines *lines, const char *path, size_t max_len)
{
    lines->fd = tel_sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0);
    lines->left = max_len;
    lines->len = 0;
    lines->at = 0;
    return lines->fd >= 0;
}

/* Moves the unread rest to the front and reads on behind it. False at the end of the file. */
static bool refill(struct lines *lines)
{
    size_t kept = lines->len - lines->at;
    size_t room = sizeof(lines->chunk) - kept;
    ssize_t got;

    memmove(lines->chunk, lines->chunk + lines->at, kept);
    lines->at = 0;
    lines->len = kept;
    if (room > lines->left)
        room = lines->left;
    if (room == 0)
        return false;
    got = tel_sys_read(lines->fd, lines->chunk + kept, room);
    if (got <= 0)
        return false;
    lines->len += (size_t)got;
    /* A short read of a regular file is its end: saves the read that would say so. */
    lines->left = (size_t)got < room ? 0 : lines->left - (size_t)got;
    return true;
}

static struct tel_str without_return(struct tel_str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* A line without what ends it; one that is longer than the chunk comes in pieces. Valid until the
 * next call. */
static bool next_line(struct lines *lines, struct tel_str *line)
{
    for (;;) {
        struct tel_str rest = {lines->chunk + lines->at, lines->len - lines->at};
        ptrdiff_t newline = tel_str_find(rest, '\n');

        if (newline >= 0) {
            *line = without_return((struct tel_str){rest.ptr, (size_t)newline});
            lines->at += (size_t)newline + 1;
            return true;
        }
        if (refill(lines))
            continue;
        *line = (struct tel_str){lines->chunk + lines->at, lines->len - lines->at};
        lines->at = lines->len;
        return line->len > 0;
    }
}

static void close_lines(struct lines *lines)
{
    tel_sys_close(lines->fd);
}

/* The first line of a small file, appended to out without blanks around it. */
static bool read_first_line(const char *path, struct tel_buf *out)
{
    struct lines lines;
    struct tel_str line;
    bool found;

    if (!open_lines(&lines, path, MAX_HEAD))
        return false;
    found = next_line(&lines, &line);
    if (found)
        tel_buf_str(out, tel_str_trim(line));
    close_lines(&lines);
    return found;
}

/* --- paths ---------------------------------------------------------------------------------- */

/* A directory's path that grows and shrinks in place. */
struct path {
    struct tel_buf buf;
    char memory[PATH_LEN];
};

/* Without the slashes at its end: "" stands for the root, as names are put behind a slash. */
static void set_path(struct path *path, struct tel_str text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    tel_buf_init(&path->buf, path->memory, sizeof(path->memory));
    tel_buf_str(&path->buf, text);
}

/* The path with "/name" behind it, NUL-terminated, or NULL; the path itself stays as it is. */
static const char *with_name(struct path *path, const char *name)
{
    size_t len = path->buf.len;
    const char *joined;

    tel_buf_char(&path->buf, '/');
    tel_buf_cstr(&path->buf, name);
    joined = tel_buf_terminate(&path->buf);
    path->buf.len = len;
    path->buf.overflow = false;
    return joined;
}

/* What a file in .git says about another directory: absolute, or seen from this one. */
static bool go_to(struct path *path, struct tel_str target)
{
    if (target.len == 0)
        return false;
    if (target.ptr[0] == '/') {
        set_path(path, target);
    } else {
        tel_buf_char(&path->buf, '/');
        tel_buf_str(&path->buf, target);
    }
    return !path->buf.overflow;
}

static bool get_stat(const char *path, struct stat *st)
{
    return path != NULL && tel_sys_fstatat(AT_FDCWD, path, st, AT_NO_AUTOMOUNT) == 0;
}

static bool go_up(struct path *path)
{
    ptrdiff_t slash = tel_str_find_last(tel_buf_view(&path->buf), '/');

    if (slash < 0)
        return false;
    path->buf.len = (size_t)slash;
    return true;
}

/* --- what the files say --------------------------------------------------------------------- */

static void keep(char *field, struct tel_str text)
{
    text = tel_str_cut_utf8(text, TEL_GIT_TEXT_MAX - 1);
    if (text.len > 0)
        memcpy(field, text.ptr, text.len);
    field[text.len] = '\0';
}

static bool is_object_id(struct tel_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return text.len == 40 || text.len == 64;
}

static struct tel_str branch_of_head(struct tel_str head)
{
    static const char branches[] = "ref: refs/heads/";
    struct tel_str branch = tel_str_from_pos(head, sizeof(branches) - 1);

    if (is_object_id(head))
        return TEL_STR("HEAD");
    /* A repository in the reftable format keeps a placeholder there. */
    if (!tel_str_starts(head, branches) || tel_str_is(branch, ".invalid"))
        return TEL_STR_NONE;
    return branch;
}

/* False when there is no HEAD: that is no git directory. */
static bool read_branch(struct tel_git *git, struct path *git_dir)
{
    const char *path = with_name(git_dir, "HEAD");
    char memory[MAX_HEAD];
    struct tel_buf head;

    tel_buf_init(&head, memory, sizeof(memory));
    if (path == NULL || !read_first_line(path, &head))
        return false;
    keep(git->branch, branch_of_head(tel_buf_view(&head)));
    return true;
}

/* The part of a URL that names the repository, never one that may hold a user or a password:
 * "https://user:secret@host/group/name.git?token=x", "git@host:group/name.git", "/srv/name.git". */
static struct tel_str repo_of_url(struct tel_str url)
{
    ptrdiff_t colon = tel_str_find(url, ':');
    struct tel_str path = tel_str_from_pos(url, (size_t)(colon + 1));

    if (tel_str_starts(path, "//")) {
        ptrdiff_t slash;

        path = tel_str_from_pos(path, 2);
        slash = tel_str_find(path, '/');
        path = slash < 0 ? TEL_STR_NONE : tel_str_from_pos(path, (size_t)slash + 1);
        for (size_t i = 0; i < path.len; i++) {
            if (path.ptr[i] == '?' || path.ptr[i] == '#')
                path.len = i;
        }
    }
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    path = tel_str_basename(path);
    if (path.len > 4 && tel_str_is(tel_str_from_pos(path, path.len - 4), ".git"))
        path.len -= 4;
    /* Whatever that is, it may be the end of a password with a slash in it. */
    return tel_str_find(path, '@') >= 0 ? TEL_STR_NONE : path;
}

static bool skip_prefix(struct tel_str *text, const char *prefix)
{
    struct tel_str head = {text->ptr, strlen(prefix)};

    if (text->len < head.len || !tel_str_is_nocase(head, prefix))
        return false;
    *text = tel_str_trim(tel_str_from_pos(*text, head.len));
    return true;
}

/* "[remote "origin"]". What follows on the line stays in it. */
static bool is_origin_section(struct tel_str *line)
{
    return skip_prefix(line, "[") && skip_prefix(line, "remote") &&
           tel_str_starts(*line, "\"origin\"") && skip_prefix(line, "\"origin\"") &&
           skip_prefix(line, "]");
}

static struct tel_str unquoted(struct tel_str value)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        return (struct tel_str){value.ptr + 1, value.len - 2};
    return value;
}

/* Reads one line; true when it held origin's URL. */
static bool take_config_line(struct tel_str line, bool *in_origin, struct tel_git *git)
{
    line = tel_str_trim(line);
    if (tel_str_starts(line, "["))
        *in_origin = is_origin_section(&line);
    if (!*in_origin || !skip_prefix(&line, "url") || !skip_prefix(&line, "="))
        return false;
    keep(git->repo, repo_of_url(unquoted(tel_str_trim(line))));
    return true;
}

static void read_origin(struct tel_git *git, const char *config)
{
    struct lines lines;
    struct tel_str line;
    bool in_origin = false;

    if (config == NULL || !open_lines(&lines, config, MAX_CONFIG))
        return;
    while (next_line(&lines, &line) && !take_config_line(line, &in_origin, git))
        ;
    close_lines(&lines);
}

/* --- the way there -------------------------------------------------------------------------- */

/* A linked work tree has its HEAD in a directory of its own, and its config in the common one. */
static void go_to_common_dir(struct path *git_dir)
{
    const char *path = with_name(git_dir, "commondir");
    char memory[MAX_HEAD];
    struct tel_buf target;

    tel_buf_init(&target, memory, sizeof(memory));
    if (path != NULL && read_first_line(path, &target))
        go_to(git_dir, tel_buf_view(&target));
}

/* dir/.git is a file: "gitdir: PATH". */
static bool follow_git_file(struct path *dir)
{
    const char *path = with_name(dir, ".git");
    char memory[MAX_HEAD];
    struct tel_buf line;
    struct tel_str target;

    tel_buf_init(&line, memory, sizeof(memory));
    if (path == NULL || !read_first_line(path, &line))
        return false;
    target = tel_buf_view(&line);
    return skip_prefix(&target, "gitdir:") && go_to(dir, target);
}

/* dir is a work tree's top, st its .git; dir becomes the git directory. */
static void read_work_tree(struct tel_git *git, struct path *dir, const struct stat *st)
{
    char folder[TEL_GIT_TEXT_MAX];
    bool linked = S_ISREG(st->st_mode);

    keep(folder, tel_str_basename(tel_buf_view(&dir->buf)));
    if (linked ? !follow_git_file(dir) : !go_to(dir, TEL_STR(".git")))
        return;
    if (!read_branch(git, dir))
        return;
    if (linked)
        go_to_common_dir(dir);
    read_origin(git, with_name(dir, "config"));
    if (git->repo[0] == '\0')
        keep(git->repo, tel_str_from(folder));
}

static bool is_git(const struct stat *st)
{
    return S_ISDIR(st->st_mode) || S_ISREG(st->st_mode);
}

/* A lookup for each level, no more: that a level lies on another device is only checked for the one
 * that has a .git. */
void tel_git_discover(struct tel_git *git, const char *cwd)
{
    struct path dir;
    struct stat found;
    struct stat start;

    git->repo[0] = '\0';
    git->branch[0] = '\0';
    if (cwd == NULL || cwd[0] != '/')
        return;
    set_path(&dir, tel_str_from(cwd));
    for (int level = 0; level < MAX_LEVELS && !dir.buf.overflow; level++) {
        if (get_stat(with_name(&dir, ".git"), &found) && is_git(&found)) {
            if (get_stat(cwd, &start) && start.st_dev == found.st_dev)
                read_work_tree(git, &dir, &found);
            return;
        }
        if (!go_up(&dir))
            return;
    }
}
