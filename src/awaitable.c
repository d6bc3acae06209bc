/*
** awaitable.c - operations as Lua sees them.
*/

#include <assert.h>

#include "awaitable.h"

/* Sizes of small operations, by how many user values they have. Sleeps have
   none, and there may be a million of them. */
static const size_t sizes[CA_SPARES] = {
  sizeof(Op) + 8, sizeof(Op) + 24, sizeof(Op) + 24
};

/* Registry keys: the metatable of operations that are watched, and where
   they were made (weak: operation -> traceback). */
static const char watchedkey = 0, sourceskey = 0;


/* Debug mode: report the operation on top if nobody awaits it. */
static void watchop (lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sourceskey);
  lua_pushvalue(L, -2);
  luaL_traceback(L, L, NULL, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &watchedkey);
  lua_setmetatable(L, -2);
  ((Op *)lua_touserdata(L, -1))->head.flags = OP_WATCHED;
}


/* An operation of a small type, pushed. */
static Op *newsmall (lua_State *L, Core *c, int nuv) {
  Op *op = c->spare[nuv];
  if (op == NULL) return ca_object_new(L, c, KIND_OP, sizes[nuv], nuv);
  c->spare[nuv] = NULL;
  op->head.state = OP_NEW;
  op->head.n = 0;
  uint64_t *own = (uint64_t *)(void *)(op + 1);
  own[0] = 0;
  if (nuv > 0) own[1] = own[2] = 0;
  lua_getiuservalue(L, CORE, UV_SPARES + nuv);
  return op;
}


void ca_op_spare (lua_State *L, Core *c, Op *op) {
  int nuv = op->type->nuv;
  if (c->spare[nuv] != NULL || op->head.flags != 0) return;
  if (c->kept[nuv] != op) {
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, CORE, UV_SPARES + nuv);
    c->kept[nuv] = op;
  }
  for (int i = 1; i <= nuv; i++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, i);
  }
  c->spare[nuv] = op;
}


void *ca_op_new (lua_State *L, Core *c, const OpType *type, size_t size,
                 int nuv, int owner) {
  if (owner != 0 && nuv < 1) nuv = 1;
  assert(!type->small || (nuv == type->nuv && size <= sizes[nuv]));
  Op *op = (type->small && !c->debug)
             ? newsmall(L, c, nuv)
             : (Op *)ca_object_new(L, c, KIND_OP, size, nuv);
  op->type = type;
  if (owner != 0) {
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, OPUV_OWNER);
  }
  if (c->debug && !type->again) watchop(L);
  return op;
}


static int awaited (lua_State *L, int status, lua_KContext results) {
  (void)L;
  (void)status;
  return (int)results;
}


int ca_op_await (lua_State *L, int results) {
  lua_getiuservalue(L, CORE, UV_AWAIT);
  lua_insert(L, -2);
  lua_callk(L, 1, results, results, awaited);
  return awaited(L, LUA_OK, results);
}


static int op_tostring (lua_State *L) {
  Op *op = (Op *)ca_check(L, ca_core(L), 1, KIND_OP);
  lua_pushfstring(L, "<%s>", op->type->name);
  return 1;
}


/* A watched operation is collected. */
static int op_gc (lua_State *L) {
  Core *c = ca_core(L);
  Op *op = (Op *)ca_test(L, c, 1, KIND_OP);
  if (op == NULL || op->head.state != OP_NEW) return 0;
  lua_createtable(L, 0, 3);
  lua_pushfstring(L, "operation '%s' was never awaited", op->type->name);
  lua_setfield(L, -2, "message");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sourceskey);
  lua_pushvalue(L, 1);
  lua_rawget(L, -2);
  lua_setfield(L, -3, "source_traceback");
  lua_pop(L, 1);
  lua_pushboolean(L, true);
  lua_setfield(L, -2, "warning");
  ca_loop_report(L, c, c->loop != NULL ? c->loop : c->lastloop);
  return 0;
}


/* Only 'await' is a field of what is to be awaited: who asks for another
   one wants its result. */
static int op_index (lua_State *L) {
  Core *c = ca_core(L);
  lua_settop(L, 2);
  const char *key = luaL_tolstring(L, 2, NULL);
  if (lua_rawequal(L, 2, lua_upvalueindex(2))) {
    lua_getiuservalue(L, CORE, UV_AWAIT);
    return 1;
  }
  Object *o = ca_object(L, c, 1);
  if (o == NULL) return 0;
  return luaL_error(L, "%s has no field '%s': await it first, and ask its "
                       "result", luaL_tolstring(L, 1, NULL), key);
}


void ca_awaitable_index (lua_State *L) {
  lua_pushvalue(L, CORE);
  lua_pushliteral(L, "await");
  lua_pushcclosure(L, op_index, 2);
  lua_setfield(L, -2, "__index");
}


static const luaL_Reg meta[] = {
  {"__tostring", op_tostring},
  {NULL, NULL}
};

static const luaL_Reg watchedmeta[] = {
  {"__gc", op_gc},
  {NULL, NULL}
};


void ca_awaitable_open (lua_State *L) {
  ca_type_new(L, KIND_OP, "casync.Operation", NULL, meta);
  ca_awaitable_index(L);
  ca_type_copy(L);              /* the same and __gc */
  ca_setfuncs(L, watchedmeta);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &watchedkey);
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sourceskey);
}
