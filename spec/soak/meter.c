/*
** meter.c - what the soak reads of its own process: meter.allocated() is how
** many bytes malloc has given out.
*/

#include <lua.h>
#include <lauxlib.h>
#include <malloc.h>


static int allocated (lua_State *L) {
  struct mallinfo2 info = mallinfo2();
  lua_pushinteger(L, (lua_Integer)(info.uordblks + info.hblkhd));
  return 1;
}


int luaopen_meter (lua_State *L);

int luaopen_meter (lua_State *L) {
  static const luaL_Reg functions[] = {{"allocated", allocated}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
