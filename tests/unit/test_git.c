/* Repository and branch, from work trees made by hand: git itself is not needed. */
#include "base/git.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"

static const char *top;

static void make_top(void)
{
    top = test_dir();
}

TestSuite(git, .init = make_top);

static const char *path_of(const char *name)
{
    static char paths[4][1024];
    static size_t next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
    return path;
}

static void make_dirs(const char *name)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s/", top, name);
    for (char *slash = path + strlen(top) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    cr_assert_not_null(file, "%s", name);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static void make_repo(const char *name, const char *head, const char *config)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/.git", name);
    make_dirs(path);
    snprintf(path, sizeof(path), "%s/.git/HEAD", name);
    write_text(path, head);
    snprintf(path, sizeof(path), "%s/.git/config", name);
    write_text(path, config);
}

static const char origin[] = "[core]\n\tbare = false\n[remote \"origin\"]\n"
                             "\turl = https://example.net/group/reports.git\n";

static void expect(const char *cwd, const char *repo, const char *branch)
{
    struct tel_git git;

    memset(&git, 'x', sizeof(git));
    tel_git_discover(&git, path_of(cwd));
    cr_expect_str_eq(git.repo, repo, "%s: \"%s\"", cwd, git.repo);
    cr_expect_str_eq(git.branch, branch, "%s: \"%s\"", cwd, git.branch);
}

Test(git, in_the_work_tree_and_below)
{
    make_repo("w", "ref: refs/heads/main\n", origin);
    make_dirs("w/a/b/c");
    expect("w", "reports", "main");
    expect("w/", "reports", "main");
    expect("w/a/b/c", "reports", "main");
    expect(".", "", "");
}

Test(git, nowhere)
{
    struct tel_git git;

    make_dirs("a");
    expect("a", "", "");
    expect("missing", "", "");
    tel_git_discover(&git, NULL);
    cr_expect_str_eq(git.repo, "");
    tel_git_discover(&git, "relative");
    cr_expect_str_eq(git.repo, "");
    tel_git_discover(&git, "");
    cr_expect_str_eq(git.repo, "");
    tel_git_discover(&git, "/");
    tel_git_discover(&git, "/proc/self");
    cr_expect_str_eq(git.repo, "");
}

Test(git, heads)
{
    static const struct {
        const char *head, *branch;
    } cases[] = {
        {"ref: refs/heads/feature/x-1\n", "feature/x-1"},
        {"ref: refs/heads/main", "main"},
        {"ref: refs/heads/main\r\n", "main"},
        {"0123456789abcdef0123456789abcdef01234567\n", "HEAD"},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n", "HEAD"},
        {"ref: refs/heads/.invalid\n", ""},
        {"ref: refs/remotes/x\n", ""},
        {"nonsense\n", ""},
        {"0123\n", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_repo("w", cases[i].head, origin);
        expect("w", "reports", cases[i].branch);
    }
}

Test(git, urls)
{
    static const struct {
        const char *url, *repo;
    } cases[] = {
        {"https://example.net/group/name.git", "name"},
        {"https://example.net/group/name", "name"},
        {"https://example.net/group/name/", "name"},
        {"https://user:HUNTER@example.net/group/name.git", "name"},
        {"https://HUNTER@example.net/name.git", "name"},
        {"https://example.net/name.git?token=HUNTER", "name"},
        {"https://example.net/name#HUNTER/x", "name"},
        {"https://user:HUNTER@example.net", "w"},
        {"https://user:HUNTER@example.net/", "w"},
        {"https://user:x/HUNTER@example.net", "w"},
        {"https://user:x/HUNTER@example.net/name.git", "name"},
        {"git@example.net:group/name.git", "name"},
        {"git@example.net:name.git", "name"},
        {"example.net:name", "name"},
        {"ssh://git@example.net:22/group/name.git", "name"},
        {"/srv/git/name.git", "name"},
        {"../name", "name"},
        {"file:///srv/git/name.git/", "name"},
        {"\"https://example.net/my name.git\"", "my name"},
        {".git", ".git"},
        {"", "w"},
        {"https://", "w"},
        {"user:HUNTER@host", "w"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char config[256];

        snprintf(config, sizeof(config), "[remote \"origin\"]\n\turl = %s\n", cases[i].url);
        make_repo("w", "ref: refs/heads/main\n", config);
        expect("w", cases[i].repo, "main");
    }
}

Test(git, configs)
{
    static const struct {
        const char *config, *repo;
    } cases[] = {
        {"", "w"},
        {"[remote \"origin\"]\nurl=x/name\n", "name"},
        {"[Remote \"origin\"]\n\tURL = x/name", "name"},
        {"[ remote  \"origin\" ] url = x/name\n", "name"},
        {"[remote \"origin\"]\n\turl = x/name\n\turl = x/second\n", "name"},
        {"[remote \"Origin\"]\n\turl = x/name\n", "w"},
        {"[remote \"other\"]\n\turl = x/name\n[branch \"main\"]\n\turl = x/odd\n", "w"},
        {"[remote \"origin\"]\n\tfetch = +refs/*\n\turl = x/name\r\n", "name"},
        {"[remote \"origin\"]\n[remote \"other\"]\n\turl = x/name\n", "w"},
        {"[remote \"other\"]\n\turl = x/other\n[remote \"origin\"]\n\turl = x/name\n", "name"},
        {"# [remote \"origin\"]\n\turl = x/name\n", "w"},
        {"[remote \"origin\"]\n\tpushurl = x/other\n\turl = x/name\n", "name"},
        {"[remote \"origin\"]\n\turl x\n", "w"},
        {"[remote", "w"},
        {"\x00\x01", "w"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_repo("w", "ref: refs/heads/main\n", cases[i].config);
        expect("w", cases[i].repo, "main");
    }
}

Test(git, long_configs_are_read_so_far_as_promised)
{
    static char config[64 * 1024];
    char *p = config;

    while (p - config < 12 * 1024)
        p = stpcpy(p, "[branch \"x\"]\n\tmerge = refs/heads/x\n");
    memset(p, 'y', 2000); /* a line longer than any buffer */
    p += 2000;
    strcpy(p, "\n[remote \"origin\"]\n\turl = x/name\n");
    make_repo("w", "ref: refs/heads/main\n", config);
    expect("w", "name", "main");

    p = config;
    while (p - config < 17 * 1024)
        p = stpcpy(p, "[branch \"x\"]\n\tmerge = refs/heads/x\n");
    strcpy(p, "[remote \"origin\"]\n\turl = x/name\n");
    make_repo("w", "ref: refs/heads/main\n", config);
    expect("w", "w", "main");
}

Test(git, long_names_are_cut)
{
    struct tel_git git;
    char head[400] = "ref: refs/heads/";

    memset(head + strlen(head), 'b', 300);
    make_repo("w", head, origin);
    tel_git_discover(&git, path_of("w"));
    cr_expect_eq(strlen(git.branch), TEL_GIT_TEXT_MAX - 1);
}

Test(git, linked_work_trees)
{
    make_repo("main", "ref: refs/heads/main\n", origin);
    make_dirs("main/.git/worktrees/side");
    write_text("main/.git/worktrees/side/HEAD", "ref: refs/heads/side\n");
    write_text("main/.git/worktrees/side/commondir", "../..\n");
    make_dirs("side/deep");
    write_text("side/.git", "gitdir: ../main/.git/worktrees/side\n");
    expect("side/deep", "reports", "side");
}

Test(git, submodules)
{
    char text[256];

    make_repo("super", "ref: refs/heads/main\n", origin);
    make_dirs("super/.git/modules/sub");
    write_text("super/.git/modules/sub/HEAD", "ref: refs/heads/dev\n");
    write_text("super/.git/modules/sub/config", "[remote \"origin\"]\n\turl = ../sub-origin.git\n");
    make_dirs("super/sub");
    snprintf(text, sizeof(text), "gitdir: %s\n", path_of("super/.git/modules/sub"));
    write_text("super/sub/.git", text);
    expect("super/sub", "sub-origin", "dev");
}

Test(git, broken_links)
{
    make_dirs("a");
    write_text("a/.git", "gitdir: nowhere\n");
    expect("a", "", "");
    write_text("a/.git", "");
    expect("a", "", "");
    write_text("a/.git", "something else\n");
    expect("a", "", "");
    make_dirs("b/.git");
    expect("b", "", "");
}

Test(git, never_waits)
{
    make_dirs("w/.git");
    cr_assert_eq(mkfifo(path_of("w/.git/HEAD"), 0600), 0);
    expect("w", "", "");
    cr_assert_eq(unlink(path_of("w/.git/HEAD")), 0);
    write_text("w/.git/HEAD", "ref: refs/heads/main\n");
    cr_assert_eq(mkfifo(path_of("w/.git/config"), 0600), 0);
    expect("w", "w", "main");
    make_dirs("v");
    cr_assert_eq(mkfifo(path_of("v/.git"), 0600), 0);
    expect("v", "", "");
}

Test(git, follows_no_links)
{
    make_dirs("w/.git");
    write_text("secret", "ref: refs/heads/HUNTER\n");
    cr_assert_eq(symlink("../../secret", path_of("w/.git/HEAD")), 0);
    expect("w", "", "");
}

Test(git, levels_are_bounded)
{
    char path[256] = "w";

    make_repo("w", "ref: refs/heads/main\n", origin);
    for (int level = 1; level < 16; level++)
        strcat(path, "/d");
    make_dirs(path);
    expect(path, "reports", "main");
    strcat(path, "/d");
    make_dirs(path);
    expect(path, "", "");
}
