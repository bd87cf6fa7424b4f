/* See leftover.h. */
#include "leftover.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/recording.h"

enum { PROCESSES = 4096, COLLECTORS = 16, NAME = 64 };

struct process {
    pid_t pid;
    pid_t parent;
    bool ours; /* descends from this process */
    char name[NAME];
};

struct processes {
    struct process all[PROCESSES];
    int count;
};

/* False for a zombie, which is nobody's concern but its parent's, and for one that is gone. */
static bool read_process(const char *pid, struct process *process)
{
    const char *path = text("/proc/%s/stat", pid);
    char line[512];
    FILE *file = fopen(path, "re");
    const char *name;
    char *end;
    char state;
    bool known;

    if (file == NULL)
        return false;
    known = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    name = known ? strchr(line, '(') : NULL;
    end = known ? strrchr(line, ')') : NULL;
    if (name == NULL || end == NULL || sscanf(end + 1, " %c %d", &state, &process->parent) != 2)
        return false;
    process->pid = (pid_t)atoi(pid);
    process->ours = process->parent == getpid();
    snprintf(process->name, sizeof process->name, "%.*s", (int)(end - name - 1), name + 1);
    return state != 'Z' && state != 'X';
}

static bool is_one_of(pid_t pid, const pid_t *pids, int count)
{
    for (int i = 0; i < count; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static void find_all(struct processes *found, const char *base)
{
    pid_t collectors[COLLECTORS];
    int collector_count = collectors_of(base, collectors, COLLECTORS);
    DIR *proc = opendir("/proc");

    if (collector_count > COLLECTORS)
        collector_count = COLLECTORS;
    found->count = 0;
    for (struct dirent *entry = proc != NULL ? readdir(proc) : NULL;
         entry != NULL && found->count < PROCESSES; entry = readdir(proc))
        if (isdigit((unsigned char)entry->d_name[0]) &&
            read_process(entry->d_name, &found->all[found->count]) &&
            !is_one_of(found->all[found->count].pid, collectors, collector_count))
            found->count++;
    if (proc != NULL)
        closedir(proc);
}

/* Children of descendants are descendants, in whatever order they were found. */
static bool mark_children(struct processes *found)
{
    bool more = false;

    for (int i = 0; i < found->count; i++)
        for (int k = 0; k < found->count && !found->all[i].ours; k++)
            if (found->all[k].ours && found->all[k].pid == found->all[i].parent)
                more = found->all[i].ours = true;
    return more;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct process *)a)->name, ((const struct process *)b)->name);
}

static void find_leftover(struct processes *found, const char *base)
{
    int kept = 0;

    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
        ;
    find_all(found, base);
    while (mark_children(found))
        ;
    for (int i = 0; i < found->count; i++)
        if (found->all[i].ours)
            found->all[kept++] = found->all[i];
    found->count = kept;
    qsort(found->all, (size_t)kept, sizeof found->all[0], by_name);
}

struct wanted {
    const char *base;
    const char *names;
    const char *got;
};

static bool is_so(void *arg)
{
    static struct processes found;
    struct wanted *wanted = arg;

    find_leftover(&found, wanted->base);
    wanted->got = "";
    for (int i = 0; i < found.count; i++)
        wanted->got = text("%s%s%s", wanted->got, i > 0 ? " " : "", found.all[i].name);
    return strcmp(wanted->got, wanted->names) == 0;
}

const char *wait_for_leftover(const char *base, const char *names)
{
    struct wanted wanted = {base, names, ""};

    wait_until(is_so, &wanted, 10000);
    return wanted.got;
}

static bool is_over(void *arg)
{
    static struct processes found;

    find_leftover(&found, arg);
    for (int i = 0; i < found.count; i++)
        kill(found.all[i].pid, SIGKILL);
    return found.count == 0;
}

void end_leftover(const char *base)
{
    wait_until(is_over, (void *)(uintptr_t)base, 10000);
}
