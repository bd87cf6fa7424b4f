/* What main.c's table and the commands agree on. */
#ifndef CLI_H
#define CLI_H

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* could not do it, or (doctor) something needs attention */
    CLI_USAGE = 2   /* was not asked properly */
};

/* argv[0] is the command's name. Each returns the exit status of the program. */
int cmd_add(int argc, char **argv);
int cmd_collect(int argc, char **argv);
int cmd_commit(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_event(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_post(int argc, char **argv);
int cmd_runs(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_sync(int argc, char **argv);

#endif
