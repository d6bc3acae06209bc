/*
** stream.c - streams of bytes: reading, writing and closing.
**
** A stream is a box (the userdata, Stream) and a body (Conn). The body
** belongs to libuv: it lives until the callback of uv_close, whatever
** becomes of the box. Each knows the other until one of them goes.
**
** Reading. Bytes are received as they come, up to twice the limit; then
** reading pauses until no more than the limit is left. A read that needs
** more than that keeps reading going while it waits. Bytes leave the
** buffer in 'finish' only, in the task that gets them, so a cancelled read
** loses nothing. From the moment a read waits until it has finished, the
** turn to read is its own ('reader').
**
** Writing. What the system does not take at once is copied to 'out'. One
** uv_write is on its way at a time: it sends 'flight', and when it is done
** 'out' becomes the next flight. So a body needs one write request, which
** it contains.
**
** Closing. OPEN -> FLUSHING (until all is written) -> LINGERING (until the
** peer's system has acknowledged it: closing a socket while input arrives
** makes the kernel throw away its output) -> CLOSED. While closing, input
** is read and dropped. An abort goes to CLOSED at once.
**
** An error of the connection comes out of reads after the bytes that were
** received before it, and out of every drain. Where only writing has failed,
** reads fail once there is nothing more to read.
*/

#define _GNU_SOURCE             /* memmem */

#include <poll.h>
#include <signal.h>
#include <string.h>

#if defined(__linux__)
#include <linux/sockios.h>
#include <sys/ioctl.h>
#endif

#include "awaitable.h"
#include "error.h"
#include "operations.h"
#include "reserve.h"
#include "stream.h"

enum {
  MINCHUNK = 4096, MAXCHUNK = 65536,
  LINGERTIME = 2000,            /* milliseconds */
  LINGERBYTES = 65536,          /* input dropped for a lingering close */
  HIGHWATER = 65536
};

/* User values of a stream. */
enum { SUV_DRAIN = 1, SUV_COUNT = SUV_DRAIN };

/* Second user value of a read: what keeps its separators. */
enum { OPUV_SEPARATORS = 2 };

typedef enum ReadKind { SOME, ALL, EXACTLY, LINE, UNTIL } ReadKind;

typedef struct Separator {
  const char *bytes;
  size_t length;
} Separator;

typedef struct ReadOp {
  Op op;
  Stream *stream;
  ReadKind kind;
  bool strip;                   /* LINE: without the newline */
  int nseparators;
  size_t n;                     /* SOME, EXACTLY */
  size_t scanned;               /* no separator begins before */
  size_t found, end;            /* where one does, and ends; end 0: nowhere */
  size_t longest;               /* separator */
  Separator separators[];
} ReadOp;

typedef struct StreamOp {
  Op op;
  Stream *stream;
  bool owner;                   /* of the closing: cancelled, it aborts */
  bool silent;                  /* raises no error of the connection */
} StreamOp;


static inline Core *coreof (const Conn *n) {
  return n->loop->core;
}


/* Wake all tasks in a list. */
static void wakeall (List *tasks) {
  while (!list_empty(tasks)) {
    Task *t = container_of(tasks->next, Task, node.link);
    list_remove(&t->node.link);
    ca_task_wake(t);
  }
}


/* Bytes that the system has not taken yet. */
static size_t unwritten (const Conn *n) {
  size_t queued = ca_buffer_length(&n->out);
  if (n->writing) queued += uv_stream_get_write_queue_size(&n->uv.stream);
  return queued;
}


static void setpaused (Conn *n) {
  size_t queued = unwritten(n);
  if (queued > n->high) n->paused = true;
  else if (queued <= n->low || n->writeerr != 0) {
    n->paused = false;
    wakeall(&n->drainers);
  }
}


/* {=======================================================
** Closing
** ======================================================== */

static void onclose (uv_handle_t *handle) {
  Conn *n = container_of(handle, Conn, uv.handle);
  Core *c = coreof(n);
  if (n->stream != NULL) {
    n->stream->writeerr = n->writeerr;
    n->stream->conn = NULL;
  }
  wakeall(&n->closers);
  if (n->gone != NULL) n->gone(n);
  ca_body_closed(&n->body);
  ca_buffer_free(c, &n->in);
  ca_buffer_free(c, &n->out);
  ca_buffer_free(c, &n->flight);
  ca_free(c, n, sizeof(Conn));
}


static void wakereader (Conn *n) {
  Task *t = n->parked;
  n->parked = NULL;
  if (t != NULL) ca_task_wake(t);
}


/* The end of it, now. */
static void end (Conn *n) {
  if (n->state == CONN_CLOSED) return;
  n->state = CONN_CLOSED;
  ca_timer_unset(n->loop, &n->timer);
  wakereader(n);
  wakeall(&n->drainers);
  uv_close(&n->uv.handle, onclose);
}


void ca_conn_abort (Conn *n) {
  if (n->state == CONN_CLOSED) return;
  if (n->writeerr == 0 && (unwritten(n) > 0 || !list_empty(&n->drainers)))
    n->writeerr = UV_ECONNABORTED;
  end(n);
}


/* The loop closes. Its tasks have been taken out of all lists before. */
static void closebody (Body *body) {
  Conn *n = container_of(body, Conn, body);
  if (n->stream != NULL) n->stream->closed = true;
  n->parked = NULL;
  end(n);
}


/* Has the peer's system got all that was written? If that cannot be told,
   it has. After uv_shutdown the end itself counts for one byte. */
static bool delivered (const Conn *n) {
#if defined(SIOCOUTQ)
  uv_os_fd_t fd;
  int left;
  if (uv_fileno(&n->uv.handle, &fd) != 0) return true;
  return ioctl(fd, SIOCOUTQ, &left) != 0 || left <= 1;
#else
  (void)n;
  return true;
#endif
}


static void readon (Conn *n);
static void advance (Conn *n);
static void checklame (Conn *n);


static void setclosetimer (Conn *n, int milliseconds) {
  if (n->timer.index != 0) return;
  int64_t deadline = ca_loop_now(n->loop) + milliseconds * 1000000LL;
  if (!ca_timer_set(n->loop, &n->timer, deadline)) ca_conn_abort(n);
}


/* Time to look whether closing gets on. */
static void onclosetimer (Timer *timer) {
  Conn *n = container_of(timer, Conn, timer);
  if (n->state == CONN_LINGERING) {
    n->waited = n->waited * 2;
    if (n->waited >= LINGERTIME || delivered(n)) end(n);
    else setclosetimer(n, n->waited);
  }
  else if (n->state == CONN_FLUSHING) {
    size_t left = unwritten(n);
    if (left < n->left) {
      n->left = left;
      n->waited = 0;
    }
    else n->waited += LINGERTIME / 4;
    if (n->waited >= LINGERTIME) ca_conn_abort(n);
    else setclosetimer(n, LINGERTIME / 4);
  }
}


static void linger (Conn *n) {
  ca_timer_unset(n->loop, &n->timer);
  n->state = CONN_LINGERING;
  n->left = 0;
  n->waited = 1;
  readon(n);
  if (n->state == CONN_LINGERING) setclosetimer(n, 1);
}


static void onshutdown (uv_shutdown_t *req, int status) {
  Conn *n = container_of(req, Conn, req.shutdown);
  n->shutting = false;
  if (status < 0 && n->state == CONN_OPEN && n->writeerr == 0)
    n->writeerr = status;
  checklame(n);
  advance(n);
}


/* Do what comes next, now that something has changed. */
static void advance (Conn *n) {
  bool closing = n->state == CONN_FLUSHING;
  if (!closing && n->state != CONN_OPEN) return;
  if (closing && (n->writeerr != 0 || n->readerr != 0)) {
    if (unwritten(n) > 0 && n->writeerr == 0) n->writeerr = n->readerr;
    end(n);
    return;
  }
  if (n->writing || n->shutting) return;
  if ((closing || n->wanteof) && !n->shut) {
    n->shut = true;
    int status = uv_shutdown(&n->req.shutdown, &n->uv.stream, onshutdown);
    n->shutting = status == 0;
    if (n->shutting) return;
  }
  if (!closing) return;
  if (n->eof || delivered(n)) end(n);
  else linger(n);
}


void ca_conn_close (Conn *n, bool hasty) {
  if (n->state == CONN_NEW) {
    ca_conn_abort(n);
    return;
  }
  if (hasty && n->state == CONN_FLUSHING) n->hasty = true;
  else if (n->state == CONN_OPEN) {
    n->state = CONN_FLUSHING;
    n->hasty = hasty;
    wakereader(n);
    ca_buffer_free(coreof(n), &n->in);
    if (n->writing) readon(n);  /* to see whether the peer goes away */
    advance(n);
  }
  if (n->hasty && n->state == CONN_FLUSHING) {
    n->left = unwritten(n);
    n->waited = 0;
    setclosetimer(n, LINGERTIME / 4);
  }
}

/* }====================================================== */


/* {=======================================================
** Receiving
** ======================================================== */

/*
** Look for the separator that ends first. What has been looked at is not
** looked at again.
*/
static bool search (Conn *n, ReadOp *r) {
  if (r->end != 0) return true;
  const char *bytes = ca_buffer_bytes(&n->in);
  size_t length = ca_buffer_length(&n->in);
  if (length <= r->scanned) return false;
  for (int i = 0; i < r->nseparators; i++) {
    const Separator *s = &r->separators[i];
    const char *from = bytes + r->scanned;
    size_t rest = length - r->scanned;
    const char *at = s->length == 1
                   ? (const char *)memchr(from, s->bytes[0], rest)
                   : (const char *)memmem(from, rest, s->bytes, s->length);
    if (at == NULL) continue;
    size_t place = (size_t)(at - bytes);
    if (r->end == 0 || place + s->length < r->end) {
      r->found = place;
      r->end = place + s->length;
    }
  }
  if (r->end == 0 && length >= r->longest)
    r->scanned = length + 1 - r->longest;
  return r->end != 0;
}


/* Can the read finish with what there is? */
static bool satisfied (Conn *n, ReadOp *r) {
  if (n->eof || n->readerr != 0 || n->state != CONN_OPEN) return true;
  switch (r->kind) {
    case SOME: return r->n == 0 || ca_buffer_length(&n->in) > 0;
    case ALL: return false;
    case EXACTLY: return ca_buffer_length(&n->in) >= r->n;
    case LINE: case UNTIL: return search(n, r) || r->scanned > n->limit;
  }
  return true;
}


static void pausereading (Conn *n) {
  uv_read_stop(&n->uv.stream);
  n->reading = false;
}


/* libuv asks where to put what has come. */
static void onalloc (uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  Conn *n = container_of(handle, Conn, uv.handle);
  (void)suggested;
  buf->base = ca_buffer_reserve(coreof(n), &n->in, n->chunk);
  buf->len = buf->base != NULL ? n->chunk : 0;
}


/* While closing input is dropped; its end ends the waiting. */
static void dropinput (Conn *n, ssize_t nread) {
  if (nread >= 0) {
    n->left += n->state == CONN_LINGERING ? (size_t)nread : 0;
    if (n->state == CONN_LINGERING && n->left > LINGERBYTES) end(n);
    return;
  }
  n->reading = false;
  if (nread == UV_EOF) n->eof = true;
  else n->readerr = (int)nread;
  if (n->readerr != 0 && n->writeerr == 0 && !delivered(n))
    n->writeerr = n->readerr;
  if (n->state == CONN_LINGERING) end(n);
  else advance(n);
}


static void onread (uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
  Conn *n = container_of(stream, Conn, uv.stream);
  if (n->state != CONN_OPEN) {
    if (n->state != CONN_CLOSED) dropinput(n, nread);
    return;
  }
  if (nread > 0) {
    n->in.end += (size_t)nread;
    if ((size_t)nread == buf->len && n->chunk < MAXCHUNK) n->chunk *= 2;
  }
  else if (nread == 0) return;
  else {
    if (nread == UV_EOF) n->eof = true;
    else n->readerr = (int)nread;
    pausereading(n);
  }
  checklame(n);
  if (n->parked != NULL && satisfied(n, n->reader)) wakereader(n);
  if (n->parked == NULL && n->reading &&
      ca_buffer_length(&n->in) > 2 * n->limit)
    pausereading(n);
}


/*
** Writing has failed, and the peer, who lacks the rest, may never answer: so
** reads fail as well, once they have given what is there. When the system
** has an error or the end to tell, it is told instead.
*/
static void checklame (Conn *n) {
  uv_os_fd_t fd;
  if (n->writeerr == 0 || n->readerr != 0 || n->eof) return;
  if (n->state != CONN_OPEN || uv_fileno(&n->uv.handle, &fd) != 0) return;
  struct pollfd readable = {fd, POLLIN, 0};
  if (poll(&readable, 1, 0) > 0) return;
  n->readerr = n->writeerr;
  pausereading(n);
  wakereader(n);
}


/* Receive, if there may be more to come. */
static void readon (Conn *n) {
  if (n->reading || n->eof || n->readerr != 0) return;
  int status = uv_read_start(&n->uv.stream, onalloc, onread);
  if (status == 0) n->reading = true;
  else n->readerr = status;
}

/* }====================================================== */


/* {=======================================================
** Reading
** ======================================================== */

static const char closedmessage[] = "stream is closed";


static int read_start (lua_State *L, Core *c, Op *op, Task *t) {
  ReadOp *r = (ReadOp *)op;
  Stream *s = r->stream;
  Conn *n = s->conn;
  if (s->closed) return luaL_error(L, closedmessage);
  if (n == NULL) return CA_READY;
  if (n->loop != c->loop)
    return luaL_error(L, "the stream belongs to another event loop");
  if (n->reader != NULL)
    return luaL_error(L, "read() called while another task is already "
                         "waiting for incoming data");
  n->reader = r;
  if (satisfied(n, r)) return CA_READY;
  readon(n);
  checklame(n);
  if (n->readerr != 0) return CA_READY;
  n->parked = t;
  return CA_WAIT;
}


static void read_giveup (Op *op, Task *t) {
  Conn *n = ((ReadOp *)op)->stream->conn;
  (void)t;
  if (n == NULL || n->reader != (ReadOp *)op) return;
  n->reader = NULL;
  n->parked = NULL;
  if (n->reading && n->state == CONN_OPEN &&
      ca_buffer_length(&n->in) > 2 * n->limit)
    pausereading(n);
}


static void read_giveback (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  read_giveup(op, NULL);
}


/* Drop bytes that have been read, and go on receiving when there is room. */
static void consume (Conn *n, size_t length) {
  if (length == 0) return;
  ca_buffer_drop(coreof(n), &n->in, length);
  if (!n->reading && ca_buffer_length(&n->in) <= n->limit) readon(n);
}


/* Push the first bytes of the buffer and drop them. 'n' may be NULL. */
static int take (lua_State *L, Conn *n, size_t length) {
  if (n == NULL || length == 0) lua_pushliteral(L, "");
  else {
    lua_pushlstring(L, ca_buffer_bytes(&n->in), length);
    consume(n, length);
  }
  return 1;
}


/* EOF came before the read was complete. */
static int incomplete (lua_State *L, Core *c, Conn *n, size_t length,
                       const ReadOp *r) {
  if (r->kind == EXACTLY)
    lua_pushfstring(L, "%I bytes read on a total of %I expected bytes",
                    (LUAI_UACINT)length, (LUAI_UACINT)r->n);
  else lua_pushfstring(L, "%I bytes read on a total of undefined expected "
                          "bytes", (LUAI_UACINT)length);
  ca_error_new(L, c, ERR_INCOMPLETEREAD);
  if (r->kind == EXACTLY) {
    lua_pushinteger(L, (lua_Integer)r->n);
    lua_setfield(L, -2, "expected");
  }
  lua_pushliteral(L, "partial");
  take(L, n, length);
  lua_rawset(L, -3);
  return lua_error(L);
}


/* A separator comes too late, or does not come: a line is dropped, other
   data is kept. */
static int overrun (lua_State *L, Core *c, Conn *n, const ReadOp *r) {
  bool found = r->end != 0;
  size_t consumed = found ? r->found : r->scanned;
  lua_pushstring(L, found
    ? "Separator is found, but chunk is longer than limit"
    : "Separator is not found, and chunk exceed the limit");
  ca_error_new(L, c, ERR_LIMITOVERRUN);
  lua_pushinteger(L, (lua_Integer)consumed);
  lua_setfield(L, -2, "consumed");
  if (r->kind == LINE) consume(n, found ? r->end : ca_buffer_length(&n->in));
  return lua_error(L);
}


static int finishuntil (lua_State *L, Core *c, Conn *n, size_t length,
                        ReadOp *r) {
  if (length > 0 && search(n, r)) {
    if (r->found > n->limit) return overrun(L, c, n, r);
    if (!r->strip) return take(L, n, r->end);
    lua_pushlstring(L, ca_buffer_bytes(&n->in), r->found);
    consume(n, r->end);
    return 1;
  }
  if (length > 0 && r->scanned > n->limit) return overrun(L, c, n, r);
  if (n != NULL && n->readerr != 0 && n->state == CONN_OPEN)
    return ca_error_uv(L, c, n->readerr, "read", NULL);
  if (r->kind == UNTIL) return incomplete(L, c, n, length, r);
  if (length > 0) return take(L, n, length);
  lua_pushnil(L);
  return 1;
}


static int read_finish (lua_State *L, Core *c, Op *op) {
  ReadOp *r = (ReadOp *)op;
  Conn *n = r->stream->conn;
  if (n != NULL && n->reader == r) n->reader = NULL;
  luaL_checkstack(L, 10, "cannot push what was read");
  bool open = n != NULL && n->state == CONN_OPEN;
  size_t length = open ? ca_buffer_length(&n->in) : 0;
  int err = open ? n->readerr : 0;
  switch (r->kind) {
    case SOME:
      if (r->n == 0) return take(L, n, 0);
      if (length > 0) return take(L, n, length < r->n ? length : r->n);
      if (err != 0) return ca_error_uv(L, c, err, "read", NULL);
      lua_pushnil(L);
      return 1;
    case ALL:
      if (err != 0) return ca_error_uv(L, c, err, "read", NULL);
      return take(L, n, length);
    case EXACTLY:
      if (length >= r->n) return take(L, n, r->n);
      if (err != 0) return ca_error_uv(L, c, err, "read", NULL);
      return incomplete(L, c, n, length, r);
    case LINE: case UNTIL:
      return finishuntil(L, c, n, length, r);
  }
  return 0;
}


static const OpType readtype = {
  .name = "Stream.read",
  .start = read_start,
  .giveup = read_giveup,
  .finish = read_finish,
  .giveback = read_giveback,
};


/* The stream at 'idx', not closed by its user. */
static Stream *checkopen (lua_State *L, Core *c, int idx) {
  Stream *s = (Stream *)ca_check(L, c, idx, KIND_STREAM);
  if (s->closed) luaL_error(L, closedmessage);
  return s;
}


/* A read of the stream at 'idx' with room for separators, pushed. */
static ReadOp *newread (lua_State *L, Core *c, int idx, ReadKind kind,
                        int nseparators) {
  Stream *s = checkopen(L, c, idx);
  size_t size = sizeof(ReadOp) + (size_t)nseparators * sizeof(Separator);
  ReadOp *r = (ReadOp *)ca_op_new(L, c, &readtype, size,
                                  nseparators > 0 ? 2 : 1, idx);
  r->stream = s;
  r->kind = kind;
  r->nseparators = nseparators;
  return r;
}


static size_t checksize (lua_State *L, int arg) {
  lua_Integer n = luaL_checkinteger(L, arg);
  luaL_argcheck(L, n >= 0, arg, "the number of bytes is negative");
  return (size_t)n;
}


/* stream:read([n]): up to n bytes, nil at the end; all that comes until the
   end without n. */
static int stream_read (lua_State *L) {
  Core *c = ca_core(L);
  bool all = lua_isnoneornil(L, 2);
  size_t n = all ? 0 : checksize(L, 2);
  newread(L, c, 1, all ? ALL : SOME, 0)->n = n;
  return 1;
}


/* stream:readexactly(n): n bytes, or IncompleteReadError. */
static int stream_readexactly (lua_State *L) {
  Core *c = ca_core(L);
  size_t n = checksize(L, 2);
  newread(L, c, 1, EXACTLY, 0)->n = n;
  return 1;
}


static ReadOp *newline (lua_State *L, Core *c, int idx, bool strip) {
  ReadOp *r = newread(L, c, idx, LINE, 1);
  r->separators[0].bytes = "\n";
  r->separators[0].length = 1;
  r->longest = 1;
  r->strip = strip;
  return r;
}


/* stream:readline(): a line with its newline; nil at the end. */
static int stream_readline (lua_State *L) {
  newline(L, ca_core(L), 1, false);
  return 1;
}


static void addseparator (lua_State *L, ReadOp *r, int i, int idx) {
  size_t length;
  const char *bytes = lua_tolstring(L, idx, &length);
  r->separators[i].bytes = bytes;
  r->separators[i].length = length;
  if (length > r->longest) r->longest = length;
}


static void checkseparator (lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TSTRING)
    luaL_argerror(L, 2, lua_pushfstring(L,
      "a separator is a string, or a list of strings; got %s",
      luaL_typename(L, idx)));
  luaL_argcheck(L, lua_rawlen(L, idx) > 0, 2,
                "a separator has at least one byte");
}


/* stream:readuntil([separator or list of them]): the data up to the first
   separator, with it; "\n" by default. */
static int stream_readuntil (lua_State *L) {
  Core *c = ca_core(L);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_pushliteral(L, "\n");
    lua_replace(L, 2);
  }
  if (!lua_istable(L, 2)) {
    checkseparator(L, 2);
    ReadOp *r = newread(L, c, 1, UNTIL, 1);
    addseparator(L, r, 0, 2);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, OPUV_SEPARATORS);
    return 1;
  }
  lua_Unsigned count = lua_rawlen(L, 2);
  luaL_argcheck(L, count > 0, 2, "the list of separators is empty");
  luaL_argcheck(L, count <= 1000, 2, "more than 1000 separators");
  int nseparators = (int)count;
  lua_createtable(L, nseparators, 0);   /* of our own: it does not change */
  for (int i = 1; i <= nseparators; i++) {
    lua_rawgeti(L, 2, i);
    checkseparator(L, -1);
    lua_rawseti(L, 3, i);
  }
  ReadOp *r = newread(L, c, 1, UNTIL, nseparators);
  for (int i = 1; i <= nseparators; i++) {
    lua_rawgeti(L, 3, i);
    addseparator(L, r, i - 1, -1);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 4, OPUV_SEPARATORS);
  return 1;
}


static int awaited (lua_State *L, int status, lua_KContext results) {
  (void)L;
  (void)status;
  return (int)results;
}


/* Await the operation on top in the running coroutine. */
static int awaitop (lua_State *L, int results) {
  lua_getiuservalue(L, CORE, UV_AWAIT);
  lua_insert(L, -2);
  lua_callk(L, 1, results, results, awaited);
  return awaited(L, LUA_OK, results);
}


/* The iterator of 'lines'; upvalue 2 is the stream. */
static int nextline (lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  newline(L, ca_core(L), 1, true);
  return awaitop(L, 1);
}


/* stream:lines(): for line in stream:lines() do; without newlines. */
static int stream_lines (lua_State *L) {
  checkopen(L, ca_core(L), 1);
  lua_pushvalue(L, CORE);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, nextline, 2);
  return 1;
}


/* stream:at_eof(): nothing is left and nothing more will come. */
static int stream_at_eof (lua_State *L) {
  Stream *s = (Stream *)ca_check(L, ca_core(L), 1, KIND_STREAM);
  const Conn *n = s->conn;
  lua_pushboolean(L, n == NULL || n->state != CONN_OPEN ||
                     (n->eof && ca_buffer_length(&n->in) == 0));
  return 1;
}

/* }====================================================== */


/* {=======================================================
** Writing
** ======================================================== */

static void startwrite (Conn *n);


static void onwrite (uv_write_t *req, int status) {
  Conn *n = container_of(req, Conn, write);
  Core *c = coreof(n);
  n->writing = false;
  ca_buffer_drop(c, &n->flight, ca_buffer_length(&n->flight));
  if (n->state == CONN_CLOSED) return;
  if (status < 0 && n->writeerr == 0) n->writeerr = status;
  if (n->writeerr != 0) ca_buffer_free(c, &n->out);
  else if (ca_buffer_length(&n->out) > 0) startwrite(n);
  setpaused(n);
  checklame(n);
  advance(n);
}


/* Send what is in 'out'. */
static void startwrite (Conn *n) {
  Buffer empty = n->flight;
  n->flight = n->out;
  n->out = empty;
  uv_buf_t buf;
  buf.base = n->flight.data + n->flight.start;
  buf.len = ca_buffer_length(&n->flight);
  int status = uv_write(&n->write, &n->uv.stream, &buf, 1, onwrite);
  n->writing = status == 0;
  if (n->writing) return;
  n->writeerr = status;
  ca_buffer_free(coreof(n), &n->flight);
}


/* Queue bytes. The connection fails when there is no memory for them. */
static void queue (Conn *n, const char *bytes, size_t length) {
  if (n->writeerr != 0) return;         /* nobody will get them */
  if (!n->writing) {
    uv_buf_t buf;
    memcpy(&buf.base, &bytes, sizeof bytes);    /* it is not written to */
    buf.len = length;
    int status = uv_try_write(&n->uv.stream, &buf, 1);
    if (status >= 0) {
      bytes += status;
      length -= (size_t)status;
    }
    else if (status != UV_EAGAIN && status != UV_ENOSYS) {
      n->writeerr = n->readerr != 0 ? n->readerr : status;
      setpaused(n);
      checklame(n);
      return;
    }
  }
  if (length == 0) return;
  if (!ca_buffer_add(coreof(n), &n->out, bytes, length))
    n->writeerr = UV_ENOMEM;    /* a part may be out: the rest must not be */
  else if (!n->writing) startwrite(n);
  setpaused(n);
  checklame(n);
}


static int drain_start (lua_State *L, Core *c, Op *op, Task *t) {
  Stream *s = ((StreamOp *)op)->stream;
  Conn *n = s->conn;
  if (n == NULL || n->writeerr != 0) return CA_READY;
  if (s->closed) return luaL_error(L, closedmessage);
  if (n->loop != c->loop)
    return luaL_error(L, "the stream belongs to another event loop");
  if (!n->paused) return CA_READY;
  list_append(&n->drainers, &t->node.link);
  return CA_WAIT;
}


static void drain_giveup (Op *op, Task *t) {
  (void)op;
  list_remove(&t->node.link);
}


/* Raise the error of the connection, if it has one. */
static void checkwritten (lua_State *L, Core *c, Stream *s) {
  int err = s->conn != NULL ? s->conn->writeerr : s->writeerr;
  if (err == 0) return;
  s->told = true;
  ca_error_uv(L, c, err, "write", NULL);
}


static int drain_finish (lua_State *L, Core *c, Op *op) {
  Stream *s = ((StreamOp *)op)->stream;
  checkwritten(L, c, s);
  bool open = s->conn != NULL && s->conn->state == CONN_OPEN;
  if (!open && !s->closed)      /* closed by its server */
    ca_error_uv(L, c, UV_ECONNABORTED, "write", NULL);
  return 0;
}


static const OpType draintype = {
  .name = "Stream.drain",
  .start = drain_start,
  .giveup = drain_giveup,
  .finish = drain_finish,
  .again = true,
};


/*
** Push the operation that waits for room. It has no state of its own, so
** the stream keeps one for all, which may be awaited by many tasks.
*/
static void pushdrain (lua_State *L, Core *c, int idx, Stream *s) {
  if (lua_getiuservalue(L, idx, SUV_DRAIN) == LUA_TUSERDATA) return;
  lua_pop(L, 1);
  StreamOp *op = (StreamOp *)ca_op_new(L, c, &draintype, sizeof(StreamOp), 1,
                                       idx);
  op->stream = s;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, idx, SUV_DRAIN);
}


/* stream:write(data): queue it; await the result to keep within bounds. */
static int stream_write (lua_State *L) {
  Core *c = ca_core(L);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  Stream *s = checkopen(L, c, 1);
  pushdrain(L, c, 1, s);
  Conn *n = s->conn;            /* look now: making it may run finalisers */
  if (s->closed) return luaL_error(L, closedmessage);
  if (n == NULL || n->state != CONN_OPEN) return 1;
  if (n->wanteof) return luaL_error(L, "write() after write_eof()");
  if (length > 0) queue(n, bytes, length);
  return 1;
}


/* stream:drain(): wait until there is room for more to be written. */
static int stream_drain (lua_State *L) {
  Core *c = ca_core(L);
  pushdrain(L, c, 1, checkopen(L, c, 1));
  return 1;
}


/* stream:write_eof(): end our side when all is written; reading goes on. */
static int stream_write_eof (lua_State *L) {
  Core *c = ca_core(L);
  Stream *s = checkopen(L, c, 1);
  pushdrain(L, c, 1, s);
  Conn *n = s->conn;
  if (n == NULL || n->state != CONN_OPEN) return 1;
  n->wanteof = true;
  if (n->writeerr == 0) advance(n);
  return 1;
}


static int stream_can_write_eof (lua_State *L) {
  ca_check(L, ca_core(L), 1, KIND_STREAM);
  lua_pushboolean(L, true);
  return 1;
}


/* Option 'name' of the table at 2 as a number of bytes. */
static size_t optsize (lua_State *L, const char *name, size_t default_) {
  if (lua_getfield(L, 2, name) == LUA_TNIL) {
    lua_pop(L, 1);
    return default_;
  }
  int isint;
  lua_Integer n = lua_tointegerx(L, -1, &isint);
  if (!isint || n < 0)
    luaL_argerror(L, 2, lua_pushfstring(L,
      "option '%s' is a number of bytes, not %s", name,
      luaL_tolstring(L, -1, NULL)));
  lua_pop(L, 1);
  return (size_t)n;
}


/* stream:set_write_buffer_limits{high=, low=} */
static int stream_set_write_buffer_limits (lua_State *L) {
  static const char *const names[] = {"high", "low", NULL};
  Core *c = ca_core(L);
  Stream *s = checkopen(L, c, 1);
  lua_settop(L, 2);
  ca_options(L, 2, names);
  size_t high = HIGHWATER, low = HIGHWATER / 4;
  if (!lua_isnil(L, 2)) {
    low = optsize(L, "low", SIZE_MAX);
    high = optsize(L, "high", low == SIZE_MAX || low > SIZE_MAX / 4
                              ? HIGHWATER : 4 * low);
    if (low == SIZE_MAX) low = high / 4;
  }
  luaL_argcheck(L, high >= low, 2, "'high' must not be less than 'low'");
  if (s->conn == NULL) return 0;
  s->conn->high = high;
  s->conn->low = low;
  setpaused(s->conn);
  return 0;
}


static int stream_get_write_buffer_limits (lua_State *L) {
  Stream *s = checkopen(L, ca_core(L), 1);
  const Conn *n = s->conn;
  lua_pushinteger(L, n != NULL ? (lua_Integer)n->low : 0);
  lua_pushinteger(L, n != NULL ? (lua_Integer)n->high : 0);
  return 2;
}


static int stream_get_write_buffer_size (lua_State *L) {
  Stream *s = (Stream *)ca_check(L, ca_core(L), 1, KIND_STREAM);
  lua_pushinteger(L, s->conn != NULL ? (lua_Integer)unwritten(s->conn) : 0);
  return 1;
}

/* }====================================================== */


/* {=======================================================
** The end of a stream
** ======================================================== */

static int close_start (lua_State *L, Core *c, Op *op, Task *t) {
  Conn *n = ((StreamOp *)op)->stream->conn;
  if (n == NULL) return CA_READY;
  if (n->loop != c->loop)
    return luaL_error(L, "the stream belongs to another event loop");
  list_append(&n->closers, &t->node.link);
  return CA_WAIT;
}


/* Who closes and will not wait for the peer any longer aborts. */
static void close_giveup (Op *op, Task *t) {
  StreamOp *o = (StreamOp *)op;
  list_remove(&t->node.link);
  if (o->owner && o->stream->conn != NULL) ca_conn_abort(o->stream->conn);
}


static int close_finish (lua_State *L, Core *c, Op *op) {
  StreamOp *o = (StreamOp *)op;
  if (!o->silent && !o->stream->told) checkwritten(L, c, o->stream);
  return 0;
}


static const OpType closetype = {
  .name = "Stream.wait_closed",
  .start = close_start,
  .giveup = close_giveup,
  .finish = close_finish,
  .again = true,
};


/* Push an operation that waits until the stream at 'idx' is closed. */
static StreamOp *pushclose (lua_State *L, Core *c, int idx, Stream *s) {
  StreamOp *op = (StreamOp *)ca_op_new(L, c, &closetype, sizeof(StreamOp), 1,
                                       idx);
  op->stream = s;
  return op;
}


/* stream:close(): close in good order; await it to know that it is done. */
static int stream_close (lua_State *L) {
  Core *c = ca_core(L);
  Stream *s = (Stream *)ca_check(L, c, 1, KIND_STREAM);
  pushclose(L, c, 1, s)->owner = true;
  s->closed = true;
  if (s->conn != NULL) ca_conn_close(s->conn, false);
  return 1;
}


/* stream:abort(): close at once; what is not written is lost. */
static int stream_abort (lua_State *L) {
  Core *c = ca_core(L);
  Stream *s = (Stream *)ca_check(L, c, 1, KIND_STREAM);
  pushclose(L, c, 1, s)->silent = true;
  s->closed = true;
  if (s->conn != NULL) ca_conn_abort(s->conn);
  return 1;
}


/* stream:wait_closed(): wait until it is; another one closes it. */
static int stream_wait_closed (lua_State *L) {
  Core *c = ca_core(L);
  Stream *s = (Stream *)ca_check(L, c, 1, KIND_STREAM);
  pushclose(L, c, 1, s);
  return 1;
}


static int stream_is_closing (lua_State *L) {
  Stream *s = (Stream *)ca_check(L, ca_core(L), 1, KIND_STREAM);
  lua_pushboolean(L, s->conn == NULL || s->conn->state != CONN_OPEN);
  return 1;
}


/*
** The end of a <close> scope: close and wait. An error on its way does not
** wait for a peer that does not take what is queued, and a cancellation
** waits for nothing.
*/
static int stream_toclose (lua_State *L) {
  Core *c = ca_core(L);
  lua_settop(L, 2);
  Stream *s = (Stream *)ca_check(L, c, 1, KIND_STREAM);
  bool cancelled = ca_error_is(L, c, 2, ERR_CANCELLED);
  StreamOp *op = pushclose(L, c, 1, s);
  op->owner = op->silent = true;
  s->closed = true;
  if (s->conn == NULL) return 0;
  if (cancelled) ca_conn_abort(s->conn);
  else ca_conn_close(s->conn, !lua_isnil(L, 2));
  if (c->running == NULL || s->conn == NULL || s->conn->loop != c->loop)
    return 0;
  return awaitop(L, 0);
}


/* Debug mode: nobody has closed it. */
static void reportunclosed (lua_State *L, Core *c, Stream *s) {
  char peer[160];
  ca_address_describe(&s->peer, peer, sizeof peer);
  lua_createtable(L, 0, 2);
  lua_pushfstring(L, "unclosed stream (peer: %s): it was collected while "
                     "open; call close() or use <close>", peer);
  lua_setfield(L, -2, "message");
  lua_pushboolean(L, true);
  lua_setfield(L, -2, "warning");
  ca_loop_report(L, c, c->loop);
}


/* Collected. What is queued still goes out, if the peer takes it. */
static int stream_gc (lua_State *L) {
  Core *c = ca_core(L);
  Stream *s = (Stream *)ca_test(L, c, 1, KIND_STREAM);
  if (s == NULL || s->conn == NULL) return 0;
  Conn *n = s->conn;
  s->conn = NULL;
  n->stream = NULL;
  bool forgotten = n->state == CONN_OPEN && !s->closed;
  s->closed = true;
  if (c->dying) return 0;       /* the loop closes it */
  if (unwritten(n) > 0 || !delivered(n)) ca_conn_close(n, true);
  else if (n->state == CONN_OPEN) end(n);       /* frees the descriptor */
  if (forgotten && c->debug) reportunclosed(L, c, s);
  return 0;
}


/* stream:get_extra_info(name [, default]): "peername" and "sockname" are
   tables {host, port}, "fd" is the descriptor. */
static int stream_get_extra_info (lua_State *L) {
  Stream *s = (Stream *)ca_check(L, ca_core(L), 1, KIND_STREAM);
  const char *name = luaL_checkstring(L, 2);
  Conn *n = s->conn;
  bool open = n != NULL && n->state != CONN_CLOSED;
  Address address;
  memset(&address, 0, sizeof address);
  lua_settop(L, 3);
  if (strcmp(name, "peername") == 0) address = s->peer;
  else if (strcmp(name, "sockname") == 0) {
    struct sockaddr_storage own;
    int size = sizeof own;
    if (open && uv_tcp_getsockname(&n->uv.tcp, (struct sockaddr *)&own,
                                   &size) == 0)
      ca_address_copy(&address, (struct sockaddr *)&own);
  }
  else if (strcmp(name, "fd") == 0) {
    uv_os_fd_t fd;
    if (!open || uv_fileno(&n->uv.handle, &fd) != 0) return 1;
    lua_pushinteger(L, fd);
    return 1;
  }
  if (address.any.sa_family == 0) return 1;
  lua_createtable(L, 2, 0);
  ca_address_push(L, &address);
  lua_rawseti(L, -3, 2);
  lua_rawseti(L, -2, 1);
  return 1;
}


static int stream_tostring (lua_State *L) {
  Stream *s = (Stream *)ca_check(L, ca_core(L), 1, KIND_STREAM);
  const char *state = s->conn == NULL ? "closed"
                    : s->conn->state == CONN_OPEN ? "open" : "closing";
  char peer[160];
  ca_address_describe(&s->peer, peer, sizeof peer);
  lua_pushfstring(L, "<Stream %s peer=%s>", state, peer);
  return 1;
}

/* }====================================================== */


/* {=======================================================
** Making streams
** ======================================================== */

Stream *ca_stream_new (lua_State *L, Core *c) {
  return (Stream *)ca_object_new(L, c, KIND_STREAM, sizeof(Stream),
                                 SUV_COUNT);
}


int ca_conn_newtcp (Loop *l, size_t limit, int family, Conn **conn) {
  Conn *n = (Conn *)ca_malloc(l->core, sizeof(Conn));
  if (n == NULL) return UV_ENOMEM;
  memset(n, 0, sizeof *n);
  n->loop = l;
  n->limit = limit;
  n->high = HIGHWATER;
  n->low = HIGHWATER / 4;
  n->chunk = MINCHUNK;
  n->timer.fire = onclosetimer;
  list_init(&n->drainers);
  list_init(&n->closers);
  list_init(&n->sibling);
  int status = uv_tcp_init_ex(&l->uv, &n->uv.tcp, (unsigned)family);
  if (status != 0) {
    ca_free(l->core, n, sizeof *n);
    return status;
  }
  ca_body_open(l, &n->body, closebody);
  *conn = n;
  return 0;
}


/* Watching it once, for no time, makes libuv's table large enough. */
int ca_conn_reserve (Conn *n) {
  int status = ca_reserve_handle(n->loop, &n->uv.handle);
  if (status != 0) return status;
  status = uv_read_start(&n->uv.stream, onalloc, onread);
  if (status == 0) uv_read_stop(&n->uv.stream);
  return status;
}


void ca_conn_attach (Conn *n, Stream *s) {
  n->stream = s;
  n->state = CONN_OPEN;
  s->conn = n;
  s->peer = n->peer;
  readon(n);
}


static const luaL_Reg methods[] = {
  {"abort", stream_abort},
  {"at_eof", stream_at_eof},
  {"can_write_eof", stream_can_write_eof},
  {"close", stream_close},
  {"drain", stream_drain},
  {"get_extra_info", stream_get_extra_info},
  {"get_write_buffer_limits", stream_get_write_buffer_limits},
  {"get_write_buffer_size", stream_get_write_buffer_size},
  {"is_closing", stream_is_closing},
  {"lines", stream_lines},
  {"read", stream_read},
  {"readexactly", stream_readexactly},
  {"readline", stream_readline},
  {"readuntil", stream_readuntil},
  {"set_write_buffer_limits", stream_set_write_buffer_limits},
  {"wait_closed", stream_wait_closed},
  {"write", stream_write},
  {"write_eof", stream_write_eof},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__close", stream_toclose},
  {"__gc", stream_gc},
  {"__tostring", stream_tostring},
  {NULL, NULL}
};


/* libuv writes with 'write', and a peer that has gone must not kill the
   process. A handler that the host has installed stays. */
static void ignoresigpipe (void) {
  struct sigaction action;
  if (sigaction(SIGPIPE, NULL, &action) != 0) return;
  if ((action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL) return;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
}


void ca_stream_open (lua_State *L) {
  ignoresigpipe();
  ca_type_new(L, KIND_STREAM, "casync.Stream", methods, meta);
  lua_pop(L, 1);
}

/* }====================================================== */
