/*
** noreturn.h - tells clang's analyser which functions raise a Lua error, so
** that it does not go on after them. Included before each file it reads;
** never part of the build.
*/

#ifndef CA_NORETURN_H
#define CA_NORETURN_H

#include <lua.h>
#include <lauxlib.h>

#define RAISES __attribute__((analyzer_noreturn))

LUA_API int (lua_error) (lua_State *L) RAISES;
LUALIB_API int (luaL_error) (lua_State *L, const char *fmt, ...) RAISES;
LUALIB_API int (luaL_argerror) (lua_State *L, int arg, const char *msg) RAISES;
LUALIB_API int (luaL_typeerror) (lua_State *L, int arg, const char *name) RAISES;
int ca_nomem (lua_State *L) RAISES;

struct Core;
int ca_error_uv (lua_State *L, struct Core *c, int err, const char *syscall,
                 const char *detail) RAISES;

#endif
