/*
** cancel.c - cancelling tasks, and throwing errors into them.
**
** A cancellation is a request: it is raised as CancelledError where the task
** waits, or, when what it waits for is a task, where that one waits, and so
** on to the end of the chain. A task that is running or ready gets it at its
** next wait ('mustcancel'). Nothing here recurses with the length of chains.
**
** The wait of a parked task is given up at once, so that nothing points at
** it any more, and the task is made ready; 'awaitk' (await.c) then raises.
*/

#include <assert.h>

#include "awaitable.h"
#include "cancel.h"
#include "combine.h"
#include "error.h"
#include "scope.h"
#include "task.h"


void ca_task_unlink (Task *t) {
  assert(t->place == PARKED);
  if (t->waits == WAITS_FUTURE) list_remove(&t->node.link);
  else if (t->waits == WAITS_OP) t->op->type->giveup(t->op, t);
}


/* Has its coroutine been closed behind our back? Then what it waited for
   may be gone, and must not be touched. */
static bool killed (const Task *t) {
  return t->future.loop->core->running != t &&
         lua_status(t->active) != LUA_YIELD;
}


/* (message): the task has it from now on. */
static void keepmessage (lua_State *L, Core *c, void *task) {
  ca_task_push(L, c, (Task *)task);
  lua_insert(L, 1);
  ca_future_setextra(L, 1, "message");
}


/* Without memory for it the task is cancelled without a message: what has
   begun to be delivered must arrive. */
static void setmessage (lua_State *L, Core *c, Task *t, int msg) {
  if (msg == 0 || lua_isnoneornil(L, msg)) return;
  lua_pushvalue(L, msg);
  if (!ca_protect(L, c, keepmessage, t, 1)) lua_pop(L, 1);
}


/* Its wait is over: it will raise CancelledError. */
static void interrupt (lua_State *L, Core *c, Task *t, int msg) {
  setmessage(L, c, t, msg);
  if (!killed(t)) ca_task_unlink(t);
  t->interrupted = true;
  ca_task_wake(t);
}


/* How many tasks can be on a chain of awaits before it must be a ring. */
static uint32_t longest (const Task *t) {
  return t->future.loop->ntasks + 1;
}


/* (future, message): cancel it. */
static void cancelplain (lua_State *L, Core *c, void *unused) {
  (void)unused;
  ca_future_cancel(L, c, 1, 2);
}


/* Cancel the future, not a task, that the parked task awaits. When there is
   no memory to do so, the task alone is cancelled. */
static void cancelawaited (lua_State *L, Core *c, Task *t, Future *f,
                           int msg) {
  if (f->head.kind == KIND_COMBINE) {
    bool first = ca_combine_visit(c, f);
    if (!first && ca_combine_leadsto(c, f, &t->future)) {       /* a ring */
      interrupt(L, c, t, msg);
      return;
    }
    if (ca_combine_canbecancelled(f)) {
      ca_task_addwork(L, c, f, msg);
      return;
    }
    setmessage(L, c, t, msg);   /* its members are done: it is about to be */
    t->mustcancel = true;
    return;
  }
  ca_task_pushawaited(L, t);    /* alive: its waiter has it on its stack */
  if (msg != 0) lua_pushvalue(L, msg);
  else lua_pushnil(L);
  if (ca_protect(L, c, cancelplain, NULL, 2)) return;
  lua_pop(L, 1);
  interrupt(L, c, t, msg);
}


/*
** Deliver a cancellation to a parked task: the innermost of what it awaits
** decides. A loop, not a recursion: chains are as long as people make them.
** Where a chain branches (a gather) its members become work to be done.
*/
static void deliver (lua_State *L, Core *c, Task *t, int msg) {
  Task *first = t;
  for (uint32_t left = longest(t); ; left--) {
    Future *f = t->waits == WAITS_FUTURE ? t->awaited : NULL;
    if (f == NULL || killed(t)) {
      interrupt(L, c, t, msg);
      return;
    }
    if (left == 0) {    /* they await each other in a ring */
      interrupt(L, c, first, msg);
      return;
    }
    if (f->head.kind != KIND_TASK) {
      cancelawaited(L, c, t, f, msg);
      return;
    }
    Task *inner = (Task *)f;
    inner->ncancel++;
    if (!ca_scope_permits(inner, NULL)) {
      setmessage(L, c, inner, msg);
      return;
    }
    if (inner->place != PARKED) {
      setmessage(L, c, inner, msg);
      inner->mustcancel = true;
      return;
    }
    t = inner;
  }
}


/* Cancel the task itself; what it waits for may be added to the work. */
static void cancelone (lua_State *L, Core *c, Task *t, int msg,
                       struct Scope *scope) {
  t->ncancel++;
  if (!ca_scope_permits(t, scope)) setmessage(L, c, t, msg);
  else if (t->place == PARKED) deliver(L, c, t, msg);
  else {
    if (!t->interrupted) setmessage(L, c, t, msg);
    t->mustcancel = true;
  }
}


static bool cancellable (const Future *f) {
  return f->head.state == PENDING && ca_future_loop(f) != NULL;
}


size_t ca_task_beginwork (Core *c) {
  if (c->nwork == 0) c->walk++;
  return c->nwork;
}


/* Only tasks and combined futures are work: they are anchored. */
static void cancelwork (lua_State *L, Core *c, Future *f, int msg) {
  if (!cancellable(f)) return;
  if (f->head.kind == KIND_TASK) cancelone(L, c, (Task *)f, msg, NULL);
  else ca_combine_cancel(L, c, f, msg);
}


void ca_task_addwork (lua_State *L, Core *c, Future *f, int msg) {
  if (c->nwork == c->worksize) {
    size_t size = c->worksize == 0 ? 16 : c->worksize * 2;
    Future **work = ca_realloc(c, c->work, c->worksize * sizeof(Future *),
                               size * sizeof(Future *));
    if (work == NULL) {         /* at once, then: others were told before */
      if (lua_checkstack(L, CANCELSTACK)) cancelwork(L, c, f, msg);
      return;
    }
    c->work = work;
    c->worksize = size;
  }
  c->work[c->nwork++] = f;
}


void ca_task_dowork (lua_State *L, Core *c, size_t base, int msg) {
  while (c->nwork > base) cancelwork(L, c, c->work[--c->nwork], msg);
}


bool ca_task_cancel (lua_State *L, Core *c, Task *t, int msg,
                     struct Scope *scope) {
  if (!cancellable(&t->future) || t->place == ENDED) return false;
  luaL_checkstack(L, CANCELSTACK, "cannot cancel");
  if (msg != 0) msg = lua_absindex(L, msg);
  size_t base = ca_task_beginwork(c);
  cancelone(L, c, t, msg, scope);
  ca_task_dowork(L, c, base, msg);
  return true;
}


uint32_t ca_task_uncancel (Task *t) {
  if (t->ncancel > 0 && --t->ncancel == 0) {
    t->mustcancel = false;
    t->deferred = false;
  }
  return t->ncancel;
}


int ca_task_raisecancelled (lua_State *L, Core *c, Task *t) {
  bool raise = c != NULL;
  if (c == NULL) c = ca_core(L);
  luaL_checkstack(L, 8, "cannot raise CancelledError");
  ca_task_push(L, c, t);
  int idx = lua_gettop(L);
  if (ca_future_getextra(L, idx, "message") != LUA_TNIL) {
    lua_pushnil(L);
    ca_future_setextra(L, idx, "message");
  }
  lua_remove(L, idx);
  ca_error_new(L, c, ERR_CANCELLED);
  return raise ? lua_error(L) : 1;
}


void ca_task_park (lua_State *L, Core *c, Task *t) {
  t->place = PARKED;
  if (t->mustcancel) {
    t->mustcancel = false;
    int top = lua_gettop(L);
    ca_task_push(L, c, t);
    ca_future_getextra(L, top + 1, "message");
    size_t base = ca_task_beginwork(c);
    deliver(L, c, t, top + 2);
    ca_task_dowork(L, c, base, top + 2);
    lua_settop(L, top);
  }
}


void ca_task_throw (lua_State *L, Core *c, Task *t) {
  ca_task_push(L, c, t);
  lua_insert(L, -2);
  ca_future_setextra(L, -2, "throw");
  lua_pop(L, 1);
  if (!killed(t)) ca_task_unlink(t);
  t->throwing = true;
  ca_task_wake(t);
}


void ca_task_abandon (lua_State *L, Core *c, Task *t) {
  if (t->future.head.state != PENDING) return;
  if (t->place == PARKED && !killed(t)) ca_task_unlink(t);
  ca_task_unsettimer(t);
  list_remove(&t->node.link);
  ca_scope_drop(L, t);
  ca_task_unpool(L, c, t);
  t->co = t->active = NULL;
  t->place = ENDED;
}


/* throw(task, err): raise err where the parked task waits. */
static int cancel_throw (lua_State *L) {
  Core *c = ca_core(L);
  Task *t = (Task *)ca_check(L, c, 1, KIND_TASK);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (t->place != PARKED)
    return luaL_error(L, "cannot throw into a task that is not waiting");
  ca_task_throw(L, c, t);
  return 0;
}


static const luaL_Reg functions[] = {
  {"throw", cancel_throw},
  {NULL, NULL}
};


void ca_cancel_open (lua_State *L) {
  ca_setfuncs(L, functions);
}
