/* See outbox.h. Runs are handed to the poster one by one, so many at a time that it never waits, and so
 * few that none is asked twice: what it has is left out of the next look, and what it has reported is in
 * the journal, and by refresh in the database, before that look. */
#include "outbox.h"

#include "base/clock.h"
#include "journal_scan.h"
#include "last_word.h"
#include "poster_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static const int64_t look_delay = 30 * MS;       /* runs that end together go out together */
static const int64_t linger = 1500 * MS;         /* of a poster with nothing to do */
static const int64_t rest = 5000 * MS;           /* of a target that did not answer, for new runs */
static const int64_t slow_rest = 900000 * MS;    /* and for the others */
static const int64_t restart_pause = 1000 * MS;  /* after a poster that died */
static const int64_t trouble_pause = 60000 * MS; /* when none can be started */
static const int64_t soon = 1000 * MS;           /* is worth staying for */
static const int64_t farewell = 1000 * MS;       /* for a poster that is to leave */
static const int64_t word_pause = 50 * MS;       /* while a run's last word is awaited */
static const int64_t long_word_pause = 5000 * MS;

enum {
    WORDS_MAX = 20,
    WINDOW = 128,
    CHAINS = 1024,
    KNOWN_MAX = 100000,
    DEATHS_MAX = 3,
    NOWHERE = -1
};

struct target {
    struct tel_target target; /* texts owned, in one piece */
    int64_t resting_until;    /* CLOCK_BOOTTIME */
    bool told;                /* to this poster */
};

/* A run whose target is known. */
struct known {
    struct known *next;
    int target; /* NOWHERE: it cannot be posted */
    char run_id[];
};

struct tel_outbox {
    struct tel_outbox_options options;
    char lock_path[TEL_PATH_MAX];
    int epoll_fd;
    struct target targets[TEL_POST_TARGETS];
    int target_count;
    int default_target; /* NOWHERE: none */
    struct known *known[CHAINS];
    size_t known_count;
    /* The poster. */
    pid_t pid; /* 0: there is none */
    int fd;
    bool ready;
    int64_t retired_at; /* it is to have left by then; 0: it is not told to */
    unsigned deaths;    /* of posters in a row that reported nothing */
    struct tel_error trouble;
    /* What it has: ids, "" for a free place. */
    char given[WINDOW][TEL_RUN_ID_MAX];
    int given_count;
    int64_t given_in_all;
    bool more;        /* than it could be given */
    unsigned awaited; /* looks in a row that found a run of which the last word is awaited */
    struct tel_journal_pos seen; /* the journal's end before the last look */
    bool fresh;                  /* runs have ended since its targets rest */
    int64_t look_at;
    int64_t idle_since;
};

static int64_t now_ns(void)
{
    return tel_clock_boottime_ns();
}

/* --- targets ----------------------------------------------------------------------------------- */

static bool is_same(const struct tel_target *a, const struct tel_target *b)
{
    return tel_str_equal(a->url, b->url) && a->token.len == b->token.len &&
           (a->token.len == 0 || tel_str_equal(a->token, b->token));
}

static bool copy_target(struct tel_target *out, const struct tel_target *target)
{
    char *texts = malloc(target->url.len + target->token.len);

    if (texts == NULL)
        return false;
    memcpy(texts, target->url.ptr, target->url.len);
    if (target->token.len > 0)
        memcpy(texts + target->url.len, target->token.ptr, target->token.len);
    out->url = (struct tel_str){texts, target->url.len};
    out->token = (struct tel_str){texts + target->url.len, target->token.len};
    return true;
}

/* Its index; NOWHERE when it cannot be used, or there are too many. */
static int index_of(struct tel_outbox *outbox, const struct tel_target *target)
{
    if (tel_target_problem(target) != NULL)
        return NOWHERE;
    for (int i = 0; i < outbox->target_count; i++)
        if (is_same(&outbox->targets[i].target, target))
            return i;
    if (outbox->target_count == TEL_POST_TARGETS ||
        !copy_target(&outbox->targets[outbox->target_count].target, target))
        return NOWHERE;
    return outbox->target_count++;
}

void tel_outbox_set_default(struct tel_outbox *outbox, const struct tel_target *target)
{
    const int index = index_of(outbox, target);

    if (index != NOWHERE)
        outbox->default_target = index;
}

static struct known **chain_of(struct tel_outbox *outbox, struct tel_str run_id)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < run_id.len; i++)
        hash = (hash ^ (uint8_t)run_id.ptr[i]) * 16777619U;
    return &outbox->known[hash % CHAINS];
}

static struct known *find_known(struct tel_outbox *outbox, struct tel_str run_id)
{
    struct known *known = *chain_of(outbox, run_id);

    while (known != NULL && !tel_str_is(run_id, known->run_id))
        known = known->next;
    return known;
}

static void remember(struct tel_outbox *outbox, struct tel_str run_id, int target)
{
    struct known **chain = chain_of(outbox, run_id);
    struct known *known = find_known(outbox, run_id);

    if (known != NULL) {
        known->target = target;
        return;
    }
    if (outbox->known_count >= KNOWN_MAX)
        return;
    known = calloc(1, sizeof *known + run_id.len + 1);
    if (known == NULL)
        return;
    memcpy(known->run_id, run_id.ptr, run_id.len);
    known->target = target;
    known->next = *chain;
    *chain = known;
    outbox->known_count++;
}

static void forget(struct tel_outbox *outbox, struct tel_str run_id)
{
    struct known **link = chain_of(outbox, run_id);

    while (*link != NULL && !tel_str_is(run_id, (*link)->run_id))
        link = &(*link)->next;
    if (*link != NULL) {
        struct known *known = *link;

        *link = known->next;
        free(known);
        outbox->known_count--;
    }
}

void tel_outbox_want(struct tel_outbox *outbox, struct tel_str run_id,
                     const struct tel_target *target)
{
    const int index = index_of(outbox, target);

    remember(outbox, run_id, index);
    if (index == NOWHERE)
        return;
    if (outbox->default_target == NOWHERE)
        tel_outbox_look(outbox); /* what earlier collectors have left */
    outbox->default_target = index;
}

static int target_of(struct tel_outbox *outbox, struct tel_str run_id)
{
    const struct known *known = find_known(outbox, run_id);

    return known != NULL ? known->target : outbox->default_target;
}

/* --- the poster -------------------------------------------------------------------------------- */

static void drop_poster(struct tel_outbox *outbox)
{
    if (outbox->pid == 0)
        return;
    close(outbox->fd); /* out of the epoll set, too */
    outbox->fd = -1;
    outbox->pid = 0;
    outbox->ready = false;
    outbox->retired_at = 0;
    outbox->more = false;
    outbox->given_count = 0;
    memset(outbox->given, 0, sizeof outbox->given);
    for (int i = 0; i < outbox->target_count; i++)
        outbox->targets[i].told = false;
}

static int send_order(struct tel_outbox *outbox, struct tel_post_order *order, struct tel_str first,
                      struct tel_str second)
{
    struct iovec parts[3] = {{order, sizeof *order},
                             {(void *)(uintptr_t)first.ptr, first.len},
                             {(void *)(uintptr_t)second.ptr, second.len}};
    const struct msghdr header = {.msg_iov = parts, .msg_iovlen = 3};

    order->magic = TEL_POST_MAGIC;
    order->lengths[0] = (uint32_t)first.len;
    order->lengths[1] = (uint32_t)second.len;
    return sendmsg(outbox->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int introduce(struct tel_outbox *outbox)
{
    const struct tel_datadir *dir = outbox->options.dir;
    struct tel_post_order order = {
        .kind = TEL_POST_SETUP, .file_mode = dir->file_mode, .exclusive = dir->network};
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(outbox->epoll_fd, EPOLL_CTL_ADD, outbox->fd, &event) < 0)
        return -errno;
    return send_order(outbox, &order, tel_str_from(dir->raw), tel_str_from(outbox->lock_path));
}

static void start_poster(struct tel_outbox *outbox)
{
    int status;

    if (outbox->options.program == NULL)
        status =
            tel_fail(&outbox->trouble, -ENOENT,
                     "telemetry-post is not installed; nothing can be posted without it", NULL);
    else
        status = tel_datadir_prepare_run(outbox->options.dir, &outbox->trouble);
    if (status == 0)
        status =
            tel_poster_start(outbox->options.program, &outbox->pid, &outbox->fd, &outbox->trouble);
    if (status == 0)
        status = introduce(outbox);
    if (status == 0)
        return;
    drop_poster(outbox);
    outbox->look_at = now_ns() + trouble_pause;
}

/* It ended by itself: killed, most likely, or of another version. */
static void note_death(struct tel_outbox *outbox)
{
    const bool again = ++outbox->deaths < DEATHS_MAX;

    drop_poster(outbox);
    outbox->look_at = now_ns() + (again ? restart_pause : trouble_pause);
    if (!again)
        tel_fail(&outbox->trouble, -EPIPE, "telemetry-post ends without having posted anything",
                 NULL);
}

/* --- reports ----------------------------------------------------------------------------------- */

static void look_no_later_than(struct tel_outbox *outbox, int64_t at)
{
    if (outbox->look_at == 0 || outbox->look_at > at)
        outbox->look_at = at;
}

static void take_back(struct tel_outbox *outbox, const char *run_id)
{
    for (int i = 0; i < WINDOW; i++) {
        if (strcmp(outbox->given[i], run_id) != 0)
            continue;
        outbox->given[i][0] = '\0';
        outbox->given_count--;
        return;
    }
}

static void note_outcome(struct tel_outbox *outbox, const struct tel_post_report *report)
{
    const struct tel_str run_id = tel_str_from(report->run_id);

    switch ((enum tel_post_outcome)report->outcome) {
    case TEL_POST_READY:
        break;
    case TEL_POST_LATER: /* who does not wait for later times tries each run once */
        if (outbox->options.impatient || outbox->options.all)
            remember(outbox, run_id, NOWHERE);
        break;
    case TEL_POST_DONE:
    case TEL_POST_REFUSED:
        forget(outbox, run_id);
        break;
    case TEL_POST_GONE:
        remember(outbox, run_id, NOWHERE);
        break;
    case TEL_POST_LEFT:
        if (report->target < TEL_POST_TARGETS)
            outbox->targets[report->target].resting_until = now_ns() + rest;
        outbox->fresh = false;
        break;
    }
}

static void take_report(struct tel_outbox *outbox, struct tel_post_report *report)
{
    report->why[sizeof report->why - 1] = '\0';
    report->run_id[sizeof report->run_id - 1] = '\0';
    outbox->deaths = 0;
    if (report->outcome == TEL_POST_READY) {
        outbox->ready = true;
        outbox->trouble = (struct tel_error){0};
        outbox->look_at = now_ns(); /* another one may have been at work until now */
        return;
    }
    take_back(outbox, report->run_id);
    note_outcome(outbox, report);
    if (outbox->options.source.report != NULL)
        outbox->options.source.report(outbox->options.source.arg, report);
    /* What it has recorded is to be in the database soon, whether more is to be posted or not. */
    look_no_later_than(outbox, now_ns() + (outbox->more ? 0 : look_delay));
    if (outbox->given_count == 0)
        outbox->idle_since = now_ns();
}

static void take_reports(struct tel_outbox *outbox)
{
    while (outbox->pid != 0) {
        struct tel_post_report report;
        const ssize_t got = recv(outbox->fd, &report, sizeof report, MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got == (ssize_t)sizeof report && report.magic == TEL_POST_MAGIC)
            take_report(outbox, &report);
        else
            note_death(outbox);
    }
}

/* --- looking ----------------------------------------------------------------------------------- */

struct look {
    struct tel_outbox *outbox;
    int64_t now;
    bool needs_poster;
    int64_t rested_at; /* of the targets that rest, the first; 0: none was needed */
    bool taken_in;     /* a run has a later line now */
    bool awaited;      /* the last word of a run is */
};

static bool is_given(const struct tel_outbox *outbox, struct tel_str run_id)
{
    for (int i = 0; i < WINDOW; i++)
        if (tel_str_is(run_id, outbox->given[i]))
            return true;
    return false;
}

static int tell_target(struct tel_outbox *outbox, int index)
{
    struct target *target = &outbox->targets[index];
    struct tel_post_order order = {.kind = TEL_POST_TARGET, .target = (uint32_t)index};
    int status;

    if (target->told)
        return 0;
    status = send_order(outbox, &order, target->target.url, target->target.token);
    target->told = status == 0;
    return status;
}

/* 1 when the poster takes no more now. */
static int give(struct tel_outbox *outbox, const struct tel_due *due, int target)
{
    struct tel_post_order order = {
        .kind = TEL_POST_RUN,
        .target = (uint32_t)target,
        .retries = due->retries,
        .line = due->last_line,
        .seen = outbox->seen,
    };
    int place = 0;

    memcpy(order.run_id, due->run_id.ptr, due->run_id.len);
    if (tell_target(outbox, target) < 0 ||
        send_order(outbox, &order, TEL_STR_NONE, TEL_STR_NONE) < 0) {
        outbox->more = true;
        return 1;
    }
    while (outbox->given[place][0] != '\0')
        place++;
    memcpy(outbox->given[place], order.run_id, sizeof order.run_id);
    outbox->given_count++;
    outbox->given_in_all++;
    return 0;
}

static bool is_at_limit(const struct tel_outbox *outbox)
{
    return outbox->options.limit > 0 && outbox->given_in_all >= outbox->options.limit;
}

/* False when its last word has not been spoken. */
static bool is_settled(struct look *look, const struct tel_due *due)
{
    switch (tel_last_word(look->outbox->options.dir, due)) {
    case TEL_WORD_SPOKEN:
        return true;
    case TEL_WORD_TAKEN_IN:
        look->taken_in = true;
        break;
    case TEL_WORD_AWAITED:
        look->awaited = true;
        break;
    }
    return false;
}

static int consider(void *arg, const struct tel_due *due)
{
    struct look *look = arg;
    struct tel_outbox *outbox = look->outbox;
    const struct tel_outbox_source *source = &outbox->options.source;
    const int target = target_of(outbox, due->run_id);

    if (target == NOWHERE || due->run_id.len >= TEL_RUN_ID_MAX || is_given(outbox, due->run_id) ||
        (source->is_watched != NULL && source->is_watched(source->arg, due)))
        return 0;
    if (outbox->targets[target].resting_until > look->now) {
        if (look->rested_at == 0 || look->rested_at > outbox->targets[target].resting_until)
            look->rested_at = outbox->targets[target].resting_until;
        return 0;
    }
    if (outbox->pid == 0) {
        look->needs_poster = true;
        return 1;
    }
    if (is_at_limit(outbox))
        return 1;
    if (outbox->given_count == WINDOW) {
        outbox->more = true;
        return 1;
    }
    return is_settled(look, due) ? give(outbox, due, target) : 0;
}

static struct tel_due_filter filter_now(const struct tel_outbox *outbox)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return (struct tel_due_filter){
        .now_ns = now.realtime_ns,
        .impatient = outbox->options.impatient,
        .all = outbox->options.all,
        .uid = (int64_t)outbox->options.dir->uid,
    };
}

/* When to look again although nothing happens. */
static void plan(struct tel_outbox *outbox, const struct look *look,
                 const struct tel_due_filter *filter)
{
    const struct tel_outbox_source *source = &outbox->options.source;
    int64_t next_ns = 0;

    if (look->rested_at != 0)
        look_no_later_than(outbox, outbox->fresh ? look->rested_at : look->now + slow_rest);
    if (source->next_due(source->arg, filter, &next_ns, NULL) == 0 && next_ns != 0)
        look_no_later_than(outbox, look->now + next_ns - filter->now_ns + look_delay);
}

/* What was taken in has to be read; what goes on for long is not waited for. */
static void plan_words(struct tel_outbox *outbox, const struct look *look)
{
    outbox->awaited = look->awaited ? outbox->awaited + 1 : 0;
    if (look->taken_in)
        look_no_later_than(outbox, look->now);
    else if (look->awaited)
        look_no_later_than(
            outbox, look->now + (outbox->awaited <= WORDS_MAX ? word_pause : long_word_pause));
}

static void look_now(struct tel_outbox *outbox)
{
    const struct tel_outbox_source *source = &outbox->options.source;
    const struct tel_due_filter filter = filter_now(outbox);
    struct look look = {.outbox = outbox, .now = now_ns()};
    int status;

    outbox->seen = tel_journal_end(outbox->options.dir->raw);
    status = source->refresh(source->arg, NULL);
    outbox->look_at = 0;
    outbox->more = false;
    if (status >= 0)
        status = source->each_due(source->arg, &filter, consider, &look, NULL);
    if (status < 0)
        outbox->look_at = look.now + restart_pause;
    else if (look.needs_poster)
        start_poster(outbox);
    else if (!outbox->more)
        plan(outbox, &look, &filter);
    plan_words(outbox, &look);
    if (outbox->given_count == 0)
        outbox->idle_since = look.now;
}

/* --- interface --------------------------------------------------------------------------------- */

void tel_outbox_look(struct tel_outbox *outbox)
{
    if (outbox->target_count == 0)
        return;
    outbox->fresh = true;
    if (outbox->trouble.code == 0 || outbox->look_at == 0)
        look_no_later_than(outbox, now_ns() + look_delay);
}

int tel_outbox_fd(const struct tel_outbox *outbox)
{
    return outbox->epoll_fd;
}

/* A poster that has still enough to do is left alone. */
static bool can_look(const struct tel_outbox *outbox)
{
    return outbox->look_at != 0 && (outbox->pid == 0 || outbox->ready) &&
           !(outbox->more && outbox->given_count > WINDOW / 2);
}

static bool is_idle(const struct tel_outbox *outbox)
{
    return outbox->pid != 0 && outbox->ready && outbox->given_count == 0 && !outbox->more;
}

int64_t tel_outbox_due_ns(const struct tel_outbox *outbox)
{
    int64_t due = can_look(outbox) ? outbox->look_at : 0;

    if (is_idle(outbox) && (due == 0 || due > outbox->idle_since + linger))
        due = outbox->idle_since + linger;
    return due;
}

void tel_outbox_work(struct tel_outbox *outbox)
{
    take_reports(outbox);
    if (can_look(outbox) && outbox->look_at <= now_ns())
        look_now(outbox);
    if (is_idle(outbox) && now_ns() - outbox->idle_since >= linger)
        drop_poster(outbox);
}

bool tel_outbox_is_busy(const struct tel_outbox *outbox)
{
    if (outbox->pid != 0 && (!outbox->ready || outbox->given_count > 0 || outbox->more))
        return true;
    return outbox->look_at != 0 && outbox->look_at - now_ns() <= soon;
}

bool tel_outbox_retire(struct tel_outbox *outbox)
{
    if (outbox->pid == 0 || outbox->given_count == 0)
        return false;
    if (outbox->retired_at == 0) {
        shutdown(outbox->fd, SHUT_WR);
        outbox->retired_at = now_ns() + farewell;
    }
    return now_ns() < outbox->retired_at;
}

int64_t tel_outbox_retired_ns(const struct tel_outbox *outbox)
{
    return outbox->retired_at;
}

bool tel_outbox_waits(const struct tel_outbox *outbox)
{
    return outbox->pid != 0 && !outbox->ready;
}

const char *tel_outbox_trouble(const struct tel_outbox *outbox)
{
    return outbox->trouble.message;
}

/* One for all collectors of a user, in whatever pid namespace. Too long a path is no path, and the poster
 * says so. */
static void put_lock_path(struct tel_outbox *outbox)
{
    struct tel_buf path;

    tel_buf_init(&path, outbox->lock_path, sizeof outbox->lock_path);
    tel_buf_cstr(&path, outbox->options.dir->run);
    tel_buf_cstr(&path, "/poster-");
    tel_buf_u64(&path, outbox->options.dir->uid);
    tel_buf_cstr(&path, ".lock");
    if (tel_buf_terminate(&path) == NULL)
        outbox->lock_path[0] = '\0';
}

struct tel_outbox *tel_outbox_new(const struct tel_outbox_options *options)
{
    struct tel_outbox *outbox = calloc(1, sizeof *outbox);

    if (outbox == NULL)
        return NULL;
    outbox->options = *options;
    outbox->fd = -1;
    outbox->default_target = NOWHERE;
    put_lock_path(outbox);
    outbox->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (outbox->epoll_fd >= 0)
        return outbox;
    free(outbox);
    return NULL;
}

void tel_outbox_free(struct tel_outbox *outbox)
{
    if (outbox == NULL)
        return;
    drop_poster(outbox);
    for (int i = 0; i < outbox->target_count; i++)
        free((void *)(uintptr_t)outbox->targets[i].target.url.ptr);
    for (int i = 0; i < CHAINS; i++) {
        while (outbox->known[i] != NULL) {
            struct known *known = outbox->known[i];

            outbox->known[i] = known->next;
            free(known);
        }
    }
    close(outbox->epoll_fd);
    free(outbox);
}
