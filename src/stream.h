/*
** stream.h - what the files of the stream family share: see stream.c.
*/

#ifndef CA_STREAM_H
#define CA_STREAM_H

#include <uv.h>

#include "address.h"
#include "buffer.h"
#include "core.h"
#include "list.h"
#include "loop.h"
#include "task.h"

enum { CA_STREAMLIMIT = 65536 };        /* default of 'limit' */

typedef enum ConnState {
  CONN_NEW,                     /* not connected yet */
  CONN_OPEN,
  CONN_FLUSHING,                /* close was asked: what is queued goes out */
  CONN_LINGERING,               /* all is out: wait until the peer has it */
  CONN_CLOSED                   /* uv_close was called */
} ConnState;

struct ReadOp;

/* The body of a stream: owned by libuv, freed when libuv has closed it. */
typedef struct Conn {
  Body body;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
  } uv;
  union {
    uv_connect_t connect;
    uv_shutdown_t shutdown;
  } req;
  uv_write_t write;
  Loop *loop;
  struct Stream *stream;        /* its box, or NULL */
  Buffer in;                    /* received, not read yet */
  Buffer out;                   /* to be written after 'flight' */
  Buffer flight;                /* what libuv is writing */
  struct ReadOp *reader;        /* the read whose turn it is, or NULL */
  Task *parked;                 /* its task, if it is to be woken */
  List drainers;                /* tasks that wait for room to write */
  List closers;                 /* tasks that wait for the end */
  Timer timer;                  /* while closing */
  List sibling;                 /* in a list of the owner's */
  void *owner;                  /* who made it, and ... */
  void (*gone) (struct Conn *n);        /* ... is told that it is closed */
  Address peer;
  size_t limit, high, low;
  size_t chunk;                 /* how much to read at once */
  size_t left;                  /* while closing: what was left last time */
  int waited;                   /* while closing: milliseconds without change */
  int readerr, writeerr;        /* libuv status, 0: none */
  uint32_t which;               /* for the owner */
  uint8_t state;
  bool reading;                 /* uv_read_start was called */
  bool eof;                     /* the peer has ended its side */
  bool writing;                 /* 'flight' is on its way */
  bool paused;                  /* too much to write: writers wait */
  bool wanteof;                 /* end our side when all is written */
  bool shut;                    /* uv_shutdown was called ... */
  bool shutting;                /* ... and has not answered yet */
  bool hasty;                   /* closing: give up on a peer that stalls */
} Conn;

/* The box: what Lua has. */
typedef struct Stream {
  Object head;
  Conn *conn;                   /* NULL: closed */
  Address peer;
  int writeerr;                 /* of the closed conn */
  bool closed;                  /* by its user, or with its loop */
  bool told;                    /* its user has seen 'writeerr' */
} Stream;

/* A new box, pushed. */
Stream *ca_stream_new (lua_State *L, Core *c);

/* A new body with an initialised TCP handle, and a socket unless the family
   is AF_UNSPEC. 0, or an error of libuv. */
int ca_conn_newtcp (Loop *l, size_t limit, int family, Conn **conn);

/* Let libuv have what it needs to watch the socket. 0, or an error. */
int ca_conn_reserve (Conn *n);

/* Join box and body, which is connected: it begins to read. */
void ca_conn_attach (Conn *n, Stream *s);

/* Close it in good order: what is queued still goes out. 'hasty': unless
   the peer stops taking it for two seconds. */
void ca_conn_close (Conn *n, bool hasty);

/* Close it at once. */
void ca_conn_abort (Conn *n);

#endif
