/*
** watch.h - sets of watched futures: see watch.c.
*/

#ifndef CA_WATCH_H
#define CA_WATCH_H

#include <lua.h>

void ca_watch_open (lua_State *L);

#endif
