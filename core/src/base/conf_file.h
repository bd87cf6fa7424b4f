/* The configuration file's form (CONTRACT 2): sections, keys and values, line by line. What the keys
 * mean is config.h's.
 *
 *     [defaults]
 *     TELEMETRY_PRODUCT = words
 *     [match /opt/agent-?]
 *     TELEMETRY_JOB_NAME = "nightly import"
 *
 * A section's name ends at the line's last ']'. Lines that begin with '#' or ';' are comments. A line
 * is at most 4 KiB long, and is never continued; it may end in CR LF. */
#ifndef TEL_BASE_CONF_FILE_H
#define TEL_BASE_CONF_FILE_H

#include "buf.h"

#define TEL_CONF_LINE_MAX 4096

enum tel_conf_section {
    TEL_CONF_NO_SECTION,
    TEL_CONF_DEFAULTS,
    TEL_CONF_MATCH,
    TEL_CONF_IGNORED /* its first line is bad, which has been said: nothing in it counts */
};

/* A reader; all views are into the file's text, which is borrowed. */
struct tel_conf {
    struct tel_str rest;
    unsigned line;
    enum tel_conf_section section;
    struct tel_str glob; /* of the current match section */
};

/* One "KEY = VALUE"; or, when why is set, a line that is none and is ignored. */
struct tel_conf_item {
    struct tel_str key;   /* none on a bad line */
    struct tel_str value; /* all of a bad line */
    const char *why;
};

/* Begins to read text. */
void tel_conf_open(struct tel_conf *conf, struct tel_str text);
/* The next assignment or bad line; conf then says its line number, counted from 1, and its section.
 * False at the end. */
bool tel_conf_next(struct tel_conf *conf, struct tel_conf_item *item);

#endif
