/*
** scope.h - time-outs and shields that a task has entered: see scope.c.
*/

#ifndef CA_SCOPE_H
#define CA_SCOPE_H

#include "core.h"
#include "task.h"

/* May a cancellation asked by 'asker' (NULL: from outside the task) reach
   the task now? If a shield stands between, the shield remembers it. */
bool ca_scope_permits (Task *t, struct Scope *asker);

/* Has one of its open scopes expired? */
bool ca_scope_expired (const Task *t);

/* The task has ended: disarm the scopes it left open, report them. */
void ca_scope_abandon (lua_State *L, Core *c, Task *t);

/* The loop of the task is being closed: disarm its scopes. */
void ca_scope_drop (lua_State *L, Task *t);

void ca_scope_open (lua_State *L);

#endif
