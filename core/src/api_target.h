/* Where runs are posted to: what of a URL and a token can be used. */
#ifndef TEL_API_TARGET_H
#define TEL_API_TARGET_H

#include "base/proto.h"

/* Why nothing can be posted there, as one line that gives nothing of either text away; NULL when it
 * can be. Both become part of an HTTP request's head, where a line break begins something else. */
const char *tel_target_problem(const struct tel_target *target);

/* True when the token travels readable for everyone on the way: plain http, and not to this machine. */
bool tel_target_is_exposed(const struct tel_target *target);

/* The URL of a target without problems for people to read: scheme and host, without credentials, path and
 * query. At most cap - 1 bytes and a NUL, into out. */
void tel_target_show(const struct tel_target *target, char *out, size_t cap);
/* Likewise any URL, as it is but for credentials, query and fragment. */
void tel_url_show(struct tel_str url, char *out, size_t cap);

#endif
