/* See varying.h. */
#include "varying.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cli.h"

/* The documented variables, as env(1), fixtures/look and shells print them. */
static bool is_ours(const char *line)
{
    static const char *const before[] = {"env ", "export ", "declare -x "};
    static const char *const ours[] = {
        "TELEMETRY_RUN_ID=", "TELEMETRY_RUN_OWNER=", "TRACEPARENT=", "LD_PRELOAD="};

    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
        if (starts_with(line, before[i]))
            line += strlen(before[i]);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (starts_with(line, ours[i]))
            return true;
    return false;
}

static const char *without_ours(const char *seen)
{
    char *out = calloc(1, strlen(seen) + 1);
    size_t used = 0;
    const char *kept;

    while (out != NULL && *seen != '\0') {
        const size_t len = strcspn(seen, "\n") + (strchr(seen, '\n') != NULL);

        if (!is_ours(seen)) {
            memcpy(out + used, seen, len);
            used += len;
        }
        seen += len;
    }
    kept = text("%s", out != NULL ? out : "");
    free(out);
    return kept;
}

static const char *replace_all(const char *seen, const char *expression)
{
    const char *out = "";
    regmatch_t match;
    regex_t regex;

    if (regcomp(&regex, expression, REG_EXTENDED | REG_NEWLINE) != 0)
        return text("bad expression: %s\n", expression);
    for (int flags = 0; regexec(&regex, seen, 1, &match, flags) == 0 && match.rm_eo > match.rm_so;
         flags = REG_NOTBOL) {
        out =
            text("%s%.*s%s", out, (int)match.rm_so, seen, seen[match.rm_eo - 1] == '\n' ? "" : "~");
        seen += match.rm_eo;
    }
    regfree(&regex);
    return text("%s%s", out, seen);
}

const char *without_varying(const char *seen, const char *const *expressions)
{
    seen = without_ours(seen);
    for (; expressions != NULL && *expressions != NULL; expressions++)
        seen = replace_all(seen, *expressions);
    return seen;
}
