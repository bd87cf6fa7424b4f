/* See forest.h. Nodes lie in one array, and name each other by their place in it; ids are found by a
 * hash table. Nothing is recursive: who starts whom is as deep as the data says. */
#include "forest.h"

#include "complain.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY SIZE_MAX

struct node {
    char *id; /* owned */
    size_t len;
    size_t parent;
    size_t first_child;
    size_t last_child;
    size_t next; /* sibling */
    bool chosen; /* by forest_select */
    bool shown;
};

struct forest {
    struct node *nodes;
    size_t count;
    size_t room;
    size_t *slots; /* places of nodes by their hash; a power of two, at most half full */
    size_t slot_count;
    bool selective;
};

struct forest *forest_new(bool selective)
{
    struct forest *forest = must_alloc(sizeof *forest);

    *forest = (struct forest){.selective = selective};
    return forest;
}

void forest_free(struct forest *forest)
{
    for (size_t i = 0; i < forest->count; i++)
        free(forest->nodes[i].id);
    free(forest->nodes);
    free(forest->slots);
    free(forest);
}

/* --- finding ids ----------------------------------------------------------------------------- */

static size_t hash_of(struct tel_str id)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */

    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (unsigned char)id.ptr[i]) * 1099511628211U;
    return (size_t)hash;
}

static size_t slot_for(const struct forest *forest, struct tel_str id)
{
    size_t slot = hash_of(id) & (forest->slot_count - 1);

    while (forest->slots[slot] != NOBODY) {
        const struct node *node = &forest->nodes[forest->slots[slot]];

        if (tel_str_equal((struct tel_str){node->id, node->len}, id))
            break;
        slot = (slot + 1) & (forest->slot_count - 1);
    }
    return slot;
}

static size_t find(const struct forest *forest, struct tel_str id)
{
    return forest->slot_count == 0 ? NOBODY : forest->slots[slot_for(forest, id)];
}

static void grow(struct forest *forest)
{
    forest->slot_count = forest->slot_count == 0 ? 64 : forest->slot_count * 2;
    forest->slots = must_grow(forest->slots, forest->slot_count * sizeof *forest->slots);
    for (size_t i = 0; i < forest->slot_count; i++)
        forest->slots[i] = NOBODY;
    for (size_t i = 0; i < forest->count; i++) {
        const struct node *node = &forest->nodes[i];

        forest->slots[slot_for(forest, (struct tel_str){node->id, node->len})] = i;
    }
}

static size_t find_or_add(struct forest *forest, struct tel_str id)
{
    size_t place = find(forest, id);
    struct node *node;

    if (place != NOBODY)
        return place;
    if (forest->count == forest->room) {
        forest->room = forest->room * 2 + 64;
        forest->nodes = must_grow(forest->nodes, forest->room * sizeof *forest->nodes);
    }
    place = forest->count++;
    node = &forest->nodes[place];
    *node =
        (struct node){must_alloc(id.len + 1), id.len, NOBODY, NOBODY, NOBODY, NOBODY, false, false};
    memcpy(node->id, id.ptr, id.len);
    if (forest->count * 2 > forest->slot_count)
        grow(forest);
    else
        forest->slots[slot_for(forest, id)] = place;
    return place;
}

/* --- trees ----------------------------------------------------------------------------------- */

/* Lines that somebody else wrote may say that two runs started each other. */
static bool descends_from(const struct forest *forest, size_t place, size_t from)
{
    while (place != NOBODY && place != from)
        place = forest->nodes[place].parent;
    return place == from;
}

void forest_add(struct forest *forest, struct tel_str child, struct tel_str parent)
{
    const size_t below = find_or_add(forest, child);
    const size_t above = find_or_add(forest, parent);
    struct node *const nodes = forest->nodes;

    if (nodes[below].parent != NOBODY || descends_from(forest, above, below))
        return;
    nodes[below].parent = above;
    if (nodes[above].last_child == NOBODY)
        nodes[above].first_child = below;
    else
        nodes[nodes[above].last_child].next = below;
    nodes[above].last_child = below;
}

void forest_select(struct forest *forest, struct tel_str id)
{
    forest->nodes[find_or_add(forest, id)].chosen = true;
}

/* The next node of the tree below root, from the top down; NOBODY behind the last. */
static size_t next_node(const struct forest *forest, size_t root, size_t place)
{
    const struct node *const nodes = forest->nodes;

    if (nodes[place].first_child != NOBODY)
        return nodes[place].first_child;
    while (place != root && nodes[place].next == NOBODY)
        place = nodes[place].parent;
    return place == root ? NOBODY : nodes[place].next;
}

void forest_settle(struct forest *forest)
{
    struct node *const nodes = forest->nodes;

    for (size_t root = 0; root < forest->count; root++)
        for (size_t place = nodes[root].parent == NOBODY ? root : NOBODY; place != NOBODY;
             place = next_node(forest, root, place)) {
            const size_t parent = nodes[place].parent;

            nodes[place].chosen |= parent != NOBODY && nodes[parent].chosen;
        }
    for (size_t i = 0; i < forest->count; i++)
        for (size_t place = i; place != NOBODY && !nodes[place].shown && nodes[i].chosen;
             place = nodes[place].parent)
            nodes[place].shown = true;
}

static bool is_shown(const struct forest *forest, size_t place)
{
    return !forest->selective || forest->nodes[place].shown;
}

bool forest_is_root(const struct forest *forest, struct tel_str id)
{
    const size_t place = find(forest, id);

    if (place == NOBODY)
        return !forest->selective;
    return forest->nodes[place].parent == NOBODY && is_shown(forest, place);
}

/* --- walking --------------------------------------------------------------------------------- */

enum { DRAWN = 24 }; /* levels; what is deeper is drawn there, too */

struct drawing {
    const char *on;   /* an ancestor that has more below it */
    const char *off;  /* one that has not */
    const char *item; /* a run that others follow */
    const char *last;
};

static bool has_later_sibling(const struct forest *forest, size_t place)
{
    for (size_t next = forest->nodes[place].next; next != NOBODY; next = forest->nodes[next].next)
        if (is_shown(forest, next))
            return true;
    return false;
}

/* "│  ├─ " for a run in the third level. */
static void draw(const struct forest *forest, const struct drawing *with, size_t root, size_t place,
                 struct tel_buf *out)
{
    size_t path[DRAWN]; /* from the run upwards, without the root */
    size_t levels = 0;

    for (; place != root && levels < DRAWN; place = forest->nodes[place].parent)
        path[levels++] = place;
    out->len = 0;
    for (size_t i = levels; i > 1; i--)
        tel_buf_cstr(out, has_later_sibling(forest, path[i - 1]) ? with->on : with->off);
    if (levels > 0)
        tel_buf_cstr(out, has_later_sibling(forest, path[0]) ? with->item : with->last);
    tel_buf_terminate(out);
}

/* A walk on its way. */
struct walk {
    const struct forest *forest;
    const struct drawing *drawing;
    size_t root;
    forest_step_fn *fn;
    void *arg;
};

static int enter(const struct walk *walk, size_t place, size_t depth, bool first)
{
    const struct node *node = &walk->forest->nodes[place];
    char memory[DRAWN * 8];
    struct tel_buf branch;

    tel_buf_init(&branch, memory, sizeof memory);
    draw(walk->forest, walk->drawing, walk->root, place, &branch);
    return walk->fn(walk->arg,
                    &(struct forest_step){{node->id, node->len}, depth, true, first, memory});
}

static int leave(const struct walk *walk, size_t place, size_t depth)
{
    const struct node *node = &walk->forest->nodes[place];

    return walk->fn(walk->arg,
                    &(struct forest_step){{node->id, node->len}, depth, false, false, ""});
}

/* Leaves place and the ancestors that end with it; *place is then the next sibling to enter, NOBODY at
 * the end. */
static int climb(const struct walk *walk, size_t *place, size_t *depth)
{
    int status;

    for (;;) {
        size_t next;

        status = leave(walk, *place, *depth);
        if (status != 0 || *place == walk->root)
            break;
        next = walk->forest->nodes[*place].next;
        while (next != NOBODY && !is_shown(walk->forest, next))
            next = walk->forest->nodes[next].next;
        if (next != NOBODY) {
            *place = next;
            return 0;
        }
        *place = walk->forest->nodes[*place].parent;
        --*depth;
    }
    *place = NOBODY;
    return status;
}

static size_t first_shown_child(const struct forest *forest, size_t place)
{
    size_t child = forest->nodes[place].first_child;

    while (child != NOBODY && !is_shown(forest, child))
        child = forest->nodes[child].next;
    return child;
}

static int walk_tree(const struct walk *walk)
{
    size_t place = walk->root;
    size_t depth = 0;
    bool first = true;
    int status = 0;

    while (place != NOBODY && status == 0) {
        size_t child;

        status = enter(walk, place, depth, first);
        child = first_shown_child(walk->forest, place);
        first = child != NOBODY;
        if (status != 0)
            break;
        if (child != NOBODY) {
            place = child;
            depth++;
        } else {
            status = climb(walk, &place, &depth);
        }
    }
    return status;
}

int forest_walk(const struct forest *forest, struct tel_str root, bool ascii, forest_step_fn *fn,
                void *arg)
{
    static const struct drawing lines = {"\u2502  ", "   ", "\u251c\u2500 ", "\u2514\u2500 "};
    static const struct drawing plain = {"|  ", "   ", "|- ", "`- "};
    const struct walk walk = {forest, ascii ? &plain : &lines, find(forest, root), fn, arg};
    int status;

    if (walk.root != NOBODY)
        return walk_tree(&walk);
    status = fn(arg, &(struct forest_step){root, 0, true, true, ""}); /* it started nothing */
    return status != 0 ? status : fn(arg, &(struct forest_step){root, 0, false, false, ""});
}
