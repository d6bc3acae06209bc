/*
** server.c - listening for connections.
**
** A Listener is a box (userdata) and a body. libuv's callback accepts into a
** Conn that was made before, links it into 'accepted' and posts the job,
** which makes the stream and calls the handler. The body lives until its
** socket and all its connections are closed. Until then it is 'busy', and
** 'wait_closed' waits.
**
** When a connection cannot be taken (no memory, or few descriptors are
** left) it is not accepted, which makes libuv stop listening: the rest wait
** in the backlog of the system. A second later it is tried again.
*/

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "awaitable.h"
#include "error.h"
#include "operations.h"
#include "reserve.h"
#include "stream.h"

/* Times are in milliseconds. */
enum { RETRYTIME = 1000, REPORTTIME = 60000, MAXERRORS = 100 };

/* User values of a listener. */
enum { LUV_HANDLER = 1, LUV_WELCOME, LUV_COUNT = LUV_WELCOME };

typedef struct Listener {
  Body body;
  uv_tcp_t uv;
  Loop *loop;
  struct Server *server;        /* the box, or NULL */
  Conn *spare;                  /* for the next connection */
  List accepted;                /* to be given to the handler */
  List clients;                 /* open, and given */
  List waiters;                 /* tasks in 'wait_closed' */
  Job job;
  Timer timer;                  /* until accepting is tried again */
  size_t nclients;              /* accepted or given, and not closed */
  size_t limit;
  uint32_t slot;                /* anchor of the box, or 0 */
  int maxfd;                    /* above this, few descriptors are left */
  int backlog;
  int trouble;                  /* status to be reported, or 0 */
  int64_t reported;             /* when that was last done */
  int nerrors;                  /* in a row */
  bool listening;
  bool held;                    /* a connection waits to be accepted */
  bool crowded;                 /* few descriptors are left */
  bool posted;                  /* 'job' is in the queue */
  bool gone;                    /* the socket is closed */
  bool dying;                   /* closed by the loop */
} Listener;

typedef struct Server {
  Object head;
  Listener *listener;           /* NULL: closed, with all connections */
  bool closed;
} Server;


/* {=======================================================
** Accepting
** ======================================================== */

static void freelistener (Listener *l) {
  ca_free(l->loop->core, l, sizeof(Listener));
}


/* The socket or a connection has been closed: was it the last? A job that
   is still to run asks again. */
static void checkgone (Listener *l) {
  if (!l->gone || l->nclients > 0) return;
  if (l->posted && !l->dying) return;
  if (l->server != NULL) l->server->listener = NULL;
  l->server = NULL;
  while (!list_empty(&l->waiters)) {
    Task *t = container_of(l->waiters.next, Task, node.link);
    list_remove(&t->node.link);
    ca_task_wake(t);
  }
  freelistener(l);
}


static void onclosed (uv_handle_t *handle) {
  Listener *l = container_of(handle, Listener, uv);
  l->gone = true;
  ca_body_closed(&l->body);
  checkgone(l);
}


/* A connection of the listener has been closed. */
static void client_gone (Conn *n) {
  Listener *l = (Listener *)n->owner;
  if (l->spare == n) {          /* closed by the loop */
    l->spare = NULL;
    return;
  }
  list_remove(&n->sibling);
  l->nclients--;
  checkgone(l);
}


static void dropspare (Listener *l) {
  Conn *n = l->spare;
  l->spare = NULL;
  if (n == NULL) return;
  n->gone = NULL;
  ca_conn_abort(n);
}


/* Stop listening. Connections go on, but for those nobody has seen. */
static void stop (Listener *l) {
  if (uv_is_closing((uv_handle_t *)&l->uv)) return;
  ca_timer_unset(l->loop, &l->timer);
  dropspare(l);
  l->listening = false;
  while (!list_empty(&l->accepted)) {
    Conn *n = container_of(l->accepted.next, Conn, sibling);
    list_remove(&n->sibling);
    ca_conn_abort(n);
  }
  uv_close((uv_handle_t *)&l->uv, onclosed);
}


static void closebody (Body *body) {
  Listener *l = container_of(body, Listener, body);
  l->dying = true;
  if (l->server != NULL) l->server->closed = true;
  stop(l);
}


static void post (Listener *l) {
  if (l->posted) return;
  l->posted = true;
  ca_loop_post(l->loop, &l->job);
}


static void hold (Listener *l, int status) {
  int64_t now = ca_loop_now(l->loop);
  if (l->reported == 0 || now - l->reported > REPORTTIME * 1000000LL) {
    l->reported = now;
    l->trouble = status;
    post(l);
  }
  l->held = true;
  int64_t deadline = now + RETRYTIME * 1000000LL;
  if (!ca_timer_set(l->loop, &l->timer, deadline)) stop(l);
}


static Conn *newclient (Listener *l) {
  Conn *n;
  if (ca_conn_newtcp(l->loop, l->limit, AF_UNSPEC, &n) != 0) return NULL;
  n->owner = l;
  n->gone = client_gone;
  return n;
}


static void setpeer (Conn *n) {
  struct sockaddr_storage peer;
  int size = sizeof peer;
  if (uv_tcp_getpeername(&n->uv.tcp, (struct sockaddr *)&peer, &size) == 0)
    ca_address_copy(&n->peer, (struct sockaddr *)&peer);
}


/* Are few descriptors left? The lowest free one tells. */
static bool crowded (const Listener *l) {
  uv_os_fd_t fd;
  if (uv_fileno((const uv_handle_t *)&l->uv, &fd) != 0) return false;
  int lowest = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (lowest >= 0) close(lowest);
  return lowest < 0 || lowest > l->maxfd;
}


/* Take the connection that libuv has for us. */
static void acceptone (Listener *l) {
  if (l->spare == NULL) l->spare = newclient(l);
  if (l->spare == NULL || l->crowded) {
    hold(l, l->spare == NULL ? UV_ENOMEM : UV_EMFILE);
    return;
  }
  Conn *n = l->spare;
  int status = uv_accept((uv_stream_t *)&l->uv, &n->uv.stream);
  l->held = false;
  if (status == 0) {
    status = ca_conn_reserve(n);
    if (status != 0) {          /* told, for the peer has seen it accepted */
      l->trouble = status;
      post(l);
    }
  }
  if (status != 0) {
    dropspare(l);
    return;
  }
  l->spare = NULL;
  l->nclients++;
  n->state = CONN_OPEN;
  uv_tcp_nodelay(&n->uv.tcp, 1);
  setpeer(n);
  uv_os_fd_t fd;
  bool high = uv_fileno(&n->uv.handle, &fd) == 0 && fd > l->maxfd;
  l->crowded = high && crowded(l);
  list_append(&l->accepted, &n->sibling);
  post(l);
  l->spare = newclient(l);
}


static void onconnection (uv_stream_t *stream, int status) {
  Listener *l = container_of((uv_tcp_t *)stream, Listener, uv);
  if (uv_is_closing((uv_handle_t *)&l->uv)) return;
  if (status == 0) {
    l->nerrors = 0;
    if (!l->held) acceptone(l);
    return;
  }
  /* libuv tries again at once, for ever, as long as the socket is open. */
  if (l->nerrors++ == 0) {
    l->trouble = status;
    post(l);
  }
  if (l->nerrors >= MAXERRORS) stop(l);
}


static void onretry (Timer *timer) {
  Listener *l = container_of(timer, Listener, timer);
  l->crowded = l->crowded && crowded(l);
  acceptone(l);
}


/* Push the report of what is wrong with accepting, and send it. */
static void report (lua_State *L, Core *c, Listener *l, int status) {
  bool stopped = !l->listening;
  lua_createtable(L, 0, 3);
  if (stopped) lua_pushliteral(L, "accepting connections fails again and "
                                  "again: the server has stopped listening");
  else lua_pushliteral(L, "socket.accept() out of system resource: the "
                          "server tries again after a second");
  lua_setfield(L, -2, "message");
  ca_error_pushuv(L, c, status, "accept", NULL);
  lua_setfield(L, -2, "exception");
  ca_loop_report(L, c, l->loop);
}


/* (server): give the first accepted connection to the handler as a stream,
   or report the trouble. Upvalue 1 is the Core. */
static int welcome (lua_State *L) {
  Core *c = ca_core(L);
  Server *s = (Server *)lua_touserdata(L, 1);
  if (s->listener == NULL) return 0;
  if (s->listener->trouble != 0) {
    int status = s->listener->trouble;
    s->listener->trouble = 0;
    report(L, c, s->listener, status);
    return 0;
  }
  lua_getiuservalue(L, 1, LUV_HANDLER);
  Stream *stream = ca_stream_new(L, c);
  Listener *l = s->listener;    /* look now: finalisers may have run */
  if (l == NULL || list_empty(&l->accepted)) return 0;
  Conn *n = container_of(l->accepted.next, Conn, sibling);
  list_remove(&n->sibling);
  list_append(&l->clients, &n->sibling);
  ca_stream_attach(stream, n);
  lua_pushvalue(L, -1);
  lua_insert(L, 1);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return 0;
  if (stream->conn != NULL) ca_conn_abort(stream->conn);        /* not used */
  return lua_error(L);
}


/* Nothing more will come that needs the box. */
static void dropanchor (lua_State *L, Core *c, Listener *l) {
  uint32_t slot = l->slot;
  l->slot = 0;
  ca_anchor_drop(L, c, l->loop, slot);
}


static void runjob (lua_State *L, Loop *loop, Job *job) {
  Listener *l = container_of(job, Listener, job);
  l->posted = false;
  while (l->slot != 0 && (l->trouble != 0 || !list_empty(&l->accepted))) {
    List *first = l->trouble == 0 ? l->accepted.next : NULL;
    ca_anchor_push(L, loop->core, loop, l->slot);
    lua_getiuservalue(L, -1, LUV_WELCOME);
    lua_insert(L, -2);
    ca_loop_call(L, loop, 1, "Error on accepting a connection", 0);
    if (first != NULL && first == l->accepted.next) {   /* no memory */
      list_remove(first);
      ca_conn_abort(container_of(first, Conn, sibling));
    }
  }
  if (!l->listening && l->slot != 0) dropanchor(L, loop->core, l);
  checkgone(l);
}

/* }====================================================== */


/* {=======================================================
** Listeners in Lua
** ======================================================== */

/* Descriptors above this one are the last ones. */
static int lastfds (void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
      limit.rlim_cur > (rlim_t)INT32_MAX) return INT32_MAX;
  int max = (int)limit.rlim_cur;
  int reserve = max / 16 < 4 ? 4 : max / 16 > 64 ? 64 : max / 16;
  return max > reserve ? max - reserve : max;
}


static int bindsocket (Listener *l, const Address *a, bool reuseport) {
  int status = uv_tcp_init_ex(&l->loop->uv, &l->uv, a->any.sa_family);
  if (status != 0) return status;
  ca_body_open(l->loop, &l->body, closebody);
  if (reuseport) {
#if defined(SO_REUSEPORT)
    uv_os_fd_t fd;
    int on = 1;
    uv_fileno((uv_handle_t *)&l->uv, &fd);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
      return uv_translate_sys_error(errno);
#else
    return UV_ENOTSUP;
#endif
  }
  status = uv_tcp_bind(&l->uv, &a->any,
                       a->any.sa_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
  if (status != 0) return status;
  /* libuv keeps "address in use" for later: ask for it. */
  struct sockaddr_storage own;
  int size = sizeof own;
  return uv_tcp_getsockname(&l->uv, (struct sockaddr *)&own, &size);
}


/* tcp_listen(handler, host, port [, backlog [, limit [, reuse_port]]]): a
   listener bound to a numeric address; 'handler' gets each stream. */
static int tcp_listen (lua_State *L) {
  Core *c = ca_core(L);
  Loop *loop = ca_loop_running(L, c);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  Address a;
  ca_address_check(L, 2, &a);
  lua_Integer backlog = luaL_optinteger(L, 4, 100);
  luaL_argcheck(L, backlog > 0 && backlog <= INT32_MAX, 4,
                "the backlog is a positive number");
  size_t limit = ca_stream_checklimit(L, 5);
  bool reuseport = lua_toboolean(L, 6);
  Server *s = (Server *)ca_object_new(L, c, KIND_SERVER, sizeof(Server),
                                      LUV_COUNT);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, LUV_HANDLER);
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, welcome, 1);
  lua_setiuservalue(L, -2, LUV_WELCOME);
  Listener *l = (Listener *)ca_malloc(c, sizeof(Listener));
  if (l == NULL) return ca_nomem(L);
  memset(l, 0, sizeof *l);
  l->loop = loop;
  l->limit = limit;
  l->backlog = (int)backlog;
  l->maxfd = lastfds();
  l->job.run = runjob;
  l->timer.fire = onretry;
  list_init(&l->accepted);
  list_init(&l->clients);
  list_init(&l->waiters);
  list_init(&l->body.link);
  int status = bindsocket(l, &a, reuseport);
  if (status != 0) {
    if (list_empty(&l->body.link)) freelistener(l);     /* no handle yet */
    else stop(l);
    char peer[160];
    ca_address_describe(&a, peer, sizeof peer);
    return ca_error_uv(L, c, status, "bind", peer);
  }
  l->server = s;
  s->listener = l;
  return 1;
}


static Server *checkserver (lua_State *L, Core *c) {
  return (Server *)ca_check(L, c, 1, KIND_SERVER);
}


/* listener:listen(): begin to accept. */
static int server_listen (lua_State *L) {
  Core *c = ca_core(L);
  Server *s = checkserver(L, c);
  if (s->closed || s->listener == NULL)
    return luaL_error(L, "server is closed");
  if (s->listener->listening) return 0;
  lua_settop(L, 1);
  uint32_t slot = ca_anchor(L, c, s->listener->loop);
  Listener *l = s->listener;
  if (l == NULL || s->closed) return 0;
  if (l->spare == NULL) l->spare = newclient(l);
  int status = l->spare == NULL
             ? UV_ENOMEM
             : ca_reserve_handle(l->loop, (uv_handle_t *)&l->uv);
  if (status == 0)
    status = uv_listen((uv_stream_t *)&l->uv, l->backlog, onconnection);
  if (status != 0) {
    ca_anchor_drop(L, c, l->loop, slot);
    return ca_error_uv(L, c, status, "listen", NULL);
  }
  l->slot = slot;
  l->listening = true;
  return 0;
}


/* listener:close(): accept no more. */
static int server_close (lua_State *L) {
  Core *c = ca_core(L);
  Server *s = checkserver(L, c);
  Listener *l = s->listener;
  s->closed = true;
  if (l == NULL) return 0;
  stop(l);
  if (l->slot != 0) dropanchor(L, c, l);
  return 0;
}


static int server_is_serving (lua_State *L) {
  Server *s = checkserver(L, ca_core(L));
  lua_pushboolean(L, s->listener != NULL && s->listener->listening);
  return 1;
}


static int eachclient (lua_State *L, bool abort) {
  Server *s = checkserver(L, ca_core(L));
  if (s->listener == NULL) return 0;
  List *clients = &s->listener->clients;
  for (List *at = clients->next; at != clients; at = at->next) {
    Conn *n = container_of(at, Conn, sibling);
    if (abort) ca_conn_abort(n);        /* leaves the list later */
    else ca_conn_close(n, true);
  }
  return 0;
}


/* listener:close_clients(): close the connections in good order. */
static int server_close_clients (lua_State *L) {
  return eachclient(L, false);
}


/* listener:abort_clients(): close them at once. */
static int server_abort_clients (lua_State *L) {
  return eachclient(L, true);
}


/* listener:getsockname(): host, port; nil when it is closed. */
static int server_getsockname (lua_State *L) {
  Core *c = ca_core(L);
  Server *s = checkserver(L, c);
  Address a;
  memset(&a, 0, sizeof a);
  if (s->listener != NULL && !s->closed) {
    struct sockaddr_storage own;
    int size = sizeof own;
    int status = uv_tcp_getsockname(&s->listener->uv,
                                    (struct sockaddr *)&own, &size);
    if (status != 0) return ca_error_uv(L, c, status, "getsockname", NULL);
    ca_address_copy(&a, (struct sockaddr *)&own);
  }
  return ca_address_push(L, &a);
}


typedef struct ClosedOp {
  Op op;
  Server *server;
} ClosedOp;


static int closed_start (lua_State *L, Core *c, Op *op, Task *t) {
  Listener *l = ((ClosedOp *)op)->server->listener;
  if (l == NULL) return CA_READY;
  if (l->loop != c->loop)
    return luaL_error(L, "the server belongs to another event loop");
  list_append(&l->waiters, &t->node.link);
  return CA_WAIT;
}


static void closed_giveup (Op *op, Task *t) {
  (void)op;
  list_remove(&t->node.link);
}


static int closed_finish (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  (void)op;
  return 0;
}


static const OpType closedtype = {
  .name = "Server.wait_closed",
  .start = closed_start,
  .giveup = closed_giveup,
  .finish = closed_finish,
  .again = true,
};


/* listener:wait_closed(): until it and all its connections are closed. */
static int server_wait_closed (lua_State *L) {
  Core *c = ca_core(L);
  Server *s = checkserver(L, c);
  ClosedOp *op = (ClosedOp *)ca_op_new(L, c, &closedtype, sizeof(ClosedOp), 1,
                                       1);
  op->server = s;
  return 1;
}


/* Collected: it was never listening, or it is closed. */
static int server_gc (lua_State *L) {
  Core *c = ca_core(L);
  Server *s = (Server *)ca_test(L, c, 1, KIND_SERVER);
  if (s == NULL || s->listener == NULL) return 0;
  Listener *l = s->listener;
  s->listener = NULL;
  s->closed = true;
  l->server = NULL;
  if (!c->dying) stop(l);
  return 0;
}


static int server_tostring (lua_State *L) {
  Server *s = checkserver(L, ca_core(L));
  lua_pushfstring(L, "<Listener %s>", s->closed || s->listener == NULL
    ? "closed" : s->listener->listening ? "listening" : "bound");
  return 1;
}


static const luaL_Reg methods[] = {
  {"abort_clients", server_abort_clients},
  {"close", server_close},
  {"close_clients", server_close_clients},
  {"getsockname", server_getsockname},
  {"is_serving", server_is_serving},
  {"listen", server_listen},
  {"wait_closed", server_wait_closed},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__gc", server_gc},
  {"__tostring", server_tostring},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"tcp_listen", tcp_listen},
  {NULL, NULL}
};


void ca_server_open (lua_State *L) {
  ca_type_new(L, KIND_SERVER, "casync.Listener", methods, meta);
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}

/* }====================================================== */
