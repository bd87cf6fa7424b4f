/* What later images are told about the run they are in. */
#include "base/owner.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"

/* --- the text --------------------------------------------------------------------------------- */

static const char *text_of(const struct tel_owner *owner)
{
    static char memory[TEL_OWNER_MAX];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof memory);
    tel_owner_put(&buf, owner);
    return tel_buf_terminate(&buf);
}

Test(owner, written_and_read)
{
    const struct tel_owner owner = {
        .process = {4242, 77, 99},
        .start = {20261122, 500, 123456789012345},
        .before = {1, 2, 3, 4},
        .flags = TEL_OWNER_PENDING,
        .parent = TEL_STR("20261122T000000Z-a:b-01234567"),
    };
    const char *written = text_of(&owner);
    struct tel_owner read;

    cr_assert_str_eq(written, "2:4242:77:99:20261122:123456789012345:1:2:3:4:2:"
                              "20261122T000000Z-a:b-01234567");
    cr_assert(tel_owner_parse(tel_str_from(written), &read));
    cr_expect_eq(read.process.pid, 4242);
    cr_expect_eq(read.process.pidfs_ino, 77);
    cr_expect_eq(read.process.start_ticks, 99);
    cr_expect_eq(read.start.date, 20261122);
    cr_expect_eq(read.start.offset, 123456789012345);
    cr_expect_eq(read.before.user_ms, 1);
    cr_expect_eq(read.before.system_ms, 2);
    cr_expect_eq(read.before.children_user_ms, 3);
    cr_expect_eq(read.before.children_system_ms, 4);
    cr_expect_eq(read.flags, TEL_OWNER_PENDING);
    cr_expect(tel_str_equal(read.parent, owner.parent));
}

Test(owner, the_longest_text_fits)
{
    char parent[TEL_RUN_ID_MAX];
    const struct tel_owner owner = {
        .process = {INT32_MAX, UINT64_MAX, UINT64_MAX},
        .start = {UINT32_MAX, 0, UINT64_MAX},
        .before = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
        .flags = TEL_OWNER_PENDING | TEL_OWNER_ALL_CHILDREN,
        .parent = {parent, sizeof parent - 1},
    };
    struct tel_owner read;

    memset(parent, 'x', sizeof parent);
    cr_assert_not_null(text_of(&owner));
    cr_assert(tel_owner_parse(tel_str_from(text_of(&owner)), &read));
    cr_expect_eq(read.process.pidfs_ino, UINT64_MAX);
    cr_expect_eq(read.start.offset, UINT64_MAX);
    cr_expect_eq(read.before.children_system_ms, UINT64_MAX);
}

Test(owner, malformed_texts)
{
    static const char *const bad[] = {"",
                                      "2",
                                      "2:2:3:4:5:6:7:8:9:10:11",
                                      "2:2:3:4:5:6:7:8:9:10",
                                      "2:2:3:4:5:6:7:8:9:10:0",
                                      ":2:2:3:4:5:6:7:8:9:10:0:",
                                      "1:2:3:4:5:6:7:8:9:10:0:",
                                      "0:2:3:4:5:6:7:8:9:10:0:",
                                      "2:0:3:4:5:6:7:8:9:10:0:",
                                      "2:-2:3:4:5:6:7:8:9:10:0:",
                                      "2:2147483648:3:4:5:6:7:8:9:10:0:",
                                      "2:2:3:4:4294967296:6:7:8:9:10:0:",
                                      "2:2::4:5:6:7:8:9:10:0:",
                                      "2:2:3:4:5:6:7:8:9:10:0 :",
                                      " 2:2:3:4:5:6:7:8:9:10:0:",
                                      "2:2:3:4:5:0x6:7:8:9:10:0:",
                                      "2:2:3:4:5:6:7:8:9:99999999999999999999999:0:",
                                      "2:2:3:4:5:6:7:8:9:10:0:../parent",
                                      "2;2;3;4;5;6;7;8;9;10;0;"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tel_owner owner = {.process = {.pid = 123}};

        cr_expect_not(tel_owner_parse(tel_str_from(bad[i]), &owner), "%s", bad[i]);
        cr_expect_eq(owner.process.pid, 123, "untouched by %s", bad[i]);
    }
    cr_expect_not(tel_owner_parse(TEL_STR_NONE, &(struct tel_owner){.start = {0, 0, 0}}));
}

Test(owner, ids)
{
    static const char *const good[] = {
        "20261122T100000Z-agent-0123abcd", "x", "a b", "\xc3\xa4", "a\"b", "a\\b"};
    static const char *const bad[] = {"", "a/b", "../x", "a\nb", "a\x7f", "\x1b[0m"};
    char longest[TEL_RUN_ID_MAX + 1];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_expect(tel_owner_id_valid(tel_str_from(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(tel_owner_id_valid(tel_str_from(bad[i])), "%zu", i);
    cr_expect_not(tel_owner_id_valid(TEL_STR_NONE));
    memset(longest, 'x', sizeof longest);
    cr_expect(tel_owner_id_valid((struct tel_str){longest, TEL_RUN_ID_MAX - 1}));
    cr_expect_not(tel_owner_id_valid((struct tel_str){longest, TEL_RUN_ID_MAX}));
}

/* --- how one stands to it --------------------------------------------------------------------- */

/* The calling process as owner; with_inode: recognised as on Linux 6.9 and later. */
static struct tel_owner own(bool with_inode)
{
    const struct tel_process self = this_process();

    return (struct tel_owner){
        .process = {self.pid, with_inode ? self.pidfs_ino : 0, self.start_ticks}};
}

typedef enum tel_standing standing_fn(const struct tel_owner *owner);

static enum tel_standing own_standing(const struct tel_owner *owner)
{
    return tel_owner_standing(owner, getpid());
}

static enum tel_standing in_child(standing_fn *fn, const struct tel_owner *owner)
{
    int wait_status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit((int)fn(owner));
    cr_assert_eq(waitpid(pid, &wait_status, 0), pid);
    cr_assert(WIFEXITED(wait_status));
    return (enum tel_standing)WEXITSTATUS(wait_status);
}

static enum tel_standing standing_of_child(const struct tel_owner *owner)
{
    return in_child(own_standing, owner);
}

static enum tel_standing standing_of_grandchild(const struct tel_owner *owner)
{
    return in_child(standing_of_child, owner);
}

Test(owner, the_owner_itself)
{
    for (int with_inode = 0; with_inode < 2; with_inode++) {
        struct tel_owner owner = own(with_inode);

        cr_expect_eq(tel_owner_standing(&owner, getpid()), TEL_OWNS);
    }
}

Test(owner, its_descendants_are_inside)
{
    for (int with_inode = 0; with_inode < 2; with_inode++) {
        struct tel_owner owner = own(with_inode);

        cr_expect_eq(standing_of_child(&owner), TEL_INSIDE);
        cr_expect_eq(standing_of_grandchild(&owner), TEL_INSIDE);
    }
}

/* The number belongs to someone else by now. */
Test(owner, a_number_used_again)
{
    struct tel_owner owner = own(true);

    if (owner.process.pidfs_ino == 0)
        cr_skip_test("this kernel has no pidfs (Linux 6.9)");
    owner.process.pidfs_ino++;
    cr_expect_eq(tel_owner_standing(&owner, getpid()), TEL_OUTSIDE);
    cr_expect_eq(standing_of_grandchild(&owner), TEL_OUTSIDE);

    owner = own(false);
    owner.process.start_ticks++;
    cr_expect_eq(tel_owner_standing(&owner, getpid()), TEL_OUTSIDE);
    cr_expect_eq(standing_of_grandchild(&owner), TEL_OUTSIDE);
}

/* A shell in a tmux that a run once started. */
Test(owner, one_that_has_ended)
{
    struct tel_owner owner;
    siginfo_t info;
    int channel[2];
    pid_t pid;

    cr_assert_eq(pipe2(channel, O_CLOEXEC), 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        owner = own(true);
        _exit(write(channel[1], &owner, sizeof owner) == (ssize_t)sizeof owner ? 0 : 1);
    }
    cr_assert_eq(read(channel[0], &owner, sizeof owner), (ssize_t)sizeof owner);
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    cr_expect_eq(tel_owner_standing(&owner, getpid()), TEL_OUTSIDE, "a zombie has ended");
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_eq(tel_owner_standing(&owner, getpid()), TEL_OUTSIDE);
}

Test(owner, one_that_never_was)
{
    const struct tel_owner owner = {.process = {INT32_MAX, 1, 1}};

    cr_expect_eq(tel_owner_standing(&owner, getpid()), TEL_OUTSIDE);
}
