/*
** pool.h - coroutines that tasks use one after the other: see pool.c.
*/

#ifndef CA_POOL_H
#define CA_POOL_H

#include "core.h"

/*
** An idle coroutine, or NULL when none is left. 'slot' is where the pool
** anchors it. Raises nothing.
*/
static inline lua_State *ca_pool_take (Core *c, uint16_t *slot) {
  if (c->nidle == 0) return NULL;
  *slot = c->idleslot[--c->nidle];
  return c->idle[c->nidle];
}

/* Anchor the coroutine on top of the stack, which is popped, and give its
   slot; 0, with the coroutine left there: the pool has no room. */
uint16_t ca_pool_anchor (lua_State *L, Core *c);

/* The coroutine in this slot is over: keep it for another task. */
void ca_pool_give (Core *c, lua_State *co, uint16_t slot);

/* The coroutine in this slot is not used again: let go of it. */
void ca_pool_drop (lua_State *L, Core *c, uint16_t slot);

/* Push the coroutine in this slot. */
void ca_pool_push (lua_State *L, uint16_t slot);

/* Make the pool, as a user value of the new Core on top of the stack. */
void ca_pool_new (lua_State *L, Core *c);

#endif
