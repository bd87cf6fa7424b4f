/* See so_far.h. */
#include "so_far.h"

#include "complain.h"
#include "mailbox.h"
#include "values.h"

#include <stdlib.h>

enum { NUMBERS_ROOM = 3 * 24 };

/* Texts of the database are plain, those of a mailbox JSON. */
static struct tel_str plain_text(struct tel_str raw, struct tel_buf *texts)
{
    const size_t start = texts->len;

    return tel_json_unescape(raw, texts) ? (struct tel_str){texts->ptr + start, texts->len - start}
                                         : TEL_STR_NONE;
}

static void lay_over(struct so_far *so_far, struct tel_str said, struct tel_buf *texts)
{
    struct tel_values values;
    struct tel_runline line = {.run = {[TEL_RUN_STATUS] = TEL_STR("\"running\"")}};

    tel_values_read(&values, said);
    for (int i = 0; i < TEL_COUNTS; i++)
        line.run[TEL_RUN_ITEMS_DISCOVERED + i] = so_far->row.run[TEL_RUN_ITEMS_DISCOVERED + i];
    tel_values_apply(&values, &line, texts);
    for (int field = 0; field < TEL_RUN_FIELDS; field++) {
        if (tel_values_is_count(field))
            so_far->row.run[field] = line.run[field];
        else if (field != TEL_RUN_STATUS && values.set[field].ptr != NULL)
            so_far->row.run[field] = plain_text(values.set[field], texts);
    }
}

const struct tel_run_row *so_far_of(struct so_far *so_far, const struct tel_datadir *dir,
                                    const struct tel_run_row *row)
{
    struct tel_mailbox box;
    struct tel_str said;
    struct tel_buf texts;
    char *lines;

    *so_far = (struct so_far){.row = *row};
    if (!tel_str_is(row->run[TEL_RUN_STATUS], "running") ||
        tel_mailbox_open(&box, dir, row->run[TEL_RUN_RUN_ID], TEL_MAILBOX_LOOK, 0, NULL) < 0)
        return row;
    if (tel_mailbox_read(&box, &lines, &said, NULL) == 0 && lines != NULL) {
        so_far->memory = must_alloc(said.len + NUMBERS_ROOM);
        tel_buf_init(&texts, so_far->memory, said.len + NUMBERS_ROOM);
        lay_over(so_far, said, &texts);
        free(lines);
    }
    tel_mailbox_close(&box);
    return &so_far->row;
}

void so_far_drop(struct so_far *so_far)
{
    free(so_far->memory);
    so_far->memory = NULL;
}
