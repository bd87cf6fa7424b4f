/* Jobs and triggers from environments as schedulers, CI systems and people have them. */
#include "base/infer.h"

#include <criterion/criterion.h>

#include "support/view.h"

enum { MAX_ENTRIES = 6 };

static struct tel_env env_of(const char *const *entries)
{
    union {
        const char *const *given;
        char *const *wanted;
    } block = {entries};

    return (struct tel_env){block.wanted};
}

static const struct {
    const char *entries[MAX_ENTRIES];
    const char *job;
} jobs[] = {
    {{"HOME=/root"}, "(none)"},
    {{"SLURM_JOB_NAME=nightly"}, "nightly"},
    {{"SLURM_JOB_NAME="}, "(none)"},
    {{"PBS_JOBNAME=pbs"}, "pbs"},
    {{"LSB_JOBNAME=lsf"}, "lsf"},
    {{"GITHUB_WORKFLOW=Build and test"}, "Build and test"},
    {{"CI_JOB_NAME=gitlab"}, "gitlab"},
    {{"AIRFLOW_CTX_DAG_ID=dag"}, "dag"},
    {{"JOB_NAME=jenkins", "BUILD_ID=7"}, "jenkins"},
    {{"JOB_NAME=grid", "JOB_ID=7"}, "grid"},
    {{"JOB_NAME=whatever"}, "(none)"},
    {{"JOB_NAME=jenkins", "BUILD_ID=7", "SLURM_JOB_NAME=slurm"}, "slurm"},
};

Test(infer_trigger, job)
{
    struct tel_env empty = {NULL};

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        struct tel_env env = env_of(jobs[i].entries);

        cr_expect_str_eq(view_text(tel_infer_job(&env)), jobs[i].job, "%s", jobs[i].entries[0]);
    }
    cr_expect_null(tel_infer_job(&empty).ptr);
}

static const struct {
    const char *entries[MAX_ENTRIES];
    const char *on_terminal, *without;
} triggers[] = {
    {{"HOME=/root"}, "cli", "manual"},
    {{"SLURM_JOB_ID=1"}, "scheduler", "scheduler"},
    {{"PBS_JOBID=1"}, "scheduler", "scheduler"},
    {{"LSB_JOBID=1"}, "scheduler", "scheduler"},
    {{"JOB_ID=1", "SGE_TASK_ID=undefined"}, "scheduler", "scheduler"},
    {{"JOB_ID=1"}, "cli", "manual"},
    {{"SGE_TASK_ID=1"}, "cli", "manual"},
    {{"CI=true"}, "scheduler", "scheduler"},
    {{"CI=1"}, "scheduler", "scheduler"},
    {{"CI=false"}, "cli", "manual"},
    {{"CI="}, "cli", "manual"},
    {{"GITHUB_ACTIONS=true"}, "scheduler", "scheduler"},
    {{"GITLAB_CI=true"}, "scheduler", "scheduler"},
    {{"JENKINS_URL=http://x"}, "scheduler", "scheduler"},
    {{"BUILD_ID=1", "JOB_NAME=x"}, "scheduler", "scheduler"},
    {{"BUILD_ID=1"}, "cli", "manual"},
    {{"AIRFLOW_CTX_DAG_ID=x"}, "scheduler", "scheduler"},
    {{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, "cli", "scheduler"},
    {{"INVOCATION_ID=a", "JOURNAL_STREAM=8:1"}, "cli", "scheduler"},
    {{"INVOCATION_ID=a"}, "cli", "manual"},
    {{"CRON_TZ=UTC"}, "cli", "scheduler"},
    {{"PATH=/usr/bin:/bin", "LOGNAME=u", "SHELL=/bin/sh"}, "cli", "scheduler"},
    {{"PATH=/usr/bin:/bin", "LOGNAME=u", "TERM=xterm"}, "cli", "manual"},
    {{"PATH=/usr/local/bin:/usr/bin:/bin", "LOGNAME=u"}, "cli", "manual"},
};

Test(infer_trigger, trigger)
{
    struct tel_env empty = {NULL};

    for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
        struct tel_env env = env_of(triggers[i].entries);

        cr_expect_str_eq(view_text(tel_infer_trigger(&env, true)), triggers[i].on_terminal, "%s",
                         triggers[i].entries[0]);
        cr_expect_str_eq(view_text(tel_infer_trigger(&env, false)), triggers[i].without, "%s",
                         triggers[i].entries[0]);
    }
    cr_expect_str_eq(view_text(tel_infer_trigger(&empty, true)), "cli");
    cr_expect_str_eq(view_text(tel_infer_trigger(&empty, false)), "manual");
}
