/* telemetry-post: the poster as a program, the only one that loads libcurl. Started by a collector, or by
 * `telemetry post`. */
#include "post/poster.h"
#include "post/wire.h"

#include <stdio.h>
#include <sys/stat.h>

/* The shim looks for this symbol, and leaves the process alone where it finds it. */
extern const char telemetry_own_program[];
const char telemetry_own_program[] = "telemetry-post";

int main(void)
{
    struct tel_error err = {0};
    struct stat st;

    if (fstat(TEL_POST_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        fputs("telemetry-post: started by telemetry itself; people use 'telemetry post'\n", stderr);
        return 2;
    }
    if (tel_poster_serve(TEL_POST_FD, &err) == 0)
        return 0;
    fprintf(stderr, "telemetry-post: %s\n", err.message);
    return 1;
}
