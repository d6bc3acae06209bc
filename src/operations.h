/*
** operations.h - the operation files, as 'core.c' opens them. Each adds its
** functions to the module's table on top of the stack.
*/

#ifndef CA_OPERATIONS_H
#define CA_OPERATIONS_H

#include <lua.h>

void ca_sleep_open (lua_State *L);
void ca_waitlist_open (lua_State *L);
void ca_sync_open (lua_State *L);
void ca_queue_open (lua_State *L);
void ca_stream_open (lua_State *L);
void ca_connect_open (lua_State *L);
void ca_server_open (lua_State *L);
void ca_dns_open (lua_State *L);
void ca_poll_open (lua_State *L);

#endif
