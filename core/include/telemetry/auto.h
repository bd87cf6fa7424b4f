/* telemetry/auto.h - for programs that may be recompiled, but must not depend on us: what a program can
 * say of the run that a shim records it as, or as a part of. Header-only; needs no library, and does
 * nothing when the shim is not loaded.
 *
 *     telemetry_own_event("checkpoint", "{\"step\": 1}");
 *     telemetry_own_set("items_succeeded", "+1");
 *
 * Languages that can call a function of a shared object find the same ones in the process:
 * dlsym(RTLD_DEFAULT, "telemetry_auto_event") in C, ctypes.CDLL(None).telemetry_auto_event in Python; they
 * are not there when the shim is not. Under `telemetry exec --no-preload`, or from a shell, the commands
 * `telemetry event`, `set`, `add` and `status` say the same.
 *
 * Each call is a round trip to the collector, some 0.1 ms; telemetry/client.h is for many events. Any thread
 * may call at any time, signal handlers may not. Not after vfork. */
#ifndef TELEMETRY_AUTO_H
#define TELEMETRY_AUTO_H

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The shim's own functions; without it they are NULL. Use the ones below. */
const char *telemetry_auto_run_id(void) __attribute__((weak));
int telemetry_auto_event(const char *type, const char *payload_json) __attribute__((weak));
int telemetry_auto_set(const char *field, const char *value) __attribute__((weak));

/* The id of the run that this process is part of, or NULL. Borrowed: where the shim is not loaded from the
 * environment, as with getenv(3). */
static inline const char *telemetry_own_run_id(void)
{
    const char *id = telemetry_auto_run_id ? telemetry_auto_run_id() : getenv("TELEMETRY_RUN_ID");

    return id && id[0] ? id : (const char *)0;
}

/* Logs an event of the run: type of at most 128 bytes, payload_json any JSON value of at most 64 KiB, or
 * NULL. 0; -1 when there is no run, no collector that can be reached, or it is no JSON. */
static inline int telemetry_own_event(const char *type, const char *payload_json)
{
    return telemetry_auto_event ? telemetry_auto_event(type, payload_json) : -1;
}

/* Sets a field of the run, as `telemetry set` does: status (success, failed, partial), error_summary,
 * output_summary, metrics_json, product and so on; or a count: items_discovered, items_succeeded or
 * items_failed, where a value such as "+1" is added. It is on the run's row when it has ended, even if the
 * process is killed before. 0, or -1 as above. */
static inline int telemetry_own_set(const char *field, const char *value)
{
    return telemetry_auto_set ? telemetry_auto_set(field, value) : -1;
}

#ifdef __cplusplus
}
#endif

#endif
