/* The effective configuration: the environment (CONTRACT 2) validated once into an immutable
 * struct. A bad value never fails; it falls back, and is reported to whoever asks (doctor). */
#ifndef TEL_BASE_CONFIG_H
#define TEL_BASE_CONFIG_H

#include "env.h"
#include "error.h"

#include <sys/types.h>

enum tel_var {
    TEL_VAR_AUTO,
    TEL_VAR_RUN_ID,
    TEL_VAR_RUN_OWNER,
    TEL_VAR_DEBUG,
    TEL_VAR_DB_PATH,
    TEL_VAR_BASE_DIR,
    TEL_VAR_LEGACY_BASE_DIR, /* AGENT_METRICS_DIR */
    TEL_VAR_NDJSON_DIR,
    TEL_VAR_HOME,
    TEL_VAR_FILE_MODE,
    TEL_VAR_SKIP_VALIDATION,
    TEL_VAR_AGENT_NAME,
    TEL_VAR_JOB_TYPE,
    TEL_VAR_JOB_NAME,
    TEL_VAR_TRIGGER_TYPE,
    TEL_VAR_AGENT_OWNER,
    TEL_VAR_INPUT_SUMMARY,
    TEL_VAR_OUTPUT_SUMMARY,
    TEL_VAR_METRICS_JSON,
    TEL_VAR_INSIGHT_ID,
    TEL_VAR_PRODUCT,
    TEL_VAR_PLATFORM,
    TEL_VAR_PRODUCT_FAMILY,
    TEL_VAR_SUBDOMAIN,
    TEL_VAR_GIT_REPO,
    TEL_VAR_GIT_BRANCH,
    TEL_VAR_GIT_RUN_TAG,
    TEL_VAR_WAIT_MS,
    TEL_VAR_SUCCESS_EXIT_CODES,
    TEL_VAR_DURABILITY,
    TEL_VAR_COLLECTOR,
    TEL_VAR_API_URL,
    TEL_VAR_API_TOKEN,
    TEL_VAR_API_ENABLED,
    TEL_VAR_TEST_MODE,
    TEL_VAR_EXIT_SOURCE, /* TELEMETRY_EXIT_SOURCE: for tests, which kernel interface tells endings */
    TEL_VARS
};

extern const char *const tel_var_names[TEL_VARS];

/* Bounds on what is taken from a variable; longer text is cut at a character. */
#define TEL_TEXT_MAX 4096         /* summaries and tags, in bytes */
#define TEL_METRICS_JSON_MAX 8192 /* longer, or not JSON: ignored */
#define TEL_API_TEXT_MAX 2048     /* URL, token: with longer ones nothing is posted */
#define TEL_WAIT_MS_DEFAULT 200
#define TEL_WAIT_MS_MAX 60000

enum tel_durability { TEL_DURABILITY_PROCESS, TEL_DURABILITY_SYSTEM };

struct tel_config {
    struct tel_str value[TEL_VARS]; /* borrowed; empty counts as unset (ptr NULL) */
    bool enabled;
    bool skip_validation;
    unsigned wait_ms;
    mode_t file_mode; /* permission bits for files */
    mode_t dir_mode;  /* file_mode with x wherever there is r */
    enum tel_durability durability;
    bool collector_off;
    bool post;                 /* runs are to be posted to the remote API */
    uint8_t success_codes[32]; /* bit N set: exit code N is a success */
};

/* Called for each value that was not taken; why is one line without the variable's name. */
typedef void tel_config_problem_fn(void *arg, enum tel_var var, struct tel_str value,
                                   const char *why);

/* Fills config from env. problem may be NULL. */
void tel_config_load(struct tel_config *config, const struct tel_env *env,
                     tel_config_problem_fn *problem, void *arg);

/* Parses a list such as "0,3" into a bit set; false (set untouched) when malformed. */
bool tel_config_parse_codes(struct tel_str list, uint8_t set[32]);
bool tel_config_is_success(const uint8_t set[32], int exit_code);
/* true/1/yes/on and false/0/no/off in any case; -1 for anything else. */
int tel_config_parse_bool(struct tel_str text);

#endif
