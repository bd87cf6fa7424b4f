/* Messages on standard error, and the one that ends the program. */
#ifndef COMPLAIN_H
#define COMPLAIN_H

#include <stddef.h>

/* Messages begin with "telemetry COMMAND: " from now on. command is borrowed; NULL: no command. */
void complain_as(const char *command);
/* One message, its end of line added; control characters in it are made visible. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As malloc and realloc; without memory they say so and exit with CLI_FAILED. */
void *must_alloc(size_t size);
void *must_grow(void *memory, size_t size);

#endif
