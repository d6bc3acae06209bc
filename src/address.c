/*
** address.c - internet addresses between Lua and the system.
**
** An address with family 0 is "none". A host is refused before it reaches
** the system when a NUL would cut it short or when it is longer than any
** name can be.
*/

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "address.h"

enum { MAXHOST = 253, HOSTSIZE = 64 + IF_NAMESIZE };


bool ca_address_parse (Address *a, const char *host, int port) {
  memset(a, 0, sizeof *a);
  if (uv_ip4_addr(host, port, &a->in) == 0) return true;
  if (uv_ip6_addr(host, port, &a->in6) == 0) return true;
  memset(a, 0, sizeof *a);
  return false;
}


void ca_address_copy (Address *a, const struct sockaddr *from) {
  memset(a, 0, sizeof *a);
  if (from->sa_family == AF_INET)
    memcpy(&a->in, from, sizeof a->in);
  else if (from->sa_family == AF_INET6)
    memcpy(&a->in6, from, sizeof a->in6);
}


/* Write the host; an address of one link gets the name of the link. */
static int format (const Address *a, char host[HOSTSIZE]) {
  if (a->any.sa_family == AF_INET) {
    uv_ip4_name(&a->in, host, HOSTSIZE);
    return ntohs(a->in.sin_port);
  }
  uv_ip6_name(&a->in6, host, HOSTSIZE);
  char name[IF_NAMESIZE];
  if (a->in6.sin6_scope_id != 0 &&
      if_indextoname(a->in6.sin6_scope_id, name) != NULL) {
    size_t n = strlen(host);
    snprintf(host + n, HOSTSIZE - n, "%%%s", name);
  }
  return ntohs(a->in6.sin6_port);
}


int ca_address_push (lua_State *L, const Address *a) {
  if (a->any.sa_family == 0) {
    lua_pushnil(L);
    return 1;
  }
  char host[HOSTSIZE];
  int port = format(a, host);
  lua_pushstring(L, host);
  lua_pushinteger(L, port);
  return 2;
}


void ca_address_describe (const Address *a, char *text, size_t size) {
  char host[HOSTSIZE] = "?";
  int port = a->any.sa_family == 0 ? 0 : format(a, host);
  snprintf(text, size, "%s port %d", host, port);
}


const char *ca_address_host (lua_State *L, int arg) {
  size_t length;
  luaL_checktype(L, arg, LUA_TSTRING);
  const char *host = lua_tolstring(L, arg, &length);
  luaL_argcheck(L, length > 0, arg, "the host name is empty");
  luaL_argcheck(L, length <= MAXHOST, arg,
                "the host name is longer than 253 bytes");
  luaL_argcheck(L, strlen(host) == length, arg,
                "the host name contains a NUL byte");
  return host;
}


int ca_address_port (lua_State *L, int arg) {
  lua_Integer port = luaL_checkinteger(L, arg);
  luaL_argcheck(L, port >= 0 && port <= 65535, arg,
                "a port is a number from 0 to 65535");
  return (int)port;
}


void ca_address_check (lua_State *L, int arg, Address *a) {
  const char *host = ca_address_host(L, arg);
  int port = ca_address_port(L, arg + 1);
  if (!ca_address_parse(a, host, port))
    luaL_argerror(L, arg, lua_pushfstring(L,
      "'%s' is not a numeric IPv4 or IPv6 address", host));
}
