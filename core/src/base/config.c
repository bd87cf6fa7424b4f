/* Environment and file -> one validated struct (CONTRACT 2). Bad values fall back and are reported. */
#include "config.h"

#include "conf_file.h"
#include "glob_match.h"
#include "json_scan.h"
#include "why.h"

#include <stddef.h>
#include <string.h>

/* --- the variables --------------------------------------------------------------------------- */

/* Their names one behind the other: a table of pointers would have to be relocated in every process. */
#define NAME_MEMBER(id, name) char id[sizeof(name)];
#define NAME_TEXT(id, name) name,
#define NAME_OFFSET(id, name) offsetof(struct names, id),

struct names {
    TEL_CONFIG_VARIABLES(NAME_MEMBER)
};
static const struct names names = {TEL_CONFIG_VARIABLES(NAME_TEXT)};
static const uint16_t name_at[TEL_VARS + 1] = {TEL_CONFIG_VARIABLES(NAME_OFFSET) sizeof names};

const char *tel_var_name(enum tel_var var)
{
    return (const char *)&names + name_at[var];
}

enum tel_var tel_var_find(struct tel_str name)
{
    int var = 0;

    while (var < TEL_VARS && (name_at[var + 1] - name_at[var] != (int)name.len + 1 ||
                              memcmp(tel_var_name((enum tel_var)var), name.ptr, name.len) != 0))
        var++;
    return (enum tel_var)var;
}

bool tel_var_is_environment_only(enum tel_var var)
{
    return var < TEL_VAR_FILE_MODE;
}

/* A file can set it in [defaults] only. */
static bool is_for_all(enum tel_var var)
{
    return var >= TEL_VAR_FILE_MODE && var <= TEL_VAR_NDJSON_DIR;
}

/* Which data directory it is, in one way or another. */
static bool is_place(enum tel_var var)
{
    return var >= TEL_VAR_DB_PATH && var <= TEL_VAR_NDJSON_DIR;
}

/* --- problems -------------------------------------------------------------------------------- */

/* Whom to tell about a value that was not taken. */
struct reporter {
    struct tel_config *config;
    tel_config_problem_fn *problem;
    void *arg;
};

static void tell(const struct reporter *to, const struct tel_config_problem *problem)
{
#ifdef TELEMETRY_IN_SHIM
    (void)to; /* nobody ever listens there */
    (void)problem;
#else
    if (to->problem != NULL)
        to->problem(to->arg, problem);
#endif
}

static void report(const struct reporter *to, enum tel_var var, const char *why)
{
    const struct tel_config *config = to->config;
    const struct tel_config_problem problem = {config->line[var], tel_str_from(tel_var_name(var)),
                                               config->value[var], why};

    tell(to, &problem);
}

static void reject(const struct reporter *to, enum tel_var var, const char *why)
{
    report(to, var, why);
    to->config->value[var] = TEL_STR_NONE;
}

/* --- values ---------------------------------------------------------------------------------- */

int tel_config_parse_bool(struct tel_str text)
{
    struct tel_str words = TEL_STR("0 1 false true no yes off on");
    struct tel_str word;

    for (int i = 0; tel_str_take_item(&words, &word); i++)
        if (tel_str_equal_nocase(text, word))
            return i % 2;
    return -1;
}

bool tel_config_parse_codes(struct tel_str list, uint8_t set[32])
{
    uint8_t parsed[32] = {0};

    do {
        uint64_t code;

        if (!tel_str_to_u64(tel_str_trim(tel_str_take(&list, ',')), &code) || code > 255)
            return false;
        parsed[code / 8] = (uint8_t)(parsed[code / 8] | (1U << (code % 8)));
    } while (list.ptr != NULL);
    memcpy(set, parsed, sizeof parsed);
    return true;
}

bool tel_config_is_success(const uint8_t set[32], int exit_code)
{
    return exit_code >= 0 && exit_code <= 255 && (set[exit_code / 8] >> (exit_code % 8) & 1) != 0;
}

static bool parse_octal(struct tel_str text, mode_t *mode)
{
    mode_t value = 0;

    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return false;
        value = value * 8 + (mode_t)(text.ptr[i] - '0');
    }
    *mode = value;
    return true;
}

static void load_file_mode(const struct reporter *to)
{
    struct tel_config *config = to->config;
    mode_t mode = 0600;

    if (config->value[TEL_VAR_FILE_MODE].ptr != NULL &&
        (!parse_octal(config->value[TEL_VAR_FILE_MODE], &mode) || (mode & ~(mode_t)0666) != 0 ||
         (mode & 0600) != 0600)) {
        reject(to, TEL_VAR_FILE_MODE,
               TEL_WHY("not an octal file mode between 0600 and 0666 that lets the owner read "
                       "and write; using 0600"));
        mode = 0600;
    }
    config->file_mode = mode;
    config->dir_mode = mode | ((mode & 0444) >> 2);
}

static void load_wait(const struct reporter *to)
{
    struct tel_config *config = to->config;
    uint64_t wait = TEL_WAIT_MS_DEFAULT;

    if (config->value[TEL_VAR_WAIT_MS].ptr != NULL) {
        if (!tel_str_to_u64(config->value[TEL_VAR_WAIT_MS], &wait)) {
            reject(to, TEL_VAR_WAIT_MS, TEL_WHY("not a number of milliseconds; using 200"));
            wait = TEL_WAIT_MS_DEFAULT;
        } else if (wait > TEL_WAIT_MS_MAX) {
            report(to, TEL_VAR_WAIT_MS, TEL_WHY("more than a minute; using 60000"));
            wait = TEL_WAIT_MS_MAX;
        }
    }
    config->wait_ms = (unsigned)wait;
}

static void load_success_codes(const struct reporter *to)
{
    struct tel_config *config = to->config;
    const struct tel_str list = config->value[TEL_VAR_SUCCESS_EXIT_CODES];

    memset(config->success_codes, 0, sizeof config->success_codes);
    config->success_codes[0] = 1;
    if (list.ptr == NULL)
        return;
    if (list.len > TEL_TEXT_MAX) /* it is kept on the run's line */
        reject(to, TEL_VAR_SUCCESS_EXIT_CODES, TEL_WHY("longer than 4096 bytes; using 0"));
    else if (!tel_config_parse_codes(list, config->success_codes))
        reject(to, TEL_VAR_SUCCESS_EXIT_CODES,
               TEL_WHY("not a comma-separated list of exit codes from 0 to 255; using 0"));
}

static void load_trigger(const struct reporter *to)
{
    const struct tel_str value = to->config->value[TEL_VAR_TRIGGER_TYPE];

    if (value.ptr != NULL && !tel_str_in_list(value, "cli web scheduler mcp manual"))
        reject(to, TEL_VAR_TRIGGER_TYPE,
               TEL_WHY("not one of cli, web, scheduler, mcp, manual; using the inferred one"));
}

static void load_durability(const struct reporter *to)
{
    struct tel_str value = to->config->value[TEL_VAR_DURABILITY];

    to->config->durability = TEL_DURABILITY_PROCESS;
    if (tel_str_is_nocase(value, "system"))
        to->config->durability = TEL_DURABILITY_SYSTEM;
    else if (value.ptr != NULL && !tel_str_is_nocase(value, "process"))
        reject(to, TEL_VAR_DURABILITY, TEL_WHY("neither process nor system; using process"));
}

static void load_metrics(const struct reporter *to)
{
    struct tel_str value = to->config->value[TEL_VAR_METRICS_JSON];

    if (value.ptr == NULL)
        return;
    if (value.len > TEL_METRICS_JSON_MAX)
        reject(to, TEL_VAR_METRICS_JSON, TEL_WHY("longer than 8192 bytes; ignored"));
    else if (!tel_json_valid(value))
        reject(to, TEL_VAR_METRICS_JSON, TEL_WHY("not valid JSON; ignored"));
}

static void load_texts(const struct reporter *to)
{
    for (int var = TEL_VAR_AGENT_NAME; var <= TEL_VAR_GIT_RUN_TAG; var++) {
        struct tel_str *value = &to->config->value[var];

        if (var == TEL_VAR_METRICS_JSON || value->len <= TEL_TEXT_MAX)
            continue;
        report(to, (enum tel_var)var, TEL_WHY("longer than 4096 bytes; cut"));
        *value = tel_str_cut_utf8(*value, TEL_TEXT_MAX);
    }
}

/* What the texts hold is checked where they are used (api_target.h): nothing of it is needed here. */
static void load_posting(struct tel_config *config)
{
    const struct tel_str *value = config->value;

    config->post = value[TEL_VAR_API_URL].ptr != NULL &&
                   tel_config_parse_bool(value[TEL_VAR_API_ENABLED]) != 0 &&
                   !tel_str_is_nocase(value[TEL_VAR_TEST_MODE], "mock");
}

/* Globs are compared with each program's path: bounded, so that the time is. */
static void load_globs(const struct reporter *to, enum tel_var var)
{
    if (to->config->value[var].len > TEL_TEXT_MAX)
        reject(to, var, TEL_WHY("longer than 4096 bytes; ignored"));
}

static void load_children(const struct reporter *to)
{
    struct tel_str value = to->config->value[TEL_VAR_AUTO_CHILDREN];

    to->config->children_all = tel_str_is_nocase(value, "all");
    if (value.ptr != NULL && !to->config->children_all && !tel_str_is_nocase(value, "root"))
        reject(to, TEL_VAR_AUTO_CHILDREN, TEL_WHY("neither root nor all; using root"));
}

static void load_switches(const struct reporter *to)
{
    struct tel_config *config = to->config;
    struct tel_str automatic = config->value[TEL_VAR_AUTO];
    int on = tel_config_parse_bool(automatic);

    config->enabled = on != 0;
    if (automatic.ptr != NULL && on < 0)
        reject(to, TEL_VAR_AUTO, TEL_WHY("neither on nor off; recording stays on"));
    config->skip_validation = tel_config_parse_bool(config->value[TEL_VAR_SKIP_VALIDATION]) == 1;
    config->collector_off = tel_str_is_nocase(config->value[TEL_VAR_COLLECTOR], "off");
}

/* --- where values come from ------------------------------------------------------------------ */

enum rank { NOWHERE, DEFAULTS, MATCH, ENVIRONMENT };

struct intake {
    struct reporter to;
    uint8_t rank[TEL_VARS]; /* of what has been taken so far */
};

static void take_environment(struct intake *intake, const struct tel_env *env)
{
    struct tel_config *config = intake->to.config;

    for (char *const *entry = env->entries; entry != NULL && *entry != NULL; entry++) {
        const struct tel_str name = tel_env_name(*entry);
        const enum tel_var var = tel_var_find(name);

        if (var < TEL_VARS && config->value[var].ptr == NULL)
            config->value[var] = tel_str_from(name.ptr + name.len + 1);
    }
    for (int var = 0; var < TEL_VARS; var++)
        if (config->value[var].len > 0)
            intake->rank[var] = ENVIRONMENT;
    if (config->value[TEL_VAR_DB_PATH].len > 0 || config->value[TEL_VAR_BASE_DIR].len > 0 ||
        config->value[TEL_VAR_LEGACY_BASE_DIR].len > 0)
        memset(&intake->rank[TEL_VAR_DB_PATH], ENVIRONMENT,
               TEL_VAR_NDJSON_DIR + 1 - TEL_VAR_DB_PATH);
}

/* Why a file cannot say this there; NULL when it can. */
static const char *refuse_item(enum tel_var var, const struct tel_conf *conf,
                               const struct tel_conf_item *item)
{
    if (item->why != NULL)
        return item->why;
    if (var == TEL_VARS)
        return TEL_WHY("there is no such variable");
    if (tel_var_is_environment_only(var))
        return TEL_WHY("taken from the environment only");
    if (is_for_all(var) && conf->section == TEL_CONF_MATCH)
        return TEL_WHY("cannot differ between programs: it belongs into [defaults]");
    if (is_place(var) && item->value.len > 0 && item->value.ptr[0] != '/')
        return TEL_WHY("not an absolute path ('~' and variables are not expanded)");
    return NULL;
}

static void take_item(struct intake *intake, const struct tel_conf *conf,
                      const struct tel_conf_item *item, struct tel_str exe)
{
    struct tel_config *config = intake->to.config;
    const enum tel_var var = tel_var_find(item->key);
    const struct tel_config_problem problem = {conf->line, item->key, item->value,
                                               refuse_item(var, conf, item)};
    uint8_t rank = DEFAULTS;

    if (problem.why != NULL) {
        tell(&intake->to, &problem);
        return;
    }
    if (conf->section == TEL_CONF_MATCH) {
        rank = MATCH;
        if (!tel_glob_match(conf->glob, exe))
            return;
    }
    if (rank < intake->rank[var])
        return;
    intake->rank[var] = rank;
    config->value[var] = item->value;
    config->line[var] = conf->line;
}

static void take_file(struct intake *intake, struct tel_str text, struct tel_str exe)
{
    struct tel_conf conf;
    struct tel_conf_item item;

    tel_conf_open(&conf, text);
    while (tel_conf_next(&conf, &item))
        take_item(intake, &conf, &item, exe);
}

void tel_config_load(struct tel_config *config, const struct tel_config_source *source,
                     tel_config_problem_fn *problem, void *arg)
{
    struct intake intake = {{config, problem, arg}, {NOWHERE}};
    const struct reporter *to = &intake.to;

    memset(config, 0, sizeof *config);
    take_environment(&intake, source->env);
    take_file(&intake, source->file, source->exe);
    for (int var = 0; var < TEL_VARS; var++)
        if (config->value[var].len == 0)
            config->value[var] = TEL_STR_NONE;
    load_switches(to);
    load_children(to);
    load_globs(to, TEL_VAR_AUTO_INCLUDE);
    load_globs(to, TEL_VAR_AUTO_EXCLUDE);
    load_file_mode(to);
    load_wait(to);
    load_success_codes(to);
    load_trigger(to);
    load_durability(to);
    load_texts(to);
    load_metrics(to);
    load_posting(config);
}

/* --- selection ------------------------------------------------------------------------------- */

static bool names_program(struct tel_str globs, struct tel_str exe, struct tel_str *glob)
{
    while (globs.len > 0) {
        const struct tel_str item = tel_str_take(&globs, ':');

        if (tel_glob_match(item, exe)) {
            if (glob != NULL)
                *glob = item;
            return true;
        }
    }
    return false;
}

enum tel_var tel_config_objection(const struct tel_config *config, struct tel_str exe,
                                  struct tel_str *glob)
{
    const struct tel_str include = config->value[TEL_VAR_AUTO_INCLUDE];

    if (glob != NULL)
        *glob = TEL_STR_NONE;
    if (!config->enabled)
        return TEL_VAR_AUTO;
    if (names_program(config->value[TEL_VAR_AUTO_EXCLUDE], exe, glob))
        return TEL_VAR_AUTO_EXCLUDE;
    if (include.ptr != NULL && !names_program(include, exe, glob))
        return TEL_VAR_AUTO_INCLUDE;
    return TEL_VARS;
}
