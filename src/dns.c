/*
** dns.c - names to addresses.
**
** Numeric hosts are answered at once. Names go to libuv's threads, where a
** lookup that runs cannot be interrupted: giving up leaves the request to
** its callback, which frees it. (So closing a loop, and the end of the
** process, may wait for a resolver that does not answer.)
**
** libuv aborts the process when it cannot create its threads, which it does
** at the first lookup. So before that, as many threads are made and ended
** here, to see that it is possible.
*/

#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "awaitable.h"
#include "error.h"
#include "operations.h"

typedef struct Request {
  Body body;
  uv_getaddrinfo_t uv;
  Loop *loop;
  Task *task;                   /* to be woken, or NULL */
  struct LookupOp *op;          /* who waits for it, or NULL */
  bool done;
  int status;
  struct addrinfo *results;
} Request;

typedef struct LookupOp {
  Op op;
  Request *request;
  const char *host;             /* NULL: this machine; kept by user values */
  const char *service;
  struct addrinfo hints;
} LookupOp;

/* User values of a lookup. */
enum { OPUV_HOST = 2, OPUV_SERVICE };


static void freerequest (Request *r) {
  if (r->results != NULL) uv_freeaddrinfo(r->results);
  ca_free(r->loop->core, r, sizeof(Request));
}


static void onlookup (uv_getaddrinfo_t *uv, int status,
                      struct addrinfo *results) {
  Request *r = container_of(uv, Request, uv);
  ca_body_closed(&r->body);
  r->done = true;
  r->status = status;
  r->results = results;
  if (r->op == NULL) freerequest(r);
  else ca_task_wake(r->task);
}


/* The loop closes. Who waited has been taken out before. */
static void closebody (Body *body) {
  Request *r = container_of(body, Request, body);
  uv_cancel((uv_req_t *)&r->uv);
}


/* {=======================================================
** Can threads be made?
** ======================================================== */

typedef struct Probe {
  uv_mutex_t gate;              /* held while threads are being made */
} Probe;


static void probethread (void *arg) {
  Probe *p = (Probe *)arg;
  uv_mutex_lock(&p->gate);
  uv_mutex_unlock(&p->gate);
}


static int poolsize (void) {
  const char *text = getenv("UV_THREADPOOL_SIZE");
  if (text == NULL) return 4;
  int n = atoi(text);
  return n < 1 ? 1 : n > 1024 ? 1024 : n;
}


static int probe (void) {
  enum { MOST = 1024 };
  uv_thread_t threads[MOST];
  Probe p;
  int status = uv_mutex_init(&p.gate);
  if (status != 0) return status;
  int wanted = poolsize(), made = 0;
  uv_mutex_lock(&p.gate);
  while (made < wanted && status == 0) {
    status = uv_thread_create(&threads[made], probethread, &p);
    if (status == 0) made++;
  }
  uv_mutex_unlock(&p.gate);
  while (made > 0) uv_thread_join(&threads[--made]);
  uv_mutex_destroy(&p.gate);
  return status;
}


/* Status: is libuv's pool of threads there, or can it be made? */
static int checkpool (void) {
  /* libuv's pool is the process's, and so is what is known of it. */
  static atomic_bool known;
  if (atomic_load(&known)) return 0;
  int status = probe();
  if (status == 0) atomic_store(&known, true);
  return status;
}

/* }====================================================== */


static int lookup_start (lua_State *L, Core *c, Op *op, Task *t) {
  LookupOp *o = (LookupOp *)op;
  int status = checkpool();
  if (status != 0)
    return ca_error_uv(L, c, status, "pthread_create",
                       "no threads for looking up names");
  Request *r = (Request *)ca_malloc(c, sizeof(Request));
  if (r == NULL) return ca_nomem(L);
  memset(r, 0, sizeof *r);
  r->loop = c->loop;
  status = uv_getaddrinfo(&c->loop->uv, &r->uv, onlookup, o->host,
                          o->service, &o->hints);
  if (status != 0) {
    ca_free(c, r, sizeof(Request));
    return ca_error_uv(L, c, status, "getaddrinfo", o->host);
  }
  ca_body_open(c->loop, &r->body, closebody);
  r->op = o;
  r->task = t;
  o->request = r;
  return CA_WAIT;
}


/* Nobody waits for it any more. */
static void lookup_giveup (Op *op, Task *t) {
  LookupOp *o = (LookupOp *)op;
  Request *r = o->request;
  (void)t;
  o->request = NULL;
  if (r == NULL) return;
  r->op = NULL;
  r->task = NULL;
  if (r->done) freerequest(r);
  else uv_cancel((uv_req_t *)&r->uv);   /* its callback frees it */
}


static void lookup_giveback (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  lookup_giveup(op, NULL);
}


static const char *protocolname (int protocol) {
  switch (protocol) {
    case IPPROTO_TCP: return "tcp";
    case IPPROTO_UDP: return "udp";
    case IPPROTO_ICMP: return "icmp";
    case IPPROTO_IP: return "ip";
    default: return NULL;
  }
}


static const char *typename (int type) {
  switch (type) {
    case SOCK_STREAM: return "stream";
    case SOCK_DGRAM: return "dgram";
    case SOCK_RAW: return "raw";
    default: return NULL;
  }
}


/* Push one result as a table. */
static void pushresult (lua_State *L, const Address *a, int type,
                        int protocol) {
  lua_createtable(L, 0, 5);
  ca_address_push(L, a);
  lua_setfield(L, -3, "port");
  lua_setfield(L, -2, "address");
  lua_pushstring(L, a->any.sa_family == AF_INET6 ? "inet6" : "inet");
  lua_setfield(L, -2, "family");
  const char *name = typename(type);
  if (name != NULL) lua_pushstring(L, name);
  else lua_pushinteger(L, type);
  lua_setfield(L, -2, "type");
  name = protocolname(protocol);
  if (name != NULL) lua_pushstring(L, name);
  else lua_pushinteger(L, protocol);
  lua_setfield(L, -2, "protocol");
}


/* (results): the list of them. */
static int collect (lua_State *L) {
  const struct addrinfo *at = (const struct addrinfo *)lua_touserdata(L, 1);
  lua_newtable(L);
  lua_Integer n = 0;
  for (; at != NULL; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    Address a;
    ca_address_copy(&a, at->ai_addr);
    pushresult(L, &a, at->ai_socktype, at->ai_protocol);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}


static int lookup_finish (lua_State *L, Core *c, Op *op) {
  LookupOp *o = (LookupOp *)op;
  Request *r = o->request;
  if (r->status != 0) {
    int status = r->status;
    lookup_giveup(op, NULL);
    if (status == UV_EAI_CANCELED) status = UV_ECANCELED;
    return ca_error_uv(L, c, status, "getaddrinfo", o->host);
  }
  luaL_checkstack(L, 4, "cannot push addresses");
  lua_pushcfunction(L, collect);
  lua_pushlightuserdata(L, r->results);
  int status = lua_pcall(L, 1, 1, 0);
  lookup_giveup(op, NULL);      /* also when there was no memory */
  return status == LUA_OK ? 1 : lua_error(L);
}


static const OpType lookuptype = {
  .name = "getaddrinfo",
  .start = lookup_start,
  .giveup = lookup_giveup,
  .finish = lookup_finish,
  .giveback = lookup_giveback,
};


/* The answer is known: user value 2 is the list. */
static int known_start (lua_State *L, Core *c, Op *op, Task *t) {
  (void)L;
  (void)c;
  (void)op;
  (void)t;
  return CA_READY;
}


static int known_finish (lua_State *L, Core *c, Op *op) {
  (void)c;
  (void)op;
  lua_getiuservalue(L, 1, 2);
  return 1;
}


static const OpType knowntype = {
  .name = "getaddrinfo",
  .start = known_start,
  .finish = known_finish,
};


/* {=======================================================
** Options
** ======================================================== */

typedef struct Choice {
  const char *name;
  int value;
} Choice;


static const Choice families[] = {
  {"inet", AF_INET}, {"inet6", AF_INET6}, {"unspec", AF_UNSPEC}, {NULL, 0}
};

static const Choice types[] = {
  {"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}, {"raw", SOCK_RAW}, {NULL, 0}
};

static const Choice protocols[] = {
  {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {NULL, 0}
};


/* Option 'name' of the table at 3, one of the choices; 0 when it is nil. */
static int optchoice (lua_State *L, const char *name, const Choice *choices) {
  if (lua_isnil(L, 3)) return 0;
  if (lua_getfield(L, 3, name) == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  if (lua_type(L, -1) == LUA_TSTRING) {
    for (const Choice *c = choices; c->name != NULL; c++)
      if (strcmp(c->name, lua_tostring(L, -1)) == 0) {
        lua_pop(L, 1);
        return c->value;
      }
  }
  return luaL_argerror(L, 3, lua_pushfstring(L,
    "option '%s' cannot be %s", name, luaL_tolstring(L, -1, NULL)));
}


static int optflag (lua_State *L, const char *name, int flag) {
  if (lua_isnil(L, 3)) return 0;
  lua_getfield(L, 3, name);
  bool set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set ? flag : 0;
}


/* The port at 2: a number, the name of a service, or nil (0). Numbers come
   back in 'port', which is -1 for a name. */
static void checkservice (lua_State *L, int *port) {
  *port = -1;
  if (lua_isnil(L, 2)) *port = 0;
  else if (lua_type(L, 2) == LUA_TNUMBER) *port = ca_address_port(L, 2);
  else {
    size_t length;
    const char *name = luaL_checklstring(L, 2, &length);
    luaL_argcheck(L, length > 0 && length <= 64 && strlen(name) == length, 2,
                  "not the name of a service");
  }
}

/* }====================================================== */


/* Push the list of a numeric address. */
static void pushknown (lua_State *L, const Address *a, int type,
                       int protocol) {
  if (type == 0) type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
  if (protocol == 0 && type == SOCK_STREAM) protocol = IPPROTO_TCP;
  if (protocol == 0 && type == SOCK_DGRAM) protocol = IPPROTO_UDP;
  lua_createtable(L, 1, 0);
  pushresult(L, a, type, protocol);
  lua_rawseti(L, -2, 1);
}


/* getaddrinfo(host, port [, {family=, type=, protocol=, passive=}]): the
   addresses of a name as a list of tables. A host of nil is this machine,
   or all its interfaces if 'passive'. The type is "stream" by default. */
static int dns_getaddrinfo (lua_State *L) {
  static const char *const names[] = {
    "family", "type", "protocol", "passive", NULL
  };
  Core *c = ca_core(L);
  lua_settop(L, 3);
  const char *host = lua_isnil(L, 1) ? NULL : ca_address_host(L, 1);
  int port;
  checkservice(L, &port);
  ca_options(L, 3, names);
  struct addrinfo hints;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = optchoice(L, "family", families);
  hints.ai_socktype = optchoice(L, "type", types);
  hints.ai_protocol = optchoice(L, "protocol", protocols);
  hints.ai_flags = optflag(L, "passive", AI_PASSIVE);
  if (hints.ai_socktype == 0 && hints.ai_protocol == 0)
    hints.ai_socktype = SOCK_STREAM;
  Address a;
  if (host != NULL && port >= 0 && ca_address_parse(&a, host, port) &&
      (hints.ai_family == AF_UNSPEC || hints.ai_family == a.any.sa_family)) {
    ca_op_new(L, c, &knowntype, sizeof(Op), 2, 0);
    pushknown(L, &a, hints.ai_socktype, hints.ai_protocol);
    lua_setiuservalue(L, -2, 2);
    return 1;
  }
  LookupOp *o = (LookupOp *)ca_op_new(L, c, &lookuptype, sizeof(LookupOp), 3,
                                      0);
  o->hints = hints;
  o->host = host;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, OPUV_HOST);
  if (port == 0 && host != NULL) lua_pushnil(L);  /* raw sockets have none */
  else if (port >= 0) {
    lua_pushfstring(L, "%d", port);
    o->hints.ai_flags |= AI_NUMERICSERV;
  }
  else lua_pushvalue(L, 2);
  o->service = lua_tostring(L, -1);
  lua_setiuservalue(L, -2, OPUV_SERVICE);
  return 1;
}


/* loop:getaddrinfo(host, port [, opts]) */
static int loop_getaddrinfo (lua_State *L) {
  ca_loop_check(L, ca_core(L), 1);
  lua_remove(L, 1);
  return dns_getaddrinfo(L);
}


static const luaL_Reg functions[] = {
  {"getaddrinfo", dns_getaddrinfo},
  {NULL, NULL}
};


static const luaL_Reg loopmethods[] = {
  {"getaddrinfo", loop_getaddrinfo},
  {NULL, NULL}
};


void ca_dns_open (lua_State *L) {
  ca_setfuncs(L, functions);
  lua_getfield(L, -1, "LoopMethods");
  ca_setfuncs(L, loopmethods);
  lua_pop(L, 1);
}
