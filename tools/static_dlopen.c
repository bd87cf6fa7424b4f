/* dlopen for the static program (linked with --wrap=dlopen): it always fails. SQLite refers to it
 * for its extension loader, which nothing here uses; libc's own would look for the shared libraries
 * of the very libc that was linked in, which is what the linker warns about. Defining dlopen itself
 * is not enough: libc's archive brings its own along, and the warning with it. */
#include <stddef.h>

void *__wrap_dlopen(const char *file, int mode);

void *__wrap_dlopen(const char *file, int mode)
{
    (void)file;
    (void)mode;
    return NULL;
}
