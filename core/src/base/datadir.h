/* The data directory of CONTRACT 1: where it is, what lies in it, whether it may be used. */
#ifndef TEL_BASE_DATADIR_H
#define TEL_BASE_DATADIR_H

#include "config.h"

#include <sys/stat.h>

#define TEL_PATH_MAX 4096

/* Of what hosts and collector say to each other (proto.h). It is in the names of sockets and lock: a
 * program that was started before an upgrade goes on with a collector of its own version, beside the
 * new one. */
enum { TEL_PROTO_VERSION = 2 };

/* What chose the base, for doctor. */
enum tel_base_origin {
    TEL_BASE_FROM_DB_PATH,
    TEL_BASE_FROM_BASE_DIR,
    TEL_BASE_FROM_LEGACY,
    TEL_BASE_FOUND, /* the first usable of the well-known places */
    TEL_BASE_FROM_HOME,
    TEL_BASE_FROM_VAR_LIB
};

/* 16 KiB: keep it in static or mapped memory, not on a host's stack. Not to be copied: its paths lie in it,
 * one behind the other, so that a host pays for one page of memory instead of four. */
struct tel_datadir {
    const char *base;   /* absolute, no trailing slash */
    const char *raw;    /* journal directory */
    const char *db;     /* database file */
    const char *run;    /* sockets, locks */
    char collector[64]; /* file name stem in run/ of the caller's collector, such as
                           "collector-v2-0-4026531836"; "" before tel_datadir_name_collector */
    enum tel_base_origin origin;
    mode_t file_mode;
    mode_t dir_mode;
    uid_t uid;       /* who uses it: the caller */
    bool raw_chosen; /* raw, db: said by whoever configures it, not just in base */
    bool db_chosen;
    bool network; /* on a network filesystem; known after tel_datadir_prepare */
    bool shared;  /* others may make files in it; taken for so until tel_datadir_prepare */
    char paths[4 * TEL_PATH_MAX];
};

/* path as seen from everywhere: path itself when it is absolute; else behind cwd (absolute), in out; path
 * itself again when that would be too long. */
const char *tel_path_absolute(char out[TEL_PATH_MAX], const char *cwd, const char *path);

/* Decides the paths; creates nothing. cwd makes relative ones absolute (borrowed, absolute); uid is the
 * caller's effective user. Errors: -ENAMETOOLONG. */
int tel_datadir_resolve(struct tel_datadir *dir, const struct tel_config *config, const char *cwd,
                        uid_t uid, struct tel_error *err);
/* Appends the name of the collector of this user, combination of raw and db, and pid namespace (the number of
 * its inode). */
void tel_datadir_put_collector(struct tel_buf *out, const struct tel_datadir *dir, uint64_t pid_ns);
/* Fills dir->collector with that: the caller's own pid namespace, 0 when it is not known. */
void tel_datadir_name_collector(struct tel_datadir *dir, uint64_t pid_ns);

/* Checks the base (not owned by someone else and open to all, no symbolic links inside) and, when
 * create is set, makes what is missing of base (with its parents), raw/ and run/.
 * 0 when raw/ can be used. Errors: -ENOENT without create, negative errno, TEL_ERR_REFUSED. */
int tel_datadir_prepare(struct tel_datadir *dir, bool create, struct tel_error *err);
/* Gives what lies at path this mode, if it is of that type (S_IFDIR, S_IFSOCK): others may be able to
 * put a link in its place. */
void tel_datadir_set_mode(const char *path, mode_t type, mode_t mode);
/* Likewise for an open file that we have just made or found, and only if it is a regular file of ours
 * that nobody has given a second name elsewhere. st describes it. */
void tel_datadir_set_file_mode(int fd, const struct stat *st, mode_t mode);
/* Make run/, or the database's directory, when missing. */
int tel_datadir_prepare_run(const struct tel_datadir *dir, struct tel_error *err);
int tel_datadir_prepare_db(const struct tel_datadir *dir, struct tel_error *err);

#endif
