/* Reading an environment block: the only module that does. Works on any envp array, because the
 * host's getenv may be the host's own (bash) and must not be called. */
#ifndef TEL_BASE_ENV_H
#define TEL_BASE_ENV_H

#include "buf.h"

struct tel_env {
    char *const *entries; /* "NAME=value", NULL-terminated; borrowed; may be NULL = empty */
};

/* First value of name, without copying; TEL_STR_NONE when unset. An empty value is a view of
 * length 0 with ptr set. */
struct tel_str tel_env_get(const struct tel_env *env, const char *name);
/* As tel_env_get, but empty counts as unset (CONTRACT 1). */
struct tel_str tel_env_get_nonempty(const struct tel_env *env, const char *name);
/* Looks up count names in one pass over the block; values[i] is TEL_STR_NONE when unset. Names are
 * "NAME" without '='. The first entry of a name wins, as getenv(3) has it. */
void tel_env_get_many(const struct tel_env *env, const char *const *names, struct tel_str *values,
                      int count);

/* An entry's name: what comes before its first '='; TEL_STR_NONE when there is none. */
struct tel_str tel_env_name(const char *entry);

/* True when any entry's name begins with prefix. */
bool tel_env_has_prefix(const struct tel_env *env, const char *prefix);

#endif
