/* The job's name and the trigger, from what schedulers, CI systems and service managers put into
 * the environment of what they start. */
#include "infer.h"

#include "config.h"

#include <string.h>

/* Tables are names one after another, each ended by NUL, the last one empty: no relocations and no
 * padding in the shim. Some names are too common to be believed without another variable beside them:
 * it follows, with a '+' in front. */
#define NAME(name) name "\0"
#define WITH(name, companion) name "\0+" companion "\0"

static const char *behind(const char *name)
{
    return name + strlen(name) + 1;
}

/* The value of the variable that a table has at *at, which moves on; unset without its companion. */
static struct tel_str take_variable(const struct tel_env *env, const char **at)
{
    struct tel_str value = tel_env_get_nonempty(env, *at);

    *at = behind(*at);
    if (**at != '+')
        return value;
    if (tel_env_get_nonempty(env, *at + 1).ptr == NULL)
        value = TEL_STR_NONE;
    *at = behind(*at);
    return value;
}

/* --- the job -------------------------------------------------------------------------------- */

static const char job_names[] = NAME("SLURM_JOB_NAME") NAME("PBS_JOBNAME") NAME("LSB_JOBNAME")
    NAME("COBALT_JOBNAME") NAME("PJM_JOBNAME") NAME("OAR_JOB_NAME") NAME("NOMAD_JOB_NAME")
        NAME("GITHUB_WORKFLOW") NAME("CI_JOB_NAME") /* GitLab */
    NAME("AIRFLOW_CTX_DAG_ID") NAME("BUILDKITE_PIPELINE_SLUG") NAME("CIRCLE_JOB")
        NAME("BUILD_DEFINITIONNAME") /* Azure Pipelines */
    NAME("RD_JOB_NAME")              /* Rundeck */
    WITH("JOB_NAME", "BUILD_ID")     /* Jenkins */
    WITH("JOB_NAME", "JOB_ID");      /* Grid Engine */

struct tel_str tel_infer_job(const struct tel_env *env)
{
    const char *at = job_names;
    struct tel_str name = TEL_STR_NONE;

    while (name.ptr == NULL && *at != '\0')
        name = take_variable(env, &at);
    return name;
}

/* --- the trigger ---------------------------------------------------------------------------- */

/* Batch jobs and CI runs, which may have a terminal as well. */
static const char job_signs[] = NAME("SLURM_JOB_ID") NAME("PBS_JOBID") NAME("LSB_JOBID")
    WITH("SGE_TASK_ID", "JOB_ID") NAME("COBALT_JOBID") NAME("PJM_JOBID") NAME("OAR_JOB_ID")
        NAME("FLUX_JOB_ID") NAME("AWS_BATCH_JOB_ID") NAME("AIRFLOW_CTX_DAG_ID") NAME("CI")
            NAME("GITHUB_ACTIONS") NAME("GITLAB_CI") NAME("BUILDKITE") NAME("CIRCLECI")
                NAME("TF_BUILD") /* Azure Pipelines */
    NAME("TEAMCITY_VERSION") NAME("JENKINS_URL") WITH("BUILD_ID", "JOB_NAME") NAME("RD_JOB_ID");

/* Signs that are also found in the shells of people, where a terminal means that somebody sits there:
 * everything under a desktop's systemd inherits INVOCATION_ID, and `kubectl exec -it` has the pod's
 * environment. */
static const char service_signs[] = NAME("NOMAD_ALLOC_ID") NAME("KUBERNETES_SERVICE_HOST")
    WITH("INVOCATION_ID", "JOURNAL_STREAM"); /* a systemd unit */

/* People set CI=false to make a tool behave. */
static bool has_sign(const struct tel_env *env, const char *at)
{
    while (*at != '\0') {
        struct tel_str value = take_variable(env, &at);

        if (value.ptr != NULL && tel_config_parse_bool(value) != 0)
            return true;
    }
    return false;
}

static bool is_set(const struct tel_env *env, const char *name)
{
    return tel_env_get_nonempty(env, name).ptr != NULL;
}

/* cron leaves no name of its own; what it does leave is the bare environment that crontab(5)
 * describes, which nothing else hands out. */
static bool is_cron(const struct tel_env *env)
{
    return tel_env_has_prefix(env, "CRON_") ||
           (tel_str_is(tel_env_get(env, "PATH"), "/usr/bin:/bin") && is_set(env, "LOGNAME") &&
            !is_set(env, "TERM"));
}

struct tel_str tel_infer_trigger(const struct tel_env *env, bool has_terminal)
{
    if (has_sign(env, job_signs) || (!has_terminal && has_sign(env, service_signs)))
        return TEL_STR("scheduler");
    if (has_terminal)
        return TEL_STR("cli");
    return is_cron(env) ? TEL_STR("scheduler") : TEL_STR("manual");
}
