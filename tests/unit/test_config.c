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
    unsigned line;
    char name[64];
    char value[64];
    char why[128];
};

static void note(void *arg, const struct tel_config_problem *problem)
{
    struct complaints *complaints = arg;

    complaints->count++;
    complaints->var = tel_var_find(problem->name);
    complaints->line = problem->line;
    strncpy(complaints->name, view_text(problem->name), sizeof complaints->name - 1);
    strncpy(complaints->value, view_text(problem->value), sizeof complaints->value - 1);
    strncpy(complaints->why, problem->why, sizeof complaints->why - 1);
}

static struct complaints complaints;

/* Loads the environment of these entries, and a file, for the program exe. */
static const struct tel_config *load_all(const char *const *wanted, const char *file,
                                         const char *exe)
{
    static struct tel_config config;
    const struct tel_env env = block_of(wanted);
    const struct tel_config_source source = {&env, tel_str_from(file), tel_str_from(exe)};

    memset(&complaints, 0, sizeof complaints);
    memset(&config, 0xa5, sizeof config); /* nothing may be left as it was */
    tel_config_load(&config, &source, note, &complaints);
    return &config;
}

static const struct tel_config *load(const char *const *wanted)
{
    return load_all(wanted, NULL, NULL);
}

static const struct tel_config *load_file(const char *file)
{
    return load_all(LIST("PATH=/bin"), file, "/opt/agent");
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
        cr_expect_null(config->value[var].ptr, "%s", tel_var_name((enum tel_var)var));
    cr_expect_eq(complaints.count, 0);
}

Test(config, without_an_environment)
{
    const struct tel_env none = {NULL};
    struct tel_config config;

    tel_config_load(&config, &(struct tel_config_source){.env = &none}, NULL, NULL);
    cr_expect(config.enabled);
    cr_expect_eq(config.wait_ms, 200);
}

Test(config, every_variable_has_its_own_name)
{
    for (int i = 0; i < TEL_VARS; i++) {
        cr_assert_eq((int)tel_var_find(tel_str_from(tel_var_name((enum tel_var)i))), i);
        for (int j = 0; j < i; j++)
            cr_expect_str_neq(tel_var_name((enum tel_var)i), tel_var_name((enum tel_var)j));
    }
}

Test(config, every_variable_lands_in_its_slot)
{
    const char *entries[TEL_VARS + 1] = {NULL};

    for (int var = 0; var < TEL_VARS; var++)
        entries[var] = text("%s=%d", tel_var_name((enum tel_var)var), var);
    load(entries);
    for (int var = 0; var < TEL_VARS; var++) {
        const struct tel_config *config =
            load(LIST(text("%s=%d", tel_var_name((enum tel_var)var), 0)));

        for (int other = 0; other < TEL_VARS; other++)
            if (other != var)
                cr_expect_null(config->value[other].ptr, "%s sets %s",
                               tel_var_name((enum tel_var)var), tel_var_name((enum tel_var)other));
    }
}

Test(config, empty_counts_as_unset)
{
    const struct tel_config *config = load(
        LIST("TELEMETRY_BASE_DIR=", "TELEMETRY_AUTO=", "TELEMETRY_AUTO_WAIT_MS=",
             "TELEMETRY_FILE_MODE=", "TELEMETRY_TRIGGER_TYPE=", "TELEMETRY_METRICS_JSON=",
             "TELEMETRY_SUCCESS_EXIT_CODES=", "TELEMETRY_DURABILITY=", "TELEMETRY_COLLECTOR="));

    for (int var = 0; var < TEL_VARS; var++)
        cr_expect_null(config->value[var].ptr, "%s", tel_var_name((enum tel_var)var));
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
    static const char *const bad[] = {"",    ",", "1,",  ",1",   "256", "-1",
                                      "0 3", "a", "0,a", "1,,2", "0x1", "99999999999999999999",
                                      NULL};
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
        {"0600", 0600, 0700, false}, {"600", 0600, 0700, false},
        {"0640", 0640, 0750, false}, {"0660", 0660, 0770, false},
        {"0644", 0644, 0755, false}, {"0666", 0666, 0777, false},
        {"0620", 0620, 0720, false}, {"0602", 0602, 0702, false},
        {"0700", 0600, 0700, true},  {"0060", 0600, 0700, true},
        {"0400", 0600, 0700, true},  {"01600", 0600, 0700, true},
        {"4600", 0600, 0700, true},  {"0680", 0600, 0700, true},
        {"rw", 0600, 0700, true},    {"-600", 0600, 0700, true},
        {"0x180", 0600, 0700, true}, {"0000600", 0600, 0700, true},
        {" 600", 0600, 0700, true},  {"37777777600", 0600, 0700, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tel_config *config =
            load(LIST(text("TELEMETRY_FILE_MODE=%s", cases[i].value)));

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
    const struct tel_config *config =
        load(LIST("TELEMETRY_METRICS_JSON={\"a\": [1, 2.5e3, null]}"));

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

    tel_config_load(&config, &(struct tel_config_source){.env = &env}, NULL, NULL);
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

/* The run is kept for posting until there is one that can be used. */
Test(config, a_url_that_cannot_be_used_wants_posting_all_the_same)
{
    static char url[TEL_API_TEXT_MAX + 32] = "METRICS_API_URL=";

    memset(url + 16, 'x', sizeof url - 17);
    cr_expect(load(LIST(url))->post);
    cr_expect(load(LIST("METRICS_API_URL=x"))->post);
}

Test(config, names_that_are_none)
{
    static const char *const names[] = {"",
                                        "TELEMETRY",
                                        "TELEMETRY_AUT",
                                        "TELEMETRY_AUTO_",
                                        "telemetry_auto",
                                        "HOM",
                                        "TELEMETRY_AUTO ",
                                        NULL};

    for (int i = 0; names[i] != NULL; i++)
        cr_expect_eq(tel_var_find(tel_str_from(names[i])), TEL_VARS, "%s", names[i]);
    cr_expect_eq(tel_var_find(TEL_STR_NONE), TEL_VARS);
}

Test(config, children)
{
    cr_expect_not(load(LIST("A=b"))->children_all);
    cr_expect(load(LIST("TELEMETRY_AUTO_CHILDREN=all"))->children_all);
    cr_expect_not(load(LIST("TELEMETRY_AUTO_CHILDREN=Root"))->children_all);
    cr_expect_eq(complaints.count, 0);
    cr_expect_not(load(LIST("TELEMETRY_AUTO_CHILDREN=some"))->children_all);
    cr_expect_eq(complaints.var, TEL_VAR_AUTO_CHILDREN);
}

/* --- the file ------------------------------------------------------------------------------------ */

static const char *product(const struct tel_config *config)
{
    return view_text(config->value[TEL_VAR_PRODUCT]);
}

Test(config, a_match_wins_over_the_defaults_and_a_later_match_over_an_earlier_one)
{
    static const char file[] = "[match /opt/*]\n"
                               "TELEMETRY_PRODUCT = first\n"
                               "[match *agent]\n"
                               "TELEMETRY_PRODUCT = second\n"
                               "[match /usr/*]\n"
                               "TELEMETRY_PRODUCT = other\n"
                               "[defaults]\n"
                               "TELEMETRY_PRODUCT = default\n"
                               "TELEMETRY_PLATFORM = one\n"
                               "TELEMETRY_PLATFORM = two\n";
    const struct tel_config *config = load_all(LIST("A=b"), file, "/opt/agent");

    cr_expect_str_eq(product(config), "second");
    cr_expect_eq(config->line[TEL_VAR_PRODUCT], 4);
    cr_expect_str_eq(view_text(config->value[TEL_VAR_PLATFORM]), "two");
    cr_expect_eq(config->line[TEL_VAR_AUTO], 0);
    cr_expect_str_eq(product(load_all(LIST("A=b"), file, "/opt/x")), "first");
    cr_expect_str_eq(product(load_all(LIST("A=b"), file, "/usr/bin/agent")), "other");
    cr_expect_str_eq(product(load_all(LIST("A=b"), file, "/bin/x")), "default");
    cr_expect_str_eq(product(load_all(LIST("A=b"), file, NULL)), "default");
    config = load_all(LIST("TELEMETRY_PRODUCT=mine"), file, "/opt/agent");
    cr_expect_str_eq(product(config), "mine");
    cr_expect_eq(config->line[TEL_VAR_PRODUCT], 0);
    cr_expect_eq(complaints.count, 0);
}

/* An empty value counts as unset, on either side. */
Test(config, empty_values)
{
    static const char file[] = "[defaults]\nTELEMETRY_PRODUCT = p\nTELEMETRY_AUTO_WAIT_MS=5\n"
                               "[match /opt/*]\nTELEMETRY_PRODUCT =\nTELEMETRY_AUTO_WAIT_MS=\n";

    cr_expect_str_eq(product(load_all(LIST("TELEMETRY_PRODUCT="), file, "/bin/x")), "p");
    cr_expect_null(load_all(LIST("A=b"), file, "/opt/x")->value[TEL_VAR_PRODUCT].ptr);
    cr_expect_eq(load_all(LIST("A=b"), file, "/opt/x")->wait_ms, 200);
    cr_expect_eq(complaints.count, 0);
}

Test(config, values_of_the_file_are_checked_like_others)
{
    const struct tel_config *config = load_file("[defaults]\n\nTELEMETRY_AUTO_WAIT_MS = soon\n");

    cr_expect_eq(config->wait_ms, 200);
    cr_expect_eq(complaints.count, 1);
    cr_expect_eq(complaints.line, 3);
    cr_expect_str_eq(complaints.name, "TELEMETRY_AUTO_WAIT_MS");
    cr_expect_str_eq(complaints.value, "soon");
    load_all(LIST("TELEMETRY_AUTO_WAIT_MS=never"), "[defaults]\nTELEMETRY_AUTO_WAIT_MS = 5\n", "");
    cr_expect_eq(complaints.line, 0, "it is the environment's");
}

struct line_case {
    const char *line;
    const char *why;
};

Test(config, lines_that_a_file_cannot_have)
{
    static const struct line_case cases[] = {
        {"TELEMETRY_PRODUKT = x", "no such variable"},
        {"= x", "no such variable"},
        {"TELEMETRY_RUN_ID = x", "environment only"},
        {"TELEMETRY_RUN_OWNER = x", "environment only"},
        {"TELEMETRY_CONFIG = /x", "environment only"},
        {"TELEMETRY_DEBUG = 1", "environment only"},
        {"HOME = /x", "environment only"},
        {"TELEMETRY_BASE_DIR = x", "absolute"},
        {"AGENT_METRICS_DIR = ~/x", "absolute"},
        {"TELEMETRY_DB_PATH = ./x", "absolute"},
        {"TELEMETRY_NDJSON_DIR = $HOME/x", "absolute"},
        {"nonsense", "KEY = VALUE"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tel_config *config = load_file(
            text("[defaults]\nTELEMETRY_PRODUCT=p\n%s\nTELEMETRY_PLATFORM=q\n", cases[i].line));

        cr_expect_eq(complaints.count, 1, "%s", cases[i].line);
        cr_expect_eq(complaints.line, 3, "%s", cases[i].line);
        cr_expect_not_null(strstr(complaints.why, cases[i].why), "%s", complaints.why);
        cr_expect_str_eq(product(config), "p");
        cr_expect_str_eq(view_text(config->value[TEL_VAR_PLATFORM]), "q", "what follows counts");
        cr_expect_null(config->value[TEL_VAR_BASE_DIR].ptr);
        cr_expect_null(config->value[TEL_VAR_HOME].ptr);
    }
}

/* All that takes part in a run has to find its directory, whatever program it is. */
Test(config, places_are_for_all_programs)
{
    static const char *const lines[] = {"TELEMETRY_BASE_DIR = /x",     "AGENT_METRICS_DIR = /x",
                                        "TELEMETRY_DB_PATH = /x/db/y", "TELEMETRY_NDJSON_DIR = /x",
                                        "TELEMETRY_FILE_MODE = 0660",  NULL};

    for (int i = 0; lines[i] != NULL; i++) {
        load_file(text("[match *]\n%s\n", lines[i]));
        cr_expect_eq(complaints.count, 1, "%s", lines[i]);
        cr_expect_not_null(strstr(complaints.why, "[defaults]"), "%s", complaints.why);
        load_file(text("[defaults]\n%s\n", lines[i]));
        cr_expect_eq(complaints.count, 0, "%s", lines[i]);
    }
}

/* --- selection ----------------------------------------------------------------------------------- */

static enum tel_var objection(const char *const *entries, const char *file, const char *exe,
                              const char *glob)
{
    struct tel_str hit = TEL_STR("untouched");
    const enum tel_var var =
        tel_config_objection(load_all(entries, file, exe), tel_str_from(exe), &hit);

    cr_expect_str_eq(view_text(hit), glob, "%s", exe);
    return var;
}

Test(config, everything_is_selected_at_first)
{
    cr_expect_eq(objection(LIST("A=b"), NULL, "/bin/ls", "(none)"), TEL_VARS);
}

Test(config, included_and_excluded)
{
    const char *const *lists =
        LIST("TELEMETRY_AUTO_INCLUDE=/opt/*:*/agent", "TELEMETRY_AUTO_EXCLUDE=:*/sh:/opt/secret/*");

    cr_expect_eq(objection(lists, NULL, "/opt/x", "/opt/*"), TEL_VARS);
    cr_expect_eq(objection(lists, NULL, "/bin/agent", "*/agent"), TEL_VARS);
    cr_expect_eq(objection(lists, NULL, "/bin/ls", "(none)"), TEL_VAR_AUTO_INCLUDE);
    cr_expect_eq(objection(lists, NULL, "/opt/sh", "*/sh"), TEL_VAR_AUTO_EXCLUDE, "exclude wins");
    cr_expect_eq(objection(lists, NULL, "/opt/secret/agent", "/opt/secret/*"),
                 TEL_VAR_AUTO_EXCLUDE);
    cr_expect_eq(tel_config_objection(load(lists), TEL_STR("/bin/ls"), NULL), TEL_VAR_AUTO_INCLUDE);
}

Test(config, switched_off_in_the_file)
{
    static const char file[] = "[defaults]\nTELEMETRY_AUTO = off\n"
                               "[match /opt/*]\nTELEMETRY_AUTO = on\n";

    cr_expect_eq(objection(LIST("A=b"), file, "/bin/ls", "(none)"), TEL_VAR_AUTO);
    cr_expect_eq(objection(LIST("A=b"), file, "/opt/ls", "(none)"), TEL_VARS);
    cr_expect_eq(objection(LIST("TELEMETRY_AUTO=1"), file, "/bin/ls", "(none)"), TEL_VARS);
}

Test(config, lists_are_bounded)
{
    static char entry[TEL_TEXT_MAX + 64] = "TELEMETRY_AUTO_EXCLUDE=";
    const size_t start = strlen(entry);

    memset(entry + start, '*', TEL_TEXT_MAX);
    cr_expect_eq(tel_config_objection(load(LIST(entry)), TEL_STR("/x"), NULL),
                 TEL_VAR_AUTO_EXCLUDE);
    entry[start + TEL_TEXT_MAX] = '*';
    cr_expect_eq(tel_config_objection(load(LIST(entry)), TEL_STR("/x"), NULL), TEL_VARS);
    cr_expect_eq(complaints.var, TEL_VAR_AUTO_EXCLUDE);
}
