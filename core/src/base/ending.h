/* How an ending becomes fields of a run's last line (CONTRACT 5). */
#ifndef TEL_BASE_ENDING_H
#define TEL_BASE_ENDING_H

#include "config.h"
#include "process.h"
#include "runline.h"

#include <sys/resource.h>

/* Who says so; the text that goes into process.end_source. */
enum tel_end_source { TEL_END_OBSERVED, TEL_END_KERNEL, TEL_END_INFERRED };
extern const char tel_end_source_names[3][9];

struct tel_ending {
    enum tel_end_source source;
    bool known;          /* wait_status is true; else nobody saw it, or not yet */
    int wait_status;     /* as wait(2) reports it */
    int64_t boottime_ns; /* CLOCK_BOOTTIME of the end; 0 unknown */
    const char *detail;  /* borrowed; joined to "ended without a trace" or to the exit code */
};

/* Status, summary, end time, duration, exit code and signal of the run in line, which holds its
 * previous line and tells of no ending yet (overrule.h). Texts are rendered into scratch and borrowed
 * from there. A program's own error_summary is kept; its success is overruled by a crash or a failing
 * exit code. */
void tel_ending_apply(struct tel_runline *line, struct tel_buf *scratch,
                      const struct tel_ending *ending);

/* End time and duration of a run that ended then; not changed when that is 0. end_time is start_time plus
 * the duration, so that the two agree whatever the wall clock did. */
void tel_ending_set_times(struct tel_runline *line, struct tel_buf *scratch, int64_t boottime_ns);

/* True when the run itself may say how the run in line ended: its process has neither crashed nor given
 * a code that is no success, and has not ended before a section of it (TEL_PROC_SCOPE) did. Not so
 * while it is running. */
bool tel_ending_leaves_status(const struct tel_runline *line);

/* What the run has cost: the process itself and its children that were waited for (getrusage(2)),
 * less the CPU time it had spent before it became the run. */
void tel_ending_set_cost(struct tel_runline *line, struct tel_buf *scratch,
                         const struct rusage *self, const struct rusage *children,
                         const struct tel_cpu_times *before);

/* "SIGKILL" and so on for 1 to 31, "SIGRTMIN+n" beyond; into buf. */
void tel_signal_name_put(struct tel_buf *buf, int number);

#endif
