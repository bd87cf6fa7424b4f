/* See git_commit.h. One run of `git log` for one commit; repository and branch are read from .git as for
 * every run. */
#include "git_commit.h"

#include "base/datadir.h"
#include "base/git.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_STEP = 64 * 1024, OUTPUT_MAX = 16 * 1024 * 1024, FIELDS = 4 };

struct output {
    char *text;
    size_t len;
};

static int read_all(int fd, struct output *output)
{
    ssize_t got = 1;

    while (got > 0 && output->len < OUTPUT_MAX) {
        char *more = realloc(output->text, output->len + OUTPUT_STEP);

        if (more == NULL)
            return -ENOMEM;
        output->text = more;
        do
            got = read(fd, output->text + output->len, OUTPUT_STEP);
        while (got < 0 && errno == EINTR);
        if (got > 0)
            output->len += (size_t)got;
    }
    return got < 0 ? -errno : 0;
}

/* Its complaints are of no use to anybody here: what is wrong is told by its exit code. */
static int spawn_git(const char *const argv[], int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);

    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawnp(pid, "git", &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -error;
}

static int run_git(const char *const argv[], struct output *output)
{
    int ends[2];
    int wait_status = 0;
    pid_t pid;
    int status;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    status = spawn_git(argv, ends[1], &pid);
    close(ends[1]);
    if (status == 0) {
        status = read_all(ends[0], output);
        /* A program that ignores SIGCHLD takes the code away; the output tells enough then. */
        while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
    return status == 0 && wait_status != 0 ? TEL_ERR_INVALID : status;
}

static bool take_until(struct tel_str *text, char end, struct tel_str *part)
{
    const ptrdiff_t at = tel_str_find(*text, end);

    if (at < 0)
        return false;
    *part = (struct tel_str){text->ptr, (size_t)at};
    *text = tel_str_from_pos(*text, (size_t)at + 1);
    return true;
}

/* "INSERTIONS\tDELETIONS\tFILE" a line; "-" for what is no text. */
static void count_changes(struct tel_str text, struct tel_commit *commit)
{
    struct tel_str line;
    struct tel_str number;
    uint64_t count;

    while (take_until(&text, '\n', &line)) {
        if (!take_until(&line, '\t', &number))
            continue;
        commit->files_changed++;
        if (tel_str_to_u64(number, &count))
            commit->insertions += (int64_t)count;
        if (take_until(&line, '\t', &number) && tel_str_to_u64(number, &count))
            commit->deletions += (int64_t)count;
    }
}

static bool take_apart(struct tel_str text, struct tel_commit *commit)
{
    struct tel_str *const fields[FIELDS] = {&commit->hash, &commit->date, &commit->author,
                                            &commit->message};

    for (int i = 0; i < FIELDS; i++)
        if (!take_until(&text, '\0', fields[i]))
            return false;
    while (commit->message.len > 0 && commit->message.ptr[commit->message.len - 1] == '\n')
        commit->message.len--;
    commit->message = tel_str_cut_utf8(commit->message, TEL_COMMIT_MESSAGE_MAX);
    commit->author = tel_str_cut_utf8(commit->author, TEL_GIT_TEXT_MAX);
    count_changes(text, commit);
    return commit->hash.len > 0;
}

static int put(struct tel_buf *payload, const char *directory, struct tel_str text,
               struct tel_error *err)
{
    struct tel_commit commit = {0};
    struct tel_git git = {0};
    char absolute[TEL_PATH_MAX];

    if (!take_apart(text, &commit))
        return tel_fail(err, TEL_ERR_INVALID, "git says nothing of this commit", NULL);
    if (realpath(directory, absolute) != NULL)
        tel_git_discover(&git, absolute);
    commit.repo = tel_str_from(git.repo);
    commit.branch = tel_str_from(git.branch);
    tel_commit_put(payload, &commit);
    return payload->overflow ? tel_fail(err, -E2BIG, "the commit's record is too long", NULL) : 0;
}

int tel_git_commit_put(struct tel_buf *payload, const char *directory, const char *revision,
                       struct tel_error *err)
{
    const char *const argv[] = {"git",        "-C",
                                directory,    "log",
                                "-1",         "--no-show-signature",
                                "--no-color", "--no-ext-diff",
                                "--numstat",  "--format=%H%x00%cI%x00%an <%ae>%x00%B%x00",
                                revision,     "--",
                                NULL};
    struct output output = {NULL, 0};
    int status;

    if (revision[0] == '\0' || revision[0] == '-')
        return tel_fail(err, TEL_ERR_INVALID, "this is no revision of git", NULL);
    status = run_git(argv, &output);
    if (status == TEL_ERR_INVALID)
        tel_fail(err, status, "git knows no commit '", revision, "' here", NULL);
    else if (status < 0)
        tel_fail_sys(err, status, "cannot run git", NULL);
    else
        status = put(payload, directory, (struct tel_str){output.text, output.len}, err);
    free(output.text);
    return status;
}
