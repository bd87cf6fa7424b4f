/* Processes that a program leaves behind: descendants of this one, which is their subreaper. The
 * collectors of the data directory are not among them. */
#ifndef TEL_MATRIX_LEFTOVER_H
#define TEL_MATRIX_LEFTOVER_H

/* Waits up to 10 s for those that are there to have exactly these names (sorted, one space between
 * them), and returns the names that there are then. */
const char *wait_for_leftover(const char *base, const char *names);
/* Kills them all, and what they start meanwhile. */
void end_leftover(const char *base);

#endif
