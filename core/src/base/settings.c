/* See settings.h. The file is read into memory of our own: were it mapped itself, somebody who cuts it
 * short would end the host by SIGBUS. */
#include "settings.h"

#include "sys.h"
#include "why.h"

#include <errno.h>

bool tel_conf_file_locate(char path[TEL_PATH_MAX], enum tel_conf_place place,
                          const struct tel_config *config, const struct tel_datadir *dir)
{
    const struct tel_str named = config->value[TEL_VAR_CONFIG];
    struct tel_buf out;

    tel_buf_init(&out, path, TEL_PATH_MAX);
    if (place == TEL_CONF_NAMED) {
        tel_buf_str(&out, named);
    } else if (place == TEL_CONF_OF_BASE) {
        tel_buf_cstr(&out, dir->base);
        tel_buf_cstr(&out, "/config/telemetry.conf");
    } else {
        tel_buf_cstr(&out, TEL_CONF_SYSTEM_PATH);
    }
    return tel_buf_terminate(&out) != NULL && out.len > 0;
}

/* Who can write it decides what is recorded of this user's programs, and where. NULL when all is well. */
static const char *objection_to(const struct stat *st, uid_t uid)
{
    if (!S_ISREG(st->st_mode))
        return TEL_WHY(" is not a regular file");
    if (st->st_uid != uid && st->st_uid != 0)
        return TEL_WHY(" belongs neither to you nor to root");
    if ((st->st_mode & 0002) != 0)
        return TEL_WHY(" is writable for everybody");
    return st->st_size > TEL_CONF_FILE_MAX ? TEL_WHY(" is larger than 1 MiB") : NULL;
}

void tel_conf_file_drop(struct tel_conf_file *file)
{
    tel_sys_unmap(file->memory, file->size);
    file->memory = NULL;
    file->text = TEL_STR_NONE;
}

/* As much as there was when it was examined, or less when somebody is cutting it short. */
static int read_text(struct tel_conf_file *file, int fd, size_t size)
{
    size_t len = 0;
    ssize_t got = 0;
    char *memory;

    file->size = size + 1; /* an empty file has a text, too */
    file->memory = memory = tel_sys_map(file->size);
    if (memory == NULL)
        return -ENOMEM;
    while (len < size && (got = tel_sys_read(fd, memory + len, size - len)) > 0)
        len += (size_t)got;
    if (got < 0) {
        tel_conf_file_drop(file);
        return (int)got;
    }
    file->text = (struct tel_str){memory, len};
    return 0;
}

static int examine_and_read(struct tel_conf_file *file, int fd, uid_t uid, const char **objection)
{
    struct stat st;
    const int status = tel_sys_fstat(fd, &st);

    if (status < 0)
        return status;
    *objection = objection_to(&st, uid);
    return *objection != NULL ? TEL_ERR_REFUSED : read_text(file, fd, (size_t)st.st_size);
}

static int read_file(struct tel_conf_file *file, enum tel_conf_place place, uid_t uid,
                     const char **objection)
{
    const int links = place == TEL_CONF_OF_BASE ? O_NOFOLLOW : 0;
    const int fd =
        tel_sys_openat(AT_FDCWD, file->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | links, 0);
    int status;

    if (fd < 0)
        return fd;
    status = examine_and_read(file, fd, uid, objection);
    tel_sys_close(fd);
    return status;
}

int tel_conf_file_read(struct tel_conf_file *file, enum tel_conf_place place, uid_t uid,
                       struct tel_error *err)
{
    const char *objection = NULL;
    const int status = read_file(file, place, uid, &objection);

    if (objection != NULL)
        return tel_fail(err, status, file->path, objection, NULL);
    return status < 0 ? tel_fail_sys(err, status, "cannot read ", file->path, NULL) : 0;
}

static bool find_file(struct tel_conf_file *file, const struct tel_config *config,
                      const struct tel_datadir *dir, uid_t uid)
{
    const char *ignored;

    for (int place = 0; place < TEL_CONF_PLACES; place++)
        if (tel_conf_file_locate(file->path, (enum tel_conf_place)place, config, dir) &&
            read_file(file, (enum tel_conf_place)place, uid, &ignored) == 0)
            return true;
    file->path[0] = '\0';
    return false;
}

int tel_settings_load(struct tel_config *config, struct tel_datadir *dir,
                      struct tel_conf_file *file, const struct tel_surroundings *around,
                      struct tel_error *err)
{
    struct tel_config_source source = {around->env, TEL_STR_NONE, around->exe};
    int status;

    file->memory = NULL;
    file->text = TEL_STR_NONE;
    for (;;) {
        tel_config_load(config, &source, NULL, NULL);
        status = tel_datadir_resolve(dir, config, around->cwd, around->uid, err);
        if (status < 0 || source.file.ptr != NULL || !find_file(file, config, dir, around->uid))
            return status;
        source.file = file->text; /* once more: it may say where the data goes */
    }
}
