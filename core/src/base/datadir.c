/* The data directory (CONTRACT 1): deciding where it is, checking it, making it. */
#include "datadir.h"

#include "sys.h"
#include "why.h"

#include <errno.h>
#include <string.h>

const char *tel_path_absolute(char out[TEL_PATH_MAX], const char *cwd, const char *path)
{
    struct tel_buf buf;

    if (path[0] == '/')
        return path;
    if (path[0] == '.' && path[1] == '/')
        path += 2;
    tel_buf_init(&buf, out, TEL_PATH_MAX);
    tel_buf_cstr(&buf, cwd);
    tel_buf_char(&buf, '/');
    tel_buf_cstr(&buf, path);
    return tel_buf_terminate(&buf) != NULL ? out : path;
}

/* The same path without what says nothing: "./" in front of a relative one, slashes behind it. */
static struct tel_str tidy(struct tel_str name)
{
    while (tel_str_starts(name, "./")) {
        name = tel_str_from_pos(name, 2);
        while (tel_str_starts(name, "/"))
            name = tel_str_from_pos(name, 1);
    }
    while (name.len > 1 && name.ptr[name.len - 1] == '/')
        name.len--;
    return tel_str_is(name, ".") ? TEL_STR("") : name;
}

/* Copies directory + "/" + name (or name alone when it is absolute) without a trailing slash. */
static int join(char out[TEL_PATH_MAX], struct tel_str directory, struct tel_str name,
                struct tel_error *err)
{
    struct tel_buf path;

    name = tidy(name);
    tel_buf_init(&path, out, TEL_PATH_MAX);
    if (!tel_str_starts(name, "/")) {
        tel_buf_str(&path, directory);
        if (name.len > 0)
            tel_buf_char(&path, '/');
    }
    tel_buf_str(&path, name);
    if (tel_buf_terminate(&path) == NULL)
        return tel_fail(err, -ENAMETOOLONG, "the path of the data directory is too long", NULL);
    return 0;
}

/* Cuts the last component of path; "/" stays. */
static void parent_of(char *path)
{
    char *slash = path;

    for (char *at = path; *at != '\0'; at++)
        if (*at == '/')
            slash = at;
    slash[slash == path ? 1 : 0] = '\0';
}

static bool usable_directory(const char *path)
{
    struct stat st;

    return tel_sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISDIR(st.st_mode) &&
           tel_sys_access(path, 2 /* W_OK */) == 0;
}

/* Rules 3 and 4 of CONTRACT 1. */
static int find_base(struct tel_datadir *dir, char *base, struct tel_str home, struct tel_str cwd,
                     struct tel_error *err)
{
    static const char places[][16] = {"/agent-metrics", "/opt/telemetry", "/data/telemetry"};
    char home_base[TEL_PATH_MAX];
    int status;

    dir->origin = TEL_BASE_FOUND;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (usable_directory(places[i]))
            return join(base, cwd, tel_str_from(places[i]), err);
    if (home.ptr == NULL) {
        dir->origin = TEL_BASE_FROM_VAR_LIB;
        return join(base, cwd, TEL_STR("/var/lib/telemetry"), err);
    }
    dir->origin = TEL_BASE_FROM_HOME;
    status = join(home_base, cwd, home, err);
    if (status < 0)
        return status;
    return join(base, tel_str_from(home_base), TEL_STR(".telemetry"), err);
}

static int decide_base(struct tel_datadir *dir, char *base, const struct tel_config *config,
                       struct tel_str cwd, struct tel_error *err)
{
    const struct tel_str *value = config->value;
    int status;

    if (value[TEL_VAR_DB_PATH].ptr != NULL) {
        dir->origin = TEL_BASE_FROM_DB_PATH;
        status = join(base, cwd, value[TEL_VAR_DB_PATH], err);
        if (status < 0)
            return status;
        parent_of(base);
        parent_of(base);
        return 0;
    }
    if (value[TEL_VAR_BASE_DIR].ptr != NULL) {
        dir->origin = TEL_BASE_FROM_BASE_DIR;
        return join(base, cwd, value[TEL_VAR_BASE_DIR], err);
    }
    if (value[TEL_VAR_LEGACY_BASE_DIR].ptr != NULL) {
        dir->origin = TEL_BASE_FROM_LEGACY;
        return join(base, cwd, value[TEL_VAR_LEGACY_BASE_DIR], err);
    }
    return find_base(dir, base, value[TEL_VAR_HOME], cwd, err);
}

void tel_datadir_put_collector(struct tel_buf *out, const struct tel_datadir *dir, uint64_t pid_ns)
{
    tel_buf_cstr(out, "collector-v");
    tel_buf_u64(out, TEL_PROTO_VERSION);
    tel_buf_char(out, '-');
    tel_buf_u64(out, dir->uid);
    tel_buf_char(out, '-');
    tel_buf_u64(out, pid_ns);
    if (dir->raw_chosen || dir->db_chosen) {
        tel_buf_char(out, '-');
        tel_buf_hex(out,
                    tel_str_hash(tel_str_from(dir->db),
                                 tel_str_hash(tel_str_from(dir->raw), TEL_HASH_START)),
                    8);
    }
}

void tel_datadir_name_collector(struct tel_datadir *dir, uint64_t pid_ns)
{
    struct tel_buf name;

    tel_buf_init(&name, dir->collector, sizeof dir->collector);
    tel_datadir_put_collector(&name, dir, pid_ns);
    tel_buf_terminate(&name);
}

/* path lies at *room, which moves on behind it. */
static const char *keep_path(char **room)
{
    const char *path = *room;

    *room += strlen(path) + 1;
    return path;
}

int tel_datadir_resolve(struct tel_datadir *dir, const struct tel_config *config, const char *cwd,
                        uid_t uid, struct tel_error *err)
{
    const struct tel_str here = tel_str_from(cwd);
    struct tel_str raw = config->value[TEL_VAR_NDJSON_DIR];
    struct tel_str db = config->value[TEL_VAR_DB_PATH];
    char *room = dir->paths;
    struct tel_str base;
    int status = decide_base(dir, room, config, here, err);

    if (status < 0)
        return status;
    dir->base = keep_path(&room);
    base = tel_str_from(dir->base);
    status = raw.ptr != NULL ? join(room, here, raw, err) : join(room, base, TEL_STR("raw"), err);
    if (status < 0)
        return status;
    dir->raw = keep_path(&room);
    status = db.ptr != NULL ? join(room, here, db, err)
                            : join(room, base, TEL_STR("db/telemetry.sqlite"), err);
    if (status < 0)
        return status;
    dir->db = keep_path(&room);
    status = join(room, base, TEL_STR("run"), err);
    if (status < 0)
        return status;
    dir->run = keep_path(&room);
    dir->file_mode = config->file_mode;
    dir->dir_mode = config->dir_mode;
    dir->raw_chosen = raw.ptr != NULL;
    dir->db_chosen = db.ptr != NULL;
    dir->network = false;
    dir->shared = true;
    dir->uid = uid;
    dir->collector[0] = '\0';
    return 0;
}

/* The bits of a device number that glibc and musl give to major(3), which is no function of ours. */
static bool has_block_device(dev_t device)
{
    return (device & UINT64_C(0xfffff000000fff00)) != 0;
}

/* True when st lies on a filesystem whose locks and shared memory other machines do not see.
 * Only filesystems without a block device can be one, so most need no further call.
 * Magic numbers: statfs(2). */
static bool is_network(const char *path, const struct stat *st)
{
    static const uint32_t magics[] = {
        0x6969 /* NFS */,     0x517b /* SMB */,        0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
        0x5346414f /* AFS */, 0x6b414653 /* kAFS */,   0x00c36400 /* Ceph */, 0x73757245 /* Coda */,
        0x01021997 /* 9p */,  0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */, 0x65735546 /* FUSE */,
    };
    uint32_t type;
    int fd;

    if (has_block_device(st->st_dev))
        return false;
    fd = tel_sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return false;
    type = (uint32_t)tel_sys_fstatfs_type(fd);
    tel_sys_close(fd);
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
        if (type == magics[i])
            return true;
    return false;
}

/* Through a descriptor, so that a link put in its place is not followed; one that needs no
 * permission on the directory, because a umask may have left none. */
void tel_datadir_set_mode(const char *path, mode_t type, mode_t mode)
{
    char link[32];
    struct tel_buf buf;
    struct stat st;
    int fd = tel_sys_openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0);

    if (fd < 0)
        return;
    tel_buf_init(&buf, link, sizeof link);
    tel_buf_cstr(&buf, "/proc/self/fd/");
    tel_buf_u64(&buf, (uint64_t)fd);
    tel_buf_terminate(&buf);
    if (tel_sys_fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && (st.st_mode & 0777) != mode)
        tel_sys_chmod(link, mode);
    tel_sys_close(fd);
}

void tel_datadir_set_file_mode(int fd, const struct stat *st, mode_t mode)
{
    if (S_ISREG(st->st_mode) && (st->st_mode & 0777) != mode && st->st_nlink == 1 &&
        st->st_uid == tel_sys_geteuid())
        tel_sys_fchmod(fd, mode);
}

/* Makes one directory with exactly this mode, whatever the umask. An existing one is left. */
static int make_directory(const char *path, mode_t mode, struct tel_error *err)
{
    int status = tel_sys_mkdirat(AT_FDCWD, path, mode);

    if (status == -EEXIST)
        return 0;
    if (status < 0)
        return tel_fail_sys(err, status, "cannot create the directory ", path, NULL);
    tel_datadir_set_mode(path, S_IFDIR, mode);
    return 0;
}

/* Makes path and, when parents is set, every missing directory above it. */
static int make_path(const char *path, bool parents, mode_t mode, struct tel_error *err)
{
    char partial[TEL_PATH_MAX];
    struct stat st;
    size_t len = strlen(path);

    if (!parents)
        return make_directory(path, mode, err);
    for (size_t i = 1; i <= len; i++) {
        int status;

        if (i < len && path[i] != '/')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (tel_sys_fstatat(AT_FDCWD, partial, &st, 0) == 0)
            continue;
        status = make_directory(partial, mode, err);
        if (status < 0)
            return status;
    }
    return 0;
}

static int check_base(const struct tel_datadir *dir, const struct stat *st, struct tel_error *err)
{
    if (!S_ISDIR(st->st_mode))
        return tel_fail(err, -ENOTDIR, dir->base, " is not a directory", NULL);
    if (st->st_uid != dir->uid && (st->st_mode & 0002) != 0 && (st->st_mode & S_ISVTX) == 0)
        return tel_fail(err, TEL_ERR_REFUSED, dir->base,
                        " belongs to someone else and is writable for all" TEL_WHY(
                            ": set the sticky bit (chmod +t) or choose another TELEMETRY_BASE_DIR"),
                        NULL);
    return 0;
}

static int check_inside(const char *path, const struct stat *st, struct tel_error *err)
{
    if (S_ISLNK(st->st_mode))
        return tel_fail(
            err, TEL_ERR_REFUSED, path,
            " is a symbolic link" TEL_WHY("; links are not followed in the data directory"), NULL);
    if (!S_ISDIR(st->st_mode))
        return tel_fail(err, -ENOTDIR, path, " is not a directory", NULL);
    return 0;
}

/* $HOME is never made on behalf of a user who has none ("/nonexistent"). */
static bool may_make_parents(const struct tel_datadir *dir, const char *path)
{
    return dir->origin != TEL_BASE_FROM_HOME || path != dir->base;
}

static int stat_or_make(const struct tel_datadir *dir, const char *path, int flags, bool create,
                        struct stat *st, struct tel_error *err)
{
    int status = tel_sys_fstatat(AT_FDCWD, path, st, flags);

    if (status == -ENOENT && create) {
        status = make_path(path, may_make_parents(dir, path), dir->dir_mode, err);
        if (status < 0)
            return status;
        status = tel_sys_fstatat(AT_FDCWD, path, st, flags);
    }
    if (status < 0)
        return tel_fail_sys(err, status, "cannot use ", path, NULL);
    return 0;
}

int tel_datadir_prepare(struct tel_datadir *dir, bool create, struct tel_error *err)
{
    struct stat st;
    int status = stat_or_make(dir, dir->base, 0, create, &st, err);

    if (status == 0)
        status = check_base(dir, &st, err);
    if (status == 0)
        dir->shared = st.st_uid != dir->uid || ((st.st_mode | dir->dir_mode) & 0022) != 0;
    if (status == 0)
        status = stat_or_make(dir, dir->raw, AT_SYMLINK_NOFOLLOW, create, &st, err);
    if (status == 0)
        status = check_inside(dir->raw, &st, err);
    if (status == 0)
        dir->network = is_network(dir->raw, &st);
    return status;
}

int tel_datadir_prepare_run(const struct tel_datadir *dir, struct tel_error *err)
{
    struct stat st;
    int status = stat_or_make(dir, dir->run, AT_SYMLINK_NOFOLLOW, true, &st, err);

    return status < 0 ? status : check_inside(dir->run, &st, err);
}

int tel_datadir_prepare_db(const struct tel_datadir *dir, struct tel_error *err)
{
    char parent[TEL_PATH_MAX];
    struct stat st;
    int status;

    memcpy(parent, dir->db, strlen(dir->db) + 1);
    parent_of(parent);
    status = stat_or_make(dir, parent, AT_SYMLINK_NOFOLLOW, true, &st, err);
    return status < 0 ? status : check_inside(parent, &st, err);
}
