/* Lookups in an environment block. */
#include "env.h"

#include <string.h>

/* The value when entry is "name=value", NULL otherwise. */
static const char *value_of(const char *entry, const char *name)
{
    while (*name != '\0' && *entry == *name) {
        entry++;
        name++;
    }
    return *name == '\0' && *entry == '=' ? entry + 1 : NULL;
}

struct tel_str tel_env_get(const struct tel_env *env, const char *name)
{
    if (env->entries == NULL)
        return TEL_STR_NONE;
    for (char *const *entry = env->entries; *entry != NULL; entry++) {
        const char *value = value_of(*entry, name);

        if (value != NULL)
            return tel_str_from(value);
    }
    return TEL_STR_NONE;
}

struct tel_str tel_env_get_nonempty(const struct tel_env *env, const char *name)
{
    struct tel_str value = tel_env_get(env, name);

    return value.len == 0 ? TEL_STR_NONE : value;
}

static void take_entry(const char *entry, const char *const *names, struct tel_str *values,
                       int count)
{
    for (int i = 0; i < count; i++) {
        const char *value = value_of(entry, names[i]);

        if (value == NULL)
            continue;
        if (values[i].ptr == NULL)
            values[i] = tel_str_from(value);
        return;
    }
}

void tel_env_get_many(const struct tel_env *env, const char *const *names, struct tel_str *values,
                      int count)
{
    for (int i = 0; i < count; i++)
        values[i] = TEL_STR_NONE;
    if (env->entries == NULL)
        return;
    for (char *const *entry = env->entries; *entry != NULL; entry++)
        take_entry(*entry, names, values, count);
}

struct tel_str tel_env_name(const char *entry)
{
    const char *at = entry;

    while (*at != '=')
        if (*at++ == '\0')
            return TEL_STR_NONE;
    return (struct tel_str){entry, (size_t)(at - entry)};
}

bool tel_env_has_prefix(const struct tel_env *env, const char *prefix)
{
    if (env->entries == NULL)
        return false;
    for (char *const *entry = env->entries; *entry != NULL; entry++) {
        const char *at = *entry;
        const char *rest = prefix;

        while (*rest != '\0' && *at == *rest) {
            at++;
            rest++;
        }
        if (*rest == '\0')
            return true;
    }
    return false;
}
