/* Which configuration file is used, which is refused, and what it does to the data directory. */
#include "base/settings.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

static struct tel_config config;
static struct tel_datadir dir;
static struct tel_conf_file file;
static struct tel_error err;

static const char *conf(void)
{
    return text("%s/telemetry.conf", test_dir());
}

static void load_as(const char *const *entries, const char *exe)
{
    const struct tel_env env = block_of(entries);
    const struct tel_surroundings around = {&env, test_dir(), tel_str_from(exe), geteuid()};

    memset(&file, 0xa5, sizeof file);
    err = (struct tel_error){0};
    cr_assert_eq(tel_settings_load(&config, &dir, &file, &around, &err), 0, "%s", err.message);
}

static void load(const char *const *entries)
{
    load_as(entries, "/opt/agent");
}

static void write_conf(const char *content)
{
    write_file(conf(), content, 0600);
}

static const char *named(void)
{
    return text("TELEMETRY_CONFIG=%s", conf());
}

/* Loads with conf() named; true when it is used. */
static bool is_used(void)
{
    load(LIST(named(), text("TELEMETRY_BASE_DIR=%s", test_dir())));
    return file.path[0] != '\0' && strcmp(file.path, conf()) == 0;
}

static void in_base(const char *content)
{
    mkdir(text("%s/base", test_dir()), 0700);
    mkdir(text("%s/base/config", test_dir()), 0700);
    write_file(text("%s/base/config/telemetry.conf", test_dir()), content, 0600);
}

static const char *base_entry(void)
{
    return text("TELEMETRY_BASE_DIR=%s/base", test_dir());
}

/* --- which file -------------------------------------------------------------------------------- */

Test(settings, a_named_file)
{
    write_conf("[defaults]\nTELEMETRY_PRODUCT = p\n");
    in_base("[defaults]\nTELEMETRY_PRODUCT = base\n");
    load(LIST(named(), base_entry()));
    cr_expect_str_eq(file.path, conf());
    cr_expect_str_eq(view_text(config.value[TEL_VAR_PRODUCT]), "p");
    cr_expect_eq(config.line[TEL_VAR_PRODUCT], 2);
}

Test(settings, the_data_directorys_file)
{
    in_base("[match /opt/*]\nTELEMETRY_PRODUCT = base\n");
    load(LIST(base_entry()));
    cr_expect_str_eq(file.path, text("%s/base/config/telemetry.conf", test_dir()));
    cr_expect_str_eq(view_text(config.value[TEL_VAR_PRODUCT]), "base");
    load_as(LIST(base_entry()), "/bin/ls");
    cr_expect_null(config.value[TEL_VAR_PRODUCT].ptr);
}

Test(settings, a_named_file_that_is_missing_is_passed_over)
{
    in_base("[defaults]\nTELEMETRY_PRODUCT = base\n");
    load(LIST(text("TELEMETRY_CONFIG=%s/missing", test_dir()), base_entry()));
    cr_expect_str_eq(view_text(config.value[TEL_VAR_PRODUCT]), "base");
}

Test(settings, relative_to_the_working_directory)
{
    write_conf("");
    cr_assert_eq(chdir(test_dir()), 0);
    load(LIST("TELEMETRY_CONFIG=telemetry.conf", base_entry()));
    cr_expect_str_eq(file.path, "telemetry.conf");
}

/* --- what is refused --------------------------------------------------------------------------- */

static const char *refusal(enum tel_conf_place place, int status)
{
    struct tel_conf_file candidate = {.path = ""};

    strcpy(candidate.path, conf());
    err = (struct tel_error){0};
    cr_expect_eq(tel_conf_file_read(&candidate, place, geteuid(), &err), status, "%s", err.message);
    cr_expect_null(candidate.text.ptr);
    cr_expect_null(candidate.memory);
    return err.message;
}

Test(settings, only_regular_files)
{
    cr_assert_eq(mkfifo(conf(), 0600), 0);
    cr_expect_not(is_used(), "and it does not block");
    cr_expect_not_null(strstr(refusal(TEL_CONF_NAMED, TEL_ERR_REFUSED), "not a regular file"));
    unlink(conf());
    cr_assert_eq(mkdir(conf(), 0700), 0);
    cr_expect_not(is_used());
    cr_assert_eq(rmdir(conf()), 0);
    cr_assert_eq(symlink("/dev/null", conf()), 0);
    cr_expect_not(is_used());
}

Test(settings, not_everybodys_files)
{
    write_file(conf(), "", 0666);
    cr_expect_not(is_used());
    cr_expect_not_null(strstr(refusal(TEL_CONF_NAMED, TEL_ERR_REFUSED), "writable"));
    chmod(conf(), 0660);
    cr_expect(is_used(), "a group is chosen by its owner");
}

Test(settings, not_somebody_elses_files)
{
    if (geteuid() != 0)
        cr_skip_test("somebody else's file: needs root");
    write_conf("");
    cr_assert_eq(chown(conf(), 12345, 12345), 0);
    cr_expect_not(is_used());
    cr_expect_not_null(strstr(refusal(TEL_CONF_NAMED, TEL_ERR_REFUSED), "belongs"));
}

Test(settings, not_what_cannot_be_read)
{
    refusal(TEL_CONF_NAMED, -ENOENT);
    cr_expect_not_null(strstr(err.message, conf()));
    cr_expect_not(is_used());
}

Test(settings, at_most_a_mebibyte)
{
    write_conf("[defaults]\nTELEMETRY_PRODUCT = p\n");
    cr_assert_eq(truncate(conf(), TEL_CONF_FILE_MAX), 0);
    cr_expect(is_used());
    cr_expect_eq(file.text.len, TEL_CONF_FILE_MAX);
    cr_expect_str_eq(view_text(config.value[TEL_VAR_PRODUCT]), "p");
    cr_assert_eq(truncate(conf(), TEL_CONF_FILE_MAX + 1), 0);
    cr_expect_not(is_used());
    cr_expect_null(file.text.ptr);
}

/* Whoever names a file may name a link; inside the data directory none is followed. */
Test(settings, links)
{
    write_file(text("%s/real", test_dir()), "[defaults]\n", 0600);
    cr_assert_eq(symlink("real", conf()), 0);
    cr_expect(is_used());
    refusal(TEL_CONF_OF_BASE, -ELOOP);
}

Test(settings, an_empty_file_is_a_file)
{
    write_conf("");
    cr_expect(is_used());
    cr_expect_not_null(file.text.ptr);
    tel_conf_file_drop(&file);
    tel_conf_file_drop(&file);
    cr_expect_null(file.text.ptr);
}

Test(settings, no_descriptor_stays)
{
    const int before = count_descriptors();

    is_used();
    write_conf("[defaults]\n");
    is_used();
    chmod(conf(), 0666);
    is_used();
    cr_expect_eq(count_descriptors(), before);
}

/* --- where the data goes ------------------------------------------------------------------------- */

Test(settings, a_file_chooses_the_directory)
{
    write_conf(text("[defaults]\nTELEMETRY_BASE_DIR = %s/there\n", test_dir()));
    load(LIST(named()));
    cr_expect_str_eq(dir.base, text("%s/there", test_dir()));
    cr_expect_not(dir.raw_chosen);

    write_conf(text("[defaults]\nTELEMETRY_NDJSON_DIR = %s/logs\nTELEMETRY_DB_PATH=%s/x/db/t.db\n",
                    test_dir(), test_dir()));
    load(LIST(named()));
    cr_expect_str_eq(dir.raw, text("%s/logs", test_dir()));
    cr_expect_str_eq(dir.base, text("%s/x", test_dir()));
    cr_expect(dir.raw_chosen && dir.db_chosen);
}

/* Half of one directory and half of another would be nobody's wish. */
Test(settings, the_environments_directory_wins_as_a_whole)
{
    write_conf(text("[defaults]\nTELEMETRY_NDJSON_DIR = %s/logs\nTELEMETRY_DB_PATH=%s/x/db/t.db\n",
                    test_dir(), test_dir()));
    load(LIST(named(), base_entry()));
    cr_expect_str_eq(dir.base, text("%s/base", test_dir()));
    cr_expect_str_eq(dir.raw, text("%s/base/raw", test_dir()));
    cr_expect_str_eq(dir.db, text("%s/base/db/telemetry.sqlite", test_dir()));
    load(LIST(named(), text("AGENT_METRICS_DIR=%s/base", test_dir())));
    cr_expect_str_eq(dir.raw, text("%s/base/raw", test_dir()));
}
