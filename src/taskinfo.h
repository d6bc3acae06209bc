/*
** taskinfo.h - the methods of tasks, and what there is to see of them.
*/

#ifndef CA_TASKINFO_H
#define CA_TASKINFO_H

#include <lua.h>

void ca_taskinfo_open (lua_State *L);

#endif
