/* A run that is still running, with what has been said of it so far: that lies in its mailbox, not in
 * the database. */
#ifndef SO_FAR_H
#define SO_FAR_H

#include "base/datadir.h"
#include "query.h"

/* Its texts are valid until so_far_drop. */
struct so_far {
    struct tel_run_row row;
    char *memory; /* private */
};

/* row itself when it has ended, or when nothing has been said of it. */
const struct tel_run_row *so_far_of(struct so_far *so_far, const struct tel_datadir *dir,
                                    const struct tel_run_row *row);
void so_far_drop(struct so_far *so_far);

#endif
