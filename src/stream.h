/*
** stream.h - what the files of the stream family share: see stream.c.
*/

#ifndef CA_STREAM_H
#define CA_STREAM_H

#include "address.h"
#include "conn.h"
#include "core.h"

enum { CA_STREAMLIMIT = 65536 };        /* default of 'limit' */

/* User values of a stream. */
enum { SUV_DRAIN = 1, SUV_READ, SUV_COUNT = SUV_READ };

/* The box: what Lua has. */
typedef struct Stream {
  Object head;
  Conn *conn;                   /* NULL: closed */
  struct Op *read;              /* what SUV_READ holds, or NULL */
  Address peer;
  int writeerr;                 /* of the closed conn */
  bool closed;                  /* by its user, or with its loop */
  bool told;                    /* its user has seen 'writeerr' */
} Stream;

/* The option 'limit' at 'arg'. */
size_t ca_stream_checklimit (lua_State *L, int arg);

/* A new box, pushed. */
Stream *ca_stream_new (lua_State *L, Core *c);

/* Join box and body, which is connected: it begins to read. */
void ca_stream_attach (Stream *s, Conn *n);

/* The stream at 'idx', not closed by its user. */
Stream *ca_stream_checkopen (lua_State *L, Core *c, int idx);

/* Raise "stream is closed". */
int ca_stream_closed (lua_State *L);

/* Raise the error that writing to it has met, if there is one. */
void ca_stream_checkwritten (lua_State *L, Core *c, Stream *s);

/* Give the methods that read, and those that write, to the table on top. */
void ca_reading_open (lua_State *L);
void ca_writing_open (lua_State *L);

#endif
