/*
** awaitable.h - operations: what an await can wait for besides futures.
**
** An operation is a small userdata, lazy until it is awaited. It says how
** to begin, how to give up and how to end; the kernel does the rest.
**
**   start     may raise as long as nothing has begun. CA_READY: it is done
**             already, 'finish' is called at once. CA_WAIT: it is linked
**             somewhere and someone will call 'ca_task_wake'. CA_AGAIN: the
**             task is ready again at once, behind the others.
**   giveup    the waiting task was cancelled: unlink, at once. Runs no Lua
**             and raises nothing.
**   finish    push the results and return their number, or raise. CA_AGAIN,
**             after a wait only: it has linked the running task again and
**             waits on.
**   giveback  the task was cancelled after it had been woken: return what
**             had been taken. NULL: nothing to give back. Must not raise.
**
** In 'start' and 'finish' the operation is at index 1 of L, and stays there
** while the task waits. A task can wait for one thing at a time, so what
** links it to where it waits is in the Task: 'node' and 'timer'.
**
** One of a type that is 'small' and holds nothing in C is used again when it
** has finished: the Core keeps one of each size. Who still has it, and awaits
** it again, gets the error for that, unless the new one has not begun yet.
*/

#ifndef CA_AWAITABLE_H
#define CA_AWAITABLE_H

#include "core.h"
#include "task.h"

enum { CA_READY = 0, CA_WAIT = 1, CA_AGAIN = -1 };

typedef struct Op Op;

typedef struct OpType {
  const char *name;             /* for tostring and the graph of waits */
  int (*start) (lua_State *L, Core *c, Op *op, Task *t);
  void (*giveup) (Op *op, Task *t);
  int (*finish) (lua_State *L, Core *c, Op *op);
  void (*giveback) (lua_State *L, Core *c, Op *op);
  bool again;                   /* can be awaited more than once */
  bool small;                   /* its memory can be used for another one */
  uint8_t nuv;                  /* of a small one: its user values */
} OpType;

struct Op {
  Object head;                  /* state: OP_x; n is the type's */
  const OpType *type;
};

enum { OP_NEW, OP_STARTED };

/* Flag, in head.flags: it is watched, in debug mode. */
enum { OP_WATCHED = 1 };

/* User value 1 of an operation is the object it belongs to (a lock, a
   stream), which keeps that alive; more are the type's. */
enum { OPUV_OWNER = 1 };

/* A new operation of 'size' bytes, pushed, with 'nuv' user values. When
   'owner' is not 0 the value at that absolute index becomes user value 1. */
void *ca_op_new (lua_State *L, Core *c, const OpType *type, size_t size,
                 int nuv, int owner);

/* The operation at index 1, of a small type, has finished. */
void ca_op_spare (lua_State *L, Core *c, Op *op);

/* Await the operation on top in the running coroutine: to be returned from a
   C function, with so many results. */
int ca_op_await (lua_State *L, int results);

/* Give the metatable on top an __index that has 'await' and refuses all
   other fields. */
void ca_awaitable_index (lua_State *L);

void ca_awaitable_open (lua_State *L);

#endif
