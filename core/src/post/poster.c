/* See poster.h. One thread: orders make tasks, tasks that are due make requests, answers make lines in
 * the journal. A run's result is on disk before the next thing is done, so that a poster that is killed
 * repeats the requests under way at most. */
#include "poster.h"

#include "base/clock.h"
#include "base/sys.h"
#include "body.h"
#include "http.h"
#include "record.h"
#include "retry.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>

#define MS INT64_C(1000000)

enum {
    NICENESS = 10,
    LOCK_PAUSE_MS = 50,
    /* After so many failures in a row a target gets no new runs: those that it has been tried with
     * go through their retries, and a success opens it again. */
    FAILURES_MAX = 8,
    RECORD_PAUSE_MS = 1000 /* while the journal takes no line */
};

struct target {
    char texts[2 * TEL_API_TEXT_MAX];
    struct tel_target target;
    unsigned failures;       /* in a row */
    int64_t closed_until_ns; /* the server asked for it; CLOCK_BOOTTIME */
};

enum state { WAITING, UNDER_WAY, UNRECORDED };

struct task {
    struct task *next;
    enum state state;
    struct target *target;
    int64_t due_ns; /* WAITING; CLOCK_BOOTTIME */
    bool tried;
    unsigned retries;
    struct tel_post_run run;
    char *memory;                  /* while UNDER_WAY: the run's line, and what is posted of it */
    struct tel_post_result result; /* UNRECORDED */
    char why[96];
    char run_id[TEL_RUN_ID_MAX];
};

struct poster {
    int fd;
    bool leaving; /* nobody is left to take orders from */
    struct tel_http *http;
    struct tel_journal_writer writer;
    char raw[TEL_PATH_MAX];
    char run[TEL_PATH_MAX];
    struct tel_datadir dir; /* these two, and file_mode */
    int lock;
    struct target *targets[TEL_POST_TARGETS];
    struct task *tasks; /* in the order of their coming */
    struct task **tasks_end;
    bool record_failed; /* nothing new is begun then */
};

static int64_t now_ns(void)
{
    return tel_clock_boottime_ns();
}

static int64_t realtime_ns(void)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return now.realtime_ns;
}

/* --- reports ----------------------------------------------------------------------------------- */

static void send_report(struct poster *poster, struct tel_post_report *report)
{
    report->magic = TEL_POST_MAGIC;
    /* Whoever gives no more orders may listen yet. */
    if (send(poster->fd, report, sizeof *report, MSG_NOSIGNAL) < 0)
        poster->leaving = true;
}

static void set_why(struct task *task, struct tel_str text)
{
    struct tel_buf buf;

    tel_buf_init(&buf, task->why, sizeof task->why);
    tel_buf_str(&buf, tel_str_cut_utf8(text, sizeof task->why - 1));
    tel_buf_terminate(&buf);
}

static void remove_task(struct poster *poster, struct task *task)
{
    struct task **link = &poster->tasks;

    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (poster->tasks_end == &task->next)
        poster->tasks_end = link;
    free(task->memory);
    free(task);
}

/* Says what became of a task, which is then forgotten. */
static void conclude(struct poster *poster, struct task *task, enum tel_post_outcome outcome)
{
    struct tel_post_report report = {
        .outcome = outcome,
        .retries = task->retries,
        .after_ns = outcome == TEL_POST_LATER ? task->result.after_ns : 0,
    };

    for (uint32_t i = 0; i < TEL_POST_TARGETS; i++)
        if (poster->targets[i] == task->target)
            report.target = i;
    memcpy(report.why, task->why, sizeof report.why);
    memcpy(report.run_id, task->run_id, sizeof report.run_id);
    remove_task(poster, task);
    send_report(poster, &report);
}

/* --- results ----------------------------------------------------------------------------------- */

/* Until the journal has it, nothing new is begun: it would only be lost as well. */
static void record(struct poster *poster, struct task *task)
{
    int status;

    task->result.now_ns = realtime_ns();
    status = tel_post_record(&poster->writer, &poster->dir, &task->run, &task->result, NULL);
    poster->record_failed =
        status < 0 && status != TEL_ERR_INVALID && status != TEL_ERR_NOT_FOUND && status != -ENOENT;
    if (poster->record_failed) {
        task->state = UNRECORDED;
        task->due_ns = now_ns() + RECORD_PAUSE_MS * MS;
        return;
    }
    conclude(poster, task, task->result.outcome);
}

static uint32_t random_number(void)
{
    uint32_t number = 0;

    if (getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
        number = (uint32_t)now_ns();
    return number;
}

static void try_again(struct poster *poster, struct task *task, const struct tel_retry *retry)
{
    if (retry->soon && !poster->leaving) {
        task->state = WAITING;
        task->due_ns = now_ns() + retry->pause_ms * MS;
        task->retries++;
        free(task->memory);
        task->memory = NULL;
        return;
    }
    task->result.outcome = TEL_POST_LATER;
    task->result.after_ns = realtime_ns() + retry->pause_ms * MS;
    record(poster, task);
}

static void explain(struct task *task, const struct tel_http_answer *answer)
{
    struct tel_buf text;
    char memory[32];

    tel_buf_init(&text, memory, sizeof memory);
    tel_buf_cstr(&text, "HTTP ");
    tel_buf_i64(&text, answer->status);
    set_why(task, answer->status == 0 ? tel_str_from(answer->error) : tel_buf_view(&text));
}

/* A server that asks for a pause asks for it for all. */
static void note_failure(struct target *target, const struct tel_retry *retry,
                         const struct tel_http_answer *answer)
{
    target->failures++;
    if (answer->retry_after_s > 0)
        target->closed_until_ns = now_ns() + retry->pause_ms * MS;
}

static void take_answer(void *context, void *arg, const struct tel_http_answer *answer)
{
    struct poster *poster = context;
    struct task *task = arg;
    const struct tel_attempt attempt = {answer->status, answer->retry_after_s, task->retries,
                                        random_number()};
    const struct tel_retry retry = tel_retry_decide(&attempt);

    explain(task, answer);
    task->result = (struct tel_post_result){.retries = task->retries, .why = task->why};
    if (retry.verdict == TEL_VERDICT_AGAIN) {
        note_failure(task->target, &retry, answer);
        try_again(poster, task, &retry);
        return;
    }
    task->target->failures = 0;
    task->result.outcome = retry.verdict == TEL_VERDICT_POSTED ? TEL_POST_DONE : TEL_POST_REFUSED;
    record(poster, task);
}

/* --- requests ---------------------------------------------------------------------------------- */

/* Reads the run's line, and makes of it what is posted. NULL, or why that is not possible. */
static const char *prepare(struct poster *poster, struct task *task, struct tel_str *body)
{
    enum { KEYS = 1024 };
    struct tel_runline line;
    struct tel_buf memory;
    struct tel_str text;
    const char *objection;
    size_t line_cap;

    if (tel_post_locate(&poster->dir, &task->run, NULL) < 0)
        return "the journal cannot be read";
    line_cap = task->run.line.length > 0 ? task->run.line.length : TEL_RUNLINE_MAX;
    task->memory = malloc(2 * line_cap + KEYS);
    if (task->memory == NULL)
        return "no memory";
    tel_buf_init(&memory, task->memory, line_cap);
    if (tel_journal_find(poster->writer.raw, task->run.run_id, &task->run.line, &memory, &text,
                         NULL, NULL) < 0)
        return "its line is not in the journal any more";
    if (tel_runline_parse(text, &line) != TEL_LINE_RUN)
        return "its line cannot be read";
    objection = tel_post_objection(&line);
    if (objection != NULL)
        return objection;
    tel_buf_init(&memory, task->memory + line_cap, line_cap + KEYS);
    tel_post_body_put(&memory, &line);
    *body = tel_buf_view(&memory);
    return memory.overflow ? "its line is too long" : NULL;
}

static void begin(struct poster *poster, struct task *task)
{
    struct tel_error err = {0};
    struct tel_str body = TEL_STR_NONE;
    const char *obstacle = prepare(poster, task, &body);

    if (obstacle != NULL) {
        set_why(task, tel_str_from(obstacle));
        conclude(poster, task, TEL_POST_GONE);
        return;
    }
    task->state = UNDER_WAY;
    task->tried = true;
    if (tel_http_post(poster->http, &task->target->target, body, task, &err) < 0)
        take_answer(poster, task, &(struct tel_http_answer){.error = err.message});
}

/* Nobody is left to make the next attempt of one that has been tried. */
static void put_off(struct poster *poster, struct task *task)
{
    task->retries--;
    task->result = (struct tel_post_result){
        .outcome = TEL_POST_LATER,
        .retries = task->retries,
        .after_ns = realtime_ns() + (task->due_ns - now_ns()),
    };
    record(poster, task);
}

static bool has_others_tried(const struct poster *poster, const struct task *task)
{
    for (const struct task *other = poster->tasks; other != NULL; other = other->next)
        if (other->target == task->target && other->tried)
            return true;
    return false;
}

enum chance { NOW, NOT_YET, NO_MORE };

/* Whether a waiting task may be begun. NO_MORE: not by this poster, as far as can be seen. */
static enum chance chance_of(const struct poster *poster, const struct task *task, int64_t now)
{
    enum { WORTH_WAITING_MS = 8000 };
    const struct target *target = task->target;

    if (poster->leaving)
        return NO_MORE;
    if (!task->tried && target->failures >= FAILURES_MAX)
        return has_others_tried(poster, task) ? NOT_YET : NO_MORE;
    if (target->closed_until_ns > now && !task->tried)
        return target->closed_until_ns - now > WORTH_WAITING_MS * MS ? NO_MORE : NOT_YET;
    return task->due_ns <= now ? NOW : NOT_YET;
}

static void begin_due(struct poster *poster)
{
    const int64_t now = now_ns();
    struct task *next;

    for (struct task *task = poster->tasks; task != NULL; task = next) {
        next = task->next;
        if (task->state == UNRECORDED && task->due_ns <= now)
            record(poster, task);
        if (task->state != WAITING || poster->record_failed)
            continue;
        switch (chance_of(poster, task, now)) {
        case NOW:
            if (tel_http_count(poster->http) < TEL_HTTP_AT_ONCE)
                begin(poster, task);
            break;
        case NO_MORE:
            if (task->tried)
                put_off(poster, task);
            else
                conclude(poster, task, TEL_POST_LEFT);
            break;
        case NOT_YET:
            break;
        }
    }
}

/* --- orders ------------------------------------------------------------------------------------ */

static int take_target(struct poster *poster, const struct tel_post_order *order, const char *texts)
{
    struct target *target;

    if (order->target >= TEL_POST_TARGETS || poster->targets[order->target] != NULL ||
        order->lengths[0] > TEL_API_TEXT_MAX || order->lengths[1] > TEL_API_TEXT_MAX)
        return -EPROTO;
    target = calloc(1, sizeof *target);
    if (target == NULL)
        return -ENOMEM;
    memcpy(target->texts, texts, order->lengths[0] + order->lengths[1]);
    target->target.url = (struct tel_str){target->texts, order->lengths[0]};
    target->target.token = (struct tel_str){target->texts + order->lengths[0], order->lengths[1]};
    poster->targets[order->target] = target;
    return 0;
}

static bool has_tasks(const struct poster *poster, const struct target *target)
{
    for (const struct task *task = poster->tasks; task != NULL; task = task->next)
        if (task->target == target)
            return true;
    return false;
}

static int take_run(struct poster *poster, const struct tel_post_order *order)
{
    struct task *task;

    if (order->target >= TEL_POST_TARGETS || poster->targets[order->target] == NULL ||
        memchr(order->run_id, '\0', sizeof order->run_id) == NULL)
        return -EPROTO;
    task = calloc(1, sizeof *task);
    if (task == NULL)
        return -ENOMEM;
    task->target = poster->targets[order->target];
    if (!has_tasks(poster, task->target))
        task->target->failures = 0; /* it has rested */
    task->retries = order->retries;
    memcpy(task->run_id, order->run_id, sizeof task->run_id);
    task->run = (struct tel_post_run){tel_str_from(task->run_id), order->line, order->seen};
    *poster->tasks_end = task;
    poster->tasks_end = &task->next;
    return 0;
}

/* Takes the next order: 1; 0 there is none now, or nobody who could give one; negative when it cannot be
 * understood. */
static int take_order(struct poster *poster)
{
    char memory[TEL_POST_ORDER_MAX];
    struct tel_post_order order;
    ssize_t got = recv(poster->fd, memory, sizeof memory, MSG_DONTWAIT);
    int status = -EPROTO;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        poster->leaving = true;
        return 0;
    }
    if ((size_t)got < sizeof order)
        return -EPROTO;
    memcpy(&order, memory, sizeof order);
    if (order.magic != TEL_POST_MAGIC || order.lengths[0] > sizeof memory ||
        order.lengths[1] > sizeof memory ||
        (size_t)got != sizeof order + order.lengths[0] + order.lengths[1])
        return -EPROTO;
    if (order.kind == TEL_POST_TARGET)
        status = take_target(poster, &order, memory + sizeof order);
    else if (order.kind == TEL_POST_RUN)
        status = take_run(poster, &order);
    return status < 0 ? status : 1;
}

static int take_orders(struct poster *poster)
{
    int status = 1;

    while (status > 0 && !poster->leaving)
        status = take_order(poster);
    return status;
}

/* --- set-up ------------------------------------------------------------------------------------ */

/* The lock lies in it. */
static void know_run_directory(char run[TEL_PATH_MAX], const char *lock_path)
{
    const char *slash = strrchr(lock_path, '/');
    const size_t len = slash == NULL ? 0 : (size_t)(slash - lock_path);

    memcpy(run, lock_path, len);
    run[len] = '\0';
}

static int set_up(struct poster *poster, char lock_path[TEL_PATH_MAX], struct tel_error *err)
{
    char memory[TEL_POST_ORDER_MAX];
    struct tel_post_order order;
    const ssize_t got = recv(poster->fd, memory, sizeof memory, 0);

    if (got < (ssize_t)sizeof order)
        return tel_fail(err, -EPROTO, "it was not started by telemetry", NULL);
    memcpy(&order, memory, sizeof order);
    if (order.magic != TEL_POST_MAGIC || order.kind != TEL_POST_SETUP ||
        order.lengths[0] >= TEL_PATH_MAX || order.lengths[1] >= TEL_PATH_MAX ||
        (size_t)got != sizeof order + order.lengths[0] + order.lengths[1])
        return tel_fail(err, -EPROTO, "it belongs to another version of telemetry", NULL);
    memcpy(poster->raw, memory + sizeof order, order.lengths[0]);
    poster->raw[order.lengths[0]] = '\0';
    memcpy(lock_path, memory + sizeof order + order.lengths[0], order.lengths[1]);
    lock_path[order.lengths[1]] = '\0';
    know_run_directory(poster->run, lock_path);
    poster->dir = (struct tel_datadir){
        .raw = poster->raw, .run = poster->run, .file_mode = (mode_t)order.file_mode};
    poster->writer = (struct tel_journal_writer){
        .raw = poster->raw,
        .file_mode = poster->dir.file_mode,
        .exclusive = order.exclusive != 0,
        .max_size = UINT64_MAX,
    };
    return 0;
}

/* True when whoever started us is gone. */
static bool is_left_alone(const struct poster *poster, int timeout_ms)
{
    struct pollfd fd = {.fd = poster->fd, .events = 0};

    return poll(&fd, 1, timeout_ms) > 0;
}

/* One poster at a time: what another one is posting must not be posted twice. 0 once it is ours. */
static int wait_for_lock(struct poster *poster, const char *path, struct tel_error *err)
{
    struct stat st;
    int status;

    poster->lock = tel_sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
                                  poster->writer.file_mode);
    if (poster->lock < 0)
        return tel_fail_sys(err, poster->lock, "cannot open ", path, NULL);
    if (tel_sys_fstat(poster->lock, &st) < 0 || !S_ISREG(st.st_mode))
        return tel_fail(err, TEL_ERR_REFUSED, path, " is not a regular file", NULL);
    if ((st.st_mode & 0777) != poster->writer.file_mode)
        tel_sys_fchmod(poster->lock, poster->writer.file_mode); /* whatever the umask is */
    while ((status = tel_sys_flock(poster->lock, LOCK_EX | LOCK_NB)) == -EWOULDBLOCK)
        if (is_left_alone(poster, LOCK_PAUSE_MS))
            return tel_fail(err, -EPIPE, "nobody waits for it any more", NULL);
    return status < 0 ? tel_fail_sys(err, status, "cannot lock ", path, NULL) : 0;
}

/* --- the loop ---------------------------------------------------------------------------------- */

static int wait_ms(const struct poster *poster)
{
    const int64_t now = now_ns();
    int64_t next = now + 60000 * MS;

    for (const struct task *task = poster->tasks; task != NULL; task = task->next) {
        int64_t at = task->due_ns;

        if (task->state == UNDER_WAY)
            continue;
        if (task->state == WAITING && !task->tried && at < task->target->closed_until_ns)
            at = task->target->closed_until_ns;
        /* It waits for a request to end, or for its target to answer. */
        if (at <= now && task->state == WAITING)
            continue;
        if (at < next)
            next = at;
    }
    return next <= now ? 0 : (int)((next - now) / MS) + 1;
}

static bool is_done(const struct poster *poster)
{
    return poster->leaving && poster->tasks == NULL;
}

static int serve(struct poster *poster, struct tel_error *err)
{
    int64_t patience_ns = 0;

    while (!is_done(poster)) {
        const int status = take_orders(poster);

        if (status < 0)
            return tel_fail_sys(err, status, "an order cannot be understood", NULL);
        begin_due(poster);
        if (is_done(poster))
            break;
        /* A journal that takes nothing is not waited for without an end. */
        if (poster->leaving && patience_ns == 0)
            patience_ns = now_ns() + MS * 2 * TEL_HTTP_TIMEOUT_MS;
        if (patience_ns != 0 && now_ns() > patience_ns)
            break;
        tel_http_wait(poster->http, poster->leaving ? -1 : poster->fd, wait_ms(poster), take_answer,
                      poster);
    }
    return 0;
}

static void close_poster(struct poster *poster)
{
    tel_http_close(poster->http);
    while (poster->tasks != NULL)
        remove_task(poster, poster->tasks);
    for (int i = 0; i < TEL_POST_TARGETS; i++)
        free(poster->targets[i]);
    if (poster->lock >= 0)
        tel_sys_close(poster->lock);
}

int tel_poster_serve(int fd, struct tel_error *err)
{
    struct tel_post_report ready = {.outcome = TEL_POST_READY};
    struct poster poster = {.fd = fd, .lock = -1};
    char lock_path[TEL_PATH_MAX];
    int status = set_up(&poster, lock_path, err);

    poster.tasks_end = &poster.tasks;
    setpriority(PRIO_PROCESS, 0, NICENESS);
    if (status == 0)
        status = wait_for_lock(&poster, lock_path, err);
    if (status == 0)
        status = tel_http_open(&poster.http, err);
    if (status == 0) {
        send_report(&poster, &ready);
        status = serve(&poster, err);
    }
    close_poster(&poster);
    return status;
}
