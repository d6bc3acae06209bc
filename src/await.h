/*
** await.h - the way of an await: see await.c.
*/

#ifndef CA_AWAIT_H
#define CA_AWAIT_H

#include "task.h"

void ca_await_open (lua_State *L);

#endif
