/* The kernel's own clock_gettime, found in the vDSO: no system call, and out of reach of whoever
 * interposes libc's (faketime libraries). Source: vdso(7), elf(5). */
#ifndef TEL_BASE_VDSO_H
#define TEL_BASE_VDSO_H

#include "sys.h"

#include <time.h>

typedef int tel_clock_fn(clockid_t clock, tel_timespec *out);

/* base is AT_SYSINFO_EHDR's value. NULL when base is 0 or the function is not there. */
tel_clock_fn *tel_vdso_clock(uintptr_t base);

#endif
