/*
** interrupt.h - Ctrl-C: see interrupt.c.
*/

#ifndef CA_INTERRUPT_H
#define CA_INTERRUPT_H

#include "core.h"

void ca_interrupt_open (lua_State *L);

/* The Lua state is closed, maybe inside 'run' (os.exit does that): give
   SIGINT back, if a loop of it has taken it over. */
void ca_interrupt_close (Core *c);

#endif
