/* Environment -> one validated struct (CONTRACT 2). Bad values fall back and are reported. */
#include "config.h"

#include "json_scan.h"

#include <string.h>

const char *const tel_var_names[TEL_VARS] = {
    [TEL_VAR_AUTO] = "TELEMETRY_AUTO",
    [TEL_VAR_RUN_ID] = "TELEMETRY_RUN_ID",
    [TEL_VAR_RUN_OWNER] = "TELEMETRY_RUN_OWNER",
    [TEL_VAR_DEBUG] = "TELEMETRY_DEBUG",
    [TEL_VAR_DB_PATH] = "TELEMETRY_DB_PATH",
    [TEL_VAR_BASE_DIR] = "TELEMETRY_BASE_DIR",
    [TEL_VAR_LEGACY_BASE_DIR] = "AGENT_METRICS_DIR",
    [TEL_VAR_NDJSON_DIR] = "TELEMETRY_NDJSON_DIR",
    [TEL_VAR_HOME] = "HOME",
    [TEL_VAR_FILE_MODE] = "TELEMETRY_FILE_MODE",
    [TEL_VAR_SKIP_VALIDATION] = "TELEMETRY_SKIP_VALIDATION",
    [TEL_VAR_AGENT_NAME] = "TELEMETRY_AGENT_NAME",
    [TEL_VAR_JOB_TYPE] = "TELEMETRY_JOB_TYPE",
    [TEL_VAR_JOB_NAME] = "TELEMETRY_JOB_NAME",
    [TEL_VAR_TRIGGER_TYPE] = "TELEMETRY_TRIGGER_TYPE",
    [TEL_VAR_AGENT_OWNER] = "AGENT_OWNER",
    [TEL_VAR_INPUT_SUMMARY] = "TELEMETRY_INPUT_SUMMARY",
    [TEL_VAR_OUTPUT_SUMMARY] = "TELEMETRY_OUTPUT_SUMMARY",
    [TEL_VAR_METRICS_JSON] = "TELEMETRY_METRICS_JSON",
    [TEL_VAR_INSIGHT_ID] = "TELEMETRY_INSIGHT_ID",
    [TEL_VAR_PRODUCT] = "TELEMETRY_PRODUCT",
    [TEL_VAR_PLATFORM] = "TELEMETRY_PLATFORM",
    [TEL_VAR_PRODUCT_FAMILY] = "TELEMETRY_PRODUCT_FAMILY",
    [TEL_VAR_SUBDOMAIN] = "TELEMETRY_SUBDOMAIN",
    [TEL_VAR_GIT_REPO] = "TELEMETRY_GIT_REPO",
    [TEL_VAR_GIT_BRANCH] = "TELEMETRY_GIT_BRANCH",
    [TEL_VAR_GIT_RUN_TAG] = "TELEMETRY_GIT_RUN_TAG",
    [TEL_VAR_WAIT_MS] = "TELEMETRY_AUTO_WAIT_MS",
    [TEL_VAR_SUCCESS_EXIT_CODES] = "TELEMETRY_SUCCESS_EXIT_CODES",
    [TEL_VAR_DURABILITY] = "TELEMETRY_DURABILITY",
    [TEL_VAR_COLLECTOR] = "TELEMETRY_COLLECTOR",
    [TEL_VAR_API_URL] = "METRICS_API_URL",
    [TEL_VAR_API_TOKEN] = "METRICS_API_TOKEN",
    [TEL_VAR_API_ENABLED] = "METRICS_API_ENABLED",
    [TEL_VAR_TEST_MODE] = "TELEMETRY_TEST_MODE",
    [TEL_VAR_EXIT_SOURCE] = "TELEMETRY_EXIT_SOURCE",
};

/* Whom to tell about a value that was not taken. */
struct reporter {
    struct tel_config *config;
    tel_config_problem_fn *problem;
    void *arg;
};

static void report(const struct reporter *to, enum tel_var var, const char *why)
{
    if (to->problem != NULL)
        to->problem(to->arg, var, to->config->value[var], why);
}

static void reject(const struct reporter *to, enum tel_var var, const char *why)
{
    report(to, var, why);
    to->config->value[var] = TEL_STR_NONE;
}

int tel_config_parse_bool(struct tel_str text)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off"};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (tel_str_is_nocase(text, yes[i]))
            return 1;
        if (tel_str_is_nocase(text, no[i]))
            return 0;
    }
    return -1;
}

bool tel_config_parse_codes(struct tel_str list, uint8_t set[32])
{
    uint8_t parsed[32] = {0};

    for (;;) {
        ptrdiff_t comma = tel_str_find(list, ',');
        struct tel_str item = comma < 0 ? list : (struct tel_str){list.ptr, (size_t)comma};
        uint64_t code;

        if (!tel_str_to_u64(tel_str_trim(item), &code) || code > 255)
            return false;
        parsed[code / 8] = (uint8_t)(parsed[code / 8] | (1U << (code % 8)));
        if (comma < 0)
            break;
        list = tel_str_from_pos(list, (size_t)comma + 1);
    }
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
               "not an octal file mode between 0600 and 0666 that lets the owner read and write; "
               "using 0600");
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
            reject(to, TEL_VAR_WAIT_MS, "not a number of milliseconds; using 200");
            wait = TEL_WAIT_MS_DEFAULT;
        } else if (wait > TEL_WAIT_MS_MAX) {
            report(to, TEL_VAR_WAIT_MS, "more than a minute; using 60000");
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
        reject(to, TEL_VAR_SUCCESS_EXIT_CODES, "longer than 4096 bytes; using 0");
    else if (!tel_config_parse_codes(list, config->success_codes))
        reject(to, TEL_VAR_SUCCESS_EXIT_CODES,
               "not a comma-separated list of exit codes from 0 to 255; using 0");
}

static void load_trigger(const struct reporter *to)
{
    static const char *const known[] = {"cli", "web", "scheduler", "mcp", "manual"};
    struct tel_str value = to->config->value[TEL_VAR_TRIGGER_TYPE];

    if (value.ptr == NULL)
        return;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (tel_str_is(value, known[i]))
            return;
    reject(to, TEL_VAR_TRIGGER_TYPE,
           "not one of cli, web, scheduler, mcp, manual; using the inferred one");
}

static void load_durability(const struct reporter *to)
{
    struct tel_str value = to->config->value[TEL_VAR_DURABILITY];

    to->config->durability = TEL_DURABILITY_PROCESS;
    if (tel_str_is_nocase(value, "system"))
        to->config->durability = TEL_DURABILITY_SYSTEM;
    else if (value.ptr != NULL && !tel_str_is_nocase(value, "process"))
        reject(to, TEL_VAR_DURABILITY, "neither process nor system; using process");
}

static void load_metrics(const struct reporter *to)
{
    struct tel_str value = to->config->value[TEL_VAR_METRICS_JSON];

    if (value.ptr == NULL)
        return;
    if (value.len > TEL_METRICS_JSON_MAX)
        reject(to, TEL_VAR_METRICS_JSON, "longer than 8192 bytes; ignored");
    else if (!tel_json_valid(value))
        reject(to, TEL_VAR_METRICS_JSON, "not valid JSON; ignored");
}

static void load_texts(const struct reporter *to)
{
    for (int var = TEL_VAR_AGENT_NAME; var <= TEL_VAR_GIT_RUN_TAG; var++) {
        struct tel_str *value = &to->config->value[var];

        if (var == TEL_VAR_METRICS_JSON || value->len <= TEL_TEXT_MAX)
            continue;
        report(to, (enum tel_var)var, "longer than 4096 bytes; cut");
        *value = tel_str_cut_utf8(*value, TEL_TEXT_MAX);
    }
}

/* What the texts hold is checked where they are used (api_target.h): nothing of it is needed here. */
static void load_posting(struct tel_config *config)
{
    const struct tel_str *value = config->value;

    config->post = value[TEL_VAR_API_URL].ptr != NULL &&
                   value[TEL_VAR_API_URL].len <= TEL_API_TEXT_MAX &&
                   value[TEL_VAR_API_TOKEN].len <= TEL_API_TEXT_MAX &&
                   tel_config_parse_bool(value[TEL_VAR_API_ENABLED]) != 0 &&
                   !tel_str_is_nocase(value[TEL_VAR_TEST_MODE], "mock");
}

static void load_switches(const struct reporter *to)
{
    struct tel_config *config = to->config;
    struct tel_str automatic = config->value[TEL_VAR_AUTO];
    int on = tel_config_parse_bool(automatic);

    config->enabled = on != 0;
    if (automatic.ptr != NULL && on < 0)
        reject(to, TEL_VAR_AUTO, "neither on nor off; recording stays on");
    config->skip_validation = tel_config_parse_bool(config->value[TEL_VAR_SKIP_VALIDATION]) == 1;
    config->collector_off = tel_str_is_nocase(config->value[TEL_VAR_COLLECTOR], "off");
}

void tel_config_load(struct tel_config *config, const struct tel_env *env,
                     tel_config_problem_fn *problem, void *arg)
{
    const struct reporter to = {config, problem, arg};

    tel_env_get_many(env, tel_var_names, config->value, TEL_VARS);
    for (int var = 0; var < TEL_VARS; var++)
        if (config->value[var].len == 0)
            config->value[var] = TEL_STR_NONE;
    load_switches(&to);
    load_file_mode(&to);
    load_wait(&to);
    load_success_codes(&to);
    load_trigger(&to);
    load_durability(&to);
    load_texts(&to);
    load_metrics(&to);
    load_posting(config);
}
