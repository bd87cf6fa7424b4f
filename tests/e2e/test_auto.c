/* Programs that speak for their run through the shim (telemetry/auto.h). */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "support/places.h"

static const char accepted[] = "inside\n0\n0\n-1\n0\n0\n0\n0\n-1\n-1\n0\n";

#define SAID "status, items_discovered, items_succeeded, items_failed, product"

static void expect_said(const char *row)
{
    const char *const journal = journal_text(base_dir());

    cr_expect_str_eq(run_value(base_dir(), SAID), row);
    cr_expect_eq(count_of(journal, "\"event_type\": \"step\""), 1);
    cr_expect_eq(count_of(journal, "\"event_type\": \"bare\""), 1);
    cr_expect_eq(count_of(journal, "\"event_type\": \"bad\""), 0);
    cr_expect_str_eq(field_of(last_line_of(journal), "items_succeeded"), "5");
}

Test(auto_api, said_by_the_program_itself)
{
    cr_expect_str_eq(record(fixture_path("speak")).out, accepted);
    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "partial"));
    expect_said("partial|10|5|0|words \"and\" more");
}

Test(auto_api, said_before_a_kill)
{
    need_exit_codes_of_strangers();
    cr_assert_eq(record(fixture_path("speak"), "killed").wait_status, SIGKILL);
    cr_assert(all_ended(base_dir(), 1));
    cr_assert(sql_becomes(base_dir(), "SELECT items_discovered FROM agent_runs", "10"));
    expect_said("failed|10|5|0|words \"and\" more");
}

Test(auto_api, said_by_a_child)
{
    cr_expect_str_eq(record("sh", "-c", text("%s; exit 0", fixture_path("speak"))).out, accepted);
    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "partial"));
    expect_said("partial|10|5|0|words \"and\" more");
}

Test(auto_api, said_by_a_program_of_32_bits)
{
    const char *preload = text("LD_PRELOAD=%s", shims_path());
    const struct run_result result =
        run(LIST(fixture_path("speak_32")), shim_env_and(base_dir(), LIST(preload)));

    cr_expect_str_eq(result.out, accepted);
    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "partial"));
    expect_said("partial|10|5|0|words \"and\" more");
}

Test(auto_api, nothing_without_the_shim)
{
    struct run_result result = run(LIST(fixture_path("speak")), base_env());

    cr_expect_eq(result.status, 0);
    cr_expect_str_eq(result.out, "outside\n-1\n-1\n-1\n-1\n-1\n-1\n-1\n-1\n-1\n-1\n");
    cr_expect_not(file_exists(base_dir()));
}

Test(auto_api, from_python)
{
    struct run_result result =
        record("python3", "-c",
               "import ctypes\n"
               "shim = ctypes.CDLL(None)\n"
               "shim.telemetry_auto_run_id.restype = ctypes.c_char_p\n"
               "assert shim.telemetry_auto_run_id().startswith(b'2')\n"
               "assert shim.telemetry_auto_event(b'step', b'{\"n\": 1}') == 0\n"
               "assert shim.telemetry_auto_set(b'items_succeeded', b'+5') == 0\n");

    if (result.status == 127)
        cr_skip_test("ctypes: needs python3");
    cr_assert_eq(result.status, 0, "%s", result.err);
    cr_assert(sql_becomes(base_dir(), "SELECT items_succeeded FROM agent_runs", "5"));
    cr_expect_eq(count_of(journal_text(base_dir()), "\"event_type\": \"step\""), 1);
}

/* Without a collector nobody writes it down, and the program is told. */
Test(auto_api, without_a_collector)
{
    struct run_result result =
        run(LIST(fixture_path("speak")), shim_env_and(base_dir(), LIST("TELEMETRY_COLLECTOR=off")));

    cr_expect_eq(result.status, 0);
    cr_expect(starts_with(result.out, "inside\n-1\n-1\n"), "%s", result.out);
}
