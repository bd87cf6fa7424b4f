/* The client of telemetry/client.h: its life, and what fork does to it. */
#include "client_internal.h"

#include "append.h"
#include "base/clock.h"
#include "base/sys.h"
#include "query.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Static_assert((int)TELEMETRY_ERR_REFUSED == TEL_ERR_REFUSED &&
                   (int)TELEMETRY_ERR_ENDED == TEL_ERR_ENDED &&
                   (int)TELEMETRY_ERR_INVALID == TEL_ERR_INVALID,
               "internal codes are given out as they are");
_Static_assert(sizeof(((struct telemetry_error *)NULL)->message) ==
                   sizeof(((struct tel_error *)NULL)->message),
               "messages fit");

enum { STATS_PATIENCE_MS = 1000, ARGUMENTS_MAX = 64 * 1024 };

const char *telemetry_version(void)
{
    return TELEMETRY_VERSION;
}

int tel_client_result(struct telemetry_error *out, const struct tel_error *err, int status)
{
    if (out == NULL)
        return status;
    out->code = status < 0 ? status : 0;
    out->message[0] = '\0';
    if (status < 0)
        memcpy(out->message, err->message, sizeof out->message);
    return status;
}

bool tel_client_usable(const telemetry_client *client, struct tel_error *err)
{
    if (client != NULL && !atomic_load(&client->closed))
        return true;
    tel_fail(err, TEL_ERR_INVALID, client == NULL ? "there is no client" : "the client is closed",
             NULL);
    return false;
}

/* --- fork ------------------------------------------------------------------------------------- */

/* All clients of the process, so that a forked child finds them in order. */
static pthread_mutex_t clients_lock = PTHREAD_MUTEX_INITIALIZER;
static struct telemetry_client *clients;

/* False in the child of a process that, when it forked, had other threads, one of which may have held a
 * lock inside of SQLite, which nobody releases here; or a connection to the database: SQLite counts its file
 * locks by process and file, so a connection of the child would do without those that the parent has. Nor
 * where the host has closed the descriptors of one: SQLite knows them by number only. */
static atomic_bool database_is_safe = true;
static bool forks_alone; /* guarded by clients_lock */

int tel_client_may_use_database(struct tel_error *err)
{
    if (atomic_load(&database_is_safe))
        return 0;
    return tel_fail(
        err, TEL_ERR_REFUSED,
        "the database is left to others: this is a forked child, whose parent had threads, ",
        "or had it open; or its descriptors have been closed", NULL);
}

static void before_fork(void)
{
    pthread_mutex_lock(&clients_lock);
    forks_alone = tel_process_is_alone();
    for (struct telemetry_client *client = clients; client != NULL; client = client->next) {
        pthread_mutex_lock(&client->lock);
        pthread_mutex_lock(&client->events.lock);
    }
}

static void after_fork_in_parent(void)
{
    for (struct telemetry_client *client = clients; client != NULL; client = client->next) {
        pthread_mutex_unlock(&client->events.lock);
        pthread_mutex_unlock(&client->lock);
    }
    pthread_mutex_unlock(&clients_lock);
}

void tel_client_forget_database(struct telemetry_client *client)
{
    if (client->fold == NULL)
        return;
    tel_fold_forget(client->fold);
    client->fold = NULL;
    tel_kept_fd_close(&client->fold_mark);
    atomic_store(&database_is_safe, false);
}

static void after_fork_in_child(void)
{
    tel_client_seed_ids();
    for (struct telemetry_client *client = clients; client != NULL; client = client->next) {
        pthread_mutex_init(&client->events.lock, NULL);
        pthread_mutex_init(&client->lock, NULL);
        pthread_mutex_init(&client->fold_lock, NULL);
        tel_client_forget_database(client);
        client->self_is_stale = true;
        atomic_fetch_add(&client->generation, 1);
    }
    if (!forks_alone)
        atomic_store(&database_is_safe, false);
    pthread_mutex_init(&clients_lock, NULL);
}

static void prepare_process(void)
{
    tel_clock_use(clock_gettime);
    tel_client_seed_ids();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void enlist(struct telemetry_client *client)
{
    pthread_mutex_lock(&clients_lock);
    client->next = clients;
    clients = client;
    pthread_mutex_unlock(&clients_lock);
}

static void strike_off(const struct telemetry_client *client)
{
    pthread_mutex_lock(&clients_lock);
    for (struct telemetry_client **link = &clients; *link != NULL; link = &(*link)->next) {
        if (*link == client) {
            *link = client->next;
            break;
        }
    }
    pthread_mutex_unlock(&clients_lock);
}

/* --- what it is made of ----------------------------------------------------------------------- */

bool tel_client_object(char *out, size_t cap)
{
    Dl_info info;
    /* A function's address, as dladdr wants it. */
    const void *here = (const void *)(uintptr_t)&tel_client_object; // NOLINT
    struct tel_buf path;

    if (dladdr(here, &info) == 0 || info.dli_fname == NULL)
        return false;
    tel_buf_init(&path, out, cap);
    tel_buf_cstr(&path, info.dli_fname);
    return tel_buf_terminate(&path) != NULL;
}

/* The configuration's members, and the variables that they stand for. */
struct setting {
    const char *name;
    const char *value;
};
enum { SETTINGS = 7 };

static bool is_set_by(const struct setting *settings, const char *entry)
{
    for (int i = 0; i < SETTINGS; i++) {
        const size_t len = strlen(settings[i].name);

        if (settings[i].value != NULL && strncmp(entry, settings[i].name, len) == 0 &&
            entry[len] == '=')
            return true;
    }
    return false;
}

static size_t size_of_environment(const struct setting *settings, size_t *count)
{
    size_t size = 0;

    *count = SETTINGS + 1;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++, ++*count)
        size += strlen(*entry) + 1;
    for (int i = 0; i < SETTINGS; i++)
        if (settings[i].value != NULL)
            size += strlen(settings[i].name) + strlen(settings[i].value) + 2;
    return size + *count * sizeof(char *);
}

/* A copy: the program may change its environment while other threads start runs. */
static int copy_environment(struct telemetry_client *client, const struct setting *settings)
{
    size_t count;
    const size_t size = size_of_environment(settings, &count);
    char **out = malloc(size);
    char *text;

    if (out == NULL)
        return -ENOMEM;
    client->environment = out;
    client->env.entries = out;
    text = (char *)(out + count);
    for (int i = 0; i < SETTINGS; i++) {
        if (settings[i].value == NULL)
            continue;
        *out++ = text;
        text += sprintf(text, "%s=%s", settings[i].name, settings[i].value) + 1;
    }
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (is_set_by(settings, *entry))
            continue;
        *out++ = text;
        text = stpcpy(text, *entry) + 1;
    }
    *out = NULL;
    return 0;
}

static void note_problem(void *arg, const struct tel_config_problem *problem)
{
    const ptrdiff_t end = tel_str_find(tel_str_from(problem->why), ';');
    char name[64];
    char why[96];
    struct tel_error *err = arg;

    if (err->code != 0)
        return;
    snprintf(name, sizeof name, "%.*s", (int)problem->name.len, problem->name.ptr);
    snprintf(why, sizeof why, "%.*s", end < 0 ? (int)strlen(problem->why) : (int)end, problem->why);
    tel_fail(err, TEL_ERR_INVALID, "struct telemetry_config: what stands for ", name, " is ", why,
             NULL);
}

/* What the environment says wrongly is passed over, since nobody is there to be told; but a caller is. */
static int check_settings(const struct telemetry_client *client,
                          const struct setting settings[SETTINGS], struct tel_error *err)
{
    char *own[SETTINGS + 1] = {NULL};
    const struct tel_env env = {.entries = own};
    const struct tel_config_source source = {&env, TEL_STR_NONE, TEL_STR_NONE};
    struct tel_error problem = {0};
    struct tel_config config;
    int count = 0;

    for (int i = 0; i < SETTINGS; i++) /* they come first */
        if (settings[i].value != NULL) {
            own[count] = client->environment[count];
            count++;
        }
    tel_config_load(&config, &source, note_problem, &problem);
    return problem.code == 0 ? 0 : tel_fail(err, problem.code, problem.message, NULL);
}

int tel_client_refuse_size(const char *what, size_t size, struct tel_error *err)
{
    return tel_fail(err, TEL_ERR_INVALID, what,
                    size == 0 ? ": size is not set"
                              : ": size is not that of this library's, which is another version",
                    NULL);
}

/* A value of TELEMETRY_BASE_DIR in the configuration outweighs a database path in the environment. */
static int take_config(struct telemetry_client *client, const struct telemetry_config *config,
                       struct tel_error *err)
{
    struct telemetry_config own = TELEMETRY_CONFIG_INIT;
    char wait[16];
    struct setting settings[SETTINGS];

    if (config != NULL && config->size != sizeof own)
        return tel_client_refuse_size("struct telemetry_config", config->size, err);
    if (config != NULL)
        own = *config;
    client->post_wait_ms = own.post_wait_ms > 0 ? own.post_wait_ms : 0;
    snprintf(wait, sizeof wait, "%d", own.wait_ms);
    memcpy(
        settings,
        (const struct setting[SETTINGS]){
            {"TELEMETRY_BASE_DIR", own.base_dir},
            {"TELEMETRY_DB_PATH", own.base_dir != NULL && own.db_path == NULL ? "" : own.db_path},
            {"TELEMETRY_NDJSON_DIR",
             own.base_dir != NULL && own.ndjson_dir == NULL ? "" : own.ndjson_dir},
            {"TELEMETRY_FILE_MODE", own.file_mode},
            {"TELEMETRY_COLLECTOR", own.collector},
            {"TELEMETRY_DURABILITY", own.durability},
            {"TELEMETRY_AUTO_WAIT_MS", own.wait_ms < 0 ? NULL : wait},
        },
        sizeof settings);
    if (copy_environment(client, settings) < 0)
        return tel_fail_sys(err, -ENOMEM, "cannot make a client", NULL);
    return check_settings(client, settings, err);
}

/* The arguments of the process, which nobody hands to a library. */
static void read_arguments(struct telemetry_client *client)
{
    const int fd = tel_sys_openat(AT_FDCWD, "/proc/self/cmdline", O_RDONLY, 0);
    const ssize_t len = readlink("/proc/self/exe", client->exe, sizeof client->exe - 1);
    ssize_t got = 0;
    int count = 0;

    client->exe[len > 0 ? len : 0] = '\0';
    client->command_line = malloc(ARGUMENTS_MAX + 1);
    if (fd >= 0 && client->command_line != NULL)
        got = tel_sys_read(fd, client->command_line, ARGUMENTS_MAX);
    if (fd >= 0)
        tel_sys_close(fd);
    if (got <= 0)
        return;
    client->command_line[got] = '\0';
    for (ssize_t i = 0; i < got; i++)
        count += client->command_line[i] == '\0' || i + 1 == got;
    client->argv = calloc((size_t)count + 1, sizeof *client->argv);
    for (char *at = client->command_line;
         client->argv != NULL && client->argc < count && at < client->command_line + got;
         at += strlen(at) + 1)
        client->argv[client->argc++] = at;
}

static int load(struct telemetry_client *client, struct tel_error *err)
{
    struct tel_recorder *recorder = client->recorder;
    struct tel_surroundings around = {&client->env, recorder->cwd, tel_str_from(client->exe),
                                      tel_sys_geteuid()};
    int status;

    tel_client_know_self(client);
    recorder->exe = around.exe;
    if (tel_sys_getcwd(recorder->cwd, sizeof recorder->cwd) < 0)
        memcpy(recorder->cwd, "/", 2);
    status = tel_settings_load(&recorder->config, &recorder->dir, &recorder->file, &around, err);
    if (status == 0)
        status = tel_datadir_prepare(&recorder->dir, true, err);
    if (status < 0)
        return status;
    tel_datadir_name_collector(&recorder->dir, recorder->self.pid_ns);
    client->config = recorder->config;
    tel_recorder_open_journal(recorder);
    recorder->journal.signals_blocked = false; /* a limit may still be set later */
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

void tel_client_hold(telemetry_client *client)
{
    atomic_fetch_add(&client->references, 1);
}

void tel_client_drop(telemetry_client *client)
{
    if (atomic_fetch_sub(&client->references, 1) > 1)
        return;
    strike_off(client);
    tel_client_close_fold(client);
    tel_event_file_close(&client->events);
    tel_kept_fd_close(&client->pidfd);
    if (client->recorder != NULL) {
        tel_conf_file_drop(&client->recorder->file);
        tel_sys_unmap(client->recorder, sizeof *client->recorder);
    }
    pthread_mutex_destroy(&client->lock);
    pthread_mutex_destroy(&client->fold_lock);
    free(client->argv);
    free(client->command_line);
    free(client->environment);
    free(client);
}

static telemetry_client *new_client(void)
{
    telemetry_client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return NULL;
    pthread_mutex_init(&client->lock, NULL);
    pthread_mutex_init(&client->fold_lock, NULL);
    pthread_mutex_init(&client->events.lock, NULL);
    tel_kept_fd_init(&client->events.kept);
    atomic_init(&client->references, 1);
    tel_kept_fd_init(&client->pidfd);
    tel_kept_fd_init(&client->fold_mark);
    client->recorder = tel_sys_map(sizeof *client->recorder);
    return client;
}

static int fill_client(telemetry_client *client, const struct telemetry_config *config,
                       struct tel_error *err)
{
    int status;

    if (client->recorder == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot make a client", NULL);
    status = take_config(client, config, err);
    if (status < 0)
        return status;
    read_arguments(client);
    status = load(client, err);
    if (status == 0)
        tel_event_file_init(&client->events, &client->recorder->dir,
                            client->config.durability == TEL_DURABILITY_SYSTEM);
    return status;
}

telemetry_client *telemetry_client_open(const struct telemetry_config *config,
                                        struct telemetry_error *err)
{
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;
    telemetry_client *client = new_client();
    struct tel_error own = {0};
    int status;

    pthread_once(&prepared, prepare_process);
    status = client == NULL ? tel_fail_sys(&own, -ENOMEM, "cannot make a client", NULL)
                            : fill_client(client, config, &own);
    tel_client_result(err, &own, status);
    if (status == 0) {
        enlist(client);
        return client;
    }
    if (client != NULL)
        tel_client_drop(client);
    return NULL;
}

const char *telemetry_client_base_dir(const telemetry_client *client)
{
    return client == NULL ? NULL : client->recorder->dir.base;
}

/* Today's lines, and those of before midnight. */
static int sync_journal(const telemetry_client *client, struct tel_error *err)
{
    const int64_t day_ns = INT64_C(86400000000000);
    const struct tel_datadir *dir = &client->recorder->dir;
    struct tel_instant now;
    int status;

    tel_clock_now(&now);
    status = tel_append_sync(dir, tel_date_of(now.realtime_ns - day_ns), err);
    return status < 0 ? status : tel_append_sync(dir, tel_date_of(now.realtime_ns), err);
}

static int flush(telemetry_client *client, int timeout_ms, struct tel_error *err)
{
    struct tel_message message;
    const int status = sync_journal(client, err);
    int answer;

    if (status < 0)
        return status;
    tel_message_init(&message, TEL_REQUEST_SYNC, TEL_STR_NONE);
    answer = tel_proto_ask(&client->recorder->dir, &message, TEL_STR_NONE,
                           timeout_ms < 0 ? 0 : timeout_ms);
    if (answer == TEL_ANSWER_DONE)
        return 0;
    if (answer == -ETIMEDOUT || answer == -EAGAIN)
        return tel_fail(err, -ETIMEDOUT, "the collector is still busy with it", NULL);
    return tel_client_fold(client, true, timeout_ms, err);
}

int telemetry_client_flush(telemetry_client *client, int timeout_ms, struct telemetry_error *err)
{
    struct tel_error own = {0};

    if (!tel_client_usable(client, &own))
        return tel_client_result(err, &own, own.code);
    return tel_client_result(err, &own, flush(client, timeout_ms, &own));
}

int telemetry_client_close(telemetry_client *client, int timeout_ms, struct telemetry_error *err)
{
    struct tel_error own = {0};
    int status;

    if (!tel_client_usable(client, &own))
        return tel_client_result(err, &own, own.code);
    status = flush(client, timeout_ms, &own);
    atomic_store(&client->closed, true);
    tel_client_drop(client);
    return tel_client_result(err, &own, status);
}

int telemetry_client_stats(telemetry_client *client, struct telemetry_stats *stats,
                           struct telemetry_error *err)
{
    struct tel_query_counts counts;
    struct tel_query *query = NULL;
    struct tel_error own = {0};
    int status;

    if (!tel_client_usable(client, &own))
        return tel_client_result(err, &own, own.code);
    if (stats == NULL)
        return tel_client_result(
            err, &own, tel_fail(&own, TEL_ERR_INVALID, "there is no place for the counts", NULL));
    if (tel_client_may_use_database(&own) < 0)
        return tel_client_result(err, &own, own.code);
    flush(client, STATS_PATIENCE_MS, NULL); /* when that fails, the counts are a little older */
    status = tel_query_open(&query, &client->recorder->dir, &own);
    if (status == 0)
        status = tel_query_count(query, &counts, &own);
    tel_query_close(query);
    if (status == 0)
        *stats = (struct telemetry_stats){counts.total,  counts.running, counts.success,
                                          counts.failed, counts.partial, counts.pending_posts};
    return tel_client_result(err, &own, status);
}
