/* telemetry doctor: the configuration file, which one it is, and what is wrong in it, line by line. */
#include "base/conf_file.h"
#include "doctor.h"
#include "suggest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN = 60 }; /* bytes of a value, or of a line */

/* --- values ---------------------------------------------------------------------------------- */

/* A line that was meant to set the token shows it, however its name is spelt. */
static bool is_about_token(struct tel_str text)
{
    for (size_t i = 0; i + 3 <= text.len; i++)
        if (tel_str_is_nocase((struct tel_str){text.ptr + i, 3}, "tok"))
            return true;
    return false;
}

static void warn_of_line(struct doctor *doctor, const char *advice,
                         const struct tel_config_problem *problem)
{
    const bool secret =
        is_about_token(problem->name) || (problem->name.len == 0 && is_about_token(problem->value));
    const struct tel_str value =
        secret ? TEL_STR("(not shown)") : tel_str_cut_utf8(problem->value, SHOWN);

    doctor_warn(doctor, advice, "%s:%u: %.*s%s'%.*s%s': %s", doctor->context.file.path,
                problem->line, (int)problem->name.len, problem->name.ptr,
                problem->name.len > 0 ? " = " : "", (int)value.len, value.ptr,
                !secret && value.len < problem->value.len ? "..." : "", problem->why);
}

static void report_line(struct doctor *doctor, const struct tel_config_problem *problem)
{
    char advice[128] = "correct the line; as it is, it is ignored";
    char name[64] = "";

    if (problem->name.len > 0 && problem->name.len < sizeof name &&
        tel_var_find(problem->name) == TEL_VARS) {
        struct suggestion near;

        memcpy(name, problem->name.ptr, problem->name.len);
        near = suggest_for(name);
        for (int var = 0; var < TEL_VARS; var++)
            if (!tel_var_is_environment_only((enum tel_var)var))
                suggest_offer(&near, tel_var_name((enum tel_var)var));
        if (near.best != NULL)
            snprintf(advice, sizeof advice, "did you mean %s?", near.best);
    }
    warn_of_line(doctor, advice, problem);
}

/* What is wrong with one assignment, whatever else the file and the environment say. */
struct assignment {
    struct doctor *doctor;
    unsigned line;
};

static void take_problem(void *arg, const struct tel_config_problem *problem)
{
    const struct assignment *assignment = arg;
    struct tel_config_problem there = *problem;

    there.line = assignment->line;
    report_line(assignment->doctor, &there);
}

static void check_assignment(struct doctor *doctor, const struct tel_conf *conf,
                             const struct tel_conf_item *item)
{
    static char text[TEL_CONF_LINE_MAX + 64];
    static struct tel_config alone;
    const struct tel_env nothing = {NULL};
    struct assignment assignment = {doctor, conf->line};
    struct tel_buf out;

    tel_buf_init(&out, text, sizeof text);
    tel_buf_cstr(&out, conf->section == TEL_CONF_MATCH ? "[match *]\n" : "[defaults]\n");
    tel_buf_str(&out, item->key);
    tel_buf_cstr(&out, "=\"");
    tel_buf_str(&out, item->value);
    tel_buf_cstr(&out, "\"\n");
    tel_config_load(&alone, &(struct tel_config_source){&nothing, tel_buf_view(&out), TEL_STR("/")},
                    take_problem, &assignment);
}

/* --- globs ----------------------------------------------------------------------------------- */

#define NEVER_MATCHES                                                                              \
    "never matches: it is compared with the whole path, which begins with '/' (try */%.*s)"

static bool can_match(struct tel_str glob)
{
    return glob.len > 0 && strchr("/*?[\\", glob.ptr[0]) != NULL;
}

static void check_section(struct doctor *doctor, const struct tel_conf *conf, struct tel_str *last)
{
    const struct tel_str glob = conf->glob;

    if (conf->section != TEL_CONF_MATCH || glob.ptr == last->ptr)
        return;
    *last = glob;
    if (!can_match(glob))
        doctor_warn(doctor, "correct the section's first line",
                    "%s:%u: it is in [match %.*s], which " NEVER_MATCHES, doctor->context.file.path,
                    conf->line, (int)glob.len, glob.ptr, (int)glob.len, glob.ptr);
}

static void check_list(struct doctor *doctor, enum tel_var var)
{
    struct tel_str globs = doctor->context.config.value[var];
    char origin[DOCTOR_ORIGIN_MAX];

    while (globs.len > 0) {
        const struct tel_str glob = tel_str_take(&globs, ':');

        if (!can_match(glob))
            doctor_warn(doctor, "correct it", "%s (%s): '%.*s' " NEVER_MATCHES, tel_var_name(var),
                        doctor_origin(doctor, var, origin), (int)glob.len, glob.ptr, (int)glob.len,
                        glob.ptr);
    }
}

/* --- the file -------------------------------------------------------------------------------- */

static void check_lines(struct doctor *doctor)
{
    struct tel_str last = TEL_STR_NONE;
    struct tel_conf conf;
    struct tel_conf_item item;

    tel_conf_open(&conf, doctor->context.file.text);
    while (tel_conf_next(&conf, &item)) {
        if (item.why != NULL) {
            report_line(doctor,
                        &(struct tel_config_problem){conf.line, item.key, item.value, item.why});
        } else {
            check_section(doctor, &conf, &last);
            check_assignment(doctor, &conf, &item);
        }
    }
}

/* A file that is passed over, though it is there, or somebody named it. */
static void report_unusable(struct doctor *doctor, enum tel_conf_place place, int status,
                            const char *message)
{
    if (status == -ENOENT && place == TEL_CONF_NAMED)
        doctor_warn(doctor, "correct TELEMETRY_CONFIG, or make the file", "TELEMETRY_CONFIG: %s",
                    message);
    else if (status != -ENOENT && status != -ENOTDIR)
        doctor_warn(doctor,
                    "let it be a regular file that you may read, which belongs to you or to root "
                    "and which only its owner and group can write to",
                    "the configuration file is not used: %s", message);
}

/* The places in their order, up to the one that is used. */
static void look_for_file(struct doctor *doctor)
{
    const struct context *context = &doctor->context;
    static struct tel_config config;
    static struct tel_datadir dir;
    static struct tel_conf_file file;
    char looked_for[3 * TEL_PATH_MAX] = "";
    char cwd[TEL_PATH_MAX];

    if (getcwd(cwd, sizeof cwd) == NULL)
        strcpy(cwd, "/");
    tel_config_load(&config, &(struct tel_config_source){.env = &context->env}, NULL, NULL);
    if (tel_datadir_resolve(&dir, &config, cwd, geteuid(), NULL) < 0)
        return;
    for (int place = 0; place < TEL_CONF_PLACES; place++) {
        const size_t len = strlen(looked_for);
        struct tel_error err = {0};
        int status;

        if (!tel_conf_file_locate(file.path, (enum tel_conf_place)place, &config, &dir))
            continue;
        status = tel_conf_file_read(&file, (enum tel_conf_place)place, geteuid(), &err);
        if (status == 0) {
            tel_conf_file_drop(&file);
            doctor_ok("configuration file: %s", file.path);
            return;
        }
        report_unusable(doctor, (enum tel_conf_place)place, status, err.message);
        snprintf(looked_for + len, sizeof looked_for - len, "%s%s", len > 0 ? ", " : "", file.path);
    }
    doctor_note("no configuration file; looked for %s", looked_for);
}

void doctor_check_file(struct doctor *doctor)
{
    look_for_file(doctor);
    check_lines(doctor);
    check_list(doctor, TEL_VAR_AUTO_INCLUDE);
    check_list(doctor, TEL_VAR_AUTO_EXCLUDE);
}
