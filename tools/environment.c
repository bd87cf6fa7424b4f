/* See environment.h. What is allocated here goes with the process image. */
#include "environment.h"

#include "complain.h"

#include <stdbool.h>
#include <string.h>

void environment_init(struct environment *environment, char *const *entries)
{
    size_t count = 0;

    while (entries[count] != NULL)
        count++;
    environment->count = count;
    environment->entries = must_alloc((count + 1) * sizeof *environment->entries);
    memcpy(environment->entries, entries, (count + 1) * sizeof *environment->entries);
}

static bool is_called(const char *entry, const char *name)
{
    const size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

static void unset(struct environment *environment, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < environment->count; i++)
        if (!is_called(environment->entries[i], name))
            environment->entries[kept++] = environment->entries[i];
    environment->count = kept;
}

void environment_set(struct environment *environment, const char *name, struct tel_str value)
{
    const size_t name_len = strlen(name);
    char *entry = must_alloc(name_len + value.len + 2);

    memcpy(entry, name, name_len);
    entry[name_len] = '=';
    memcpy(entry + name_len + 1, value.ptr, value.len);
    entry[name_len + 1 + value.len] = '\0';
    unset(environment, name);
    environment->entries =
        must_grow(environment->entries, (environment->count + 2) * sizeof *environment->entries);
    environment->entries[environment->count++] = entry;
    environment->entries[environment->count] = NULL;
}
