/*
** stream.c - streams of bytes: making, closing and looking at them.
**
** A stream is a box (the userdata, Stream); its body is the connection,
** which libuv owns: see conn.c. What reads is in reading.c, what writes in
** writing.c.
*/

#include <signal.h>
#include <string.h>

#include "awaitable.h"
#include "error.h"
#include "operations.h"
#include "stream.h"

typedef struct CloseOp {
  Op op;
  Stream *stream;
  bool owner;                   /* of the closing: cancelled, it aborts */
  bool silent;                  /* raises no error of the connection */
} CloseOp;


int ca_stream_closed (lua_State *L) {
  return luaL_error(L, "stream is closed");
}


Stream *ca_stream_checkopen (lua_State *L, Core *c, int idx) {
  Stream *s = (Stream *)ca_check(L, c, idx, KIND_STREAM);
  if (s->closed) ca_stream_closed(L);
  return s;
}


void ca_stream_checkwritten (lua_State *L, Core *c, Stream *s) {
  int err = s->conn != NULL ? s->conn->writeerr : s->writeerr;
  if (err == 0) return;
  s->told = true;
  ca_error_uv(L, c, err, "write", NULL);
}


size_t ca_stream_checklimit (lua_State *L, int arg) {
  lua_Integer limit = luaL_optinteger(L, arg, CA_STREAMLIMIT);
  luaL_argcheck(L, limit > 0, arg, "the limit is not positive");
  luaL_argcheck(L, limit <= PTRDIFF_MAX / 4, arg, "the limit is too large");
  return (size_t)limit;
}


Stream *ca_stream_new (lua_State *L, Core *c) {
  return (Stream *)ca_object_new(L, c, KIND_STREAM, sizeof(Stream),
                                 SUV_COUNT);
}


void ca_stream_attach (Stream *s, Conn *n) {
  n->stream = s;
  n->state = CONN_OPEN;
  s->conn = n;
  s->peer = n->peer;
  ca_conn_receive(n);
}


/* {=======================================================
** The end of a stream
** ======================================================== */

static int close_start (lua_State *L, Core *c, Op *op, Task *t) {
  Conn *n = ((CloseOp *)op)->stream->conn;
  if (n == NULL) return CA_READY;
  if (n->loop != c->loop)
    return luaL_error(L, "the stream belongs to another event loop");
  list_append(&n->closers, &t->node.link);
  return CA_WAIT;
}


/* Who closes and will not wait for the peer any longer aborts. */
static void close_giveup (Op *op, Task *t) {
  CloseOp *o = (CloseOp *)op;
  list_remove(&t->node.link);
  if (o->owner && o->stream->conn != NULL) ca_conn_abort(o->stream->conn);
}


static int close_finish (lua_State *L, Core *c, Op *op) {
  CloseOp *o = (CloseOp *)op;
  if (!o->silent && !o->stream->told) ca_stream_checkwritten(L, c, o->stream);
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
static CloseOp *pushclose (lua_State *L, Core *c, int idx, Stream *s) {
  CloseOp *op = (CloseOp *)ca_op_new(L, c, &closetype, sizeof(CloseOp), 1,
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
  CloseOp *op = pushclose(L, c, 1, s);
  op->owner = op->silent = true;
  s->closed = true;
  if (s->conn == NULL) return 0;
  if (cancelled) ca_conn_abort(s->conn);
  else ca_conn_close(s->conn, !lua_isnil(L, 2));
  if (c->running == NULL || s->conn == NULL || s->conn->loop != c->loop)
    return 0;
  return ca_op_await(L, 0);
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


/* Collected. */
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
  ca_conn_forget(n);
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


static const luaL_Reg methods[] = {
  {"abort", stream_abort},
  {"close", stream_close},
  {"get_extra_info", stream_get_extra_info},
  {"is_closing", stream_is_closing},
  {"wait_closed", stream_wait_closed},
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
  lua_getfield(L, -1, "__index");
  ca_reading_open(L);
  ca_writing_open(L);
  lua_pop(L, 2);
}
