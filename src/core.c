/*
** core.c - luaopen_casync_core, and the small things all files share.
*/

#include <stdio.h>
#include <string.h>

#include "await.h"
#include "awaitable.h"
#include "cancel.h"
#include "combine.h"
#include "core.h"
#include "coro.h"
#include "error.h"
#include "future.h"
#include "handle.h"
#include "interrupt.h"
#include "loop.h"
#include "operations.h"
#include "pool.h"
#include "roster.h"
#include "scope.h"
#include "spawn.h"
#include "task.h"
#include "taskinfo.h"
#include "watch.h"

/* Registry key of the module's table. */
static const char modulekey = 0;

static const char *const kindnames[KIND_COUNT] = {
  [KIND_CORO] = "coroutine object", [KIND_FUTURE] = "Future",
  [KIND_TASK] = "Task", [KIND_COMBINE] = "Future",
  [KIND_OP] = "operation", [KIND_HANDLE] = "Handle", [KIND_LOOP] = "Loop",
  [KIND_SCOPE] = "Timeout", [KIND_WATCH] = "Watch", [KIND_ROSTER] = "Roster",
  [KIND_WAITLIST] = "WaitList", [KIND_LOCK] = "Lock",
  [KIND_EVENT] = "Event", [KIND_SEMAPHORE] = "Semaphore",
  [KIND_QUEUE] = "Queue", [KIND_STREAM] = "Stream",
  [KIND_SERVER] = "Listener",
};


void *ca_malloc (Core *c, size_t size) {
  return c->alloc(c->allocud, NULL, 0, size);
}


void *ca_realloc (Core *c, void *p, size_t old, size_t size) {
  return c->alloc(c->allocud, p, old, size);
}


void ca_free (Core *c, void *p, size_t size) {
  if (p != NULL) c->alloc(c->allocud, p, size, 0);
}


int ca_nomem (lua_State *L) {
  return luaL_error(L, "not enough memory");
}


typedef struct Protected {
  void (*f) (lua_State *L, Core *c, void *arg);
  void *arg;
} Protected;


static int protectedcall (lua_State *L) {
  const Protected *p = (const Protected *)lua_touserdata(L, 1);
  lua_remove(L, 1);
  p->f(L, ca_core(L), p->arg);
  return 0;
}


bool ca_protect (lua_State *L, Core *c,
                 void (*f) (lua_State *L, Core *c, void *arg), void *arg,
                 int n) {
  Protected p = {f, arg};
  (void)c;
  lua_getiuservalue(L, CORE, UV_PROTECTED);
  lua_pushlightuserdata(L, &p);
  lua_rotate(L, -(n + 2), 2);
  return lua_pcall(L, n + 1, 0, 0) == LUA_OK;
}


/*
** Strings that are needed where no error may come: a short string that
** exists is found without new memory.
*/
static void keepwords (lua_State *L) {
  static const char *const words[] = {
    "callbacks", "guard", "message", "name", "nil error", "parent", "throw",
    "traceback", "the coroutine of the task was closed", NULL
  };
  lua_newtable(L);
  for (int i = 0; words[i] != NULL; i++) {
    lua_pushstring(L, words[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setiuservalue(L, CORE, UV_WORDS);
}


void ca_type_new (lua_State *L, Kind kind, const char *name,
                  const luaL_Reg *methods, const luaL_Reg *meta) {
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, CORE, UV_TYPES + (int)kind);
  lua_pushstring(L, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  if (methods != NULL) ca_setfuncs(L, methods);
  lua_setfield(L, -2, "__index");
  if (meta != NULL) ca_setfuncs(L, meta);
}


void ca_type_copy (lua_State *L) {
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, -3) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}


void *ca_object_new (lua_State *L, Core *c, Kind kind, size_t size,
                     int nuv) {
  Object *o = (Object *)lua_newuserdatauv(L, size, nuv);
  memset(o, 0, size);
  o->core = c;
  o->kind = (uint8_t)kind;
  lua_getiuservalue(L, CORE, UV_TYPES + (int)kind);
  lua_setmetatable(L, -2);
  return o;
}


void *ca_check (lua_State *L, Core *c, int idx, Kind kind) {
  void *o = ca_test(L, c, idx, kind);
  if (o == NULL) luaL_typeerror(L, idx, kindnames[kind]);
  return o;
}


void ca_options (lua_State *L, int idx, const char *const *names) {
  if (lua_isnoneornil(L, idx)) return;
  luaL_checktype(L, idx, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, idx) != 0) {
    lua_pop(L, 1);
    const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                     : NULL;
    const char *const *name = names;
    while (*name != NULL && (key == NULL || strcmp(*name, key) != 0)) name++;
    if (*name == NULL) {
      const char *what = luaL_tolstring(L, -1, NULL);
      luaL_argerror(L, idx, lua_pushfstring(L, "unknown option '%s'", what));
    }
  }
}


lua_Number ca_seconds (lua_State *L, int idx) {
  lua_Number s = luaL_checknumber(L, idx);
  luaL_argcheck(L, s == s, idx, "a time in seconds expected, got NaN");
  return s;
}


void ca_setfuncs (lua_State *L, const luaL_Reg *l) {
  lua_pushvalue(L, CORE);
  luaL_setfuncs(L, l, 1);
}


/* Push the name of the function at the absolute index 'fn', or nil. */
static void pushname (lua_State *L, int fn) {
  lua_getiuservalue(L, CORE, UV_NAMES);
  lua_pushvalue(L, fn);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (!lua_isnil(L, -1)) return;
  lua_pop(L, 1);
  lua_getiuservalue(L, CORE, UV_NAMER);
  if (lua_isnil(L, -1)) return;
  lua_pushvalue(L, fn);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}


void ca_function_place (lua_State *L, int idx, char *place, size_t size) {
  lua_Debug ar;
  idx = lua_absindex(L, idx);
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", &ar);
  if (*ar.what == 'C') snprintf(place, size, "[C]");
  else snprintf(place, size, "%s:%d", ar.short_src, ar.linedefined);
  pushname(L, idx);
  if (lua_type(L, -1) != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushliteral(L, "?");
  }
}


static int core_set_namer (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setiuservalue(L, CORE, UV_NAMER);
  return 0;
}


/* The Lua state is closed: the loops have been closed by their own
   finalisers, which ran before (they were created later). */
static int core_gc (lua_State *L) {
  Core *c = (Core *)lua_touserdata(L, 1);
  c->dying = true;
  ca_interrupt_close(c);
  ca_free(c, c->work, c->worksize * sizeof(struct Future *));
  c->work = NULL;
  c->worksize = 0;
  ca_loop_freeall(c);
  return 0;
}


static const luaL_Reg functions[] = {
  {"set_namer", core_set_namer},
  {NULL, NULL}
};


/* Upvalue 1 is the Core; the module's table is at 1. */
static int openall (lua_State *L) {
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, protectedcall, 1);
  lua_setiuservalue(L, CORE, UV_PROTECTED);
  keepwords(L);
  ca_setfuncs(L, functions);
  ca_error_open(L);
  ca_loop_open(L);
  ca_handle_open(L);
  ca_future_open(L);
  ca_coro_open(L);
  ca_awaitable_open(L);
  ca_task_open(L);
  ca_spawn_open(L);
  ca_taskinfo_open(L);
  ca_cancel_open(L);
  ca_await_open(L);
  ca_scope_open(L);
  ca_combine_open(L);
  ca_watch_open(L);
  ca_roster_open(L);
  ca_interrupt_open(L);
  ca_sleep_open(L);
  ca_waitlist_open(L);
  ca_sync_open(L);
  ca_queue_open(L);
  ca_stream_open(L);
  ca_connect_open(L);
  ca_server_open(L);
  ca_dns_open(L);
  ca_poll_open(L);
  return 0;
}


static void newcore (lua_State *L) {
  Core *c = (Core *)lua_newuserdatauv(L, sizeof(Core), UV_COUNT);
  memset(c, 0, sizeof(*c));
  c->alloc = lua_getallocf(L, &c->allocud);
  list_init(&c->warm);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, core_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  ca_pool_new(L, c);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setiuservalue(L, -2, UV_NAMES);
}


__attribute__((visibility("default")))
int luaopen_casync_core (lua_State *L);

int luaopen_casync_core (lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &modulekey) == LUA_TTABLE) return 1;
  lua_pop(L, 1);
  lua_newtable(L);
  newcore(L);
  lua_pushcclosure(L, openall, 1);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &modulekey);
  return 1;
}
