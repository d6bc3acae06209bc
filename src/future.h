/*
** future.h - a result that may not be there yet: see future.c.
*/

#ifndef CA_FUTURE_H
#define CA_FUTURE_H

#include "core.h"
#include "loop.h"

/* States, in head.state. */
typedef enum State { PENDING, RETURNED, RAISED, CANCELLED } State;

/* User values of every kind of future. */
enum {
  FUV_VALUE = 1,        /* the result or error; of a pending task first its
                           argument, or the object with all of them, then
                           its coroutine when the pool has no room for it */
  FUV_EXTRA,            /* nil or a table: name, context, callbacks ...; of
                           a task the function it runs, or a table which has
                           that at [1] */
  FUV_COUNT = FUV_EXTRA,
  FUV_MEMBERS,          /* of a gather or shield: what it waits for */
  FUV_COMBINECOUNT = FUV_MEMBERS
};

/* Flags, in head.flags. */
enum {
  F_RETRIEVED = 1,      /* somebody has seen the error */
  F_QUIET = 2,          /* do not report: somebody else answers for it */
  F_ERRORPENDING = 4,   /* counted in loop->nunretrieved */
  F_CALLBACKS = 8,      /* it has had done-callbacks */
  F_MARKED = 16         /* seen already, by a function that looks */
};

/*
** Who is told when a future settles. 'settled' runs nobody: it wakes a task
** or posts a job. The node has been taken out of the list before.
*/
typedef struct Node {
  List link;
  void (*settled) (struct Node *node);
} Node;

typedef struct Future {
  Object head;          /* state; n: how many values it returned */
  List nodes;           /* those to be told, in order of arrival */
  Loop *loop;
  uint32_t generation;  /* of the loop */
  uint32_t slot;        /* its anchor, or 0 */
  uint32_t pins;        /* callbacks that are still to run: keeps the anchor */
} Future;

static inline bool ca_isfuture (const Object *o) {
  return o->kind >= KIND_FUTURE && o->kind <= KIND_COMBINE;
}

/* The loop of a future if it is still open, else NULL. */
static inline Loop *ca_future_loop (const Future *f) {
  Loop *l = f->loop;
  return (l->open && !l->closing && l->generation == f->generation) ? l
                                                                    : NULL;
}

/* A new pending future of some kind, pushed. Not anchored. */
Future *ca_future_new (lua_State *L, Core *c, Loop *l, Kind kind,
                       size_t size);

/* The future (of any kind) at 'idx'. */
Future *ca_future_check (lua_State *L, Core *c, int idx);
Future *ca_future_test (lua_State *L, Core *c, int idx);

/*
** Settle with the value on top of the stack (popped), which is the result
** when n is 1, else a table of the n results. Tells the nodes. The future
** is at 'idx'. Raises nothing when the future has an anchor or no callback.
*/
void ca_future_settle (lua_State *L, Core *c, int idx, State state,
                       uint32_t n);

/* The part of it that raises nothing and drops no anchor. */
void ca_future_tell (lua_State *L, Future *f, int idx, State state,
                     uint32_t n);

/* Push the results of the settled future at 'idx', or raise its error.
   Marks it as seen. */
int ca_future_result (lua_State *L, Core *c, int idx);

/*
** Ask a future to be cancelled, with the message at 'msg' (0: none). True
** if it was still pending. Raises only for lack of memory, before anything
** has changed.
*/
bool ca_future_cancel (lua_State *L, Core *c, int idx, int msg);

/* Push field 'name' of the table in FUV_EXTRA of the future at 'idx'. */
int ca_future_getextra (lua_State *L, int idx, const char *name);

/* Set it to the value on top, which is popped. */
void ca_future_setextra (lua_State *L, int idx, const char *name);

/* A callback has run: the anchor goes with the last one. */
void ca_future_unpin (lua_State *L, Core *c, Future *f);

/* Its error, if it has one, has been seen. */
void ca_future_retrieved (Future *f);

/* Give the future at 'idx', about to fail, a guard that reports its error
   when it is collected unseen. */
void ca_future_guard (lua_State *L, int idx);

/* Replace the 'n' values on top by one: itself, or a table of them. */
void ca_future_pack (lua_State *L, int n);

/* Push " result=..." or " exception=..." for tostring, or "". */
void ca_future_addresult (lua_State *L, int idx);

/* Push a short text for the value at 'idx', as Python's repr. */
void ca_future_repr (lua_State *L, int idx);

/* Add the methods of futures to the table on top. */
void ca_future_methods (lua_State *L);

void ca_future_open (lua_State *L);

#endif
