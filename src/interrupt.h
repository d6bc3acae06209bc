/*
** interrupt.h - Ctrl-C: see interrupt.c.
*/

#ifndef CA_INTERRUPT_H
#define CA_INTERRUPT_H

#include <lua.h>

void ca_interrupt_open (lua_State *L);

#endif
