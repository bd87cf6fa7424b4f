/* The environment of a program that is about to be executed. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "base/env.h"

struct environment {
    char **entries; /* NULL-terminated; entries that were not set here are borrowed */
    size_t count;
};

/* A copy of that environment. */
void environment_init(struct environment *environment, char *const *entries);
/* Sets name to value, once, whatever was there of it. */
void environment_set(struct environment *environment, const char *name, struct tel_str value);

#endif
