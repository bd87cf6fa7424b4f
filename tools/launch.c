/* See launch.h. */
#include "launch.h"

#include "base/spawn.h"
#include "base/sys.h"
#include "program.h"

#include <errno.h>

enum { SCRATCH = TEL_SPAWN_SCRATCH };

static int spawn(const struct context *context, const struct tel_claim *claim, const char *program,
                 struct tel_error *err)
{
    struct tel_spawn request = {program, &context->env, &context->dir, context->file.path, claim,
                                {0}};
    char *scratch = tel_sys_map(SCRATCH);
    int status;

    if (scratch == NULL)
        return tel_fail(err, -ENOMEM, "no memory", NULL);
    tel_buf_init(&request.scratch, scratch, SCRATCH);
    status = tel_spawn_collector(&request);
    tel_sys_unmap(scratch, SCRATCH);
    return status < 0 ? tel_fail_sys(err, status, "cannot start ", program, NULL) : 0;
}

int launch_collector(const struct context *context, struct tel_error *err)
{
    const char *obstacle = tel_spawn_obstacle();
    char program[TEL_PATH_MAX];
    struct tel_claim claim;
    int status;

    if (obstacle != NULL)
        return tel_fail(err, TEL_ERR_REFUSED, "no collector is started here: ", obstacle, NULL);
    if (context->dir.network)
        return tel_fail(err, TEL_ERR_REFUSED, context->dir.base, LAUNCH_NO_NETWORK, NULL);
    if (!program_self(program, sizeof program))
        return tel_fail(err, -ENOENT, "cannot find this program itself (is /proc there?)", NULL);
    status = tel_claim_take(&claim, &context->dir, err);
    if (status < 0)
        return status;
    status = spawn(context, &claim, program, err);
    tel_claim_drop(&claim, &context->dir, status < 0);
    return status;
}
