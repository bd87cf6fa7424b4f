/* Runs and what they started, as trees: a run hangs below the one that its parent_run_id names, when
 * that is known as well. Holds ids only. */
#ifndef FOREST_H
#define FOREST_H

#include "base/buf.h"

struct forest;

/* selective: only what forest_select names is there to look at; else everything. */
struct forest *forest_new(bool selective);
void forest_free(struct forest *forest);

/* child was started from parent; children keep the order in which they are added. A child keeps its
 * first parent. Both ids are copied. */
void forest_add(struct forest *forest, struct tel_str child, struct tel_str parent);

/* Selects a run, all that it descends from, and all that descends from it. */
void forest_select(struct forest *forest, struct tel_str id);
/* Goes through the selection, once all is added and selected and before the first look at it. */
void forest_settle(struct forest *forest);
/* True when the run stands at the top of a tree, and that is selected. */
bool forest_is_root(const struct forest *forest, struct tel_str id);

/* What a walk calls: on the way into a run (entering, then what is below it) and on the way out. depth
 * is 0 for the root; first: no other was entered below its parent before. A nonzero return ends the
 * walk. */
struct forest_step {
    struct tel_str id; /* borrowed for the call */
    size_t depth;
    bool entering;
    bool first;
    const char *branch; /* lines to draw before it: "│  ├─ "; "" for the root */
};
typedef int forest_step_fn(void *arg, const struct forest_step *step);
/* Walks what hangs below root, and root itself. ascii: draw with "|", "`" and "-". */
int forest_walk(const struct forest *forest, struct tel_str root, bool ascii, forest_step_fn *fn,
                void *arg);

#endif
