/* See cli.h. */
#include "support/cli.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ENTRIES = 32 };

const char *base_dir(void)
{
    return text("%s/data", test_dir());
}

const char *const *base_env_and(const char *const more[])
{
    static const char *entries[ENTRIES];
    size_t count = 0;

    while (more[count] != NULL) {
        cr_assert(count < ENTRIES - 2);
        entries[count] = more[count];
        count++;
    }
    entries[count++] = text("TELEMETRY_BASE_DIR=%s", base_dir());
    entries[count] = NULL;
    return entries;
}

const char *const *base_env(void)
{
    return base_env_and((const char *const[]){NULL});
}

bool starts_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

bool contains(const char *text, const char *part)
{
    return text != NULL && strstr(text, part) != NULL;
}
