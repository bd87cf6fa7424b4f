/* What is in force for a process: its configuration (environment and configuration file) and the
 * data directory that follows from it. Finds and reads the file. */
#ifndef TEL_BASE_SETTINGS_H
#define TEL_BASE_SETTINGS_H

#include "datadir.h"

#define TEL_CONF_FILE_MAX (1024 * 1024)
#define TEL_CONF_SYSTEM_PATH "/etc/telemetry/telemetry.conf"

/* Where a configuration file may be; the first that can be used is. */
enum tel_conf_place {
    TEL_CONF_NAMED,   /* TELEMETRY_CONFIG */
    TEL_CONF_OF_BASE, /* config/telemetry.conf in the data directory that the environment chooses */
    TEL_CONF_OF_SYSTEM,
    TEL_CONF_PLACES
};

struct tel_conf_file {
    struct tel_str text; /* the configuration borrows from it */
    void *memory;        /* of the text: a mapping of its own */
    size_t size;
    char path[TEL_PATH_MAX]; /* empty when there is none */
};

/* Whose settings. All borrowed; the configuration goes on borrowing from env. */
struct tel_surroundings {
    const struct tel_env *env;
    const char *cwd;    /* absolute */
    struct tel_str exe; /* absolute path of the program; none for what is true of all programs */
    uid_t uid;          /* effective */
};

/* Fills config, dir and file. Files that cannot be used are passed over; tel_conf_file_read tells
 * why. Without any, this costs two system calls. Errors: those of tel_datadir_resolve. */
int tel_settings_load(struct tel_config *config, struct tel_datadir *dir,
                      struct tel_conf_file *file, const struct tel_surroundings *around,
                      struct tel_error *err);

/* The path at this place, for the configuration and directory that the environment alone gives; false
 * when there is none, or it is too long. */
bool tel_conf_file_locate(char path[TEL_PATH_MAX], enum tel_conf_place place,
                          const struct tel_config *config, const struct tel_datadir *dir);
/* Reads file->path: a regular file of at most TEL_CONF_FILE_MAX bytes, which belongs to root or to uid,
 * and which not everybody can write to; in the data directory, no link. Errors: negative errno (-ENOENT:
 * it is not there), TEL_ERR_REFUSED; file->text is then none. */
int tel_conf_file_read(struct tel_conf_file *file, enum tel_conf_place place, uid_t uid,
                       struct tel_error *err);
/* Gives the text's memory back. */
void tel_conf_file_drop(struct tel_conf_file *file);

#endif
