/*
** spawn.h - making tasks: see spawn.c.
*/

#ifndef CA_SPAWN_H
#define CA_SPAWN_H

#include "future.h"

/* Any function, coroutine object or awaitable at 'idx' as a future, which
   replaces it there: new tasks for what is not yet a future. */
Future *ca_future_ensure (lua_State *L, Core *c, Loop *l, int idx);

void ca_spawn_open (lua_State *L);

#endif
