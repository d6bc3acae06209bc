/*
** awaitable.c - operations as Lua sees them.
*/

#include "awaitable.h"


void *ca_op_new (lua_State *L, Core *c, const OpType *type, size_t size,
                 int nuv, int owner) {
  if (owner != 0) {
    owner = lua_absindex(L, owner);
    if (nuv < 1) nuv = 1;
  }
  Op *op = (Op *)ca_object_new(L, c, KIND_OP, size, nuv);
  op->type = type;
  if (owner != 0) {
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, OPUV_OWNER);
  }
  return op;
}


static int op_tostring (lua_State *L) {
  Op *op = (Op *)ca_check(L, ca_core(L), 1, KIND_OP);
  lua_pushfstring(L, "<%s>", op->type->name);
  return 1;
}


static const luaL_Reg meta[] = {
  {"__tostring", op_tostring},
  {NULL, NULL}
};


void ca_awaitable_open (lua_State *L) {
  ca_type_new(L, KIND_OP, "casync.Operation", NULL, meta);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "OperationMethods");
  lua_pop(L, 1);
}
