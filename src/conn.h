/*
** conn.h - connections: the half of a stream that libuv owns. See conn.c.
**
** Nothing here touches Lua, so all of it can be used from libuv's callbacks.
*/

#ifndef CA_CONN_H
#define CA_CONN_H

#include <uv.h>

#include "address.h"
#include "buffer.h"
#include "core.h"
#include "list.h"
#include "loop.h"
#include "task.h"
#include "want.h"

enum { CA_HIGHWATER = 65536 };          /* default of 'high' */

typedef enum ConnState {
  CONN_NEW,                     /* not connected yet */
  CONN_OPEN,
  CONN_FLUSHING,                /* close was asked: what is queued goes out */
  CONN_LINGERING,               /* all is out: wait until the peer has it */
  CONN_CLOSED                   /* uv_close was called */
} ConnState;

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
  Want *want;                   /* of the read whose turn it is, or NULL */
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

/* A new one with an initialised TCP handle, and a socket unless the family
   is AF_UNSPEC. 0, or an error of libuv. */
int ca_conn_newtcp (Loop *l, size_t limit, int family, Conn **conn);

/* Let libuv have what it needs to watch the socket. 0, or an error. */
int ca_conn_reserve (Conn *n);

/* Receive, if there may be more to come. */
void ca_conn_receive (Conn *n);

/* Begin the turn of a read. True: what there is is enough, or nothing more
   will come. */
bool ca_conn_want (Conn *n, Want *want);

/* Its turn ends, and it takes nothing. */
void ca_conn_unwant (Conn *n);

/* Drop bytes that have been read, and go on receiving when there is room. */
void ca_conn_consume (Conn *n, size_t length);

/* Send bytes, or queue them. The connection fails when there is no memory
   for them. */
void ca_conn_send (Conn *n, const char *bytes, size_t length);

/* End our side when all is written. */
void ca_conn_sendend (Conn *n);

/* Bytes that the system has not taken yet. */
size_t ca_conn_unwritten (const Conn *n);

/* Writers wait when more than 'high' bytes are unwritten, until there are
   no more than 'low'. */
void ca_conn_setlimits (Conn *n, size_t high, size_t low);

/* Close it in good order: what is queued still goes out. 'hasty': unless
   the peer stops taking it for two seconds. */
void ca_conn_close (Conn *n, bool hasty);

/* Close it at once. */
void ca_conn_abort (Conn *n);

/* Nobody will use it any more. What is queued still goes out, if the peer
   takes it. */
void ca_conn_forget (Conn *n);

#endif
