/*
** address.h - internet addresses between Lua and the system.
*/

#ifndef CA_ADDRESS_H
#define CA_ADDRESS_H

#include <uv.h>

#include "core.h"

typedef union Address {
  struct sockaddr any;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
} Address;

/* The numeric address in 'host'; false when it is a name or nonsense. */
bool ca_address_parse (Address *a, const char *host, int port);

/* Keep a copy of 'from'; anything but IPv4 and IPv6 becomes "none". */
void ca_address_copy (Address *a, const struct sockaddr *from);

/* Push host and port; returns 2, or pushes nil and returns 1 for "none". */
int ca_address_push (lua_State *L, const Address *a);

/* "host port N" for messages. */
void ca_address_describe (const Address *a, char *text, size_t size);

/* The string at 'arg' as a host: no NUL inside, not empty, at most 253
   bytes long. */
const char *ca_address_host (lua_State *L, int arg);

/* The port at 'arg', 0 to 65535. */
int ca_address_port (lua_State *L, int arg);

/* The numeric address in arguments 'arg' (host) and arg + 1 (port). */
void ca_address_check (lua_State *L, int arg, Address *a);

#endif
