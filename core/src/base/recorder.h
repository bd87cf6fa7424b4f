/* A process recording itself as a run: start, continuation by a later image, end. The shim is glue
 * around this; `telemetry exec` opens its run with it. */
#ifndef TEL_BASE_RECORDER_H
#define TEL_BASE_RECORDER_H

#include "clock.h"
#include "ending.h"
#include "owner.h"
#include "proto.h"
#include "settings.h"
#include "spawn.h"
#include "traceparent.h"

/* What the caller knows of the program that is the run. All borrowed for the call. */
struct tel_subject {
    const struct tel_env *env;
    int argc;
    char *const *argv;
    const char *exe; /* as executed, such as AT_EXECFN; relative ones are made absolute */
    /* Writes the path of the shim, or of the running program, NUL-terminated: the collector is
     * looked for beside it. Called only when one has to be started; may be NULL. */
    bool (*object)(char *out, size_t cap);
    uid_t uid;                    /* effective */
    struct tel_str parent_run_id; /* of the run this one was started from, or none */
    bool asked_for; /* by somebody who named it: no list, and no switch in a file, is in the way */
    /* The process has just become a session leader, and may go on to execute something else, which is the
     * run then: a collector keeps the start line for a moment. */
    bool pending;
};

/* About 1 MiB: keep it in a mapping of its own. Each large member is used at its beginning only, and what
 * is small lies just before the beginning of a large one: few pages of it are ever touched. */
struct tel_recorder {
    char line_memory[TEL_RUNLINE_MAX];
    char scratch[TEL_RUNLINE_MAX];
    struct tel_config config; /* its texts are borrowed from the start's environment, and file */
    struct tel_process self;
    struct tel_owner owner;
    int64_t began_boot_ns; /* CLOCK_BOOTTIME of the start; 0 for a run of an earlier image */
    char run_id[TEL_RUN_ID_MAX];
    char owner_text[TEL_OWNER_MAX];
    char traceparent[TEL_TRACEPARENT_LEN + 1]; /* for what the run starts; "" when there is one */
    struct tel_str exe;       /* absolute; none in a later image; borrowed, or in exe_memory */
    struct tel_str last_line; /* the run's last line, in line_memory */
    bool in_journal;          /* last_line lies there (else the collector was asked to append it) */
    bool pending;             /* a collector keeps the start line, and appends it when it is time */
    bool watched;             /* a collector has been told of the run, and will see its end */
    char cwd[TEL_PATH_MAX];
    struct tel_journal_writer journal;
    struct tel_datadir dir;
    struct tel_conf_file file;
    char exe_memory[TEL_PATH_MAX];
    char object[TEL_PATH_MAX];    /* the shim's own path, when the collector is looked for */
    char collector[TEL_PATH_MAX]; /* the program found */
};

/* Opens a run for the calling process: writes its start line, hands its pidfd to the collector,
 * starting one where there is none. Afterwards run_id and owner_text are what children should find
 * in their environment. Negative when nothing was recorded: stand down, err says why. */
int tel_recorder_start(struct tel_recorder *recorder, const struct tel_subject *subject,
                       struct tel_error *err);

/* Takes up the run that an earlier image of this process began; of subject only env, exe and uid count. */
int tel_recorder_continue(struct tel_recorder *recorder, const struct tel_subject *subject,
                          struct tel_str run_id, const struct tel_owner *owner,
                          struct tel_error *err);

/* Writes the run's last line, with the process's own cost, and waits for the database as long as
 * the configuration says. An ending whose code is not known leaves the run marked running, with its
 * cost so far: the collector has the last word. */
int tel_recorder_end(struct tel_recorder *recorder, const struct tel_ending *ending,
                     struct tel_error *err);

/* Its parts, for those who open sections of a process as runs (the client API). */

/* Writes the start line of a run that begins now into line_memory, as last_line, and its id. */
int tel_recorder_render_start(struct tel_recorder *recorder, const struct tel_subject *subject,
                              struct tel_error *err);
/* Prepares the writer, once dir is known. */
void tel_recorder_open_journal(struct tel_recorder *recorder);
/* Appends last_line to the journal; owner.start then tells where it lies. */
int tel_recorder_append(struct tel_recorder *recorder, struct tel_error *err);
/* Tells a collector of the run, whichever it takes: one that is there, one to be started, or one
 * that another process is starting at this moment. fd is connected to it already (tel_proto_meet), and closed
 * here; or -1. It gets a copy of pidfd (-1: none). */
int tel_recorder_announce(struct tel_recorder *recorder, const struct tel_subject *subject, int fd,
                          int pidfd, struct tel_error *err);

#endif
