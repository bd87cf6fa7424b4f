/* The job's name and the trigger, from what schedulers, CI systems and service managers put into
 * the environment of what they start. */
#include "infer.h"

/* The names lie in the tables themselves: no relocations for the shim. */
enum { NAME_MAX_LEN = 24, COMPANION_MAX_LEN = 16 };

static bool is_set(const struct tel_env *env, const char *name)
{
    return tel_env_get_nonempty(env, name).ptr != NULL;
}

/* Some names are too common to be believed without another variable beside them. */
static bool has_companion(const struct tel_env *env, const char *companion)
{
    return companion[0] == '\0' || is_set(env, companion);
}

/* --- the job -------------------------------------------------------------------------------- */

static const struct {
    char name[NAME_MAX_LEN];
    char companion[COMPANION_MAX_LEN];
} job_names[] = {
    {"SLURM_JOB_NAME", ""},     {"PBS_JOBNAME", ""},
    {"LSB_JOBNAME", ""},        {"COBALT_JOBNAME", ""},
    {"PJM_JOBNAME", ""},        {"OAR_JOB_NAME", ""},
    {"NOMAD_JOB_NAME", ""},     {"GITHUB_WORKFLOW", ""},
    {"CI_JOB_NAME", ""}, /* GitLab */
    {"AIRFLOW_CTX_DAG_ID", ""}, {"BUILDKITE_PIPELINE_SLUG", ""},
    {"CIRCLE_JOB", ""},         {"BUILD_DEFINITIONNAME", ""}, /* Azure Pipelines */
    {"RD_JOB_NAME", ""},                                      /* Rundeck */
    {"JOB_NAME", "BUILD_ID"},                                 /* Jenkins */
    {"JOB_NAME", "JOB_ID"},                                   /* Grid Engine */
};

struct tel_str tel_infer_job(const struct tel_env *env)
{
    for (size_t i = 0; i < sizeof(job_names) / sizeof(job_names[0]); i++) {
        struct tel_str name = tel_env_get_nonempty(env, job_names[i].name);

        if (name.ptr != NULL && has_companion(env, job_names[i].companion))
            return name;
    }
    return TEL_STR_NONE;
}

/* --- the trigger ---------------------------------------------------------------------------- */

/* A terminal means somebody sits there, unless the variable belongs to a batch job or a CI run,
 * which may have one as well. The others are also found in the shells of people: everything under
 * a desktop's systemd inherits INVOCATION_ID, and `kubectl exec -it` has the pod's environment. */
enum weight { ALWAYS, WITHOUT_TERMINAL };

static const struct {
    char name[NAME_MAX_LEN];
    char companion[COMPANION_MAX_LEN];
    unsigned char weight;
} scheduler_signs[] = {
    {"SLURM_JOB_ID", "", ALWAYS},
    {"PBS_JOBID", "", ALWAYS},
    {"LSB_JOBID", "", ALWAYS},
    {"SGE_TASK_ID", "JOB_ID", ALWAYS},
    {"COBALT_JOBID", "", ALWAYS},
    {"PJM_JOBID", "", ALWAYS},
    {"OAR_JOB_ID", "", ALWAYS},
    {"FLUX_JOB_ID", "", ALWAYS},
    {"AWS_BATCH_JOB_ID", "", ALWAYS},
    {"AIRFLOW_CTX_DAG_ID", "", ALWAYS},
    {"CI", "", ALWAYS},
    {"GITHUB_ACTIONS", "", ALWAYS},
    {"GITLAB_CI", "", ALWAYS},
    {"BUILDKITE", "", ALWAYS},
    {"CIRCLECI", "", ALWAYS},
    {"TF_BUILD", "", ALWAYS}, /* Azure Pipelines */
    {"TEAMCITY_VERSION", "", ALWAYS},
    {"JENKINS_URL", "", ALWAYS},
    {"BUILD_ID", "JOB_NAME", ALWAYS},
    {"RD_JOB_ID", "", ALWAYS},
    {"NOMAD_ALLOC_ID", "", WITHOUT_TERMINAL},
    {"KUBERNETES_SERVICE_HOST", "", WITHOUT_TERMINAL},
    {"INVOCATION_ID", "JOURNAL_STREAM", WITHOUT_TERMINAL}, /* a systemd unit */
};

/* People set CI=false to make a tool behave. */
static bool is_false(struct tel_str value)
{
    return tel_str_is(value, "0") || tel_str_is_nocase(value, "false") ||
           tel_str_is_nocase(value, "no") || tel_str_is_nocase(value, "off");
}

static bool has_sign(const struct tel_env *env, bool has_terminal)
{
    for (size_t i = 0; i < sizeof(scheduler_signs) / sizeof(scheduler_signs[0]); i++) {
        struct tel_str value;

        if (has_terminal && scheduler_signs[i].weight == WITHOUT_TERMINAL)
            continue;
        value = tel_env_get_nonempty(env, scheduler_signs[i].name);
        if (value.ptr != NULL && !is_false(value) &&
            has_companion(env, scheduler_signs[i].companion))
            return true;
    }
    return false;
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
    if (has_sign(env, has_terminal))
        return TEL_STR("scheduler");
    if (has_terminal)
        return TEL_STR("cli");
    return is_cron(env) ? TEL_STR("scheduler") : TEL_STR("manual");
}
