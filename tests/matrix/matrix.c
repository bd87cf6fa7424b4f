/* The host matrix: runs each row bare, under the shim with nothing there yet, and once more with a
 * collector that is there; and compares all that could be noticed, and the record.
 *
 *   matrix [THEME...]    runs themes, or all; a line for each that differs or is skipped
 *   matrix --show ROW    shows a row bare and recorded, side by side
 *   matrix --list        names of all rows
 */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "record.h"
#include "show.h"
#include "support/recording.h"

static const struct theme *const themes[] = {&shells,    &runtimes, &tools,  &servers,
                                             &libraries, &shapes,   &narrow, &limits};

enum { THEMES = sizeof themes / sizeof themes[0] };

/* --- what a row needs -------------------------------------------------------------------------------- */

/* Compilers may be anywhere, but the system's are preferred. */
static const char *tools_path(void)
{
    return text("%s:%s", system_path, getenv("PATH") != NULL ? getenv("PATH") : "");
}

static bool has_tool(const char *tool)
{
    return run(LIST("/bin/sh", "-c", "command -v \"$1\"", "sh", tool),
               LIST(text("PATH=%s", tools_path())))
               .status == 0;
}

static bool build_is_open(void)
{
    return run_with(
               &(struct run_options){.argv = LIST("setpriv", "--reuid=65534", "--regid=65534",
                                                  "--clear-groups", "test", "-r", shim_path())})
               .status == 0;
}

/* Not in a chroot, for one, nor in most containers. */
static bool may_mount(void)
{
    return run(LIST("unshare", "-m", "true"), NULL).status == 0;
}

/* Why a row cannot run here; NULL when it can. */
static const char *missing(const struct row *row)
{
    if ((row->needs_root || row->user != NULL) && geteuid() != 0)
        return "only root may";
    if (row->user != NULL && getpwnam(row->user) == NULL)
        return text("there is no user %s", row->user);
    if ((row->needs_open_build || row->user != NULL) && !build_is_open())
        return "other users cannot reach the build";
    for (int i = 0; row->needs != NULL && row->needs[i] != NULL; i++)
        if (!host_has(row->needs[i]))
            return text("there is no %s", row->needs[i]);
    for (int i = 0; row->tools != NULL && row->tools[i] != NULL; i++)
        if (!has_tool(row->tools[i]))
            return text("there is no %s", row->tools[i]);
    if (row->needs_mounts && !may_mount())
        return "no mount namespace can be made";
    return NULL;
}

/* Makes what a row needs; NULL, or what went wrong. */
static const char *set_up(const struct row *row)
{
    struct run_result result;

    if (row->setup == NULL)
        return NULL;
    run(LIST("rm", "-rf", made_dir()), NULL);
    run(LIST("mkdir", "-m", "0755", made_dir()), NULL);
    result = run_with(&(struct run_options){
        .argv = LIST("/bin/sh", "-euc", row->setup),
        .env = LIST(text("PATH=%s", tools_path()), text("HOSTS=%s", MATRIX_HOSTS),
                    text("FIXTURES=%s", TELEMETRY_TEST_FIXTURES)),
        .cwd = made_dir(),
        .timeout_ms = 300000,
        .may_time_out = true,
    });
    return result.status == 0 ? NULL : text("cannot be set up:\n%s%s", result.out, result.err);
}

/* --- one row ----------------------------------------------------------------------------------------- */

/* Nobody waits for them: one that finds its directory gone leaves as well. */
static void dismiss_collectors(const char *base)
{
    pid_t pids[8];
    const int count = collectors_of(base, pids, 8);

    for (int i = 0; i < count && i < 8; i++)
        kill(pids[i], SIGTERM);
}

enum verdict { EQUAL, SKIPPED, KNOWN, DIFFERS, VERDICTS };

/* Runs recorded against bare, in base; true when nothing differs. */
static bool compare(const struct row *row, const char *base, const struct seen *bare,
                    const char *when)
{
    const int before = count_runs(base);
    const struct seen recorded = run_host(row, base, false);
    const char *record = record_differs(row, base, &recorded, before);
    const bool same = strcmp(bare->text, recorded.text) == 0;

    if (row->known != NULL)
        return same && record == NULL;
    if (!same) {
        printf("%s, %s: the program differs:\n", row->name, when);
        show_difference(bare->text, recorded.text);
    }
    if (record != NULL)
        printf("%s, %s: the record differs: %s", row->name, when, record);
    return same && record == NULL;
}

static enum verdict judge(const struct row *row, bool same)
{
    if (row->known == NULL && !same)
        printf("to see it: tools/dev matrix %s\n", row->name);
    if (row->known == NULL)
        return same ? EQUAL : DIFFERS;
    if (!same) {
        printf("%s: known: %s\n", row->name, row->known);
        return KNOWN;
    }
    printf("%s: does not differ any more: take its mark off\n", row->name);
    return DIFFERS;
}

static enum verdict run_row(const struct row *row)
{
    const char *base = new_base();
    const char *why = missing(row);
    struct seen bare;
    bool same;

    if (why != NULL) {
        printf("%s: skipped: %s\n", row->name, why);
        return SKIPPED;
    }
    why = set_up(row);
    if (why != NULL) {
        printf("%s: %s", row->name, why);
        return DIFFERS;
    }
    bare = run_host(row, base, true);
    if (file_exists(text("%s/raw", base)) || bare.timed_out) {
        printf("%s: the bare run %s\n%s", row->name,
               bare.timed_out ? "does not end" : "must not record", bare.text);
        return DIFFERS;
    }
    same = compare(row, base, &bare, "cold");
    if (same && !row->slow)
        same = compare(row, base, &bare, "warm");
    dismiss_collectors(base);
    return judge(row, same);
}

static bool run_theme(const struct theme *theme)
{
    int counts[VERDICTS] = {0};
    const char *skipped = "";

    for (size_t i = 0; i < theme->count; i++) {
        const enum verdict verdict = run_row(&theme->rows[i]);

        fflush(stdout);
        counts[verdict]++;
        if (verdict == SKIPPED)
            skipped = text("%s%s%s", skipped, counts[SKIPPED] > 1 ? ", " : "", theme->rows[i].name);
    }
    printf("matrix %s: %d rows equal, %d skipped%s%s%s, ", theme->name, counts[EQUAL],
           counts[SKIPPED], counts[SKIPPED] > 0 ? " (" : "", skipped,
           counts[SKIPPED] > 0 ? ")" : "");
    if (counts[KNOWN] > 0)
        printf("%d known to differ, ", counts[KNOWN]);
    printf("%d differ\n", counts[DIFFERS]);
    return counts[DIFFERS] == 0;
}

/* --- on request --------------------------------------------------------------------------------------- */

static void list_rows(void)
{
    for (int i = 0; i < THEMES; i++) {
        printf("%s:", themes[i]->name);
        for (size_t k = 0; k < themes[i]->count; k++)
            printf(" %s", themes[i]->rows[k].name);
        printf("\n");
    }
}

static int show_row(const struct row *row)
{
    const char *base = new_base();
    const char *why = missing(row);
    struct seen bare;
    struct seen recorded;
    const char *differs;

    if (why == NULL)
        why = set_up(row);
    if (why != NULL) {
        printf("%s: %s\n", row->name, why);
        return 1;
    }
    bare = run_host(row, base, true);
    recorded = run_host(row, base, false);
    differs = record_differs(row, base, &recorded, 0);
    show_side_by_side(bare.text, recorded.text);
    printf("\nrecorded (agent|status|exit code|signal|how it was learnt):\n%s\n", runs_of(base));
    if (differs != NULL)
        printf("not as it should be: %s", differs);
    dismiss_collectors(base);
    return strcmp(bare.text, recorded.text) == 0 && differs == NULL ? 0 : 1;
}

static int show_named(const char *name)
{
    for (int i = 0; i < THEMES; i++)
        for (size_t k = 0; k < themes[i]->count; k++)
            if (strcmp(themes[i]->rows[k].name, name) == 0)
                return show_row(&themes[i]->rows[k]);
    fprintf(stderr, "matrix: there is no row '%s'; the rows are:\n", name);
    list_rows();
    return 2;
}

static bool is_named(const struct theme *theme, char **names)
{
    for (; *names != NULL; names++)
        if (strcmp(theme->name, *names) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    bool all_equal = true;

    setvbuf(stdout, NULL, _IOLBF, 0);
    test_dir();
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        list_rows();
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--show") == 0)
        return show_named(argv[2]);
    for (int i = 0; i < THEMES; i++)
        if (argc == 1 || is_named(themes[i], argv + 1))
            all_equal = run_theme(themes[i]) && all_equal;
    return all_equal ? 0 : 1;
}
