/*
** pool.c - coroutines that tasks use one after the other.
**
** A table, UV_POOL, anchors them, those at work and those that are idle. It
** has room for CA_POOLSIZE from the start, so that writing to it can't fail.
** Which are idle, and which slots are free, is listed in C.
*/

#include "pool.h"


uint16_t ca_pool_anchor (lua_State *L, Core *c) {
  if (c->nfreeslots == 0) return 0;
  uint16_t slot = c->freeslot[--c->nfreeslots];
  lua_getiuservalue(L, CORE, UV_POOL);
  lua_insert(L, -2);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  return slot;
}


void ca_pool_give (Core *c, lua_State *co, uint16_t slot) {
  if (lua_gethookmask(co) != 0) lua_sethook(co, NULL, 0, 0);
  c->idle[c->nidle] = co;
  c->idleslot[c->nidle++] = slot;
}


void ca_pool_drop (lua_State *L, Core *c, uint16_t slot) {
  lua_getiuservalue(L, CORE, UV_POOL);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  c->freeslot[c->nfreeslots++] = slot;
}


void ca_pool_push (lua_State *L, uint16_t slot) {
  lua_getiuservalue(L, CORE, UV_POOL);
  lua_rawgeti(L, -1, slot);
  lua_remove(L, -2);
}


void ca_pool_new (lua_State *L, Core *c) {
  lua_createtable(L, CA_POOLSIZE, 0);
  for (int i = 1; i <= CA_POOLSIZE; i++) {      /* never grows later */
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, -2, UV_POOL);
  for (int i = 0; i < CA_POOLSIZE; i++)
    c->freeslot[i] = (uint16_t)(CA_POOLSIZE - i);
  c->nfreeslots = CA_POOLSIZE;
}
