/*
** connect.c - connecting.
**
** It races several addresses (Happy Eyeballs, RFC 8305): the next one is
** tried when the last one has failed, or has not answered after 'delay'
** seconds. The first to connect wins and the others are closed. All of it
** belongs to one operation: giving it up closes what was begun.
*/

#include <string.h>

#include "awaitable.h"
#include "error.h"
#include "operations.h"
#include "reserve.h"
#include "stream.h"

enum { MAXADDRESSES = 1000 };

/* User value of a connect: the stream to be. */
enum { OPUV_STREAM = 2 };

typedef struct Attempt {
  Address address;
  Conn *conn;                   /* while it is being connected */
  int status;                   /* why it has failed, or 0 */
} Attempt;

typedef struct ConnectOp {
  Op op;
  Loop *loop;
  Task *task;
  Timer timer;                  /* until the next attempt */
  Conn *winner;
  Address local;
  lua_Number delay;
  size_t limit;
  int n, next, pending;
  Attempt attempts[];
} ConnectOp;


static bool launch (ConnectOp *o);


/* Close all that is being connected. */
static void drop (ConnectOp *o) {
  ca_timer_unset(o->loop, &o->timer);
  for (int i = 0; i < o->next; i++) {
    Conn *n = o->attempts[i].conn;
    if (n == NULL) continue;
    o->attempts[i].conn = NULL;
    n->owner = NULL;
    ca_conn_abort(n);
  }
  o->pending = 0;
}


static void settimer (ConnectOp *o) {
  if (o->next == o->n || o->timer.index != 0) return;
  if (o->delay < 0) return;
  /* Without memory for a timer the addresses are tried one by one. */
  ca_timer_set(o->loop, &o->timer, ca_loop_deadline(o->loop, o->delay));
}


/* An attempt was begun, or has failed: see how it goes on. */
static void proceed (ConnectOp *o) {
  if (o->pending > 0) settimer(o);
  else {
    ca_timer_unset(o->loop, &o->timer);
    ca_task_wake(o->task);
  }
}


static void onconnect (uv_connect_t *req, int status) {
  Conn *n = container_of(req, Conn, req.connect);
  ConnectOp *o = (ConnectOp *)n->owner;
  if (o == NULL || n->state == CONN_CLOSED) return;     /* given up */
  Attempt *a = &o->attempts[n->which];
  n->owner = NULL;
  a->conn = NULL;
  o->pending--;
  if (status < 0) {
    a->status = status;
    ca_conn_abort(n);
    ca_timer_unset(o->loop, &o->timer);
    launch(o);
    proceed(o);
    return;
  }
  n->state = CONN_OPEN;
  n->peer = a->address;
  o->winner = n;
  drop(o);
  ca_task_wake(o->task);
}


/* The loop closes the body without asking: do not touch it again. */
static void connecting_gone (Conn *n) {
  ConnectOp *o = (ConnectOp *)n->owner;
  if (o != NULL) o->attempts[n->which].conn = NULL;
}


static int begin (ConnectOp *o, int i) {
  Attempt *a = &o->attempts[i];
  bool bound = o->local.any.sa_family != 0;
  if (bound && o->local.any.sa_family != a->address.any.sa_family)
    return UV_EADDRNOTAVAIL;
  Conn *n;
  int status = ca_conn_newtcp(o->loop, o->limit, a->address.any.sa_family,
                              &n);
  if (status != 0) return status;
  if (bound) status = uv_tcp_bind(&n->uv.tcp, &o->local.any, 0);
  if (status == 0) status = ca_reserve_handle(o->loop, &n->uv.handle);
  if (status == 0)
    status = uv_tcp_connect(&n->req.connect, &n->uv.tcp, &a->address.any,
                            onconnect);
  if (status != 0) {
    ca_conn_abort(n);
    return status;
  }
  uv_tcp_nodelay(&n->uv.tcp, 1);
  n->owner = o;
  n->which = (uint32_t)i;
  n->gone = connecting_gone;
  a->conn = n;
  o->pending++;
  return 0;
}


/* Begin the next attempt that can be begun; false: there is none. */
static bool launch (ConnectOp *o) {
  while (o->next < o->n) {
    int i = o->next++;
    o->attempts[i].status = begin(o, i);
    if (o->attempts[i].status == 0) return true;
  }
  return false;
}


static void ontimer (Timer *timer) {
  ConnectOp *o = container_of(timer, ConnectOp, timer);
  launch(o);
  proceed(o);
}


static int connect_start (lua_State *L, Core *c, Op *op, Task *t) {
  ConnectOp *o = (ConnectOp *)op;
  o->loop = c->loop;
  o->task = t;
  if (!launch(o)) {
    int status = o->attempts[0].status;
    if (status != UV_EMFILE && status != UV_ENFILE) return CA_READY;
    lua_gc(L, LUA_GCCOLLECT);   /* forgotten streams hold descriptors */
    o->next = 0;
    if (!launch(o)) return CA_READY;
  }
  settimer(o);
  return CA_WAIT;
}


static void connect_giveup (Op *op, Task *t) {
  (void)t;
  drop((ConnectOp *)op);
}


static void connect_giveback (lua_State *L, Core *c, Op *op) {
  ConnectOp *o = (ConnectOp *)op;
  (void)L;
  (void)c;
  if (o->winner != NULL) ca_conn_abort(o->winner);
  o->winner = NULL;
}


/* Raise the first error; with several, all are in the message and in the
   field 'errors'. */
static int connectfailed (lua_State *L, Core *c, ConnectOp *o) {
  char peer[160];
  luaL_checkstack(L, 12, "cannot make an error object");
  ca_address_describe(&o->attempts[0].address, peer, sizeof peer);
  if (o->n == 1)
    return ca_error_uv(L, c, o->attempts[0].status, "connect", peer);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; i < o->n; i++) {
    char name[64];
    ca_address_describe(&o->attempts[i].address, peer, sizeof peer);
    uv_err_name_r(o->attempts[i].status, name, sizeof name);
    if (i > 0) luaL_addstring(&b, "; ");
    luaL_addstring(&b, peer);
    luaL_addstring(&b, ": ");
    luaL_addstring(&b, name);
  }
  luaL_pushresult(&b);
  ca_error_pushuv(L, c, o->attempts[0].status, "connect",
                  lua_tostring(L, -1));
  lua_createtable(L, o->n, 0);
  for (int i = 0; i < o->n; i++) {
    ca_address_describe(&o->attempts[i].address, peer, sizeof peer);
    ca_error_pushuv(L, c, o->attempts[i].status, "connect", peer);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "errors");
  return lua_error(L);
}


static int connect_finish (lua_State *L, Core *c, Op *op) {
  ConnectOp *o = (ConnectOp *)op;
  Conn *n = o->winner;
  if (n == NULL) return connectfailed(L, c, o);
  lua_getiuservalue(L, 1, OPUV_STREAM);
  o->winner = NULL;
  n->gone = NULL;
  ca_stream_attach((Stream *)lua_touserdata(L, -1), n);
  return 1;
}


static const OpType connecttype = {
  .name = "connect",
  .start = connect_start,
  .giveup = connect_giveup,
  .finish = connect_finish,
  .giveback = connect_giveback,
};


/* tcp_connect(addresses, [limit, [delay, [host, port]]]): a stream to the
   first of the addresses (tables with address and port) that answers,
   'delay' seconds after each other, from a local host and port. */
static int tcp_connect (lua_State *L) {
  Core *c = ca_core(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 5);
  lua_Unsigned count = lua_rawlen(L, 1);
  luaL_argcheck(L, count > 0, 1, "the list of addresses is empty");
  luaL_argcheck(L, count <= MAXADDRESSES, 1, "too many addresses");
  size_t limit = ca_stream_checklimit(L, 2);
  lua_Number delay = lua_isnil(L, 3) ? -1 : ca_seconds(L, 3);
  Address local;
  memset(&local, 0, sizeof local);
  if (!lua_isnil(L, 4)) ca_address_check(L, 4, &local);
  int n = (int)count;
  size_t size = sizeof(ConnectOp) + (size_t)n * sizeof(Attempt);
  ConnectOp *o = (ConnectOp *)ca_op_new(L, c, &connecttype, size, 2, 0);
  o->limit = limit;
  o->delay = delay;
  o->local = local;
  o->timer.fire = ontimer;
  o->n = n;
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    luaL_argcheck(L, lua_istable(L, -1), 1, "an address is a table");
    lua_getfield(L, -1, "address");
    lua_getfield(L, -2, "port");
    ca_address_check(L, lua_gettop(L) - 1, &o->attempts[i].address);
    lua_settop(L, 6);
  }
  ca_stream_new(L, c);
  lua_setiuservalue(L, 6, OPUV_STREAM);
  return 1;
}


static const luaL_Reg functions[] = {
  {"tcp_connect", tcp_connect},
  {NULL, NULL}
};


void ca_connect_open (lua_State *L) {
  ca_setfuncs(L, functions);
}
