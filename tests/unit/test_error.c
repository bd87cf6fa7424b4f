/* Errors as values. */
#include "base/error.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(error, joins_its_parts)
{
    struct tel_error err;

    cr_expect_eq(tel_fail(&err, TEL_ERR_INVALID, "no ", "such ", "thing", NULL), TEL_ERR_INVALID);
    cr_expect_eq(err.code, TEL_ERR_INVALID);
    cr_expect_str_eq(err.message, "no such thing");
    cr_expect_eq(tel_fail(&err, -1, NULL), -1);
    cr_expect_str_eq(err.message, "");
}

Test(error, may_be_unwanted)
{
    cr_expect_eq(tel_fail(NULL, TEL_ERR_BUSY, "x", NULL), TEL_ERR_BUSY);
    cr_expect_eq(tel_fail_sys(NULL, -ENOENT, "x", NULL), -ENOENT);
}

Test(error, names_the_systems_reason)
{
    struct tel_error err;

    cr_expect_eq(tel_fail_sys(&err, -ENOENT, "open ", "/x", NULL), -ENOENT);
    cr_expect_str_eq(err.message, "open /x: No such file or directory");
    tel_fail_sys(&err, -EACCES, NULL);
    cr_expect_str_eq(err.message, "Permission denied");
    tel_fail_sys(&err, -4242, "x", NULL);
    cr_expect_str_eq(err.message, "x: error 4242");
}

Test(error, texts_are_the_systems)
{
    static const int numbers[] = {EPERM,      ENOENT,       EIO,          EAGAIN,
                                  ENOSPC,     EROFS,        ENAMETOOLONG, ESTALE,
                                  EADDRINUSE, ECONNREFUSED, EDQUOT,       ETIMEDOUT};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        cr_expect_str_eq(tel_errno_text(numbers[i]), strerror(numbers[i]));
    }
    cr_expect_null(tel_errno_text(4242));
    cr_expect_null(tel_errno_text(0));
}

Test(error, long_paths_leave_room_for_the_reason)
{
    struct tel_error err;
    char path[600];

    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    tel_fail_sys(&err, -ENOSPC, "write ", path, NULL);
    cr_expect_lt(strlen(err.message), sizeof(err.message));
    cr_expect_not_null(strstr(err.message, ": No space left on device"));
    tel_fail(&err, TEL_ERR_INVALID, path, path, NULL);
    cr_expect_eq(strlen(err.message), sizeof(err.message) - 1);
}

Test(error, is_one_line_of_whole_characters)
{
    struct tel_error err;
    char text[255];

    tel_fail(&err, TEL_ERR_INVALID, "a\nb\x7f\tc", NULL);
    cr_expect_str_eq(err.message, "a b  c");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    tel_fail(&err, TEL_ERR_INVALID, text, "\xc3\xa4", NULL);
    cr_expect_str_eq(err.message, text, "half a character is worse than none");
}
