/*
** coro.h - coroutine objects: what async functions give.
*/

#ifndef CA_CORO_H
#define CA_CORO_H

#include "core.h"

/*
** Open the coroutine object at index 1, the only value on the stack: its
** function and arguments are pushed. Returns the number of arguments; raises
** when it has been opened before.
*/
int ca_coro_unpack (lua_State *L, Core *c, Object *o);

/*
** Replace what is at 'idx' by what a task needs to run it: a function and
** its argument; when there are more, the object that holds them; when there
** are none, only the function. It is a function (what is above it are its
** arguments; an async one is unwrapped), a coroutine object, or any other
** awaitable (then the function is 'await'). Returns the number of arguments.
*/
int ca_coro_target (lua_State *L, Core *c, int idx);

/* What is at 'idx', if it is a coroutine object, is in some list: it is not
   to be used again for another call. */
void ca_coro_keep (lua_State *L, Core *c, int idx);

/* Give the new task on top what the coroutine object at index 1 is to run. */
void ca_coro_load (lua_State *L, Core *c, Object *o, struct Future *task);

/* Replace the object on top that holds 'nargs' arguments by these. */
void ca_coro_pushargs (lua_State *L, Core *c, int nargs);

/*
** Replace the new coroutine object at 'idx' by a task of its own; the next
** one with the same 'stamp' gets the same task.
*/
void ca_coro_totask (lua_State *L, Core *c, struct Loop *l, int idx,
                     uint32_t stamp);

/*
** Is the value at 'idx' a coroutine object or an operation that nobody has
** awaited yet? A function that is run as a task, and whose only result is
** such a one, means what that gives: create_task(casync.sleep, 1).
*/
bool ca_coro_islazy (lua_State *L, Core *c, int idx);

/* Is the value at 'idx' something that 'await' takes? */
bool ca_coro_isawaitable (lua_State *L, Core *c, int idx);

void ca_coro_open (lua_State *L);

#endif
