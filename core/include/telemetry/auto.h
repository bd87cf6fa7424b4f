/* telemetry/auto.h - for programs that may be recompiled, but must not depend on us: what a program can
 * know about the run that it is part of. Header-only; needs no library, and does nothing outside of a
 * recorded run.
 *
 *     if (telemetry_auto_run_id() != NULL)
 *         fprintf(log, "run %s\n", telemetry_auto_run_id());
 *
 * To say something about the run, a program starts `telemetry set`, `add`, `event` or `status`
 * (telemetry(1)), which find the run in the same way. */
#ifndef TELEMETRY_AUTO_H
#define TELEMETRY_AUTO_H

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The id of the run that this process is in, or NULL. Borrowed from the environment: as with getenv(3),
 * not to be called while another thread changes it. */
static inline const char *telemetry_auto_run_id(void)
{
    const char *id = getenv("TELEMETRY_RUN_ID");

    return id != NULL && id[0] != '\0' ? id : (const char *)0;
}

#ifdef __cplusplus
}
#endif

#endif
