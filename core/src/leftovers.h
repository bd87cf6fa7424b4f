/* Sockets and locks in run/ whose collector died together with its pid namespace: nobody will ever use
 * their names again, since those hold the namespace's number. */
#ifndef TEL_LEFTOVERS_H
#define TEL_LEFTOVERS_H

#include "base/datadir.h"

/* Removes those of this user's, where it is certain that the namespace is gone. */
void tel_leftovers_remove(const struct tel_datadir *dir);

#endif
