/* The environment becomes one validated struct: what is taken, what falls back, what is reported. */
#include "base/config.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

/* Complaints, and what the last one was about. */
struct complaints {
    int count;
    enum tel_var var;
    char value[64];
    char why[128];
};

static void note(void *arg, enum tel_var var, struct tel_str value, const char *why)
{
    struct complaints *complaints = arg;

    complaints->count++;
    complaints->var = var;
    strncpy(complaints->value, view_text(value), sizeof complaints->value - 1);
    strncpy(complaints->why, why, sizeof complaints->why - 1);
}

static struct complaints complaints;

/* Loads the environment of these entries. */
static const struct tel_config *load(const char *const *wanted)
{
    static struct tel_config config;
    const struct tel_env env = block_of(wanted);

    memset(&complaints, 0, sizeof complaints);
    memset(&config, 0xa5, sizeof config); /* nothing may be left as it was */
    tel_config_load(&config, &env, note, &complaints);
    return &config;
}

Test(config, defaults)
{
    const struct tel_config *config = load(LIST("PATH=/bin"));

    cr_expect(config->enabled);
    cr_expect_not(config->skip_validation);
    cr_expect_not(config->collector_off);
    cr_expect_eq(config->wait_ms, 200);
    cr_expect_eq(config->file_mode, 0600);
    cr_expect_eq(config->dir_mode, 0700);
    cr_expect_eq(config->durability, TEL_DURABILITY_PROCESS);
    for (int code = 0; code <= 255; code++)
        cr_expect_eq(tel_config_is_success(config->success_codes, code), code == 0, "%d", code);
    for (int var = 0; var < TEL_VARS; var++)
        cr_expect_null(config->value[var].ptr, "%s", tel_var_names[var]);
    cr_expect_eq(complaints.count, 0);
}

Test(config, without_an_environment)
{
    const struct tel_env none = {NULL};
    struct tel_config config;

    tel_config_load(&config, &none, NULL, NULL);
    cr_expect(config.enabled);
    cr_expect_eq(config.wait_ms, 200);
}

Test(config, every_variable_has_its_own_name)
{
    for (int i = 0; i < TEL_VARS; i++) {
        cr_assert_not_null(tel_var_names[i], "%d", i);
        for (int j = 0; j < i; j++)
            cr_expect_str_neq(tel_var_names[i], tel_var_names[j]);
    }
}

Test(config, every_variable_lands_in_its_slot)
{
    const char *entries[TEL_VARS + 1] = {NULL};

    for (int var = 0; var < TEL_VARS; var++)
        entries[var] = text("%s=%d", tel_var_names[var], var);
    load(entries);
    for (int var = 0; var < TEL_VARS; var++) {
        const struct tel_config *config = load(LIST(text("%s=%d", tel_var_names[var], 0)));

        for (int other = 0; other < TEL_VARS; other++)
            if (other != var)
                cr_expect_null(config->value[other].ptr, "%s sets %s", tel_var_names[var],
                               tel_var_names[other]);
    }
}

Test(config, empty_counts_as_unset)
{
    const struct tel_config *config =
        load(LIST("TELEMETRY_BASE_DIR=", "TELEMETRY_AUTO=", "TELEMETRY_AUTO_WAIT_MS=",
                  "TELEMETRY_FILE_MODE=", "TELEMETRY_TRIGGER_TYPE=", "TELEMETRY_METRICS_JSON=",
                  "TELEMETRY_SUCCESS_EXIT_CODES=", "TELEMETRY_DURABILITY=", "TELEMETRY_COLLECTOR="));

    for (int var = 0; var < TEL_VARS; var++)
        cr_expect_null(config->value[var].ptr, "%s", tel_var_names[var]);
    cr_expect(config->enabled);
    cr_expect_eq(complaints.count, 0);
}

Test(config, the_first_of_two_entries_wins)
{
    const struct tel_config *config = load(LIST("TELEMETRY_PRODUCT=a", "TELEMETRY_PRODUCT=b"));

    cr_expect_str_eq(view_text(config->value[TEL_VAR_PRODUCT]), "a");
}

Test(config, booleans)
{
    static const char *const yes[] = {"1", "true", "TRUE", "yes", "Yes", "on", "oN", NULL};
    static const char *const no[] = {"0", "false", "False", "no", "NO", "off", "OFF", NULL};
    static const char *const neither[] = {"", "2", "01", "truely", "of", "enable", "1 ", NULL};

    for (int i = 0; yes[i] != NULL; i++)
        cr_expect_eq(tel_config_parse_bool(tel_str_from(yes[i])), 1, "%s", yes[i]);
    for (int i = 0; no[i] != NULL; i++)
        cr_expect_eq(tel_config_parse_bool(tel_str_from(no[i])), 0, "%s", no[i]);
    for (int i = 0; neither[i] != NULL; i++)
        cr_expect_eq(tel_config_parse_bool(tel_str_from(neither[i])), -1, "%s", neither[i]);
    cr_expect_eq(tel_config_parse_bool(TEL_STR_NONE), -1);
}

Test(config, the_kill_switch)
{
    cr_expect_not(load(LIST("TELEMETRY_AUTO=0"))->enabled);
    cr_expect_not(load(LIST("TELEMETRY_AUTO=Off"))->enabled);
    cr_expect(load(LIST("TELEMETRY_AUTO=1"))->enabled);
    cr_expect_eq(complaints.count, 0);
    cr_expect(load(LIST("TELEMETRY_AUTO=maybe"))->enabled, "a typo does not switch recording off");
    cr_expect_eq(complaints.count, 1);
    cr_expect_eq(complaints.var, TEL_VAR_AUTO);
    cr_expect_str_eq(complaints.value, "maybe");
}

Test(config, skip_validation)
{
    cr_expect(load(LIST("TELEMETRY_SKIP_VALIDATION=YES"))->skip_validation);
    cr_expect_not(load(LIST("TELEMETRY_SKIP_VALIDATION=0"))->skip_validation);
    cr_expect_not(load(LIST("TELEMETRY_SKIP_VALIDATION=2"))->skip_validation);
}

Test(config, the_collector_can_be_switched_off)
{
    cr_expect(load(LIST("TELEMETRY_COLLECTOR=off"))->collector_off);
    cr_expect(load(LIST("TELEMETRY_COLLECTOR=OFF"))->collector_off);
    cr_expect_not(load(LIST("TELEMETRY_COLLECTOR=/usr/bin/off"))->collector_off);
}

Test(config, exit_codes)
{
    static const char *const bad[] = {"",    ",",    "1,",      ",1",  "256", "-1", "0 3", "a",
                                      "0,a", "1,,2", "0x1", "99999999999999999999", NULL};
    uint8_t set[32];

    cr_assert(tel_config_parse_codes(TEL_STR(" 0, 3 ,255,\t7"), set));
    for (int code = 0; code <= 255; code++)
        cr_expect_eq(tel_config_is_success(set, code),
                     code == 0 || code == 3 || code == 7 || code == 255, "%d", code);
    cr_expect_not(tel_config_is_success(set, -1));
    cr_expect_not(tel_config_is_success(set, 256));

    memset(set, 0x5a, sizeof set);
    for (int i = 0; bad[i] != NULL; i++) {
        cr_expect_not(tel_config_parse_codes(tel_str_from(bad[i]), set), "%s", bad[i]);
        cr_expect_eq(set[0], 0x5a, "untouched after %s", bad[i]);
    }
}

Test(config, success_exit_codes)
{
    const struct tel_config *config = load(LIST("TELEMETRY_SUCCESS_EXIT_CODES=3,4"));

    cr_expect_not(tel_config_is_success(config->success_codes, 0), "the list replaces the default");
    cr_expect(tel_config_is_success(config->success_codes, 4));

    config = load(LIST("TELEMETRY_SUCCESS_EXIT_CODES=3;4"));
    cr_expect(tel_config_is_success(config->success_codes, 0));
    cr_expect_not(tel_config_is_success(config->success_codes, 3));
    cr_expect_null(config->value[TEL_VAR_SUCCESS_EXIT_CODES].ptr, "nor recorded");
    cr_expect_eq(complaints.var, TEL_VAR_SUCCESS_EXIT_CODES);
}

/* The list is kept on the run's line, which is bounded. */
Test(config, success_exit_codes_are_bounded)
{
    static char entry[64 * 1024] = "TELEMETRY_SUCCESS_EXIT_CODES=";
    const struct tel_config *config;

    while (strlen(entry) < sizeof entry - 8)
        strcpy(entry + strlen(entry), entry[strlen(entry) - 1] == '=' ? "0" : ",0,0,0");
    config = load(LIST(entry));
    cr_expect_leq(config->value[TEL_VAR_SUCCESS_EXIT_CODES].len, TEL_TEXT_MAX);
    cr_expect_eq(complaints.count, 1);
}

struct mode_case {
    const char *value;
    mode_t file;
    mode_t dir;
    bool refused;
};

Test(config, file_modes)
{
    static const struct mode_case cases[] = {
        {"0600", 0600, 0700, false}, {"600", 0600, 0700, false},   {"0640", 0640, 0750, false},
        {"0660", 0660, 0770, false}, {"0644", 0644, 0755, false},  {"0666", 0666, 0777, false},
        {"0620", 0620, 0720, false}, {"0602", 0602, 0702, false},  {"0700", 0600, 0700, true},
        {"0060", 0600, 0700, true},  {"0400", 0600, 0700, true},   {"01600", 0600, 0700, true},
        {"4600", 0600, 0700, true},  {"0680", 0600, 0700, true},   {"rw", 0600, 0700, true},
        {"-600", 0600, 0700, true},  {"0x180", 0600, 0700, true},  {"0000600", 0600, 0700, true},
        {" 600", 0600, 0700, true},  {"37777777600", 0600, 0700, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tel_config *config = load(LIST(text("TELEMETRY_FILE_MODE=%s", cases[i].value)));

        cr_expect_eq(config->file_mode, cases[i].file, "%s: %o", cases[i].value, config->file_mode);
        cr_expect_eq(config->dir_mode, cases[i].dir, "%s: %o", cases[i].value, config->dir_mode);
        cr_expect_eq(complaints.count, cases[i].refused, "%s", cases[i].value);
    }
}

Test(config, waiting)
{
    static const char *const bad[] = {"-1", "abc", "1.5", "10ms", "99999999999999999999999", NULL};

    cr_expect_eq(load(LIST("TELEMETRY_AUTO_WAIT_MS=0"))->wait_ms, 0);
    cr_expect_eq(load(LIST("TELEMETRY_AUTO_WAIT_MS=60000"))->wait_ms, 60000);
    cr_expect_eq(complaints.count, 0);
    cr_expect_eq(load(LIST("TELEMETRY_AUTO_WAIT_MS=60001"))->wait_ms, 60000);
    cr_expect_eq(complaints.count, 1);
    for (int i = 0; bad[i] != NULL; i++) {
        cr_expect_eq(load(LIST(text("TELEMETRY_AUTO_WAIT_MS=%s", bad[i])))->wait_ms, 200, "%s",
                     bad[i]);
        cr_expect_eq(complaints.var, TEL_VAR_WAIT_MS);
    }
}

Test(config, triggers)
{
    static const char *const known[] = {"cli", "web", "scheduler", "mcp", "manual", NULL};

    for (int i = 0; known[i] != NULL; i++) {
        const struct tel_config *config = load(LIST(text("TELEMETRY_TRIGGER_TYPE=%s", known[i])));

        cr_expect_str_eq(view_text(config->value[TEL_VAR_TRIGGER_TYPE]), known[i]);
        cr_expect_eq(complaints.count, 0);
    }
    cr_expect_null(load(LIST("TELEMETRY_TRIGGER_TYPE=CLI"))->value[TEL_VAR_TRIGGER_TYPE].ptr);
    cr_expect_eq(complaints.var, TEL_VAR_TRIGGER_TYPE);
    cr_expect_str_eq(complaints.value, "CLI");
}

Test(config, durability)
{
    cr_expect_eq(load(LIST("TELEMETRY_DURABILITY=system"))->durability, TEL_DURABILITY_SYSTEM);
    cr_expect_eq(load(LIST("TELEMETRY_DURABILITY=Process"))->durability, TEL_DURABILITY_PROCESS);
    cr_expect_eq(complaints.count, 0);
    cr_expect_eq(load(LIST("TELEMETRY_DURABILITY=disk"))->durability, TEL_DURABILITY_PROCESS);
    cr_expect_eq(complaints.var, TEL_VAR_DURABILITY);
}

Test(config, metrics)
{
    char entry[TEL_METRICS_JSON_MAX + 64] = "TELEMETRY_METRICS_JSON=[";
    const size_t start = strlen(entry) - 1;
    const struct tel_config *config = load(LIST("TELEMETRY_METRICS_JSON={\"a\": [1, 2.5e3, null]}"));

    cr_expect_str_eq(view_text(config->value[TEL_VAR_METRICS_JSON]), "{\"a\": [1, 2.5e3, null]}");
    cr_expect_eq(complaints.count, 0);
    cr_expect_null(load(LIST("TELEMETRY_METRICS_JSON={a: 1}"))->value[TEL_VAR_METRICS_JSON].ptr);
    cr_expect_eq(complaints.var, TEL_VAR_METRICS_JSON);

    memset(entry + start + 1, ' ', TEL_METRICS_JSON_MAX - 2);
    strcpy(entry + start + TEL_METRICS_JSON_MAX - 1, "]");
    cr_expect_eq(load(LIST(entry))->value[TEL_VAR_METRICS_JSON].len, TEL_METRICS_JSON_MAX);
    strcpy(entry + start + TEL_METRICS_JSON_MAX - 1, " ]");
    cr_expect_null(load(LIST(entry))->value[TEL_VAR_METRICS_JSON].ptr, "one byte too long");
}

Test(config, long_texts_are_cut_between_characters)
{
    char entry[TEL_TEXT_MAX + 64] = "AGENT_OWNER=";
    const size_t start = strlen(entry);
    const struct tel_config *config;

    memset(entry + start, 'x', TEL_TEXT_MAX);
    config = load(LIST(entry));
    cr_expect_eq(config->value[TEL_VAR_AGENT_OWNER].len, TEL_TEXT_MAX);
    cr_expect_eq(complaints.count, 0);

    strcpy(entry + start + TEL_TEXT_MAX - 1, "\xc3\xa4"); /* one byte in, one out */
    config = load(LIST(entry));
    cr_expect_eq(config->value[TEL_VAR_AGENT_OWNER].len, TEL_TEXT_MAX - 1);
    cr_expect_eq(complaints.count, 1);
    cr_expect_eq(complaints.var, TEL_VAR_AGENT_OWNER);
}

Test(config, nobody_has_to_listen)
{
    char bad[] = "TELEMETRY_AUTO_WAIT_MS=x";
    char *entries[] = {bad, NULL};
    const struct tel_env env = {entries};
    struct tel_config config;

    tel_config_load(&config, &env, NULL, NULL);
    cr_expect_eq(config.wait_ms, 200);
}

/* --- posting ---------------------------------------------------------------------------------- */

Test(config, posting_is_wanted_where_there_is_a_url)
{
    cr_expect_not(load(LIST("METRICS_API_TOKEN=t"))->post);
    cr_expect(load(LIST("METRICS_API_URL=http://h/"))->post);
    cr_expect(load(LIST("METRICS_API_URL=http://h/", "METRICS_API_ENABLED=yes"))->post);
    cr_expect_not(load(LIST("METRICS_API_URL=http://h/", "METRICS_API_ENABLED=False"))->post);
    cr_expect_not(load(LIST("METRICS_API_URL=http://h/", "TELEMETRY_TEST_MODE=mock"))->post);
    cr_expect(load(LIST("METRICS_API_URL=http://h/", "TELEMETRY_TEST_MODE=live"))->post);
    cr_expect_eq(complaints.count, 0);
}

Test(config, posting_stays_on_after_a_bad_switch)
{
    cr_expect(load(LIST("METRICS_API_URL=http://h/", "METRICS_API_ENABLED=maybe"))->post);
    cr_expect(load(LIST("METRICS_API_URL=http://h/", "TELEMETRY_TEST_MODE=mok"))->post);
}

Test(config, what_is_too_long_for_the_collector_posts_nothing)
{
    static char token[TEL_API_TEXT_MAX + 32] = "METRICS_API_TOKEN=";
    static char url[TEL_API_TEXT_MAX + 32] = "METRICS_API_URL=";

    memset(token + 18, 'x', sizeof token - 19);
    memset(url + 16, 'x', sizeof url - 17);
    cr_expect_not(load(LIST("METRICS_API_URL=http://h/", token))->post);
    cr_expect_not(load(LIST(url))->post);
    token[18 + TEL_API_TEXT_MAX] = '\0';
    url[16 + TEL_API_TEXT_MAX] = '\0';
    cr_expect(load(LIST(url, token))->post);
}
