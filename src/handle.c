/*
** handle.c - callbacks: call_soon, call_later, call_at, done-callbacks.
**
** A Handle is scheduled (in the ready queue, or with its timer set, and
** then anchored in the loop), or it is not. A cancelled one stays where it
** is in the queue and does nothing when its turn comes.
**
** The context in which a callback was registered is put in place of the
** context outside tasks while the callback runs.
*/

#include <assert.h>
#include <string.h>

#include "error.h"
#include "handle.h"
#include "task.h"


/* Push the context value of what runs now. */
static void pushcurrent (lua_State *L, Core *c) {
  if (c->running != NULL && c->running->place == RUNNING) {
    ca_task_push(L, c, c->running);
    ca_future_getextra(L, -1, "context");
    lua_remove(L, -2);
  }
  else lua_getiuservalue(L, CORE, UV_CONTEXT);
}


/* A context to inherit is a map, or a Context whose [1] is its map. */
void ca_context_push (lua_State *L, Core *c) {
  if (!c->contexts) {
    lua_pushnil(L);
    return;
  }
  luaL_checkstack(L, 4, "cannot read the context");
  pushcurrent(L, c);
  if (lua_istable(L, -1) && lua_getmetatable(L, -1)) {
    lua_pop(L, 1);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
}


/* Log a callback that has taken long (debug mode). */
static void checkslow (lua_State *L, Loop *l, int64_t begun, int idx) {
  int64_t took = ca_loop_now(l) - begun;
  if (took < l->slow) return;
  lua_createtable(L, 0, 3);
  lua_pushfstring(L, "Executing %s took %f seconds",
                  luaL_tolstring(L, idx, NULL), (lua_Number)took / 1e9);
  lua_remove(L, -2);
  lua_setfield(L, -2, "message");
  lua_pushvalue(L, idx);
  lua_setfield(L, -2, "handle");
  lua_pushboolean(L, true);
  lua_setfield(L, -2, "warning");
  ca_loop_report(L, l->core, l);
}


void ca_handle_call (lua_State *L, Loop *l, Handle *h, int idx, int arg) {
  Core *c = l->core;
  int n = arg != 0 ? 1 : (int)h->head.n;
  luaL_checkstack(L, n + 10, "too many arguments of a callback");
  bool contexts = c->contexts;
  if (contexts) {
    lua_getiuservalue(L, CORE, UV_CONTEXT);     /* stays below */
    lua_getiuservalue(L, idx, HUV_CONTEXT);
    lua_setiuservalue(L, CORE, UV_CONTEXT);
  }
  lua_getiuservalue(L, idx, HUV_FUNCTION);
  if (arg != 0) lua_pushvalue(L, arg);
  else for (int i = 0; i < n; i++) lua_getiuservalue(L, idx, HUV_ARGS + i);
  c->handle = h;
  c->depth = 0;
  ca_loop_call(L, l, n, "Exception in callback", idx);
  c->handle = NULL;
  if (contexts) lua_setiuservalue(L, CORE, UV_CONTEXT);
}


static void release (lua_State *L, Core *c, Handle *h) {
  uint32_t slot = h->slot;
  h->slot = 0;
  ca_anchor_drop(L, c, h->loop, slot);
}


static void runhandle (lua_State *L, Loop *l, Job *job) {
  Handle *h = container_of(job, Handle, job);
  ca_anchor_push(L, l->core, l, h->slot);
  release(L, l->core, h);
  if (h->cancelled) return;
  int idx = lua_gettop(L);
  int64_t begun = l->debug ? ca_loop_now(l) : 0;
  ca_handle_call(L, l, h, idx, 0);
  if (l->debug) checkslow(L, l, begun, idx);
}


static void firehandle (Timer *timer) {
  Handle *h = container_of(timer, Handle, timer);
  ca_loop_post(h->loop, &h->job);
}


Handle *ca_handle_new (lua_State *L, Core *c, Loop *l, int n, int context) {
  int fn = lua_gettop(L) - n;
  luaL_checkstack(L, 6, "cannot make a callback");
  if (n > 200) luaL_error(L, "too many arguments for a callback (%d)", n);
  Handle *h = ca_object_new(L, c, KIND_HANDLE, sizeof(Handle), HUV_ARGS - 1
                                                               + n);
  h->loop = l;
  h->generation = l->generation;
  h->job.run = runhandle;
  h->timer.fire = firehandle;
  list_init(&h->node.link);
  h->head.n = (uint32_t)n;
  if (context != 0) lua_pushvalue(L, context);
  else ca_context_push(L, c);
  lua_setiuservalue(L, -2, HUV_CONTEXT);
  lua_insert(L, fn);
  for (int i = n - 1; i >= 0; i--) lua_setiuservalue(L, fn, HUV_ARGS + i);
  lua_setiuservalue(L, fn, HUV_FUNCTION);
  if (c->debug) {
    luaL_traceback(L, L, NULL, 1);
    lua_setiuservalue(L, fn, HUV_SOURCE);
  }
  return h;
}


/* The function at 'idx' and what follows as a handle, pushed. */
static Handle *newhandle (lua_State *L, Core *c, Loop *l, int idx) {
  luaL_checktype(L, idx, LUA_TFUNCTION);
  return ca_handle_new(L, c, l, lua_gettop(L) - idx, 0);
}


/* loop:call_soon(fn, ...): call it in the next round. */
static int loop_call_soon (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  Handle *h = newhandle(L, c, l, 2);
  h->slot = ca_anchor(L, c, l);
  ca_loop_post(l, &h->job);
  return 1;
}


static int schedule (lua_State *L, Core *c, Loop *l, lua_Number when,
                     int64_t deadline) {
  Handle *h = newhandle(L, c, l, 3);
  h->timed = true;
  h->when = when;
  h->slot = ca_anchor(L, c, l);
  if (!ca_timer_set(l, &h->timer, deadline)) {
    uint32_t slot = h->slot;
    h->slot = 0;
    ca_anchor_drop(L, c, l, slot);
    return ca_nomem(L);
  }
  return 1;
}


/* loop:call_later(delay, fn, ...): call it after 'delay' seconds. */
static int loop_call_later (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  lua_Number delay = ca_seconds(L, 2);
  int64_t deadline = ca_loop_deadline(l, delay);
  return schedule(L, c, l, (lua_Number)deadline / 1e9, deadline);
}


/* loop:call_at(when, fn, ...): call it when loop:time() has reached it. */
static int loop_call_at (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  lua_Number when = ca_seconds(L, 2);
  return schedule(L, c, l, when, ca_loop_when(when));
}


/* handle:cancel(): never call it. */
static int handle_cancel (lua_State *L) {
  Core *c = ca_core(L);
  Handle *h = (Handle *)ca_check(L, c, 1, KIND_HANDLE);
  if (h->cancelled) return 0;
  h->cancelled = true;
  bool alive = h->loop->open && h->loop->generation == h->generation;
  if (alive && h->timer.index != 0) {
    ca_timer_unset(h->loop, &h->timer);
    release(L, c, h);
  }
  lua_settop(L, 1);
  for (int i = 1; i < HUV_ARGS + (int)h->head.n; i++) {
    if (i == HUV_SOURCE) continue;
    lua_pushnil(L);     /* the function and its arguments are let go */
    lua_setiuservalue(L, 1, i);
  }
  return 0;
}


static int handle_cancelled (lua_State *L) {
  Handle *h = (Handle *)ca_check(L, ca_core(L), 1, KIND_HANDLE);
  lua_pushboolean(L, h->cancelled);
  return 1;
}


/* handle:when(): the deadline of a timer, as loop:time() counts. */
static int handle_when (lua_State *L) {
  Handle *h = (Handle *)ca_check(L, ca_core(L), 1, KIND_HANDLE);
  if (!h->timed) return luaL_error(L, "only a TimerHandle has a deadline: "
                                      "this one is from call_soon");
  lua_pushnumber(L, h->when);
  return 1;
}


static int handle_get_context (lua_State *L) {
  ca_check(L, ca_core(L), 1, KIND_HANDLE);
  lua_getiuservalue(L, 1, HUV_CONTEXT);
  return 1;
}


static int handle_tostring (lua_State *L) {
  Handle *h = (Handle *)ca_check(L, ca_core(L), 1, KIND_HANDLE);
  const char *kind = h->timed ? "TimerHandle" : "Handle";
  if (h->cancelled) {
    lua_pushfstring(L, "<%s cancelled>", kind);
    return 1;
  }
  char place[128];
  if (lua_getiuservalue(L, 1, HUV_FUNCTION) != LUA_TFUNCTION) {
    lua_pushfstring(L, "<%s>", kind);
    return 1;
  }
  ca_function_place(L, -1, place, sizeof(place));
  lua_pushfstring(L, "<%s %s() at %s>", kind, lua_tostring(L, -1), place);
  return 1;
}


/* context(): the context value of the running task or callback. */
static int handle_context (lua_State *L) {
  pushcurrent(L, ca_core(L));
  return 1;
}


/* set_context(value): replace it. */
static int handle_set_context (lua_State *L) {
  Core *c = ca_core(L);
  lua_settop(L, 1);
  c->contexts = true;
  if (c->running != NULL && c->running->place == RUNNING) {
    ca_task_push(L, c, c->running);
    lua_insert(L, 1);
    ca_future_setextra(L, 1, "context");
  }
  else lua_setiuservalue(L, CORE, UV_CONTEXT);
  return 0;
}


/* use_contexts(): some context has got a value, so tasks inherit theirs. */
static int handle_use_contexts (lua_State *L) {
  ca_core(L)->contexts = true;
  return 0;
}


static const luaL_Reg methods[] = {
  {"cancel", handle_cancel},
  {"cancelled", handle_cancelled},
  {"get_context", handle_get_context},
  {"when", handle_when},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__tostring", handle_tostring},
  {NULL, NULL}
};


static const luaL_Reg loopmethods[] = {
  {"call_at", loop_call_at},
  {"call_later", loop_call_later},
  {"call_soon", loop_call_soon},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"context", handle_context},
  {"set_context", handle_set_context},
  {"use_contexts", handle_use_contexts},
  {NULL, NULL}
};


void ca_handle_open (lua_State *L) {
  ca_type_new(L, KIND_HANDLE, "casync.Handle", methods, meta);
  lua_pop(L, 1);
  lua_getfield(L, -1, "LoopMethods");
  ca_setfuncs(L, loopmethods);
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
