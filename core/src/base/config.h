/* The effective configuration: environment and file (CONTRACT 2) validated once into an immutable
 * struct. A bad value never fails; it falls back, and is reported to whoever asks (doctor). */
#ifndef TEL_BASE_CONFIG_H
#define TEL_BASE_CONFIG_H

#include "env.h"
#include "error.h"

#include <sys/types.h>

/* One line for each variable: its identifier, and its name in the environment and in the file. The
 * order makes the groups below. */
#define TEL_CONFIG_VARIABLES(X)                                                                    \
    /* Taken from the environment alone. */                                                        \
    X(RUN_ID, "TELEMETRY_RUN_ID")                                                                  \
    X(RUN_OWNER, "TELEMETRY_RUN_OWNER")                                                            \
    X(CONFIG, "TELEMETRY_CONFIG")                                                                  \
    X(DEBUG, "TELEMETRY_DEBUG")                                                                    \
    X(HOME, "HOME")                                                                                \
    X(EXIT_SOURCE, "TELEMETRY_EXIT_SOURCE") /* for tests: which interface tells endings */         \
    /* In a file only for all programs: whatever is in a run has to agree on them. */              \
    X(FILE_MODE, "TELEMETRY_FILE_MODE")                                                            \
    X(DB_PATH, "TELEMETRY_DB_PATH")                                                                \
    X(BASE_DIR, "TELEMETRY_BASE_DIR")                                                              \
    X(LEGACY_BASE_DIR, "AGENT_METRICS_DIR")                                                        \
    X(NDJSON_DIR, "TELEMETRY_NDJSON_DIR")                                                          \
    X(AUTO, "TELEMETRY_AUTO")                                                                      \
    X(AUTO_CHILDREN, "TELEMETRY_AUTO_CHILDREN")                                                    \
    X(AUTO_INCLUDE, "TELEMETRY_AUTO_INCLUDE")                                                      \
    X(AUTO_EXCLUDE, "TELEMETRY_AUTO_EXCLUDE")                                                      \
    X(SKIP_VALIDATION, "TELEMETRY_SKIP_VALIDATION")                                                \
    /* Texts for the run's line, cut when they are long. */                                        \
    X(AGENT_NAME, "TELEMETRY_AGENT_NAME")                                                          \
    X(JOB_TYPE, "TELEMETRY_JOB_TYPE")                                                              \
    X(JOB_NAME, "TELEMETRY_JOB_NAME")                                                              \
    X(TRIGGER_TYPE, "TELEMETRY_TRIGGER_TYPE")                                                      \
    X(AGENT_OWNER, "AGENT_OWNER")                                                                  \
    X(INPUT_SUMMARY, "TELEMETRY_INPUT_SUMMARY")                                                    \
    X(OUTPUT_SUMMARY, "TELEMETRY_OUTPUT_SUMMARY")                                                  \
    X(METRICS_JSON, "TELEMETRY_METRICS_JSON")                                                      \
    X(INSIGHT_ID, "TELEMETRY_INSIGHT_ID")                                                          \
    X(PRODUCT, "TELEMETRY_PRODUCT")                                                                \
    X(PLATFORM, "TELEMETRY_PLATFORM")                                                              \
    X(PRODUCT_FAMILY, "TELEMETRY_PRODUCT_FAMILY")                                                  \
    X(SUBDOMAIN, "TELEMETRY_SUBDOMAIN")                                                            \
    X(GIT_REPO, "TELEMETRY_GIT_REPO")                                                              \
    X(GIT_BRANCH, "TELEMETRY_GIT_BRANCH")                                                          \
    X(GIT_RUN_TAG, "TELEMETRY_GIT_RUN_TAG")                                                        \
    X(WAIT_MS, "TELEMETRY_AUTO_WAIT_MS")                                                           \
    X(SUCCESS_EXIT_CODES, "TELEMETRY_SUCCESS_EXIT_CODES")                                          \
    X(DURABILITY, "TELEMETRY_DURABILITY")                                                          \
    X(COLLECTOR, "TELEMETRY_COLLECTOR")                                                            \
    X(API_URL, "METRICS_API_URL")                                                                  \
    X(API_TOKEN, "METRICS_API_TOKEN")                                                              \
    X(API_ENABLED, "METRICS_API_ENABLED")                                                          \
    X(TEST_MODE, "TELEMETRY_TEST_MODE")

enum tel_var {
#define TEL_VAR_ENTRY(id, name) TEL_VAR_##id,
    TEL_CONFIG_VARIABLES(TEL_VAR_ENTRY)
#undef TEL_VAR_ENTRY
        TEL_VARS
};

/* NUL-terminated, static. */
const char *tel_var_name(enum tel_var var);
/* TEL_VARS when there is no such variable. */
enum tel_var tel_var_find(struct tel_str name);
/* A file cannot set it. */
bool tel_var_is_environment_only(enum tel_var var);

/* Bounds on what is taken from a variable; longer text is cut at a character. */
#define TEL_TEXT_MAX 4096         /* summaries and tags, in bytes */
#define TEL_METRICS_JSON_MAX 8192 /* longer, or not JSON: ignored */
#define TEL_API_TEXT_MAX 2048     /* URL, token: longer ones are not used */
#define TEL_WAIT_MS_DEFAULT 200
#define TEL_WAIT_MS_MAX 60000

enum tel_durability { TEL_DURABILITY_PROCESS, TEL_DURABILITY_SYSTEM };

struct tel_config {
    struct tel_str value[TEL_VARS]; /* borrowed; empty counts as unset (ptr NULL) */
    unsigned line[TEL_VARS];        /* of the file, where the value comes from there; else 0 */
    bool enabled;
    bool children_all;
    bool skip_validation;
    unsigned wait_ms;
    mode_t file_mode; /* permission bits for files */
    mode_t dir_mode;  /* file_mode with x wherever there is r */
    enum tel_durability durability;
    bool collector_off;
    bool post;                 /* runs are to be posted to the remote API */
    uint8_t success_codes[32]; /* bit N set: exit code N is a success */
};

/* A value that was not taken as it is, or a line of the file that is none. All borrowed. */
struct tel_config_problem {
    unsigned line;       /* of the file; 0: it is in the environment */
    struct tel_str name; /* of the variable, or the key; none: value is a bad line */
    struct tel_str value;
    const char *why; /* one line without the name; empty in the shim */
};
typedef void tel_config_problem_fn(void *arg, const struct tel_config_problem *problem);

/* What a configuration is made of. All borrowed, by the struct tel_config as well. */
struct tel_config_source {
    const struct tel_env *env;
    struct tel_str file; /* text of the configuration file; may be none */
    struct tel_str exe;  /* path of the program that it is for: which [match GLOB] sections count */
};

/* Fills config: the environment wins over the file, a later match section over an earlier one, a
 * match over the defaults. Where the environment says which data directory to use, the file's
 * word about that does not count. problem may be NULL. */
void tel_config_load(struct tel_config *config, const struct tel_config_source *source,
                     tel_config_problem_fn *problem, void *arg);

/* The variable that keeps the program at this absolute path from being recorded: TEL_VAR_AUTO,
 * TEL_VAR_AUTO_EXCLUDE, TEL_VAR_AUTO_INCLUDE (which does not name it); TEL_VARS when none does. *glob is
 * what it matched of the exclude or include list, else TEL_STR_NONE; may be NULL. */
enum tel_var tel_config_objection(const struct tel_config *config, struct tel_str exe,
                                  struct tel_str *glob);

/* Parses a list such as "0,3" into a bit set; false (set untouched) when malformed. */
bool tel_config_parse_codes(struct tel_str list, uint8_t set[32]);
bool tel_config_is_success(const uint8_t set[32], int exit_code);
/* true/1/yes/on and false/0/no/off in any case; -1 for anything else. */
int tel_config_parse_bool(struct tel_str text);

#endif
