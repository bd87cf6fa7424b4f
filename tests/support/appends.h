/* A journal whose disk may be full: for tests that are linked with WRAP tel_journal_append. */
#ifndef TEL_TEST_APPENDS_H
#define TEL_TEST_APPENDS_H

#include "base/journal.h"

static int append_status; /* negative: how appending fails */

int __real_tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                              struct tel_journal_pos *pos, struct tel_error *error);
int __wrap_tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                              struct tel_journal_pos *pos, struct tel_error *error);

int __wrap_tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                              struct tel_journal_pos *pos, struct tel_error *error)
{
    return append_status < 0 ? append_status
                             : __real_tel_journal_append(writer, date, line, pos, error);
}

#endif
