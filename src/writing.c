/*
** writing.c - writing to streams.
**
** An error of the connection comes out of every drain.
*/

#include "awaitable.h"
#include "error.h"
#include "stream.h"

typedef struct DrainOp {
  Op op;
  Stream *stream;
} DrainOp;


static int drain_start (lua_State *L, Core *c, Op *op, Task *t) {
  Stream *s = ((DrainOp *)op)->stream;
  Conn *n = s->conn;
  if (n == NULL || n->writeerr != 0) return CA_READY;
  if (s->closed) return ca_stream_closed(L);
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


static int drain_finish (lua_State *L, Core *c, Op *op) {
  Stream *s = ((DrainOp *)op)->stream;
  ca_stream_checkwritten(L, c, s);
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
  DrainOp *op = (DrainOp *)ca_op_new(L, c, &draintype, sizeof(DrainOp), 1,
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
  Stream *s = ca_stream_checkopen(L, c, 1);
  pushdrain(L, c, 1, s);
  Conn *n = s->conn;            /* look now: making it may run finalisers */
  if (s->closed) return ca_stream_closed(L);
  if (n == NULL || n->state != CONN_OPEN) return 1;
  if (n->wanteof) return luaL_error(L, "write() after write_eof()");
  if (length > 0) ca_conn_send(n, bytes, length);
  return 1;
}


/* stream:drain(): wait until there is room for more to be written. */
static int stream_drain (lua_State *L) {
  Core *c = ca_core(L);
  pushdrain(L, c, 1, ca_stream_checkopen(L, c, 1));
  return 1;
}


/* stream:write_eof(): end our side when all is written; reading goes on. */
static int stream_write_eof (lua_State *L) {
  Core *c = ca_core(L);
  Stream *s = ca_stream_checkopen(L, c, 1);
  pushdrain(L, c, 1, s);
  Conn *n = s->conn;
  if (n == NULL || n->state != CONN_OPEN) return 1;
  ca_conn_sendend(n);
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
  Stream *s = ca_stream_checkopen(L, c, 1);
  lua_settop(L, 2);
  ca_options(L, 2, names);
  size_t high = CA_HIGHWATER, low = CA_HIGHWATER / 4;
  if (!lua_isnil(L, 2)) {
    low = optsize(L, "low", SIZE_MAX);
    high = optsize(L, "high", low == SIZE_MAX || low > SIZE_MAX / 4
                              ? CA_HIGHWATER : 4 * low);
    if (low == SIZE_MAX) low = high / 4;
  }
  luaL_argcheck(L, high >= low, 2, "'high' must not be less than 'low'");
  if (s->conn != NULL) ca_conn_setlimits(s->conn, high, low);
  return 0;
}


static int stream_get_write_buffer_limits (lua_State *L) {
  Stream *s = ca_stream_checkopen(L, ca_core(L), 1);
  const Conn *n = s->conn;
  lua_pushinteger(L, n != NULL ? (lua_Integer)n->low : 0);
  lua_pushinteger(L, n != NULL ? (lua_Integer)n->high : 0);
  return 2;
}


static int stream_get_write_buffer_size (lua_State *L) {
  Stream *s = (Stream *)ca_check(L, ca_core(L), 1, KIND_STREAM);
  size_t n = s->conn != NULL ? ca_conn_unwritten(s->conn) : 0;
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}


static const luaL_Reg methods[] = {
  {"can_write_eof", stream_can_write_eof},
  {"drain", stream_drain},
  {"get_write_buffer_limits", stream_get_write_buffer_limits},
  {"get_write_buffer_size", stream_get_write_buffer_size},
  {"set_write_buffer_limits", stream_set_write_buffer_limits},
  {"write", stream_write},
  {"write_eof", stream_write_eof},
  {NULL, NULL}
};


void ca_writing_open (lua_State *L) {
  ca_setfuncs(L, methods);
}
