/* Executing a command as a shell does, in this process or in a child that is waited for. */
#ifndef EXEC_COMMAND_H
#define EXEC_COMMAND_H

struct exec_command {
    const char *path; /* the file */
    char **argv;
    char **envp;
};

/* Replaces this process. Returns only on failure: negative errno. What the kernel does not know how
 * to execute is given to /bin/sh. */
int exec_replace(const struct exec_command *command);

/* Runs it as a child and stands for it meanwhile: signals that come here are passed on, and when it
 * stops, so does this process. 0 with *wait_status, or negative errno when it could not start. */
int exec_wait(const struct exec_command *command, int *wait_status);

/* Ends this process as that one ended: by the same signal, without a second core file. Returns the
 * exit code for one that exited. */
int exec_end_alike(int wait_status);

#endif
