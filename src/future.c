/*
** future.c - a result that may not be there yet.
**
** A future starts PENDING and settles once: it RETURNED values, it RAISED
** an error, or it was CANCELLED. Settling tells its nodes, in the order in
** which they came, and runs nobody.
**
** Its value is a user value: the value itself when there is one, else a
** table of all of them. The CancelledError of a cancelled future is made
** when somebody first asks for it.
**
** A future that failed gets a guard, a small object with a finaliser, which
** reports the error when the future is collected and nobody has seen it.
** So futures that do not fail need no finaliser.
**
** Done-callbacks are Handles in extra.callbacks (by address). Until the
** last of them has run the future stays anchored: 'pins' counts them.
*/

#include <assert.h>
#include <string.h>

#include "combine.h"
#include "error.h"
#include "future.h"
#include "handle.h"
#include "task.h"


Future *ca_future_new (lua_State *L, Core *c, Loop *l, Kind kind,
                       size_t size) {
  int nuv = kind == KIND_COMBINE ? FUV_COMBINECOUNT : FUV_COUNT;
  Future *f = (Future *)ca_object_new(L, c, kind, size, nuv);
  list_init(&f->nodes);
  f->loop = l;
  f->generation = l->generation;
  return f;
}


Future *ca_future_test (lua_State *L, Core *c, int idx) {
  Object *o = ca_object(L, c, idx);
  return (o != NULL && ca_isfuture(o)) ? (Future *)o : NULL;
}


Future *ca_future_check (lua_State *L, Core *c, int idx) {
  Future *f = ca_future_test(L, c, idx);
  if (f == NULL) luaL_typeerror(L, idx, "Future");
  return f;
}


int ca_future_getextra (lua_State *L, int idx, const char *name) {
  luaL_checkstack(L, 3, "cannot read a future");
  if (lua_getiuservalue(L, idx, FUV_EXTRA) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return LUA_TNIL;
  }
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  return lua_type(L, -1);
}


void ca_future_setextra (lua_State *L, int idx, const char *name) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 4, "cannot change a future");
  if (lua_getiuservalue(L, idx, FUV_EXTRA) != LUA_TTABLE) {
    lua_createtable(L, 1, 1);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);      /* the function of a task, else nil */
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, idx, FUV_EXTRA);
  }
  lua_insert(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}


static void retrieved (Future *f) {
  f->head.flags |= F_RETRIEVED;
  if (f->head.flags & F_ERRORPENDING) {
    f->head.flags &= (uint16_t)~F_ERRORPENDING;
    if (ca_future_loop(f) != NULL) f->loop->nunretrieved--;
  }
}


void ca_future_retrieved (Future *f) {
  retrieved(f);
}


/* The guard (user value 1 is the future) is collected: nobody can ask for
   the error any more. */
static int guard_gc (lua_State *L) {
  Core *c = ca_core(L);
  if (lua_getiuservalue(L, 1, 1) != LUA_TUSERDATA) return 0;
  int idx = lua_gettop(L);
  Future *f = ca_future_test(L, c, idx);
  if (f == NULL || (f->head.flags & (F_RETRIEVED | F_QUIET))) return 0;
  Loop *l = ca_future_loop(f);
  retrieved(f);
  lua_createtable(L, 0, 4);
  lua_pushfstring(L, "%s exception was never retrieved",
                  f->head.kind == KIND_TASK ? "Task" : "Future");
  lua_setfield(L, -2, "message");
  lua_getiuservalue(L, idx, FUV_VALUE);
  lua_setfield(L, -2, "exception");
  lua_pushvalue(L, idx);
  lua_setfield(L, -2, "future");
  ca_future_getextra(L, idx, "traceback");
  lua_setfield(L, -2, "traceback");
  ca_loop_report(L, c, l);
  return 0;
}


void ca_future_guard (lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  Future *f = (Future *)lua_touserdata(L, idx);
  lua_newuserdatauv(L, 0, 1);
  lua_pushvalue(L, idx);
  lua_setiuservalue(L, -2, 1);
  lua_getiuservalue(L, CORE, UV_GUARDMETA);
  lua_setmetatable(L, -2);
  ca_future_setextra(L, idx, "guard");
  if (!(f->head.flags & F_ERRORPENDING) && ca_future_loop(f) != NULL) {
    f->head.flags |= F_ERRORPENDING;
    f->loop->nunretrieved++;
    f->loop->sweep = true;
  }
}


void ca_future_tell (lua_State *L, Future *f, int idx, State state,
                     uint32_t n) {
  lua_setiuservalue(L, idx, FUV_VALUE);
  f->head.state = (uint8_t)state;
  f->head.n = n;
  while (!list_empty(&f->nodes)) {
    Node *node = container_of(f->nodes.next, Node, link);
    list_remove(&node->link);
    node->settled(node);
  }
}


void ca_future_settle (lua_State *L, Core *c, int idx, State state,
                       uint32_t n) {
  idx = lua_absindex(L, idx);
  Future *f = (Future *)lua_touserdata(L, idx);
  assert(f->head.state == PENDING);
  if (f->slot == 0 && (f->head.flags & F_CALLBACKS) &&
      ca_future_loop(f) != NULL) {
    lua_pushvalue(L, idx);
    f->slot = ca_anchor(L, c, f->loop);
    lua_pop(L, 1);
  }
  ca_future_tell(L, f, idx, state, n);
  if (f->slot != 0 && f->pins == 0) {
    uint32_t slot = f->slot;
    f->slot = 0;
    ca_anchor_drop(L, c, f->loop, slot);
  }
}


void ca_future_unpin (lua_State *L, Core *c, Future *f) {
  if (--f->pins == 0 && f->slot != 0) {
    uint32_t slot = f->slot;
    f->slot = 0;
    ca_anchor_drop(L, c, f->loop, slot);
  }
}


/* Push the CancelledError of the cancelled future. */
static void pushcancelled (lua_State *L, Core *c, int idx) {
  idx = lua_absindex(L, idx);
  if (lua_getiuservalue(L, idx, FUV_VALUE) != LUA_TNIL) return;
  lua_pop(L, 1);
  ca_future_getextra(L, idx, "message");
  ca_error_new(L, c, ERR_CANCELLED);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, idx, FUV_VALUE);
}


/* Raise the error on top, which the future at 'idx' raised: its traceback
   goes before that of whoever does not catch it. */
static int rethrow (lua_State *L, Core *c, int idx) {
  if (ca_future_getextra(L, idx, "traceback") == LUA_TSTRING)
    ca_error_trace(L, c);
  else lua_pop(L, 1);
  return lua_error(L);
}


int ca_future_result (lua_State *L, Core *c, int idx) {
  idx = lua_absindex(L, idx);
  Future *f = (Future *)lua_touserdata(L, idx);
  luaL_checkstack(L, 8, "no room for a result");
  switch (f->head.state) {
    case PENDING:
      return ca_error_raise(L, c, ERR_INVALIDSTATE, "Result is not set.");
    case CANCELLED:
      pushcancelled(L, c, idx);
      return lua_error(L);
    case RAISED:
      retrieved(f);
      lua_getiuservalue(L, idx, FUV_VALUE);
      return rethrow(L, c, idx);
    default: break;
  }
  if (f->head.kind == KIND_COMBINE) return ca_combine_result(L, c, idx);
  lua_getiuservalue(L, idx, FUV_VALUE);
  int n = (int)f->head.n;
  if (n == 1) return 1;
  int values = lua_gettop(L);
  luaL_checkstack(L, n + 1, "too many results");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, values, i);
  return n;
}


/* Push 'n' values (at the top) as one: themselves, or a table of them. */
void ca_future_pack (lua_State *L, int n) {
  if (n == 1) return;
  if (n == 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, n, 0);
  lua_insert(L, -(n + 1));
  for (int i = n; i >= 1; i--) lua_rawseti(L, -(i + 1), i);
}


bool ca_future_cancel (lua_State *L, Core *c, int idx, int msg) {
  idx = lua_absindex(L, idx);
  if (msg != 0) msg = lua_absindex(L, msg);
  Future *f = (Future *)lua_touserdata(L, idx);
  if (f->head.state != PENDING) return false;
  luaL_checkstack(L, CANCELSTACK, "cannot cancel");
  if (f->head.kind == KIND_TASK)
    return ca_task_cancel(L, c, (Task *)f, msg, NULL);
  if (f->head.kind == KIND_COMBINE) {
    size_t base = ca_task_beginwork(c);
    ca_combine_visit(c, f);
    bool any = ca_combine_cancel(L, c, f, msg);
    ca_task_dowork(L, c, base, msg);
    return any;
  }
  if (msg != 0 && !lua_isnoneornil(L, msg)) {
    lua_pushvalue(L, msg);
    ca_future_setextra(L, idx, "message");
  }
  lua_pushnil(L);
  ca_future_settle(L, c, idx, CANCELLED, 0);
  return true;
}


/* {=======================================================
** Done-callbacks
** ======================================================== */

static void runcallback (lua_State *L, Loop *l, Job *job) {
  Handle *h = container_of(job, Handle, job);
  Future *f = h->future;
  Core *c = l->core;
  ca_anchor_push(L, c, l, f->slot);
  int idx = lua_gettop(L);
  ca_future_getextra(L, idx, "callbacks");
  lua_rawgetp(L, -1, h);
  lua_pushnil(L);
  lua_rawsetp(L, -3, h);
  lua_remove(L, -2);
  ca_future_unpin(L, c, f);
  if (h->cancelled) return;
  ca_handle_call(L, l, h, lua_gettop(L), idx);
}


static void callbacksettled (Node *node) {
  Handle *h = container_of(node, Handle, node);
  if (ca_future_loop(h->future) == NULL) return;
  h->future->pins++;
  ca_loop_post(h->loop, &h->job);
}


/* future:add_done_callback(fn): call fn(future) when it is done. */
static int future_add_done_callback (lua_State *L) {
  static const char *const options[] = {"context", NULL};
  Core *c = ca_core(L);
  Future *f = ca_future_check(L, c, 1);
  if (lua_type(L, 2) != LUA_TFUNCTION) {
    if (luaL_getmetafield(L, 2, "__call") == LUA_TNIL)
      return luaL_typeerror(L, 2, "function");
    lua_pop(L, 1);
  }
  ca_options(L, 3, options);
  lua_settop(L, 3);
  int context = 0;
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "context");
    context = lua_isnil(L, 4) ? 0 : 4;
  }
  Loop *l = ca_future_loop(f);
  if (l == NULL) return luaL_error(L, "Event loop is closed");
  lua_pushvalue(L, 2);
  Handle *h = ca_handle_new(L, c, l, 0, context);
  int handle = lua_gettop(L);
  h->future = f;
  h->node.settled = callbacksettled;
  h->job.run = runcallback;
  if (ca_future_getextra(L, 1, "callbacks") != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    ca_future_setextra(L, 1, "callbacks");
  }
  lua_pushvalue(L, handle);
  lua_rawsetp(L, -2, h);
  if (f->head.state != PENDING && f->slot == 0) {
    lua_pushvalue(L, 1);
    f->slot = ca_anchor(L, c, l);       /* the last thing that may raise */
    lua_pop(L, 1);
  }
  f->head.flags |= F_CALLBACKS;
  if (f->head.state != PENDING) callbacksettled(&h->node);
  else list_append(&f->nodes, &h->node.link);
  return 0;
}


/* future:remove_done_callback(fn): how many were removed. */
static int future_remove_done_callback (lua_State *L) {
  Core *c = ca_core(L);
  Future *f = ca_future_check(L, c, 1);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_Integer removed = 0;
  if (f->head.state == PENDING &&
      ca_future_getextra(L, 1, "callbacks") == LUA_TTABLE) {
    lua_pushnil(L);
    while (lua_next(L, 3) != 0) {
      Handle *h = (Handle *)lua_touserdata(L, -1);
      lua_getiuservalue(L, -1, HUV_FUNCTION);
      bool same = lua_rawequal(L, -1, 2) || lua_compare(L, -1, 2, LUA_OPEQ);
      lua_pop(L, 2);
      if (same && f->head.state == PENDING) {   /* '__eq' may do anything */
        list_remove(&h->node.link);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, 3);       /* clearing while traversing is allowed */
        removed++;
      }
    }
  }
  lua_pushinteger(L, removed);
  return 1;
}

/* }====================================================== */


static int future_done (lua_State *L) {
  Future *f = ca_future_check(L, ca_core(L), 1);
  lua_pushboolean(L, f->head.state != PENDING);
  return 1;
}


static int future_cancelled (lua_State *L) {
  Future *f = ca_future_check(L, ca_core(L), 1);
  lua_pushboolean(L, f->head.state == CANCELLED);
  return 1;
}


/* future:result(): all its results; raises its error. */
static int future_result (lua_State *L) {
  Core *c = ca_core(L);
  ca_future_check(L, c, 1);
  lua_settop(L, 1);
  return ca_future_result(L, c, 1);
}


/* future:exception(): its error, or nil; raises when it was cancelled. */
static int future_exception (lua_State *L) {
  Core *c = ca_core(L);
  Future *f = ca_future_check(L, c, 1);
  lua_settop(L, 1);
  if (f->head.state == PENDING)
    return ca_error_raise(L, c, ERR_INVALIDSTATE, "Exception is not set.");
  if (f->head.state == CANCELLED) return ca_future_result(L, c, 1);
  retrieved(f);
  if (f->head.state == RAISED) lua_getiuservalue(L, 1, FUV_VALUE);
  else lua_pushnil(L);
  return 1;
}


/* future:traceback(): where its error was thrown, or nil. */
static int future_traceback (lua_State *L) {
  Core *c = ca_core(L);
  Future *f = ca_future_check(L, c, 1);
  lua_settop(L, 1);
  if (f->head.state < RAISED) lua_pushnil(L);
  else ca_future_getextra(L, 1, "traceback");
  return 1;
}


/* A future that Lua code settles: not a task, nor what gather gives. */
static Future *checkplain (lua_State *L, Core *c, const char *what) {
  Future *f = ca_future_check(L, c, 1);
  if (f->head.kind == KIND_TASK)
    luaL_error(L, "Task does not support %s operation", what);
  if (f->head.kind == KIND_COMBINE)
    luaL_error(L, "%s on the future of a gather or shield", what);
  if (f->head.state != PENDING)
    ca_error_raise(L, c, ERR_INVALIDSTATE, "invalid state");
  return f;
}


/* future:set_result(...): it is done, with these results. */
static int future_set_result (lua_State *L) {
  Core *c = ca_core(L);
  checkplain(L, c, "set_result");
  int n = lua_gettop(L) - 1;
  luaL_checkstack(L, 10, "too many results");
  ca_future_pack(L, n);
  ca_future_settle(L, c, 1, RETURNED, (uint32_t)n);
  return 0;
}


/* future:set_exception(err): it has failed, with this error. */
static int future_set_exception (lua_State *L) {
  Core *c = ca_core(L);
  Future *f = checkplain(L, c, "set_exception");
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_pushliteral(L, "nil error");
    lua_replace(L, 2);
  }
  if (ca_error_is(L, c, 2, ERR_CANCELLED)) {
    ca_future_settle(L, c, 1, CANCELLED, 0);
    return 0;
  }
  ca_future_guard(L, 1);
  lua_settop(L, 2);
  (void)f;
  ca_future_settle(L, c, 1, RAISED, 1);
  return 0;
}


/* future:cancel([msg]): true if it was still pending. */
static int future_cancel (lua_State *L) {
  Core *c = ca_core(L);
  Future *f = ca_future_check(L, c, 1);
  lua_settop(L, 2);
  if (f->head.state == RAISED) retrieved(f);
  lua_pushboolean(L, ca_future_cancel(L, c, 1, 2));
  return 1;
}


static int future_get_loop (lua_State *L) {
  Core *c = ca_core(L);
  Future *f = ca_future_check(L, c, 1);
  if (ca_future_loop(f) != NULL) ca_loop_push(L, c, f->loop);
  else lua_pushnil(L);
  return 1;
}


static int totext (lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}


/* Push a short text for the value at 'idx', as repr does. An error in its
   '__tostring' is not to hide the error that is being reported. */
void ca_future_repr (lua_State *L, int idx) {
  if (lua_type(L, idx) == LUA_TSTRING) {
    size_t len;
    const char *s = lua_tolstring(L, idx, &len);
    if (len > 60) lua_pushfstring(L, "'%s...'", lua_pushlstring(L, s, 57));
    else lua_pushfstring(L, "'%s'", s);
  }
  else {
    const char *type = luaL_typename(L, idx);
    idx = lua_absindex(L, idx);
    lua_pushcfunction(L, totext);
    lua_pushvalue(L, idx);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
    lua_pop(L, 1);
    lua_pushfstring(L, "(a %s without text)", type);
  }
}


static const char *const statenames[] = {"pending", "finished", "finished",
                                         "cancelled"};


/* Add " result=..." or " exception=..." of the future at 'idx'. */
void ca_future_addresult (lua_State *L, int idx) {
  Future *f = (Future *)lua_touserdata(L, idx);
  if (f->head.state == RETURNED && f->head.kind != KIND_COMBINE) {
    lua_getiuservalue(L, idx, FUV_VALUE);
    if (f->head.n > 1) lua_pushfstring(L, "%d values", (int)f->head.n);
    else ca_future_repr(L, lua_gettop(L));
    lua_pushfstring(L, " result=%s", lua_tostring(L, -1));
  }
  else if (f->head.state == RAISED) {
    lua_getiuservalue(L, idx, FUV_VALUE);
    ca_future_repr(L, lua_gettop(L));
    lua_pushfstring(L, " exception=%s", lua_tostring(L, -1));
  }
  else lua_pushliteral(L, "");
}


static int future_tostring (lua_State *L) {
  Core *c = ca_core(L);
  Future *f = ca_future_check(L, c, 1);
  lua_settop(L, 1);
  ca_future_addresult(L, 1);
  lua_pushfstring(L, "<Future %s%s>", statenames[f->head.state],
                  lua_tostring(L, -1));
  return 1;
}


/* loop:create_future(): a future to be settled by hand. A closed loop gives
   one too, which nobody can wait for. */
static int loop_create_future (lua_State *L) {
  Core *c = ca_core(L);
  uint32_t generation;
  Loop *l = ca_loop_any(L, c, 1, &generation);
  Future *f = ca_future_new(L, c, l, KIND_FUTURE, sizeof(Future));
  f->generation = generation;
  return 1;
}


static int future_isfuture (lua_State *L) {
  lua_pushboolean(L, ca_future_test(L, ca_core(L), 1) != NULL);
  return 1;
}


static const luaL_Reg methods[] = {
  {"add_done_callback", future_add_done_callback},
  {"cancel", future_cancel},
  {"cancelled", future_cancelled},
  {"done", future_done},
  {"exception", future_exception},
  {"get_loop", future_get_loop},
  {"remove_done_callback", future_remove_done_callback},
  {"result", future_result},
  {"set_exception", future_set_exception},
  {"set_result", future_set_result},
  {"traceback", future_traceback},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__tostring", future_tostring},
  {NULL, NULL}
};


static const luaL_Reg guardmeta[] = {
  {"__gc", guard_gc},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"isfuture", future_isfuture},
  {NULL, NULL}
};


void ca_future_methods (lua_State *L) {
  ca_setfuncs(L, methods);
}


void ca_future_open (lua_State *L) {
  ca_type_new(L, KIND_FUTURE, "casync.Future", methods, meta);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "FutureMethods");
  lua_pop(L, 1);
  lua_newtable(L);
  ca_setfuncs(L, guardmeta);
  lua_setiuservalue(L, CORE, UV_GUARDMETA);
  lua_getfield(L, -1, "LoopMethods");
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, loop_create_future, 1);
  lua_setfield(L, -2, "create_future");
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
