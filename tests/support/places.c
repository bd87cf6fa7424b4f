/* See places.h. */
#include "support/places.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/support.h"

struct tel_env block_of(const char *const *entries)
{
    enum { ENTRIES = 128, BLOCKS = 4 };
    static char *blocks[BLOCKS][ENTRIES];
    static unsigned next;
    char **block = blocks[next++ % BLOCKS];
    size_t count = 0;

    for (; entries[count] != NULL; count++) {
        cr_assert_lt(count, (size_t)ENTRIES - 1);
        block[count] = (char *)(uintptr_t)text("%s", entries[count]);
    }
    block[count] = NULL;
    return (struct tel_env){block};
}

void resolve_place(struct tel_datadir *dir, const char *const *env)
{
    static struct tel_config config;
    const struct tel_env block = block_of(env);
    struct tel_error err = {0};

    tel_config_load(&config, &(struct tel_config_source){.env = &block}, NULL, NULL);
    cr_assert_eq(tel_datadir_resolve(dir, &config, test_dir(), geteuid(), &err), 0, "%s",
                 err.message);
    tel_datadir_name_collector(dir, tel_pid_namespace());
}

void make_place(struct tel_datadir *dir, const char *base)
{
    struct tel_error err = {0};

    resolve_place(dir, LIST(text("TELEMETRY_BASE_DIR=%s", base)));
    cr_assert_eq(tel_datadir_prepare(dir, true, &err), 0, "%s", err.message);
}

const char *journal_path(const char *raw, uint32_t date)
{
    char name[TEL_JOURNAL_NAME_MAX];

    tel_journal_name(name, date);
    return text("%s/%s", raw, name);
}

uint32_t this_date(void)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return tel_date_of(now.realtime_ns);
}

/* --- lines ----------------------------------------------------------------------------------- */

const char *start_line(const char *run_id, int64_t start_boot_ns)
{
    return text("{\"run_id\": \"%s\", \"agent_name\": \"agent\", \"job_type\": \"job\", "
                "\"trigger_type\": \"cli\", \"start_time\": \"2026-11-22T10:00:00.000000+00:00\", "
                "\"schema_version\": 3, \"agent_owner\": null, \"end_time\": null, "
                "\"status\": \"running\", \"items_discovered\": 0, \"items_succeeded\": 0, "
                "\"items_failed\": 0, \"duration_ms\": null, \"input_summary\": null, "
                "\"output_summary\": null, \"error_summary\": null, \"metrics_json\": null, "
                "\"insight_id\": null, \"product\": null, \"platform\": null, "
                "\"product_family\": null, \"subdomain\": null, \"git_repo\": null, "
                "\"git_branch\": null, \"git_run_tag\": null, \"host\": \"here\", "
                "\"api_posted\": false, \"api_posted_at\": null, \"api_retry_count\": 0, "
                "\"created_at\": null, \"updated_at\": null, \"record_type\": \"run\", "
                "\"process\": {\"pid\": 1, \"uid\": %u, \"start_boot_ns\": %lld}}\n",
                run_id, (unsigned)geteuid(), (long long)start_boot_ns);
}

/* The slot of a field by its name, whichever table it is in. */
static struct tel_str *slot_of(struct tel_runline *line, const char *name)
{
    const struct tel_str wanted = tel_str_from(name);
    int at = tel_field_find(tel_run_fields, TEL_RUN_FIELDS, wanted, -1);

    if (at >= 0)
        return &line->run[at];
    at = tel_field_find(tel_process_fields, TEL_PROC_FIELDS, wanted, -1);
    cr_assert_geq(at, 0, "no field is called %s", name);
    return &line->process[at];
}

struct tel_journal_pos write_line(const struct tel_datadir *dir, const char *line)
{
    return write_line_to(dir, this_date(), line);
}

struct tel_journal_pos write_line_to(const struct tel_datadir *dir, uint32_t date, const char *line)
{
    struct tel_journal_writer writer = {.raw = dir->raw, .file_mode = 0600, .max_size = UINT64_MAX};
    struct tel_journal_pos pos;
    struct tel_error err = {0};

    cr_assert_eq(tel_journal_append(&writer, date, tel_str_from(line), &pos, &err), 0, "%s",
                 err.message);
    return pos;
}

const char *changed_line(const char *line, ...)
{
    static char memory[TEL_RUNLINE_MAX];
    struct tel_runline parsed;
    struct tel_buf out;
    const char *name;
    va_list changes;

    cr_assert_eq(tel_runline_parse(tel_str_from(line), &parsed), TEL_LINE_RUN, "%s", line);
    va_start(changes, line);
    while ((name = va_arg(changes, const char *)) != NULL)
        *slot_of(&parsed, name) = tel_str_from(va_arg(changes, const char *));
    va_end(changes);
    tel_buf_init(&out, memory, sizeof memory);
    tel_runline_put(&out, &parsed);
    cr_assert_not(out.overflow);
    return text("%.*s", (int)out.len, out.ptr);
}

const char *field_of(const char *line, const char *name)
{
    struct tel_runline parsed;
    const struct tel_str *slot;

    cr_assert_eq(tel_runline_parse(tel_str_from(line), &parsed), TEL_LINE_RUN, "%s", line);
    slot = slot_of(&parsed, name);
    return slot->ptr == NULL ? "" : text("%.*s", (int)slot->len, slot->ptr);
}

const char *last_line_of(const char *lines)
{
    size_t at = strlen(lines);

    if (at == 0)
        return "";
    at--;
    while (at > 0 && lines[at - 1] != '\n')
        at--;
    return lines + at;
}

/* --- descriptors ----------------------------------------------------------------------------- */

struct tel_process this_process(void)
{
    struct tel_process self;
    int pidfd;

    tel_process_self(&self, &pidfd);
    tel_process_look_around(&self);
    if (pidfd >= 0)
        close(pidfd);
    return self;
}

int count_descriptors(void)
{
    DIR *fds = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the one that is being read */

    cr_assert_not_null(fds);
    while (readdir(fds) != NULL)
        count++;
    closedir(fds);
    return count;
}
