/* Texts about bad input, for whoever explains it (telemetry doctor, tests). The shim has nobody to
 * tell, and 64 KiB for everything: there they are empty. */
#ifndef TEL_BASE_WHY_H
#define TEL_BASE_WHY_H

#ifdef TELEMETRY_IN_SHIM
#define TEL_WHY(text) ""
#else
#define TEL_WHY(text) text
#endif

#endif
