/*
** spawn.c - making tasks: what 'create_task' and 'ensure_future' call, and
** all that takes awaitables and needs futures.
*/

#include "coro.h"
#include "spawn.h"
#include "task.h"

/* Eager starts nested deeper than this are scheduled instead. */
#define EAGERDEPTH 40


/* Is a task started eagerly now? It must not be nested too deep. */
static bool startseagerly (Core *c, Loop *l) {
  return c->loop == l && c->ndeep < EAGERDEPTH;
}


/* Is the context at 'idx' more than an empty Context? */
static bool holdsvalues (lua_State *L, int idx) {
  if (!lua_istable(L, idx) || !lua_getmetatable(L, idx)) return true;
  bool holds = lua_rawgeti(L, idx, 1) != LUA_TNIL;
  lua_pop(L, 2);
  return holds;
}


/*
** Make the thing at 'fn' (the top value, or a function with its arguments
** up to the top) a task of 'l', pushed in its place. 'options' is the index
** of a table or 0.
*/
static void createtask (lua_State *L, Core *c, Loop *l, int fn,
                        int options) {
  bool eager = false;
  int context = 0;
  if (options != 0) {
    luaL_checkstack(L, 6, "cannot make a task");
    lua_getfield(L, options, "context");
    lua_insert(L, fn++);
    if (!lua_isnil(L, fn - 1)) {
      context = fn - 1;
      c->contexts = c->contexts || holdsvalues(L, context);
    }
    lua_getfield(L, options, "eager_start");
    eager = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (lua_getfield(L, options, "name") != LUA_TNIL) {
      luaL_tolstring(L, -1, NULL);
      lua_remove(L, -2);
    }
    lua_insert(L, fn++);
  }
  int nargs = ca_coro_target(L, c, fn);
  int name = options != 0 && !lua_isnil(L, fn - 1) ? fn - 1 : 0;
  luaL_checkstack(L, 10, "cannot make a task");
  Task *t = ca_task_new(L, c, l);
  t->future.head.n = (uint32_t)nargs;
  lua_insert(L, fn);
  if (nargs > 0) lua_setiuservalue(L, fn, FUV_VALUE);
  lua_setiuservalue(L, fn, FUV_EXTRA);
  ca_task_admit(L, c, t, context, name);
  if (options != 0) {
    lua_insert(L, fn - 2);
    lua_settop(L, fn - 2);
  }
  if (eager && startseagerly(c, l)) ca_task_runeagerly(L, c, t);
  else ca_loop_post(l, &t->job);
}


/* The open loop at 'idx', or the one to use when it is nil. */
static Loop *optloop (lua_State *L, Core *c, int idx) {
  return lua_isnoneornil(L, idx) ? ca_loop_get(L, c)
                                 : ca_loop_check(L, c, idx);
}


/* create_task(loop or nil, options or nil, target, ...): a new task. */
static int spawn_create_task (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = optloop(L, c, 1);
  luaL_checkany(L, 3);
  createtask(L, c, l, 3, lua_istable(L, 2) ? 2 : 0);
  return 1;
}


/* Make a task of the coroutine object at index 1, and push it. */
static void spawn (lua_State *L, Core *c, Object *o) {
  Task *t = ca_task_new(L, c, c->loop);
  ca_coro_load(L, c, o, &t->future);
  ca_task_admit(L, c, t, 0, 0);
  ca_loop_post(c->loop, &t->job);
}


/* A call without options, in a running loop whose tasks no factory makes, is
   done here. */
static int newtask (lua_State *L) {
  Core *c = ca_core(L);
  if (c->loop != NULL && !c->factories) {
    Object *o = ca_object(L, c, 1);
    bool alone = o != NULL && lua_gettop(L) == 1;
    if (alone && o->kind == KIND_CORO) {
      spawn(L, c, o);
      return 1;
    }
    if ((alone && o->kind == KIND_OP) || lua_type(L, 1) == LUA_TFUNCTION) {
      createtask(L, c, c->loop, 1, 0);
      return 1;
    }
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}


/* create_task_or(fn): the function 'create_task', which does the common
   case itself and leaves every other to 'fn'. */
static int spawn_create_task_or (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushvalue(L, CORE);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, newtask, 2);
  return 1;
}


/* set_factories(flag): some loop has a task factory, or none has. */
static int spawn_set_factories (lua_State *L) {
  ca_core(L)->factories = lua_toboolean(L, 1);
  return 0;
}


Future *ca_future_ensure (lua_State *L, Core *c, Loop *l, int idx) {
  Future *f = ca_future_test(L, c, idx);
  if (f != NULL) return f;
  ca_coro_keep(L, c, idx);
  lua_pushvalue(L, idx);
  createtask(L, c, l, lua_gettop(L), 0);
  lua_replace(L, idx);
  return (Future *)lua_touserdata(L, idx);
}


/* ensure_future(loop or nil, x): a future as it is; a task for the rest. */
static int spawn_ensure_future (lua_State *L) {
  Core *c = ca_core(L);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  Future *f = ca_future_test(L, c, 2);
  if (f == NULL) ca_future_ensure(L, c, optloop(L, c, 1), 2);
  else if (!lua_isnoneornil(L, 1) && ca_loop_check(L, c, 1) != f->loop)
    return luaL_error(L, "The future belongs to a different loop than the "
                         "one given");
  return 1;
}


static const luaL_Reg functions[] = {
  {"create_task", spawn_create_task},
  {"create_task_or", spawn_create_task_or},
  {"ensure_future", spawn_ensure_future},
  {"set_factories", spawn_set_factories},
  {NULL, NULL}
};


void ca_spawn_open (lua_State *L) {
  ca_setfuncs(L, functions);
}
