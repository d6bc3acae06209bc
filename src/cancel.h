/*
** cancel.h - what 'throw' and the other functions of cancel.c add to the
** module's table. The functions for C are in task.h.
*/

#ifndef CA_CANCEL_H
#define CA_CANCEL_H

#include <lua.h>

void ca_cancel_open (lua_State *L);

#endif
