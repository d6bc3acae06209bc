/*
** roster.h - the unfinished tasks of a group: see roster.c.
*/

#ifndef CA_ROSTER_H
#define CA_ROSTER_H

#include "core.h"

/* Its loop is closed: forget the members. Raises nothing. */
void ca_roster_abandon (Object *roster);

void ca_roster_open (lua_State *L);

#endif
