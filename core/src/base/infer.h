/* What a run is called when nobody said so: DESIGN 4. Pure functions of argv and environment. */
#ifndef TEL_BASE_INFER_H
#define TEL_BASE_INFER_H

#include "env.h"

/* The agent's name: the basename of the program that does the work, seen through launchers
 * (env, nice, ionice, nohup, timeout, setsid, stdbuf, time, chrt, taskset, xargs…), through
 * `sh -c 'words…'` and interpreters (python3 agent.py -> agent.py, python3 -m pkg.mod -> pkg.mod,
 * java -jar x.jar -> x.jar, java pkg.Main -> pkg.Main, node x.js, perl, ruby, bash job.sh).
 * exe is the executable's path and the last resort; the result borrows from argv or exe and is
 * never empty ("unknown" at the very least). */
struct tel_str tel_infer_agent(struct tel_str exe, int argc, char *const *argv);

/* The job's name from a scheduler's variables (SLURM_JOB_NAME, PBS_JOBNAME, LSB_JOBNAME,
 * GITHUB_WORKFLOW, CI_JOB_NAME, AIRFLOW_CTX_DAG_ID, JOB_NAME with BUILD_ID …); TEL_STR_NONE if none. */
struct tel_str tel_infer_job(const struct tel_env *env);

/* One of the contract's trigger types: "scheduler" under a scheduler, CI or service manager's
 * variables, "cli" with a controlling terminal, "manual" otherwise. */
struct tel_str tel_infer_trigger(const struct tel_env *env, bool has_terminal);

#endif
