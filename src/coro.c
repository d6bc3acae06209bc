/*
** coro.c - coroutine objects.
**
** 'async(fn)' gives a function; calling it makes a coroutine object, which
** is a function and its arguments, to be run once: by 'await' in the
** running task, or as a task of its own.
**
** One that is never run is reported when it is collected. A finaliser costs
** a third of the object, so only those get one (their metatable is changed
** to a guarded one) that are still not run when the next object is made:
** 'await(f(x))' opens its object at once.
**
** Nor is a new one made each time: the youngest object, once it has been run,
** is what the next call gives, if it has the same number of arguments. Who
** still has it, and awaits it again, gets the error for that, unless the new
** one has not been run yet.
*/

#include <stdio.h>
#include <string.h>

#include "awaitable.h"
#include "coro.h"
#include "error.h"
#include "future.h"
#include "loop.h"
#include "spawn.h"

/* States, in head.state; head.n counts the arguments. A GATHERED one has its
   task in the place of its function, and in head.n which gather it was. */
enum { NEW, OPENED, GATHERED };

/* User values. The source is where it was created, in debug mode: then it
   comes after the arguments. */
enum { CUV_FUNCTION = 1, CUV_ARGS };

/* Flags, in head.flags. One that has none is used again when it has been
   run. */
enum {
  WITHSOURCE = 1,
  KEPT = 2                      /* some list knows it: it stays itself */
};

/* Lua's limit for user values, less those that are not arguments. */
#define MAXARGS (UINT16_MAX - 8)

/* Upvalues of the functions made by 'async', after the Core. */
#define ASYNC_FUNCTION lua_upvalueindex(2)
#define ASYNC_NAMED lua_upvalueindex(3)

/* Registry key of the guarded metatable. */
static const char guardedkey = 0;


/* The first call of an async function: its name is that of the variable. */
static void learnname (lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, 0, &ar)) return;
  lua_getinfo(L, "n", &ar);
  if (ar.name == NULL) return;
  lua_getiuservalue(L, CORE, UV_NAMES);
  lua_pushvalue(L, ASYNC_FUNCTION);
  lua_pushstring(L, ar.name);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_pushboolean(L, true);
  lua_replace(L, ASYNC_NAMED);
}


/* The object in the slot has not been run, and another one is being made:
   from now on its collection is watched. */
static void guardlast (lua_State *L, Core *c) {
  c->lastcoro = NULL;
  lua_getiuservalue(L, CORE, UV_NEWESTCORO);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &guardedkey);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}


/* Push an object for a call of this async function with so many arguments.
   It is now the youngest. */
static Object *newobject (lua_State *L, Core *c, int nargs) {
  Object *o = c->sparecoro;
  const void *fn = lua_topointer(L, ASYNC_FUNCTION);
  if (o != NULL && (int)o->n == nargs && !c->debug) {
    c->sparecoro = NULL;
    o->state = NEW;
    lua_getiuservalue(L, CORE, UV_NEWESTCORO);
    if (fn == c->sparefunction) return o;       /* it still has it */
  }
  else {
    c->sparecoro = NULL;
    o = (Object *)ca_object_new(L, c, KIND_CORO, sizeof(Object),
                                CUV_ARGS - 1 + nargs + c->debug);
    o->n = (uint32_t)nargs;
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, CORE, UV_NEWESTCORO);
    c->newestcoro = o;
  }
  if (!lua_toboolean(L, ASYNC_NAMED)) learnname(L);
  lua_pushvalue(L, ASYNC_FUNCTION);
  lua_setiuservalue(L, -2, CUV_FUNCTION);
  c->sparefunction = fn;
  return o;
}


/* Its arguments, which it had at 'idx', are on the stack, and it has been
   given to who runs it: it can be used again. */
static void spare (lua_State *L, Core *c, Object *o, int idx) {
  if (o != c->newestcoro || o->flags != 0 || o->state != OPENED) return;
  for (int i = 0; i < (int)o->n; i++) {
    lua_pushnil(L);
    lua_setiuservalue(L, idx, CUV_ARGS + i);
  }
  c->sparecoro = o;
}


/* A call of an async function. */
static int asynccall (lua_State *L) {
  Core *c = ca_core(L);
  int nargs = lua_gettop(L);
  if (nargs > 200)
    return luaL_error(L, "too many arguments for an async function (%d)",
                      nargs);
  if (c->lastcoro != NULL) guardlast(L, c);
  Object *o = newobject(L, c, nargs);
  if (c->debug) {
    o->flags = WITHSOURCE;
    luaL_traceback(L, L, NULL, 1);
    lua_setiuservalue(L, -2, CUV_ARGS + nargs);
  }
  for (int i = 0; i < nargs; i++) {
    lua_pushvalue(L, i + 1);
    lua_setiuservalue(L, -2, CUV_ARGS + i);
  }
  c->lastcoro = o;
  return 1;
}


/* async(fn [, name]): a function whose calls give coroutine objects. */
static int coro_async (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  const char *name = luaL_optstring(L, 2, NULL);
  lua_settop(L, 2);
  if (lua_tocfunction(L, 1) == asynccall) {
    lua_settop(L, 1);
    return 1;           /* it is async already */
  }
  lua_pushvalue(L, CORE);
  lua_pushvalue(L, 1);
  lua_pushboolean(L, name != NULL);
  lua_pushcclosure(L, asynccall, 3);
  if (name != NULL) {
    lua_getiuservalue(L, CORE, UV_NAMES);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  return 1;
}


/* Push what the coroutine object at 'idx' is called. */
static void pushtext (lua_State *L, int idx) {
  char place[160];
  if (lua_getiuservalue(L, idx, CUV_FUNCTION) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    lua_pushliteral(L, "?");
    return;
  }
  ca_function_place(L, -1, place, sizeof(place));
  lua_remove(L, -2);
  if (strstr(place, "casync/") != NULL)         /* ours: it tells nothing */
    lua_pushfstring(L, "'%s'", lua_tostring(L, -1));
  else lua_pushfstring(L, "'%s' (%s)", lua_tostring(L, -1), place);
  lua_remove(L, -2);
}


/* It has been opened before. */
static int reused (lua_State *L, int idx) {
  pushtext(L, idx);
  return luaL_error(L, "cannot reuse already awaited coroutine %s: call "
                       "the async function again", lua_tostring(L, -1));
}


/* It (at 'idx') is run, or given to a task, now. */
static void opened (lua_State *L, Core *c, Object *o, int idx) {
  if (o->state != NEW) reused(L, idx);
  o->state = OPENED;
  if (c->lastcoro == o) c->lastcoro = NULL;
}


void ca_coro_pushargs (lua_State *L, Core *c, int nargs) {
  int idx = lua_gettop(L);
  for (int i = 0; i < nargs; i++) lua_getiuservalue(L, idx, CUV_ARGS + i);
  spare(L, c, (Object *)lua_touserdata(L, idx), idx);
  lua_remove(L, idx);
}


int ca_coro_unpack (lua_State *L, Core *c, Object *o) {
  int nargs = (int)o->n;
  if (nargs > 10) luaL_checkstack(L, nargs + 8, "too many arguments");
  opened(L, c, o, 1);
  lua_getiuservalue(L, 1, CUV_FUNCTION);
  for (int i = 0; i < nargs; i++) lua_getiuservalue(L, 1, CUV_ARGS + i);
  spare(L, c, o, 1);
  return nargs;
}


void ca_coro_load (lua_State *L, Core *c, Object *o, Future *task) {
  opened(L, c, o, 1);
  task->head.n = o->n;
  lua_getiuservalue(L, 1, CUV_FUNCTION);
  lua_setiuservalue(L, 2, FUV_EXTRA);
  if (o->n > 1) {
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, FUV_VALUE);
    return;
  }
  if (o->n == 1) {
    lua_getiuservalue(L, 1, CUV_ARGS);
    lua_setiuservalue(L, 2, FUV_VALUE);
  }
  spare(L, c, o, 1);
}


void ca_coro_keep (lua_State *L, Core *c, int idx) {
  Object *o = (Object *)ca_test(L, c, idx, KIND_CORO);
  if (o != NULL) o->flags |= KEPT;
}


void ca_coro_totask (lua_State *L, Core *c, Loop *l, int idx,
                     uint32_t stamp) {
  Object *o = (Object *)lua_touserdata(L, idx);
  if (o->state == GATHERED && o->n == stamp) {
    lua_getiuservalue(L, idx, CUV_FUNCTION);    /* the task */
    lua_replace(L, idx);
    return;
  }
  lua_pushvalue(L, idx);
  ca_future_ensure(L, c, l, idx);
  o->state = GATHERED;
  o->n = stamp;
  lua_pushvalue(L, idx);
  lua_setiuservalue(L, -2, CUV_FUNCTION);
  lua_pop(L, 1);
}


bool ca_coro_islazy (lua_State *L, Core *c, int idx) {
  if (lua_type(L, idx) != LUA_TUSERDATA) return false;
  Object *o = ca_object(L, c, idx);
  if (o == NULL) return false;
  if (o->kind == KIND_CORO) return o->state == NEW;
  if (o->kind != KIND_OP) return false;
  return o->state == OP_NEW || ((Op *)(void *)o)->type->again;
}


bool ca_coro_isawaitable (lua_State *L, Core *c, int idx) {
  Object *o = ca_object(L, c, idx);
  if (o != NULL && (o->kind == KIND_CORO || o->kind == KIND_OP ||
                    ca_isfuture(o))) return true;
  if (luaL_getmetafield(L, idx, "__await") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}


/* Put the 'nargs' values on top into an object that holds them. */
static void pack (lua_State *L, Core *c, int nargs) {
  if (nargs > MAXARGS)
    luaL_error(L, "too many arguments for a task (%d)", nargs);
  Object *o = ca_object_new(L, c, KIND_CORO, sizeof(Object),
                            CUV_ARGS - 1 + nargs);
  o->state = OPENED;
  lua_insert(L, -(nargs + 1));
  int idx = lua_gettop(L) - nargs;
  for (int i = nargs; i > 0; i--)
    lua_setiuservalue(L, idx, CUV_ARGS + i - 1);
}


int ca_coro_target (lua_State *L, Core *c, int idx) {
  if (lua_type(L, idx) == LUA_TFUNCTION) {
    if (lua_tocfunction(L, idx) == asynccall) {
      lua_getupvalue(L, idx, 2);
      lua_replace(L, idx);
    }
    int nargs = lua_gettop(L) - idx;
    if (nargs > 1) pack(L, c, nargs);
    return nargs;
  }
  lua_settop(L, idx);
  Object *o = ca_object(L, c, idx);
  if (o != NULL && o->kind == KIND_CORO) {
    opened(L, c, o, idx);
    lua_getiuservalue(L, idx, CUV_FUNCTION);
    if (o->n > 1) {
      lua_insert(L, idx);
      return (int)o->n;
    }
    if (o->n == 1) lua_getiuservalue(L, idx, CUV_ARGS);
    spare(L, c, o, idx);
    lua_remove(L, idx);
    return (int)o->n;
  }
  if (!ca_coro_isawaitable(L, c, idx)) {
    const char *got = luaL_typename(L, idx);
    luaL_error(L, "a coroutine object, awaitable or function was expected, "
                  "got %s", got);
  }
  lua_getiuservalue(L, CORE, UV_AWAIT);
  lua_insert(L, idx);
  return 1;
}


static void reportlost (lua_State *L, Core *c, Object *o, int idx) {
  lua_createtable(L, 0, 3);
  pushtext(L, idx);
  lua_pushfstring(L, "coroutine %s was never awaited",
                  lua_tostring(L, -1));
  lua_setfield(L, -3, "message");
  lua_pop(L, 1);
  lua_pushboolean(L, true);
  lua_setfield(L, -2, "warning");
  if (o->flags & WITHSOURCE) {
    lua_getiuservalue(L, idx, CUV_ARGS + (int)o->n);
    lua_setfield(L, -2, "source_traceback");
  }
  Loop *l = c->loop != NULL ? c->loop : c->lastloop;
  ca_loop_report(L, c, l);
}


/* A guarded object is collected. */
static int coro_gc (lua_State *L) {
  Core *c = ca_core(L);
  Object *o = (Object *)ca_test(L, c, 1, KIND_CORO);
  if (o == NULL || o->state != NEW) return 0;
  o->state = OPENED;
  reportlost(L, c, o, 1);
  return 0;
}


/* guard_last(): a run ends: watch the youngest coroutine object too, and let
   go of it; true if there is one that has not been run. */
static int coro_guard_last (lua_State *L) {
  Core *c = ca_core(L);
  bool lost = c->lastcoro != NULL;
  if (lost) guardlast(L, c);
  lua_pushnil(L);
  lua_setiuservalue(L, CORE, UV_NEWESTCORO);
  c->newestcoro = c->sparecoro = NULL;
  lua_pushboolean(L, lost);
  return 1;
}


/* close_coroutine(co): it will not be run, and that is as it should be. */
static int coro_close_coroutine (lua_State *L) {
  Core *c = ca_core(L);
  Object *o = (Object *)ca_test(L, c, 1, KIND_CORO);
  if (o != NULL) {
    o->state = OPENED;
    if (c->lastcoro == o) c->lastcoro = NULL;
  }
  return 0;
}


/* islazy(x): a coroutine object or an operation that is still to be awaited. */
static int coro_islazy (lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, ca_coro_islazy(L, ca_core(L), 1));
  return 1;
}


static int coro_iscoroutine (lua_State *L) {
  lua_pushboolean(L, ca_test(L, ca_core(L), 1, KIND_CORO) != NULL);
  return 1;
}


static int coro_iscoroutinefunction (lua_State *L) {
  lua_pushboolean(L, lua_tocfunction(L, 1) == asynccall);
  return 1;
}


static int coro_isawaitable (lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  lua_pushboolean(L, ca_coro_isawaitable(L, ca_core(L), 1));
  return 1;
}


static int coro_tostring (lua_State *L) {
  ca_check(L, ca_core(L), 1, KIND_CORO);
  lua_settop(L, 1);
  pushtext(L, 1);
  lua_pushfstring(L, "<coroutine object %s>", lua_tostring(L, -1));
  return 1;
}


static const luaL_Reg meta[] = {
  {"__tostring", coro_tostring},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"async", coro_async},
  {"close_coroutine", coro_close_coroutine},
  {"guard_last", coro_guard_last},
  {"isawaitable", coro_isawaitable},
  {"iscoroutine", coro_iscoroutine},
  {"iscoroutinefunction", coro_iscoroutinefunction},
  {"islazy", coro_islazy},
  {NULL, NULL}
};


void ca_coro_open (lua_State *L) {
  ca_type_new(L, KIND_CORO, "casync.Coroutine", NULL, meta);
  ca_awaitable_index(L);
  ca_type_copy(L);      /* the guarded metatable: the same and __gc */
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, coro_gc, 1);
  lua_setfield(L, -2, "__gc");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &guardedkey);
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
