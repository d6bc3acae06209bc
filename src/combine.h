/*
** combine.h - gather and shield: see combine.c.
*/

#ifndef CA_COMBINE_H
#define CA_COMBINE_H

#include "core.h"
#include "future.h"

/* Push the results of the settled gather or shield at 'idx'. */
int ca_combine_result (lua_State *L, Core *c, int idx);

/* A cancellation comes to it on its way along the awaits: is it the first
   time in this walk? */
bool ca_combine_visit (Core *c, Future *f);

/* Would a cancellation of it come to this task, along the awaits? */
bool ca_combine_leadsto (Core *c, Future *f, const Future *t);

/* Has it a member that is pending? */
bool ca_combine_canbecancelled (const Future *f);

/* Cancel its members (tasks and combined futures are added to the work of
   'ca_task_dowork'). False when none was pending. */
bool ca_combine_cancel (lua_State *L, Core *c, Future *f, int msg);

/* Its loop is closed: let go of the members. */
void ca_combine_abandon (Future *f);

void ca_combine_open (lua_State *L);

#endif
