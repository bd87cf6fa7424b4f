/* A C program with a thread, an exit handler and a child. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void say_bye(void)
{
    puts("bye");
}

static void *work(void *arg)
{
    void *memory = malloc(100000);

    free(memory);
    puts("thread");
    return arg;
}

int main(void)
{
    pthread_t thread;
    int status = 0;
    pid_t child;

    atexit(say_bye);
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
    fflush(stdout);
    child = fork();
    if (child == 0)
        _exit(4);
    waitpid(child, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    return 3;
}
