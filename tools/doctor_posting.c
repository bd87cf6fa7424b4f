/* telemetry doctor: whether runs are posted to the remote API, and what stands in the way. Never shows the
 * token. */
#include "api_target.h"
#include "doctor.h"
#include "program.h"

#include <stdio.h>

static void check_switches(struct doctor *doctor)
{
    const struct tel_str *value = doctor->context.config.value;
    const struct tel_str enabled = value[TEL_VAR_API_ENABLED];
    const struct tel_str mode = value[TEL_VAR_TEST_MODE];

    if (enabled.ptr != NULL && tel_config_parse_bool(enabled) < 0)
        doctor_warn(doctor, "correct it, or unset it",
                    "METRICS_API_ENABLED is neither true nor false; posting stays on");
    if (mode.ptr != NULL && !tel_str_is_nocase(mode, "mock") && !tel_str_is_nocase(mode, "live"))
        doctor_warn(doctor, "correct it, or unset it",
                    "TELEMETRY_TEST_MODE is neither mock nor live; it is ignored");
}

static void check_program(struct doctor *doctor)
{
    char program[TEL_PATH_MAX];

    if (program_find_poster(program))
        doctor_ok("%s posts them", program);
    else
        doctor_fail(doctor, "install it: 'tools/dev install' in the source tree",
                    "telemetry-post is neither beside this program nor at %s", program);
}

static void report_target(struct doctor *doctor, const struct tel_target *target)
{
    char shown[TEL_API_TEXT_MAX];

    tel_target_show(target, shown, sizeof shown);
    doctor_ok("runs are posted to %s, %s a token", shown,
              target->token.len > 0 ? "with" : "without");
    if (tel_target_is_exposed(target))
        doctor_warn(doctor, "use https",
                    "the token travels over plain http, readable for everyone on the way to %s",
                    shown);
}

void doctor_check_posting(struct doctor *doctor)
{
    const struct tel_config *config = &doctor->context.config;
    const struct tel_target target = {config->value[TEL_VAR_API_URL],
                                      config->value[TEL_VAR_API_TOKEN]};
    const char *problem = tel_target_problem(&target);

    doctor_section("Remote API");
    check_switches(doctor);
    if (target.url.ptr == NULL) {
        doctor_note("METRICS_API_URL is not set: nothing is posted");
    } else if (problem != NULL) {
        doctor_fail(doctor, "correct it; until then nothing is posted", "%s", problem);
    } else if (!config->post) {
        doctor_note(
            "switched off by METRICS_API_ENABLED or TELEMETRY_TEST_MODE: nothing is posted");
    } else {
        report_target(doctor, &target);
        check_program(doctor);
    }
}
