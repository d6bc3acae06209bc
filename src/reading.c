/*
** reading.c - reading from streams.
**
** Bytes leave the buffer in 'finish' only, in the task that gets them, so a
** cancelled read loses nothing. From the moment a read waits until it has
** finished, the turn to read is its own.
**
** An error of the connection comes out of reads after the bytes that were
** received before it.
*/

#include <string.h>

#include "awaitable.h"
#include "error.h"
#include "stream.h"

/* Second user value of a read: what keeps its separators. */
enum { OPUV_SEPARATORS = 2 };

typedef struct ReadOp {
  Op op;
  Stream *stream;
  bool over;                    /* can be used again */
  bool strip;                   /* a line without its newline */
  Want want;
  Separator separators[];
} ReadOp;


static int read_start (lua_State *L, Core *c, Op *op, Task *t) {
  ReadOp *r = (ReadOp *)op;
  Stream *s = r->stream;
  Conn *n = s->conn;
  if (s->closed) return ca_stream_closed(L);
  if (n == NULL) return CA_READY;
  if (n->loop != c->loop)
    return luaL_error(L, "the stream belongs to another event loop");
  if (n->want != NULL)
    return luaL_error(L, "read() called while another task is already "
                         "waiting for incoming data");
  if (ca_conn_want(n, &r->want)) return CA_READY;
  n->parked = t;
  return CA_WAIT;
}


static void read_giveup (Op *op, Task *t) {
  Conn *n = ((ReadOp *)op)->stream->conn;
  (void)t;
  if (n != NULL && n->want == &((ReadOp *)op)->want) ca_conn_unwant(n);
}


static void read_giveback (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  read_giveup(op, NULL);
}


/* Push the first bytes of the buffer and drop them. 'n' may be NULL. */
static int take (lua_State *L, Conn *n, size_t length) {
  if (n == NULL || length == 0) lua_pushliteral(L, "");
  else {
    lua_pushlstring(L, ca_buffer_bytes(&n->in), length);
    ca_conn_consume(n, length);
  }
  return 1;
}


/* EOF came before the read was complete. */
static int incomplete (lua_State *L, Core *c, Conn *n, size_t length,
                       const Want *w) {
  luaL_checkstack(L, 10, "cannot make an error object");
  if (w->kind == WANT_EXACTLY)
    lua_pushfstring(L, "%I bytes read on a total of %I expected bytes",
                    (LUAI_UACINT)length, (LUAI_UACINT)w->n);
  else lua_pushfstring(L, "%I bytes read on a total of undefined expected "
                          "bytes", (LUAI_UACINT)length);
  ca_error_new(L, c, ERR_INCOMPLETEREAD);
  if (w->kind == WANT_EXACTLY) {
    lua_pushinteger(L, (lua_Integer)w->n);
    lua_setfield(L, -2, "expected");
  }
  lua_pushliteral(L, "partial");
  take(L, n, length);
  lua_rawset(L, -3);
  return lua_error(L);
}


/* A separator comes too late, or does not come: a line is dropped, other
   data is kept. */
static int overrun (lua_State *L, Core *c, Conn *n, const Want *w) {
  luaL_checkstack(L, 10, "cannot make an error object");
  bool found = w->end != 0;
  size_t consumed = found ? w->found : w->scanned;
  lua_pushstring(L, found
    ? "Separator is found, but chunk is longer than limit"
    : "Separator is not found, and chunk exceed the limit");
  ca_error_new(L, c, ERR_LIMITOVERRUN);
  lua_pushinteger(L, (lua_Integer)consumed);
  lua_setfield(L, -2, "consumed");
  if (w->kind == WANT_LINE)
    ca_conn_consume(n, found ? w->end : ca_buffer_length(&n->in));
  return lua_error(L);
}


static int finishuntil (lua_State *L, Core *c, Conn *n, size_t length,
                        ReadOp *r) {
  Want *w = &r->want;
  if (length > 0 && ca_want_search(w, &n->in)) {
    if (w->found > n->limit) return overrun(L, c, n, w);
    if (!r->strip) return take(L, n, w->end);
    lua_pushlstring(L, ca_buffer_bytes(&n->in), w->found);
    ca_conn_consume(n, w->end);
    return 1;
  }
  if (length > 0 && w->scanned > n->limit) return overrun(L, c, n, w);
  if (n != NULL && n->readerr != 0 && n->state == CONN_OPEN)
    return ca_error_uv(L, c, n->readerr, "read", NULL);
  if (w->kind == WANT_UNTIL) return incomplete(L, c, n, length, w);
  if (length > 0) return take(L, n, length);
  lua_pushnil(L);
  return 1;
}


static int pushresult (lua_State *L, Core *c, Conn *n, ReadOp *r) {
  Want *w = &r->want;
  bool open = n != NULL && n->state == CONN_OPEN;
  size_t length = open ? ca_buffer_length(&n->in) : 0;
  int err = open ? n->readerr : 0;
  switch (w->kind) {
    case WANT_SOME:
      if (w->n == 0) return take(L, n, 0);
      if (length > 0) return take(L, n, length < w->n ? length : w->n);
      if (err != 0) return ca_error_uv(L, c, err, "read", NULL);
      lua_pushnil(L);
      return 1;
    case WANT_ALL:
      if (err != 0) return ca_error_uv(L, c, err, "read", NULL);
      return take(L, n, length);
    case WANT_EXACTLY:
      if (length >= w->n) return take(L, n, w->n);
      if (err != 0) return ca_error_uv(L, c, err, "read", NULL);
      return incomplete(L, c, n, length, w);
    case WANT_LINE: case WANT_UNTIL:
      return finishuntil(L, c, n, length, r);
  }
  return 0;
}


static int read_finish (lua_State *L, Core *c, Op *op) {
  ReadOp *r = (ReadOp *)op;
  Conn *n = r->stream->conn;
  if (n != NULL && n->want == &r->want) n->want = NULL;
  int results = pushresult(L, c, n, r);
  r->over = true;
  return results;
}


static const OpType readtype = {
  .name = "Stream.read",
  .start = read_start,
  .giveup = read_giveup,
  .finish = read_finish,
  .giveback = read_giveback,
};


/* A new read with room for separators, pushed. */
static ReadOp *allocread (lua_State *L, Core *c, int idx, Stream *s,
                          int nseparators) {
  size_t size = sizeof(ReadOp) + (size_t)nseparators * sizeof(Separator);
  ReadOp *r = (ReadOp *)ca_op_new(L, c, &readtype, size,
                                  nseparators > 0 ? 2 : 1, idx);
  r->stream = s;
  r->want.nseparators = nseparators;
  r->want.separators = r->separators;
  return r;
}


/*
** Push a read of the stream at 'idx'. The stream keeps the last one, which is
** used again when it is over. Not in debug mode, which watches each of them.
*/
static ReadOp *newread (lua_State *L, Core *c, int idx, WantKind kind) {
  Stream *s = ca_stream_checkopen(L, c, idx);
  ReadOp *r = (ReadOp *)s->read;
  if (r != NULL && r->over && !c->debug) {
    lua_getiuservalue(L, idx, SUV_READ);
    r->over = r->strip = false;
    r->op.head.state = OP_NEW;
    memset(&r->want, 0, sizeof r->want);
  }
  else {
    r = allocread(L, c, idx, s, 0);
    if (!c->debug) {
      lua_pushvalue(L, -1);
      lua_setiuservalue(L, idx, SUV_READ);
      s->read = &r->op;
    }
  }
  r->want.kind = kind;
  return r;
}


/* One with separators of its own. */
static ReadOp *newreaduntil (lua_State *L, Core *c, int idx, int count) {
  Stream *s = ca_stream_checkopen(L, c, idx);
  ReadOp *r = allocread(L, c, idx, s, count);
  r->want.kind = WANT_UNTIL;
  return r;
}


static size_t checksize (lua_State *L, int arg) {
  int isint;
  lua_Integer n = lua_tointegerx(L, arg, &isint);
  if (!isint) n = luaL_checkinteger(L, arg);    /* raises the error */
  luaL_argcheck(L, n >= 0, arg, "the number of bytes is negative");
  return (size_t)n;
}


/* stream:read([n]): up to n bytes, nil at the end; all that comes until the
   end without n. */
static int stream_read (lua_State *L) {
  Core *c = ca_core(L);
  bool all = lua_isnoneornil(L, 2);
  size_t n = all ? 0 : checksize(L, 2);
  newread(L, c, 1, all ? WANT_ALL : WANT_SOME)->want.n = n;
  return 1;
}


/* stream:readexactly(n): n bytes, or IncompleteReadError. */
static int stream_readexactly (lua_State *L) {
  Core *c = ca_core(L);
  size_t n = checksize(L, 2);
  newread(L, c, 1, WANT_EXACTLY)->want.n = n;
  return 1;
}


static ReadOp *newline (lua_State *L, Core *c, int idx, bool strip) {
  static const Separator newlines[] = {{"\n", 1}};
  ReadOp *r = newread(L, c, idx, WANT_LINE);
  r->want.separators = newlines;
  r->want.nseparators = 1;
  r->want.longest = 1;
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
  if (length > r->want.longest) r->want.longest = length;
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
    ReadOp *r = newreaduntil(L, c, 1, 1);
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
  ReadOp *r = newreaduntil(L, c, 1, nseparators);
  for (int i = 1; i <= nseparators; i++) {
    lua_rawgeti(L, 3, i);
    addseparator(L, r, i - 1, -1);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 4, OPUV_SEPARATORS);
  return 1;
}


/* The iterator of 'lines'; upvalue 2 is the stream. */
static int nextline (lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  newline(L, ca_core(L), 1, true);
  return ca_op_await(L, 1);
}


/* stream:lines(): for line in stream:lines() do; without newlines. */
static int stream_lines (lua_State *L) {
  ca_stream_checkopen(L, ca_core(L), 1);
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


static const luaL_Reg methods[] = {
  {"at_eof", stream_at_eof},
  {"lines", stream_lines},
  {"read", stream_read},
  {"readexactly", stream_readexactly},
  {"readline", stream_readline},
  {"readuntil", stream_readuntil},
  {NULL, NULL}
};


void ca_reading_open (lua_State *L) {
  ca_setfuncs(L, methods);
}
