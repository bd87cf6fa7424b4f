/* The command line as it may be stored: bounded, and without the secrets people put there. */
#ifndef TEL_BASE_MASK_H
#define TEL_BASE_MASK_H

#include "buf.h"

#define TEL_ARGV_MAX_BYTES 4096 /* of argument text, before escaping */
#define TEL_ARGV_MAX_ITEMS 128

/* Appends a JSON array of the arguments. Values after --password, --token=, -p of known tools,
 * KEY=VALUE with a secret's name, credentials in URLs (scheme://user:secret@host) and
 * "Authorization: …" headers become "***". Arguments beyond the bounds are dropped and the last
 * item says "…(N more)". argv may be NULL; argc is then ignored. */
void tel_mask_put_argv(struct tel_buf *buf, int argc, char *const *argv);

#endif
