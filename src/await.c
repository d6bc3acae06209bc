/*
** await.c - 'await', and coroutines inside tasks.
**
**   await(x): enter (is an await possible here?) -> start -> park -> yield
**   step (task.c): resume -> 'awaitk': raise, or finish: push the results
**
** A coroutine object is run by a call in the running coroutine: no task, no
** switch. Such calls nest on the C stack, where Lua allows 200; so after
** AWAITDEPTH of them 'await' yields once and is resumed at once ("bounce"),
** which leaves the C stack empty, and calls from its continuation. Awaits
** then nest as deep as Lua functions do.
**
** 'coroutine_resume' and 'coroutine_wrap' drive a coroutine inside a task.
** An await in there yields to its driver, which sees that the task is
** parked and yields itself, and so on, until 'step' is reached; on the way
** back each resumes the next. 'task->active' is the innermost coroutine.
*/

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "await.h"
#include "awaitable.h"
#include "coro.h"
#include "error.h"

/* Coroutine objects awaited inside each other before the C stack is
   unwound; Lua's limit is 200 C calls, of which others need some. */
#define AWAITDEPTH 40


/* {=======================================================
** Where no await is possible
** ======================================================== */

/* Push the name under which a loaded module has the function on top. */
static bool pushglobalname (lua_State *L) {
  int fn = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  while (lua_next(L, fn + 1) != 0) {
    if (lua_type(L, -2) == LUA_TSTRING && lua_istable(L, -1)) {
      lua_pushnil(L);
      while (lua_next(L, -2) != 0) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, fn)) {
          const char *module = lua_tostring(L, -4);
          const char *name = lua_tostring(L, -2);
          if (strcmp(module, "_G") == 0) lua_pushstring(L, name);
          else lua_pushfstring(L, "%s.%s", module, name);
          lua_replace(L, fn + 1);
          lua_settop(L, fn + 1);
          return true;
        }
        lua_pop(L, 1);
      }
    }
    lua_pop(L, 1);
  }
  lua_settop(L, fn);
  return false;
}


/* pcall and the like can be suspended, and are not to blame. */
static bool transparent (const char *name) {
  return strcmp(name, "pcall") == 0 || strcmp(name, "xpcall") == 0 ||
         strcmp(name, "error") == 0 || strncmp(name, "casync", 6) == 0;
}


/*
** The await at level 0 can't suspend: find the C function in between, and
** from which line it was called.
*/
static int notyieldable (lua_State *L) {
  lua_Debug ar;
  luaL_checkstack(L, 20, "cannot await here");
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "nSlf", &ar);
    bool finalizer = ar.namewhat != NULL && ar.name != NULL &&
                     strcmp(ar.namewhat, "metamethod") == 0 &&
                     strcmp(ar.name, "__gc") == 0;
    if (finalizer)
      return luaL_error(L, "cannot await inside a __gc finalizer: start a "
                           "task instead (casync.create_task)");
    if (*ar.what != 'C') {
      lua_pop(L, 1);
      continue;
    }
    const char *name = ar.name != NULL ? ar.name : "?";
    if (pushglobalname(L)) name = lua_tostring(L, -1);
    if (transparent(name)) {
      lua_settop(L, 0);
      continue;
    }
    lua_Debug caller;
    const char *where = "";
    if (lua_getstack(L, level + 1, &caller)) {
      lua_getinfo(L, "Sl", &caller);
      if (caller.currentline > 0)
        where = lua_pushfstring(L, " (called at %s:%d)", caller.short_src,
                                caller.currentline);
    }
    return luaL_error(L, "cannot await inside %s%s: Lua cannot suspend this "
                         "C function; await before it and give it the "
                         "results", name, where);
  }
  return luaL_error(L, "cannot await here: Lua cannot suspend the C function "
                       "that called this one");
}


static int misplaced (lua_State *L, Core *c) {
  if (c->running != NULL)
    return luaL_error(L, "cannot await inside a coroutine that is driven by "
                         "coroutine.resume or coroutine.wrap: drive it with "
                         "casync.coroutine.resume or casync.coroutine.wrap");
  if (c->loop != NULL)
    return luaL_error(L, "await outside a task: a callback cannot wait; "
                         "start a task in it with casync.create_task(...)");
  return luaL_error(L, "await outside a task: call it inside "
                       "casync.run(function() ... end)");
}


static inline Task *enter (lua_State *L, Core *c) {
  Task *t = c->running;
  if (t == NULL || t->active != L) misplaced(L, c);
  if (!lua_isyieldable(L)) notyieldable(L);
  if (t->mustcancel)            /* 'park' will deliver it: see there */
    luaL_checkstack(L, CANCELSTACK, "cannot wait");
  return t;
}

/* }====================================================== */


/* {=======================================================
** await
** ======================================================== */

/* Only what is awaited stays on the stack. */
static inline void keepfirst (lua_State *L) {
  if (lua_gettop(L) != 1) lua_settop(L, 1);
}


/* Resumed by somebody else than 'step': stay parked. */
static int foreign (lua_State *L, Core *c, lua_KFunction k) {
  lua_settop(L, 1);
  lua_pushliteral(L, "this coroutine belongs to a casync task, which waits: "
                     "only its loop can resume it");
  return lua_yieldk(L, 1, (lua_KContext)c, k);
}


/* Raise the error that was thrown into the task. */
static int raisethrown (lua_State *L, Core *c, Task *t) {
  t->throwing = false;
  ca_task_push(L, c, t);
  ca_future_getextra(L, -1, "throw");
  lua_pushnil(L);
  ca_future_setextra(L, -3, "throw");
  return lua_error(L);
}


/* A cancellation came after the task had been woken, before it ran. */
static int cancelledlate (lua_State *L, Core *c, Task *t, Object *o) {
  t->mustcancel = false;
  if (o->kind == KIND_OP) {
    Op *op = (Op *)o;
    if (op->type->giveback != NULL) op->type->giveback(L, c, op);
  }
  else if (o->state == CANCELLED) return ca_future_result(L, c, 1);
  else ca_future_retrieved((Future *)o);
  return ca_task_raisecancelled(L, c, t);
}


/* The awaited future, at index 1, has settled. */
static int awaited (lua_State *L, Core *c, const Future *f) {
  if (f->head.state != RETURNED || f->head.n != 1 ||
      f->head.kind == KIND_COMBINE) return ca_future_result(L, c, 1);
  lua_getiuservalue(L, 1, FUV_VALUE);
  return 1;
}


/* The wait is over. What was awaited is at index 1. */
static int awaitk (lua_State *L, int status, lua_KContext ctx) {
  Core *c = (Core *)ctx;
  Task *t = c->running;
  (void)status;
  if (t == NULL || !t->inawait || t->active != L || t->place != RUNNING)
    return foreign(L, c, awaitk);
  t->inawait = false;
  keepfirst(L);
  Object *o = (Object *)lua_touserdata(L, 1);
  if (t->throwing) return raisethrown(L, c, t);
  if (t->interrupted) {
    t->interrupted = t->mustcancel = false;
    return ca_task_raisecancelled(L, c, t);
  }
  if (t->mustcancel) return cancelledlate(L, c, t, o);
  if (o->kind != KIND_OP) return awaited(L, c, (Future *)o);
  Op *op = (Op *)o;
  int n = op->type->finish(L, c, op);
  if (n != CA_AGAIN) {
    if (op->type->small) ca_op_spare(L, c, op);
    return n;
  }
  t->op = op;
  t->waits = WAITS_OP;
  t->inawait = true;
  ca_task_park(L, c, t);
  return lua_yieldk(L, 0, (lua_KContext)c, awaitk);
}


static int park (lua_State *L, Core *c, Task *t) {
  t->inawait = true;
  ca_task_park(L, c, t);
  return lua_yieldk(L, 0, (lua_KContext)c, awaitk);
}


static int awaitop (lua_State *L, Core *c, Op *op) {
  Task *t = enter(L, c);
  const OpType *type = op->type;
  if (op->head.state != OP_NEW && !type->again)
    return luaL_error(L, "cannot await this %s again: it has been awaited "
                         "already", type->name);
  op->head.state = OP_STARTED;
  keepfirst(L);
  int how = type->start(L, c, op, t);
  if (how == CA_READY) {
    int n = type->finish(L, c, op);
    if (type->small) ca_op_spare(L, c, op);
    return n;
  }
  if (how == CA_AGAIN) {
    t->inawait = true;
    ca_task_again(t);
    return lua_yieldk(L, 0, (lua_KContext)c, awaitk);
  }
  t->op = op;
  t->waits = WAITS_OP;
  return park(L, c, t);
}


static void tasksettled (Node *node) {
  ca_task_wake(container_of(node, Task, node));
}


static int awaitfuture (lua_State *L, Core *c, Future *f) {
  Task *t = enter(L, c);
  keepfirst(L);
  if (f->head.state != PENDING) return awaited(L, c, f);
  if (f == &t->future)
    return luaL_error(L, "Task cannot await on itself: %s",
                      luaL_tolstring(L, 1, NULL));
  if (f->loop != t->future.loop || f->generation != t->future.generation)
    return luaL_error(L, "Task got a Future attached to a different loop");
  t->awaited = f;
  t->waits = WAITS_FUTURE;
  t->node.settled = tasksettled;
  list_append(&f->nodes, &t->node.link);
  return park(L, c, t);
}


/* The called function has returned, after a wait. */
static int callk (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L) - 1;
}


/* Call the function at index 2 with the 'nargs' values above it. */
static int callnow (lua_State *L, Core *c, int nargs) {
  c->depth++;
  lua_callk(L, nargs, LUA_MULTRET, 0, callk);
  c->depth--;
  return lua_gettop(L) - 1;
}


static int bouncek (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return callnow(L, ca_core(L), (int)ctx);
}


/* The same, from an empty C stack if this one is deep. What is awaited is at
   index 1. */
static int call (lua_State *L, Core *c, Task *t, int nargs) {
  if (c->depth < AWAITDEPTH) return callnow(L, c, nargs);
  t->bounce = true;
  return lua_yieldk(L, 0, nargs, bouncek);
}


static int awaitcoro (lua_State *L, Core *c, Object *o) {
  Task *t = enter(L, c);
  keepfirst(L);
  int nargs = ca_coro_unpack(L, c, o);
  return call(L, c, t, nargs);
}


/* A value with __await, a function, or something else. */
static int awaitother (lua_State *L, Core *c) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__await") != LUA_TNIL) {
    Task *t = enter(L, c);
    lua_insert(L, 2);
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    return call(L, c, t, 1);
  }
  if (lua_isfunction(L, 1))
    return luaL_error(L, "await got a function: call it, as in "
                         "await(fn(...)), or start it with "
                         "casync.create_task(fn, ...)");
  return luaL_typeerror(L, 1, "awaitable (coroutine object, Future, Task)");
}


/* await(x): wait for x in the running task; its results, or its error. */
static int await (lua_State *L) {
  Core *c = ca_core(L);
  Object *o = ca_object(L, c, 1);
  if (o != NULL) {
    if (o->kind == KIND_CORO) return awaitcoro(L, c, o);
    if (o->kind == KIND_OP) return awaitop(L, c, (Op *)o);
    if (ca_isfuture(o)) return awaitfuture(L, c, (Future *)o);
  }
  return awaitother(L, c);
}

/* }====================================================== */


/* {=======================================================
** Coroutines inside tasks
** ======================================================== */

static int wrapk (lua_State *L, int status, lua_KContext ctx);


/* Has the inner coroutine yielded because the task waits? */
static bool waits (const Task *t) {
  return t->place != RUNNING || t->bounce;
}


/*
** Resume 'co' with the 'nargs' values on its stack. Returns a status, or -1
** when the task waits: then the caller must yield with its continuation.
** With LUA_OK or LUA_YIELD the results have been moved to L and '*n' counts
** them; else the error has.
*/
static int drive (lua_State *L, lua_State *co, int nargs, int *n) {
  Core *c = ca_core(L);
  Task *t = c->running;
  bool intask = t != NULL && t->active == L && lua_isyieldable(L);
  if (intask) t->active = co;
  int status = lua_resume(co, L, nargs, n);
  if (status == LUA_YIELD && intask && waits(t)) return -1;
  if (intask) t->active = L;
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return status;
  }
  if (!lua_checkstack(L, *n + 1)) {
    lua_pop(co, *n);
    lua_pushliteral(L, "too many results to resume");
    return LUA_ERRRUN;
  }
  lua_xmove(co, L, *n);
  return status;
}


/* Likewise, from a continuation: 'co' waits inside the running task. */
static int driveon (lua_State *L, lua_State *co, int *n) {
  Task *t = ca_core(L)->running;
  if (t != NULL) t->active = L;         /* 'drive' makes it 'co' again */
  return drive(L, co, 0, n);
}


static int resumed (lua_State *L, int status, int n) {
  bool ok = status == LUA_OK || status == LUA_YIELD;
  if (!ok) n = 1;
  lua_pushboolean(L, ok);
  lua_insert(L, -(n + 1));
  return n + 1;
}


static int resumek (lua_State *L, int status, lua_KContext ctx) {
  lua_State *co = lua_tothread(L, 1);
  int n;
  (void)ctx;
  status = driveon(L, co, &n);
  if (status == -1) return lua_yieldk(L, 0, 0, resumek);
  return resumed(L, status, n);
}


/* The coroutine at 1 is about to be resumed with the values above it;
   false when it can't be, with a message pushed. */
static bool passargs (lua_State *L, lua_State *co, int nargs) {
  if (lua_status(co) == LUA_OK && lua_gettop(co) == 0) {
    lua_pushliteral(L, "cannot resume dead coroutine");
    return false;
  }
  if (!lua_checkstack(co, nargs + 1)) {
    lua_pushliteral(L, "too many arguments to resume");
    return false;
  }
  lua_xmove(L, co, nargs);
  return true;
}


static lua_State *checkthread (lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  if (co == L) luaL_error(L, "cannot resume non-suspended coroutine");
  if (lua_status(co) == LUA_YIELD && ca_task_owns(L, co))
    luaL_error(L, "cannot resume the coroutine of a task: its loop does");
  return co;
}


/* coroutine_resume(co, ...): like coroutine.resume; awaits inside work. */
static int inner_resume (lua_State *L) {
  lua_State *co = checkthread(L);
  int n;
  int nargs = lua_gettop(L) - 1;
  if (!passargs(L, co, nargs)) {
    lua_pushboolean(L, false);
    lua_insert(L, -2);
    return 2;
  }
  int status = drive(L, co, nargs, &n);
  if (status == -1) return lua_yieldk(L, 0, 0, resumek);
  return resumed(L, status, n);
}


/* The coroutine of a wrap has ended with the error on top. */
static int wrapfailed (lua_State *L, lua_State *co, int status) {
  if (status != LUA_ERRMEM && lua_status(co) != LUA_OK) {
    luaL_traceback(L, co, NULL, 0);
    ca_error_trace(L, ca_core(L));
    status = lua_resetthread(co);       /* runs its <close> variables */
    if (status != LUA_OK) {
      lua_pop(L, 1);
      lua_xmove(co, L, 1);
    }
  }
  return lua_error(L);
}


static int wrapk (lua_State *L, int status, lua_KContext ctx) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  int n;
  (void)ctx;
  status = driveon(L, co, &n);
  if (status == -1) return lua_yieldk(L, 0, 0, wrapk);
  if (status != LUA_OK && status != LUA_YIELD)
    return wrapfailed(L, co, status);
  return n;
}


static int wrapcall (lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  int n;
  if (co == L) return luaL_error(L, "cannot resume non-suspended coroutine");
  int nargs = lua_gettop(L);
  if (!passargs(L, co, nargs)) return lua_error(L);
  int status = drive(L, co, nargs, &n);
  if (status == -1) return lua_yieldk(L, 0, 0, wrapk);
  if (status != LUA_OK && status != LUA_YIELD)
    return wrapfailed(L, co, status);
  return n;
}


/* coroutine_wrap(f): like coroutine.wrap; awaits inside work. */
static int inner_wrap (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_getglobal(L, "coroutine");
  if (lua_istable(L, -1)) lua_getfield(L, -1, "create");
  lua_State *co;
  if (lua_isfunction(L, -1)) {  /* so that debuggers see it */
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    co = lua_tothread(L, -1);
  }
  else {
    co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
  }
  if (co == NULL) return luaL_error(L, "coroutine.create gave no coroutine");
  lua_pushvalue(L, CORE);
  lua_insert(L, -2);
  lua_pushcclosure(L, wrapcall, 2);
  return 1;
}


/* coroutine.running(): stands for Lua's, and notes that Lua has seen the
   coroutine of a task, which then is not used again. */
static int inner_running (lua_State *L) {
  Task *t = ca_core(L)->running;
  if (t != NULL && t->co == L) t->exposed = true;
  lua_pushboolean(L, lua_pushthread(L));
  return 2;
}


/* Is the suspended coroutine inside an await? */
static bool awaits (lua_State *co) {
  lua_Debug ar;
  if (!lua_getstack(co, 0, &ar) || !lua_checkstack(co, 2)) return false;
  lua_getinfo(co, "f", &ar);
  lua_CFunction f = lua_tocfunction(co, -1);
  lua_pop(co, 1);
  return f == await || f == inner_resume || f == wrapcall;
}


/* coroutine.close(co): stands for Lua's, and refuses those of tasks. */
static int inner_close (lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (co != NULL && co != L && lua_status(co) == LUA_YIELD) {
    if (ca_task_owns(L, co))
      return luaL_error(L, "cannot close the coroutine of a task: cancel the "
                           "task (task:cancel())");
    if (awaits(co))
      return luaL_error(L, "cannot close a coroutine in which a task waits: "
                           "cancel the task (task:cancel())");
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}


/* coroutine_stands(co): "new", "suspended" (at a yield) or "ended"; nil when
   it runs, or a task waits in it. */
static int inner_stands (lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  int status = lua_status(co);
  lua_Debug ar;
  bool runs = status == LUA_OK && lua_getstack(co, 0, &ar);
  if (status == LUA_YIELD && !awaits(co)) lua_pushliteral(L, "suspended");
  else if (status == LUA_YIELD || runs) lua_pushnil(L);
  else if (status != LUA_OK || lua_gettop(co) == 0)
    lua_pushliteral(L, "ended");
  else lua_pushliteral(L, "new");
  return 1;
}


/* Put the two drop-ins into Lua's coroutine library. */
static void replacelibrary (lua_State *L) {
  if (lua_getglobal(L, "coroutine") == LUA_TTABLE) {
    lua_pushvalue(L, CORE);
    lua_pushcclosure(L, inner_running, 1);
    lua_setfield(L, -2, "running");
    lua_pushvalue(L, CORE);
    if (lua_getfield(L, -2, "close") == LUA_TFUNCTION) {
      lua_pushcclosure(L, inner_close, 2);
      lua_setfield(L, -2, "close");
    }
    else lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

/* }====================================================== */


static const luaL_Reg functions[] = {
  {"coroutine_resume", inner_resume},
  {"coroutine_stands", inner_stands},
  {"coroutine_wrap", inner_wrap},
  {NULL, NULL}
};


/* Give every awaitable the method 'await'. */
static void addmethod (lua_State *L, const char *methods) {
  lua_getfield(L, -1, methods);
  lua_getiuservalue(L, CORE, UV_AWAIT);
  lua_setfield(L, -2, "await");
  lua_pop(L, 1);
}


void ca_await_open (lua_State *L) {
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, await, 1);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, CORE, UV_AWAIT);
  lua_setfield(L, -2, "await");
  addmethod(L, "FutureMethods");
  addmethod(L, "TaskMethods");
  replacelibrary(L);
  ca_setfuncs(L, functions);
}
