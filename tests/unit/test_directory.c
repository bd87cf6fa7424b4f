/* Noticing what happens to a directory's names. */
#include "directory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "support/support.h"

enum { SETTLED_US = 80 * 1000 }; /* a change is no longer fresh then */

static struct tel_directory directory;

/* The first call makes it. */
static void set_up(void)
{
    test_dir();
}

TestSuite(directory, .init = set_up);

static bool is_same(void)
{
    return tel_directory_is_same(&directory, test_dir());
}

/* Looks until the directory is known as it is now. */
static void get_to_know_it(void)
{
    usleep(SETTLED_US);
    is_same();
    cr_assert(directory.is_known);
    cr_assert(is_same());
}

Test(directory, the_first_look_knows_nothing)
{
    usleep(SETTLED_US);
    cr_expect_not(is_same());
    cr_expect(is_same());
}

Test(directory, names_that_come_go_and_move_are_noticed)
{
    const char *name = text("%s/name", test_dir());
    const char *other = text("%s/other", test_dir());

    get_to_know_it();
    write_file(name, "", 0600);
    cr_expect_not(is_same());
    get_to_know_it();
    cr_assert_eq(rename(name, other), 0);
    cr_expect_not(is_same());
    get_to_know_it();
    cr_assert_eq(unlink(other), 0);
    cr_expect_not(is_same());
}

Test(directory, a_fresh_change_is_not_relied_on)
{
    get_to_know_it();
    write_file(text("%s/name", test_dir()), "", 0600);
    cr_expect_not(is_same());
    cr_expect_not(directory.is_known);
    cr_expect_not(is_same());
}

Test(directory, one_that_is_not_there_is_not_the_same)
{
    get_to_know_it();
    cr_expect_not(tel_directory_is_same(&directory, text("%s/nowhere", test_dir())));
    cr_expect_not(directory.is_known);
}
