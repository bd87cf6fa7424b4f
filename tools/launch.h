/* Starting a collector in the background, as the first recorded run would. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include "context.h"

/* Said of a data directory that no collector may serve. */
#define LAUNCH_NO_NETWORK                                                                          \
    " is on a network filesystem, where only 'telemetry sync' writes the database"

/* In a data directory that has been prepared. 0 once a collector has been started; -EWOULDBLOCK when
 * one is there, or being started; other negative values with err. */
int launch_collector(const struct context *context, struct tel_error *err);

#endif
