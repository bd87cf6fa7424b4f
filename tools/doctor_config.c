/* telemetry doctor: the configuration, value by value, and what is wrong in the environment. */
#include "api_target.h"
#include "base/git.h"
#include "base/infer.h"
#include "base/process.h"
#include "complain.h"
#include "doctor.h"
#include "suggest.h"
#include "table.h"
#include "visible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What takes a value's place when it is not set. */
enum otherwise {
    NOTHING,
    FIXED, /* the text in `fallback` */
    JOB,   /* inferred */
    TRIGGER,
    GIT_REPO,
    GIT_BRANCH
};

static const struct variable {
    enum tel_var var;
    enum otherwise otherwise;
    const char *fallback;
} variables[] = {
    {TEL_VAR_AUTO, FIXED, "on"},
    {TEL_VAR_DB_PATH, NOTHING, NULL},
    {TEL_VAR_BASE_DIR, NOTHING, NULL},
    {TEL_VAR_LEGACY_BASE_DIR, NOTHING, NULL},
    {TEL_VAR_NDJSON_DIR, NOTHING, NULL},
    {TEL_VAR_HOME, NOTHING, NULL},
    {TEL_VAR_FILE_MODE, FIXED, "0600"},
    {TEL_VAR_SKIP_VALIDATION, FIXED, "off"},
    {TEL_VAR_AGENT_NAME, FIXED, "the program's name"},
    {TEL_VAR_JOB_TYPE, NOTHING, NULL},
    {TEL_VAR_JOB_NAME, JOB, "the agent's name"},
    {TEL_VAR_TRIGGER_TYPE, TRIGGER, NULL},
    {TEL_VAR_AGENT_OWNER, NOTHING, NULL},
    {TEL_VAR_INPUT_SUMMARY, NOTHING, NULL},
    {TEL_VAR_OUTPUT_SUMMARY, NOTHING, NULL},
    {TEL_VAR_METRICS_JSON, NOTHING, NULL},
    {TEL_VAR_INSIGHT_ID, NOTHING, NULL},
    {TEL_VAR_PRODUCT, NOTHING, NULL},
    {TEL_VAR_PLATFORM, NOTHING, NULL},
    {TEL_VAR_PRODUCT_FAMILY, NOTHING, NULL},
    {TEL_VAR_SUBDOMAIN, NOTHING, NULL},
    {TEL_VAR_GIT_REPO, GIT_REPO, NULL},
    {TEL_VAR_GIT_BRANCH, GIT_BRANCH, NULL},
    {TEL_VAR_GIT_RUN_TAG, NOTHING, NULL},
    {TEL_VAR_AUTO_CHILDREN, FIXED, "root"},
    {TEL_VAR_AUTO_INCLUDE, NOTHING, NULL},
    {TEL_VAR_AUTO_EXCLUDE, NOTHING, NULL},
    {TEL_VAR_WAIT_MS, FIXED, "200"},
    {TEL_VAR_SUCCESS_EXIT_CODES, FIXED, "0"},
    {TEL_VAR_CONFIG, NOTHING, NULL},
    {TEL_VAR_DEBUG, FIXED, "off"},
    {TEL_VAR_DURABILITY, FIXED, "process"},
    {TEL_VAR_API_URL, NOTHING, NULL},
    {TEL_VAR_API_TOKEN, NOTHING, NULL},
    {TEL_VAR_API_ENABLED, FIXED, "true, when there is a URL"},
    {TEL_VAR_TEST_MODE, NOTHING, NULL},
    {TEL_VAR_COLLECTOR, FIXED, "this program, found beside the shim"},
    {TEL_VAR_RUN_ID, NOTHING, NULL},
    {TEL_VAR_RUN_OWNER, NOTHING, NULL},
};
enum { VARIABLES = sizeof variables / sizeof variables[0] };

static const char *name_of(const struct variable *variable)
{
    return tel_var_name(variable->var);
}

/* --- problems -------------------------------------------------------------------------------- */

/* Those of the file are for doctor_check_file, which knows more of them. */
static void report_problem(void *arg, const struct tel_config_problem *problem)
{
    enum { SHOWN = 60 };
    struct doctor *doctor = arg;
    const struct tel_str value = tel_str_cut_utf8(problem->value, SHOWN);

    if (problem->line == 0)
        doctor_warn(doctor, "correct it, or unset it", "%.*s is '%.*s%s': %s",
                    (int)problem->name.len, problem->name.ptr, (int)value.len, value.ptr,
                    value.len < problem->value.len ? "..." : "", problem->why);
}

static void report_environment(struct doctor *doctor)
{
    const struct context *context = &doctor->context;
    const struct tel_config_source source = {&context->env, context->file.text, TEL_STR_NONE};
    static struct tel_config config;

    tel_config_load(&config, &source, report_problem, doctor);
}

/* --- unknown names --------------------------------------------------------------------------- */

/* Names of the Python client's later versions (CONTRACT 2). */
static bool is_foreign(const char *name)
{
    static const char *const prefixes[] = {"TELEMETRY_API_",        "TELEMETRY_DB_",
                                           "TELEMETRY_BUFFER_",     "TELEMETRY_SYNC_",
                                           "TELEMETRY_RATE_LIMIT_", "TELEMETRY_LOG_LEVEL"};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void report_unknown(struct doctor *doctor, const char *name)
{
    struct suggestion near = suggest_for(name);
    char advice[96] = "correct its name, or unset it";

    for (int i = 0; i < VARIABLES; i++)
        suggest_offer(&near, name_of(&variables[i]));
    if (near.best != NULL)
        snprintf(advice, sizeof advice, "did you mean %s?", near.best);
    doctor_warn(doctor, advice, "%s is set, but there is no such variable", name);
}

static void report_unknown_names(struct doctor *doctor)
{
    static const char prefix[] = "TELEMETRY_";

    for (char *const *entry = doctor->context.env.entries; *entry != NULL; entry++) {
        char name[64];
        const size_t len = strcspn(*entry, "=");

        if (strncmp(*entry, prefix, sizeof prefix - 1) != 0 || len >= sizeof name)
            continue;
        memcpy(name, *entry, len);
        name[len] = '\0';
        if (tel_var_find(tel_str_from(name)) == TEL_VARS && !is_foreign(name))
            report_unknown(doctor, name);
    }
}

/* --- the table ------------------------------------------------------------------------------- */

struct inferred {
    struct tel_str job;
    struct tel_str trigger;
    struct tel_git git;
};

static void infer(struct inferred *inferred, const struct tel_env *env)
{
    char cwd[TEL_PATH_MAX];
    struct tel_process self;
    int pidfd;

    memset(inferred, 0, sizeof *inferred);
    tel_process_self(&self, &pidfd);
    if (pidfd >= 0)
        close(pidfd);
    inferred->job = tel_infer_job(env);
    inferred->trigger = tel_infer_trigger(env, self.has_terminal);
    if (getcwd(cwd, sizeof cwd) != NULL)
        tel_git_discover(&inferred->git, cwd);
}

static struct tel_str inferred_value(const struct variable *variable,
                                     const struct inferred *inferred)
{
    switch (variable->otherwise) {
    case JOB:
        return inferred->job;
    case TRIGGER:
        return inferred->trigger;
    case GIT_REPO:
        return tel_str_from(inferred->git.repo);
    case GIT_BRANCH:
        return tel_str_from(inferred->git.branch);
    case NOTHING:
    case FIXED:
        break;
    }
    return TEL_STR_NONE;
}

static bool is_secret(const char *name)
{
    return strcmp(name, "METRICS_API_TOKEN") == 0;
}

/* Without credentials and query. Lives until the next call. */
static struct tel_str without_secrets(struct tel_str url)
{
    static char shown[TEL_API_TEXT_MAX];

    tel_url_show(url, shown, sizeof shown);
    return tel_str_from(shown);
}

static void add_row(struct table *table, const char *name, struct tel_str value, const char *origin)
{
    char *shown = visible_text(value);

    table_add(table, "", NULL, OUT_PLAIN);
    table_add(table, name, NULL, OUT_PLAIN);
    table_add(table, shown, NULL, OUT_PLAIN);
    table_add(table, origin, NULL, strcmp(origin, "default") == 0 ? OUT_DIM : OUT_PLAIN);
    free(shown);
}

static struct tel_str value_of(const struct doctor *doctor, const struct variable *variable)
{
    const struct tel_str value = doctor->context.config.value[variable->var];

    if (value.ptr != NULL && is_secret(name_of(variable)))
        return TEL_STR("set (not shown)");
    return variable->var == TEL_VAR_API_URL ? without_secrets(value) : value;
}

/* False when it has no value at all. */
static bool add_variable(struct table *table, const struct doctor *doctor,
                         const struct variable *variable, const struct inferred *inferred)
{
    char memory[DOCTOR_ORIGIN_MAX];
    const char *origin = doctor_origin(doctor, variable->var, memory);
    struct tel_str value = value_of(doctor, variable);

    if (value.len == 0) {
        value = inferred_value(variable, inferred);
        origin = "inferred";
    }
    if (value.len == 0) {
        value = tel_str_from(variable->fallback);
        origin = "default";
    }
    if (value.len == 0)
        return false;
    add_row(table, name_of(variable), value, origin);
    return true;
}

/* "  not set: A, B, C", in lines of a terminal's usual width. */
static void print_unset(const bool has_value[VARIABLES])
{
    enum { WIDTH = 78 };
    size_t used = WIDTH;
    const char *separator = "  not set: ";

    for (int i = 0; i < VARIABLES; i++) {
        const size_t len = strlen(name_of(&variables[i]));

        if (has_value[i])
            continue;
        if (used + len + 2 > WIDTH) {
            used = strlen("           ");
            if (separator[0] == ',')
                separator = ",\n           ";
        }
        printf("%s%s", separator, name_of(&variables[i]));
        used += len + 2;
        separator = ", ";
    }
    putchar('\n');
}

static void print_variables(const struct doctor *doctor)
{
    static const struct table_column columns[] = {
        {"", false, false, 0, 0}, /* nothing but the gap behind it: an indent */
        {"VARIABLE", false, false, 0, 0},
        {"VALUE", false, true, 10, 70},
        {"FROM", false, false, 0, 0},
    };
    struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    bool has_value[VARIABLES];
    struct inferred inferred;

    infer(&inferred, &doctor->context.env);
    for (int i = 0; i < VARIABLES; i++)
        has_value[i] = add_variable(table, doctor, &variables[i], &inferred);
    table_print(table);
    table_free(table);
    print_unset(has_value);
}

/* In a file it may well be meant so: off, and on again for those that a section names. */
static void report_switch(struct doctor *doctor)
{
    char origin[DOCTOR_ORIGIN_MAX];

    if (doctor->context.config.enabled)
        return;
    if (doctor->context.config.line[TEL_VAR_AUTO] == 0)
        doctor_warn(doctor, "unset it to record programs again",
                    "TELEMETRY_AUTO is off: nothing is recorded");
    else
        doctor_note("TELEMETRY_AUTO is off (%s): only programs that a [match] section or the "
                    "environment switches on are recorded",
                    doctor_origin(doctor, TEL_VAR_AUTO, origin));
}

bool doctor_check_configuration(struct doctor *doctor)
{
    const int before = doctor->problems;

    if (!context_load(&doctor->context))
        return false;
    doctor_section("Configuration");
    print_variables(doctor);
    doctor_check_file(doctor);
    report_environment(doctor);
    report_unknown_names(doctor);
    report_switch(doctor);
    if (doctor->problems == before)
        doctor_ok("every value that is set can be used");
    return true;
}
