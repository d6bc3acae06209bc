/*
** error.c - error objects.
**
** The classes are Lua tables made by casync.exceptions, which hands them to
** the core once ('set_errors'). An error is a table with 'message' whose
** metatable is its class; a class knows its parent. libuv's statuses become
** OSError here and nowhere else; UV_ECANCELED is CancelledError.
*/

#include <stdarg.h>
#include <string.h>

#include <uv.h>

#include "error.h"


/* Push the list of classes; raises when casync.exceptions is not loaded. */
static void pushclass (lua_State *L, ErrorClass which) {
  if (lua_getiuservalue(L, CORE, UV_ERRORS) != LUA_TTABLE)
    luaL_error(L, "casync.core is used without casync.exceptions");
  lua_rawgeti(L, -1, (lua_Integer)which + 1);
  lua_remove(L, -2);
}


void ca_error_new (lua_State *L, Core *c, ErrorClass which) {
  (void)c;
  luaL_checkstack(L, 6, "cannot make an error object");
  lua_createtable(L, 0, 2);
  lua_insert(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushliteral(L, "");
  }
  lua_setfield(L, -2, "message");
  pushclass(L, which);
  lua_setmetatable(L, -2);
}


int ca_error_raise (lua_State *L, Core *c, ErrorClass which,
                    const char *fmt, ...) {
  luaL_checkstack(L, 8, "cannot make an error object");
  if (fmt == NULL) lua_pushnil(L);
  else {
    va_list args;
    va_start(args, fmt);
    lua_pushvfstring(L, fmt, args);
    va_end(args);
  }
  ca_error_new(L, c, which);
  return lua_error(L);
}


void ca_error_pushuv (lua_State *L, Core *c, int err, const char *syscall,
                      const char *detail) {
  luaL_checkstack(L, 8, "cannot make an error object");
  if (err == UV_ECANCELED) {
    lua_pushnil(L);
    ca_error_new(L, c, ERR_CANCELLED);
    return;
  }
  char name[64], text[128];
  uv_err_name_r(err, name, sizeof(name));
  uv_strerror_r(err, text, sizeof(text));
  if (detail != NULL) lua_pushfstring(L, "%s: %s (%s)", name, text, detail);
  else lua_pushfstring(L, "%s: %s", name, text);
  ca_error_new(L, c, ERR_OS);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "code");
  lua_pushinteger(L, -err);
  lua_setfield(L, -2, "errno");
  if (syscall != NULL) {
    lua_pushstring(L, syscall);
    lua_setfield(L, -2, "syscall");
  }
}


int ca_error_uv (lua_State *L, Core *c, int err, const char *syscall,
                 const char *detail) {
  ca_error_pushuv(L, c, err, syscall, detail);
  return lua_error(L);
}


bool ca_error_is (lua_State *L, Core *c, int idx, ErrorClass which) {
  const void *wanted = c->errors[which];
  if (wanted == NULL || lua_type(L, idx) != LUA_TTABLE) return false;
  if (!lua_checkstack(L, 4) || !lua_getmetatable(L, idx)) return false;
  int top = lua_gettop(L) - 1;
  bool found = false;
  for (int depth = 0; depth < 100; depth++) {   /* a chain may be circular */
    if (lua_topointer(L, -1) == wanted) {
      found = true;
      break;
    }
    lua_pushliteral(L, "parent");
    lua_rawget(L, -2);
    if (lua_type(L, -1) != LUA_TTABLE) break;
    lua_remove(L, -2);
  }
  lua_settop(L, top);
  return found;
}


void ca_error_trace (lua_State *L, Core *c) {
  lua_setiuservalue(L, CORE, UV_TRACEBACK);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, CORE, UV_ERROR);
  c->raiser = c->running;
}


void ca_error_untrace (lua_State *L, Core *c) {
  lua_pushnil(L);
  lua_setiuservalue(L, CORE, UV_TRACEBACK);
  lua_pushnil(L);
  lua_setiuservalue(L, CORE, UV_ERROR);
  c->raiser = NULL;
}


void ca_error_pushtrace (lua_State *L, Core *c, int idx) {
  idx = lua_absindex(L, idx);
  lua_getiuservalue(L, CORE, UV_ERROR);
  bool same = !lua_isnil(L, -1) && c->raiser == c->running &&
              lua_rawequal(L, -1, idx);
  lua_pop(L, 1);
  if (same) lua_getiuservalue(L, CORE, UV_TRACEBACK);
  else lua_pushnil(L);
}


/* set_errors(list): the classes, in the order of ErrorClass. */
static int error_set_errors (lua_State *L) {
  Core *c = ca_core(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  for (int i = 0; i < ERR_COUNT; i++) {
    if (lua_rawgeti(L, 1, i + 1) != LUA_TTABLE)
      return luaL_argerror(L, 1, "a list of all error classes expected");
    c->errors[i] = lua_topointer(L, -1);
    lua_pop(L, 1);
  }
  lua_setiuservalue(L, CORE, UV_ERRORS);
  return 0;
}


static const luaL_Reg functions[] = {
  {"set_errors", error_set_errors},
  {NULL, NULL}
};


void ca_error_open (lua_State *L) {
  ca_setfuncs(L, functions);
}
