/*
** task.c - tasks, and the only place where their coroutines are resumed.
** What Lua calls to make them is in spawn.c, how they are cancelled in
** cancel.c, their methods in taskinfo.c.
**
** A pending task is always in exactly one of three places:
**   running: 'core->running' is the task;
**   ready:   its job is in the queue of the loop;
**   parked:  it is linked to what it waits for ('op' or 'awaited'), and
**            someone will call 'ca_task_wake'.
** 'ca_task_park' takes it from running to parked, 'ca_task_wake' from parked
** to ready, and 'step' from ready to running. There is no other way.
**
** The body runs under 'lua_pcallk' in 'taskmain': only so do its <close>
** variables run after an error, and may wait themselves. What it returns
** or raises is made into one value on the task's own coroutine, where a
** lack of memory is the task's error; 'step' then only moves that value,
** which can't fail.
**
** Cancelling a task that is ready but has not run makes its await raise
** CancelledError; the operation then gives back what it had taken (an item,
** a permit, a lock), so nothing is lost.
**
** A pending task is anchored by its loop. It gets its coroutine when it takes
** its first step: until then it is a function and its arguments, so that
** many tasks that are made at once, and do not wait, share a few coroutines.
** The coroutine is anchored by the pool, to be used again when the task ends
** (unless Lua has seen it, or it died by an error); when the pool has no
** room, by user value 1 of the task, where the result will be.
*/

#include <assert.h>

#include "awaitable.h"
#include "combine.h"
#include "coro.h"
#include "error.h"
#include "handle.h"
#include "pool.h"
#include "roster.h"
#include "scope.h"
#include "task.h"

/* Tracebacks of this size get no more frames of those that awaited. */
#define TRACEBACKSIZE 16384

/* So many arguments there is room for on the stack of every job. */
#define EASYARGS 50


/* {=======================================================
** The body
** ======================================================== */

/* Slots of 'taskmain'. */
enum { MAIN_HANDLER = 1, MAIN_TASK, MAIN_FUNCTION };

/* What lies at the bottom of each coroutine, for every task that uses it. */
enum { CO_TASKMAIN = 1, CO_HANDLER, CO_BASE = CO_HANDLER };


/* Is any function of Lua on the stack? */
static bool insidelua (lua_State *L) {
  lua_Debug ar;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "S", &ar);
    if (*ar.what != 'C') return true;
  }
  return false;
}


/* Cancellations are common and cheap; where one was raised is kept only when
   a time-out is its cause, or when it ends the main task. */
static bool placematters (lua_State *L, Core *c) {
  if (c->running == NULL) return false;
  if (ca_scope_expired(c->running)) return true;
  lua_getiuservalue(L, CORE, UV_INTERRUPT);
  bool ismain = lua_touserdata(L, -1) == (void *)c->running;
  lua_pop(L, 1);
  return ismain;
}


/* Message handler: keep where the error was thrown; the error stays as it
   is. An error that came from an awaited future has that one's frames. */
static int task_handler (lua_State *L) {
  Core *c = ca_core(L);
  lua_settop(L, 1);
  if (ca_error_is(L, c, 1, ERR_GENERATOREXIT)) return 1;
  if (ca_error_is(L, c, 1, ERR_CANCELLED) && !placematters(L, c)) return 1;
  ca_error_pushtrace(L, c, 1);
  if (lua_isstring(L, 2) && lua_rawlen(L, 2) >= TRACEBACKSIZE) {
    lua_settop(L, 1);   /* a chain would copy it again and again */
    return 1;
  }
  if (lua_isstring(L, 2) && !insidelua(L)) {
    lua_settop(L, 1);   /* raised by a __close: the frames are gone */
    return 1;
  }
  luaL_traceback(L, L, NULL, 1);
  if (lua_isstring(L, 2)) {
    if (c->running != NULL) {
      ca_task_push(L, c, c->running);
      ca_task_pushname(L, c->running, lua_gettop(L));
      lua_pushfstring(L, "%s\nawaited by task '%s':\n%s",
                      lua_tostring(L, 2), lua_tostring(L, -1),
                      lua_tostring(L, 3));
    }
    else lua_pushfstring(L, "%s\nraised again:\n%s", lua_tostring(L, 2),
                         lua_tostring(L, 3));
  }
  lua_pushvalue(L, 1);
  lua_insert(L, -2);
  ca_error_trace(L, c);
  lua_settop(L, 1);
  return 1;
}


/* The traceback of the error at hand is the task's. */
static void keeptraceback (lua_State *L, Core *c) {
  lua_getiuservalue(L, CORE, UV_TRACEBACK);
  ca_future_setextra(L, MAIN_TASK, "traceback");
  ca_error_untrace(L, c);
}


/* The body has raised the error on top: make it the outcome. */
static int raised (lua_State *L, Core *c, Task *t) {
  t->future.head.n = 1;
  if (ca_error_is(L, c, -1, ERR_CANCELLED)) {
    t->outcome = CANCELLED;
    if (placematters(L, c)) keeptraceback(L, c);
    return 1;
  }
  t->outcome = RAISED;
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushliteral(L, "nil error");
  }
  keeptraceback(L, c);
  if (ca_error_is(L, c, -1, ERR_KEYBOARDINTERRUPT))
    t->future.head.flags |= F_QUIET;    /* it is raised out of the loop */
  else ca_future_guard(L, MAIN_TASK);
  return 1;
}


static int taskmaink (lua_State *L, int status, lua_KContext ctx) {
  Task *t = (Task *)ctx;
  if (status != LUA_OK && status != LUA_YIELD)
    return raised(L, ca_core(L), t);
  if (t->mustcancel) {          /* cancelled, and it never waited again */
    t->mustcancel = false;
    t->outcome = CANCELLED;
    return ca_task_raisecancelled(L, NULL, t);
  }
  int n = lua_gettop(L) - MAIN_TASK;
  if (n == 1 && lua_type(L, -1) == LUA_TUSERDATA &&
      ca_coro_islazy(L, ca_core(L), -1)) {
    lua_getiuservalue(L, CORE, UV_AWAIT);
    lua_insert(L, -2);
    status = lua_pcallk(L, 1, LUA_MULTRET, MAIN_HANDLER, ctx, taskmaink);
    return taskmaink(L, status, ctx);
  }
  ca_future_pack(L, n);
  t->future.head.n = (uint32_t)n;
  t->outcome = RETURNED;
  return 1;
}


static int begink (lua_State *L, int status, lua_KContext ctx);


/* Run the body; but only the loop can begin a task, not somebody who has
   its coroutine. */
static int begin (lua_State *L) {
  Task *t = (Task *)lua_touserdata(L, MAIN_TASK);
  if (t->place != RUNNING) {
    int top = (int)t->future.head.n + MAIN_FUNCTION;
    lua_settop(L, top);
    lua_pushliteral(L, "this coroutine belongs to a casync task, which has "
                       "not begun: only its loop can resume it");
    return lua_yieldk(L, 1, (lua_KContext)top, begink);
  }
  lua_KContext ctx = (lua_KContext)t;
  int status = lua_pcallk(L, (int)t->future.head.n, LUA_MULTRET,
                          MAIN_HANDLER, ctx, taskmaink);
  return taskmaink(L, status, ctx);
}


static int begink (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_settop(L, (int)ctx);
  return begin(L);
}


/* (handler, task, function, ...): what every task's coroutine runs. */
static int taskmain (lua_State *L) {
  return begin(L);
}

/* }====================================================== */


/* {=======================================================
** Steps
** ======================================================== */

void ca_task_push (lua_State *L, Core *c, Task *t) {
  ca_anchor_push(L, c, t->future.loop, t->future.slot);
}


void ca_task_wake (Task *t) {
  assert(t->place == PARKED);
  t->place = READY;
  t->waits = WAITS_NONE;
  ca_loop_post(t->future.loop, &t->job);
}


void ca_task_again (Task *t) {
  assert(t->place == RUNNING);
  t->place = READY;
  ca_loop_post(t->future.loop, &t->job);
}


static void step (lua_State *L, Loop *l, Job *job);


static void timerfired (Timer *timer);

static void inittimer (Task *t) {
  t->timer.index = 0;
  t->timer.fire = timerfired;
}


/* The job of a timer that has fired. A sleep takes one round from the timer
   to the task, as asyncio's future does; who wakes the task meanwhile does
   so in its own turn. It runs at the latest in the round before the task. */
static void fired (lua_State *L, Loop *l, Job *job) {
  Task *t = container_of(job, Task, alarm);
  (void)L;
  (void)l;
  t->firing = false;
  inittimer(t);
  if (t->place == PARKED) ca_task_wake(t);
}


static void timerfired (Timer *timer) {
  Task *t = container_of(timer, Task, timer);
  if (t->place != PARKED) return;
  t->firing = true;
  t->alarm.run = fired;
  ca_loop_post(t->future.loop, &t->alarm);
}


bool ca_task_settimer (Task *t, int64_t deadline) {
  assert(!t->firing);
  return ca_timer_set(t->future.loop, &t->timer, deadline);
}


void ca_task_unsettimer (Task *t) {
  if (!t->firing) ca_timer_unset(t->future.loop, &t->timer);
}


/* Debug mode: a step of the task on top that took long. */
static void checkslow (lua_State *L, Loop *l, int64_t begun) {
  int64_t took = ca_loop_now(l) - begun;
  if (took < l->slow) return;
  lua_createtable(L, 0, 3);
  lua_pushfstring(L, "Executing %s took %f seconds",
                  luaL_tolstring(L, -2, NULL), (lua_Number)took / 1e9);
  lua_remove(L, -2);
  lua_setfield(L, -2, "message");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "task");
  lua_pushboolean(L, true);
  lua_setfield(L, -2, "warning");
  ca_loop_report(L, l->core, l);
}


void ca_task_unpool (lua_State *L, Core *c, Task *t) {
  if (t->poolslot == 0) return;
  ca_pool_drop(L, c, t->poolslot);
  t->poolslot = 0;
}


/* Keep the finished coroutine of the task (at 'idx') for another one. */
static void recycle (lua_State *L, Core *c, Task *t, int idx) {
  if (t->poolslot == 0) {
    lua_getiuservalue(L, idx, FUV_VALUE);
    t->poolslot = ca_pool_anchor(L, c);
    if (t->poolslot == 0) {
      lua_pop(L, 1);
      return;
    }
  }
  lua_settop(t->co, CO_BASE);
  ca_pool_give(c, t->co, t->poolslot);
  t->poolslot = 0;
}


/* (task): a cancellation was swallowed. */
static void reportswallowed (lua_State *L, Core *c, void *loop) {
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "Task was cancelled but ended normally: its "
                     "CancelledError was caught and not raised again");
  lua_setfield(L, -2, "message");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "task");
  lua_pushboolean(L, true);
  lua_setfield(L, -2, "warning");
  ca_loop_report(L, c, (Loop *)loop);
}


/* Debug mode: was a cancellation swallowed? The task is at 'idx'. */
static void checkswallowed (lua_State *L, Loop *l, Task *t, int idx) {
  if (t->ncancel == 0 || t->outcome != RETURNED) return;
  lua_pushvalue(L, idx);
  if (!ca_protect(L, l->core, reportswallowed, l, 1)) ca_loop_unreported(L);
}


/* The task at 'idx' has the outcome on top of the stack. True when that is an
   error to be raised out of the loop too: then it is on top of L. Raises
   nothing: somebody may wait for it. Here and in what follows 'anchors' is
   the index of the table of anchors. */
static bool end (lua_State *L, Loop *l, Task *t, int anchors, int idx) {
  Core *c = l->core;
  Future *f = &t->future;
  bool interrupt = t->outcome == RAISED &&
                   ca_error_is(L, c, -1, ERR_KEYBOARDINTERRUPT);
  t->co = t->active = NULL;
  t->place = ENDED;
  l->ntasks--;
  ca_future_tell(L, f, idx, (State)t->outcome, f->head.n);
  if (f->pins == 0) {
    ca_anchor_dropfrom(L, l, anchors, f->slot);
    f->slot = 0;
  }
  if (interrupt) lua_getiuservalue(L, idx, FUV_VALUE);
  return interrupt;
}


/* (task): its error is to be reported when nobody asks for it. */
static void guard (lua_State *L, Core *c, void *unused) {
  (void)c;
  (void)unused;
  ca_future_guard(L, 1);
}


/* The task at 'idx' has failed outside its body. */
static void failed (lua_State *L, Core *c, Task *t, int idx) {
  t->outcome = RAISED;
  lua_pushvalue(L, idx);
  if (!ca_protect(L, c, guard, NULL, 1)) lua_pop(L, 1);
}


/* The coroutine is over, with one value on its stack. As 'end'. */
static bool finish (lua_State *L, Loop *l, Task *t, int anchors,
                    int status) {
  Core *c = l->core;
  lua_rawgeti(L, anchors, t->future.slot);
  int idx = lua_gettop(L);
  if (status != LUA_OK) {
    failed(L, c, t, idx);
    t->future.head.n = 1;
  }
  if (t->scopes != NULL) ca_scope_abandon(L, c, t);
  if (c->raiser == t) ca_error_untrace(L, c);   /* it was caught */
  if (l->debug) checkswallowed(L, l, t, idx);
  lua_xmove(t->co, L, 1);
  if (status == LUA_OK && !t->exposed) recycle(L, c, t, idx);
  else {
    if (status == LUA_OK) lua_settop(t->co, 0);   /* dead, for who has it */
    ca_task_unpool(L, c, t);
  }
  return end(L, l, t, anchors, idx);
}


/* It has not begun, and will not: the outcome is on top. As 'end'. */
static bool stillborn (lua_State *L, Loop *l, Task *t, int anchors,
                       State outcome) {
  Core *c = l->core;
  int idx = lua_gettop(L);
  lua_rawgeti(L, anchors, t->future.slot);
  lua_insert(L, idx);
  if (outcome == RAISED) failed(L, c, t, idx);
  else t->outcome = (uint8_t)outcome;
  t->future.head.n = 1;
  ca_task_unpool(L, c, t);
  return end(L, l, t, anchors, idx);
}


/* Push the function that the task on top runs. */
static void pushfunction (lua_State *L) {
  if (lua_getiuservalue(L, -1, FUV_EXTRA) != LUA_TTABLE) return;
  lua_rawgeti(L, -1, 1);
  lua_remove(L, -2);
}


/* An idle coroutine, or NULL. Not one that Lua has got hold of unseen, by a
   'coroutine.running' from before casync was loaded, and has resumed or
   closed. */
static lua_State *takecoroutine (lua_State *L, Core *c, Task *t) {
  lua_State *co;
  while ((co = ca_pool_take(c, &t->poolslot)) != NULL) {
    if (lua_gettop(co) == CO_BASE && lua_status(co) == LUA_OK) break;
    ca_task_unpool(L, c, t);
  }
  return co;
}


/* A coroutine with room for 'n' values, anchored by the pool, or else by the
   task at 'idx', whose arguments are safe on the stack. */
static lua_State *findcoroutine (lua_State *L, Core *c, Task *t, int idx,
                                 int n) {
  lua_State *co = takecoroutine(L, c, t);
  bool isnew = co == NULL;
  if (isnew) co = lua_newthread(L);
  /* An empty coroutine has room for LUA_MINSTACK values. */
  if (n > LUA_MINSTACK && !lua_checkstack(co, n)) {
    ca_task_unpool(L, c, t);
    luaL_error(L, "too many arguments for a task (%d)",
               (int)t->future.head.n);
  }
  if (isnew) {
    if (lua_gethook(co) != NULL) lua_sethook(co, NULL, 0, 0);
    lua_getiuservalue(L, CORE, UV_TASKMAIN);
    lua_getiuservalue(L, CORE, UV_HANDLER);
    lua_xmove(L, co, CO_BASE);
    t->poolslot = ca_pool_anchor(L, c);
    if (t->poolslot == 0) lua_setiuservalue(L, idx - 1, FUV_VALUE);
  }
  return co;
}


/*
** Give the task on top (popped), which has not begun, its coroutine, with all
** that it needs to begin. There is room for EASYARGS arguments and for what
** is done here. Raises for lack of memory or too many arguments.
*/
static void attach (lua_State *L, Core *c, Task *t) {
  int nargs = (int)t->future.head.n;
  if (nargs > EASYARGS)
    luaL_checkstack(L, nargs + 10, "too many arguments for a task");
  pushfunction(L);
  if (nargs > 0) lua_getiuservalue(L, -2, FUV_VALUE);
  lua_State *co = findcoroutine(L, c, t, nargs > 0 ? -3 : -2,
                                CO_BASE + MAIN_FUNCTION + 1 + nargs);
  if (nargs > 1) ca_coro_pushargs(L, c, nargs);
  int idx = -(nargs + 2);       /* the task */
  if (nargs > 0 && t->poolslot != 0) {
    lua_pushnil(L);
    lua_setiuservalue(L, idx - 1, FUV_VALUE);
  }
  lua_pushvalue(co, CO_TASKMAIN);
  lua_pushvalue(co, CO_HANDLER);
  lua_xmove(L, co, nargs + 2);
  t->co = t->active = co;
}


/* (task): the same, where it may raise. */
static void attachjob (lua_State *L, Core *c, void *task) {
  luaL_checkstack(L, EASYARGS + 10, "too many arguments for a task");
  attach(L, c, (Task *)task);
}


/* Give the task that is about to begin its coroutine; false: the error, for
   which it can't, is on top. A task that begins in a job and has few arguments
   needs no memory for an idle one. */
static bool equip (lua_State *L, Core *c, Task *t, int anchors) {
  lua_rawgeti(L, anchors, t->future.slot);
  if (c->ndeep == 0 && c->nidle > 0 && t->future.head.n <= EASYARGS) {
    attach(L, c, t);            /* raises nothing */
    return true;
  }
  return ca_protect(L, c, attachjob, t, 1);
}


/* Its coroutine was there before its first step: has Lua touched it? The
   error of a coroutine that was closed is pushed then. */
static bool tampered (lua_State *L, Task *t, int nargs) {
  int status = lua_status(t->co);
  if (status == LUA_YIELD) return false;        /* see 'begin' */
  if (status == LUA_OK && lua_gettop(t->co) == CO_BASE + 1 + nargs)
    return false;
  if (status == LUA_OK)
    lua_pushliteral(L, "the coroutine of the task was closed");
  else lua_xmove(t->co, L, 1);
  return true;
}


/* coroutine.yield() from a task: raised where the yield was. */
static void yieldhook (lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "coroutine.yield() from a task to its loop: only await "
                "suspends a task (await(casync.sleep(0)) gives up a turn)");
}


/* Run a ready task until it waits or ends. True: 'finish' has left an error
   to be raised. */
static bool resume (lua_State *L, Loop *l, Task *t, int anchors) {
  Core *c = l->core;
  int nargs = 0, nresults, status;
  if (!t->started) {
    t->started = true;
    if (t->mustcancel) {        /* then its body never runs */
      t->mustcancel = false;
      lua_pushnil(L);
      return stillborn(L, l, t, anchors, CANCELLED);
    }
    nargs = (int)t->future.head.n + MAIN_FUNCTION;
    if (t->co == NULL) {
      if (!equip(L, c, t, anchors))
        return stillborn(L, l, t, anchors, RAISED);
    }
    else if (tampered(L, t, nargs))
      return stillborn(L, l, t, anchors, RAISED);
    else if (lua_status(t->co) == LUA_YIELD) nargs = 0;
  }
  t->place = RUNNING;
  c->running = t;
  do {
    t->bounce = false;
    c->depth = 0;
    status = lua_resume(t->co, L, nargs, &nresults);
    nargs = 0;
  } while (t->bounce && status == LUA_YIELD);
  c->running = NULL;
  if (status != LUA_YIELD) return finish(L, l, t, anchors, status);
  if (t->place == RUNNING) {       /* a bare yield */
    lua_pop(t->co, nresults);
    lua_sethook(t->co, yieldhook,
                LUA_MASKRET | LUA_MASKCOUNT | LUA_MASKLINE, 1);
    t->place = READY;
    ca_loop_post(l, &t->job);
  }
  return false;
}


static void step (lua_State *L, Loop *l, Job *job) {
  Task *t = container_of(job, Task, job);
  if (!l->debug) {
    if (resume(L, l, t, RUN_ANCHORS)) lua_error(L);
  }
  else {
    ca_task_push(L, l->core, t);
    int64_t begun = ca_loop_now(l);
    if (resume(L, l, t, RUN_ANCHORS)) lua_error(L);
    lua_settop(L, RUN_TOP + 1);
    checkslow(L, l, begun);
  }
}


void ca_task_runeagerly (lua_State *L, Core *c, Task *t) {
  Task *outer = c->running;
  int depth = c->depth;
  Loop *l = t->future.loop;
  int top = lua_gettop(L);
  ca_anchor_table(L, c, l);
  c->ndeep++;
  bool raise = resume(L, l, t, top + 1);
  c->ndeep--;
  c->running = outer;
  c->depth = depth;
  if (raise) lua_error(L);
  lua_settop(L, top);
}

/* }====================================================== */


/* {=======================================================
** Creation
** ======================================================== */

static void pushcoroutine (lua_State *L, Task *t, int idx) {
  if (t->poolslot == 0) lua_getiuservalue(L, idx, FUV_VALUE);
  else ca_pool_push(L, t->poolslot);
}


void ca_task_expose (lua_State *L, Core *c, Task *t, int idx) {
  if (t->co == NULL) {
    luaL_checkstack(L, EASYARGS + 10, "cannot give a coroutine");
    lua_pushvalue(L, idx);
    attach(L, c, t);
  }
  int nvalues = lua_gettop(t->co) - (CO_BASE + 1);
  if (!t->started && lua_status(t->co) == LUA_OK && nvalues > 0) {
    /* To whoever resumes it the values on its stack would look like a
       function to run: let it begin, and wait for the loop there. */
    int n;
    if (lua_resume(t->co, L, nvalues, &n) != LUA_YIELD) {
      lua_pushvalue(t->co, -1);         /* the C stack is full; one for ... */
      lua_xmove(t->co, L, 1);           /* ... 'tampered', one for us */
      lua_error(L);
    }
    lua_pop(t->co, n);
  }
  t->exposed = true;
  pushcoroutine(L, t, idx);
}


/* A hook is set where the task is made (a debugger, coverage): debug.sethook
   is for each coroutine, so hand it on, in the way such tools see. */
static void inherithook (lua_State *L, int co) {
  lua_getglobal(L, "debug");
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  lua_getfield(L, -1, "sethook");
  lua_pushvalue(L, co);
  lua_getfield(L, -3, "gethook");
  if (!lua_isfunction(L, -1) || !lua_isfunction(L, -3)) {
    lua_pop(L, 4);
    return;
  }
  int before = lua_gettop(L);
  lua_call(L, 0, LUA_MULTRET);          /* hook, mask, count */
  int n = lua_gettop(L) - before + 1;
  if (n > 0 && lua_isfunction(L, before)) lua_call(L, n + 1, 0);
  lua_settop(L, before - 4);
}


Task *ca_task_new (lua_State *L, Core *c, Loop *l) {
  if (!l->open) luaL_error(L, "Event loop is closed");
  Task *t = (Task *)ca_future_new(L, c, l, KIND_TASK, sizeof(Task));
  list_init(&t->node.link);
  t->place = ENDED;             /* until all is in place */
  t->job.run = step;
  inittimer(t);
  return t;
}


void ca_task_admit (lua_State *L, Core *c, Task *t, int context, int name) {
  int task = lua_gettop(L);
  Loop *l = t->future.loop;
  t->id = (uint32_t)++c->ntasks;
  if (context != 0 || c->contexts) {
    if (context != 0) lua_pushvalue(L, context);
    else ca_context_push(L, c);
    ca_future_setextra(L, task, "context");
  }
  if (name != 0) {
    lua_pushvalue(L, name);
    ca_future_setextra(L, task, "name");
  }
  if (c->debug) {
    luaL_traceback(L, L, NULL, 1);
    ca_future_setextra(L, task, "source");
  }
  if (lua_gethook(L) != NULL) {
    luaL_checkstack(L, EASYARGS + 10, "cannot make a task");
    lua_pushvalue(L, task);
    attach(L, c, t);
    pushcoroutine(L, t, task);
    if (t->poolslot != 0) {     /* a hook may raise: the pool let go of it */
      ca_task_unpool(L, c, t);
      lua_pushvalue(L, task + 1);
      lua_setiuservalue(L, task, FUV_VALUE);
    }
    inherithook(L, task + 1);
    lua_settop(L, task);
  }
  t->future.slot = ca_anchor(L, c, l);  /* the last thing that may raise */
  t->place = READY;
  l->ntasks++;
}

/* }====================================================== */


/* (task): it is pending, and its loop is closed. */
static void reportabandoned (lua_State *L, Core *c, void *task) {
  lua_createtable(L, 0, 2);
  lua_pushliteral(L, "Task was destroyed but it is pending!");
  lua_setfield(L, -2, "message");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "task");
  ca_loop_report(L, c, ((Task *)task)->future.loop);
}


/* An anchored object (on top) whose loop is closed. Raises nothing. */
static void abandon (lua_State *L, Object *o) {
  if (o->kind == KIND_HANDLE) {
    ((Handle *)(void *)o)->slot = 0;
    ((Handle *)(void *)o)->timer.index = 0;
  }
  if (o->kind == KIND_COMBINE) ca_combine_abandon((Future *)(void *)o);
  if (o->kind == KIND_ROSTER) ca_roster_abandon(o);
  if (ca_isfuture(o)) ((Future *)(void *)o)->slot = 0;
  if (o->kind != KIND_TASK || o->state != PENDING) return;
  Task *t = (Task *)(void *)o;
  if (t->place == ENDED) return;
  Core *c = ca_core(L);
  if (t->place == READY && !t->interrupted && !t->throwing) {
    ca_task_pushobject(L, t);   /* woken, but it will not run any more */
    Object *what = ca_object(L, c, -1);
    if (what != NULL && what->kind == KIND_OP) {
      Op *op = (Op *)(void *)what;
      if (op->type->giveback != NULL) op->type->giveback(L, c, op);
    }
    lua_pop(L, 1);
  }
  ca_task_abandon(L, c, t);
  lua_pushvalue(L, -1);
  if (!ca_protect(L, c, reportabandoned, t, 1)) ca_loop_unreported(L);
}


void ca_task_open (lua_State *L) {
  Core *c = ca_core(L);
  c->abandon = abandon;
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, task_handler, 1);
  lua_setiuservalue(L, CORE, UV_HANDLER);
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, taskmain, 1);
  lua_setiuservalue(L, CORE, UV_TASKMAIN);
}


bool ca_task_owns (lua_State *L, lua_State *co) {
  lua_Debug ar;
  int depth = 0;
  while (lua_getstack(co, depth, &ar)) depth++;
  if (depth == 0 || !lua_checkstack(co, 2)) return false;
  lua_getstack(co, depth - 1, &ar);
  lua_getinfo(co, "f", &ar);
  bool owned = lua_tocfunction(co, -1) == taskmain;
  lua_pop(co, 1);
  (void)L;
  return owned;
}
