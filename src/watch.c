/*
** watch.c - Watch: a set of futures whose ends are awaited in turn. 'wait'
** and 'as_completed' are built on it in Lua.
**
** A Watch may be dropped at any time: its finaliser takes it off its
** members' lists.
*/

#include <string.h>

#include "awaitable.h"
#include "error.h"
#include "link.h"
#include "watch.h"

typedef struct Watch {
  Object head;
  Links *links;                 /* NULL when closed */
  Task *waiter;                 /* parked on it, or NULL */
  uint32_t *order;              /* links in the order in which they fired */
  uint32_t n;
  uint32_t nfired;
  uint32_t nnext;               /* how many 'next' has given */
  uint32_t wanted;              /* wake the waiter when so many have fired */
  bool onerror;                 /* or when a member raised */
  bool failed;
} Watch;

typedef struct WatchOp {
  Op op;
  Watch *watch;
  int64_t deadline;
  uint32_t wanted;
  bool timed;
  bool onerror;
  bool raises;                  /* a time-out raises */
} WatchOp;


static bool satisfied (const Watch *w) {
  return w->nfired >= w->wanted || (w->onerror && w->failed);
}


static void watchjob (lua_State *L, Loop *l, Job *job) {
  Link *link = container_of(job, Link, job);
  Links *links = link->links;
  Watch *w = (Watch *)links->owner;
  (void)L;
  (void)l;
  links->nqueued--;
  if (w == NULL) {
    if (links->nqueued == 0) ca_links_free(links);
    return;
  }
  w->order[w->nfired++] = (uint32_t)(link - links->link);
  if (link->member->head.state == RAISED) w->failed = true;
  if (w->waiter != NULL && satisfied(w)) {
    Task *t = w->waiter;
    w->waiter = NULL;
    ca_task_unsettimer(t);
    if (t->place == PARKED) ca_task_wake(t);
  }
}


/* watch(list of futures): a Watch on them. */
static int watch_new (lua_State *L) {
  Core *c = ca_core(L);
  lua_Integer n = ca_links_count(L, 1);
  lua_settop(L, 1);
  Loop *l = ca_links_loop(L, c, 2, 1, n);
  lua_settop(L, 1);
  Watch *w = ca_object_new(L, c, KIND_WATCH, sizeof(Watch), 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, 1);
  w->n = (uint32_t)n;
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    Future *f = ca_future_test(L, c, -1);
    if (f == NULL || f->loop != l || f->generation != l->generation)
      return luaL_error(L, "the future at position %d belongs to a different "
                           "loop", (int)i);
    lua_pop(L, 1);
  }
  w->order = ca_malloc(c, (size_t)(n + 1) * sizeof(uint32_t));
  if (w->order == NULL) return ca_nomem(L);
  w->links = ca_links_new(L, c, l, w->n, watchjob);
  w->links->owner = w;
  for (uint32_t i = 0; i < w->n; i++) {
    lua_rawgeti(L, 1, i + 1);
    Future *f = (Future *)lua_touserdata(L, -1);
    lua_pop(L, 1);
    Link *link = &w->links->link[i];
    link->member = f;
    if (f->head.state == PENDING) list_append(&f->nodes, &link->node.link);
    else ca_link_settled(&link->node);
  }
  return 1;
}


static void closewatch (Core *c, Watch *w) {
  if (w->links != NULL) ca_links_drop(w->links);
  w->links = NULL;
  ca_free(c, w->order, (w->n + 1) * sizeof(uint32_t));  /* if it has one */
  w->order = NULL;
}


static Watch *checkwatch (lua_State *L) {
  return (Watch *)ca_check(L, ca_core(L), 1, KIND_WATCH);
}


/* watch:close(): stop watching. */
static int watch_close (lua_State *L) {
  Watch *w = checkwatch(L);
  if (w->waiter != NULL) return luaL_error(L, "a task waits on this Watch");
  closewatch(ca_core(L), w);
  return 0;
}


static int watch_gc (lua_State *L) {
  Core *c = ca_core(L);
  Watch *w = (Watch *)ca_test(L, c, 1, KIND_WATCH);
  if (w != NULL) closewatch(c, w);
  return 0;
}


static int startwatch (lua_State *L, Core *c, Op *op, Task *t) {
  WatchOp *wo = (WatchOp *)op;
  Watch *w = wo->watch;
  (void)c;
  if (w->links == NULL) luaL_error(L, "this Watch is closed");
  if (w->waiter != NULL) luaL_error(L, "another task waits on this Watch");
  w->wanted = wo->wanted;
  w->onerror = wo->onerror;
  if (satisfied(w)) return CA_READY;
  if (wo->timed && !ca_task_settimer(t, wo->deadline)) ca_nomem(L);
  w->waiter = t;
  return CA_WAIT;
}


static void giveupwatch (Op *op, Task *t) {
  ca_task_unsettimer(t);
  ((WatchOp *)op)->watch->waiter = NULL;
}


static int finishwait (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  ((WatchOp *)op)->watch->waiter = NULL;
  return 0;
}


static int finishnext (lua_State *L, Core *c, Op *op) {
  WatchOp *wo = (WatchOp *)op;
  Watch *w = wo->watch;
  w->waiter = NULL;
  if (w->nnext >= w->nfired)
    return w->nnext >= w->n ? 0 : ca_error_raise(L, c, ERR_TIMEOUT, NULL);
  lua_getiuservalue(L, 1, OPUV_OWNER);
  lua_getiuservalue(L, -1, 1);
  lua_rawgeti(L, -1, w->order[w->nnext++] + 1);
  return 1;
}


/* Time is up, or the task was cancelled late: nobody waits any more. */
static void givebackwatch (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  ((WatchOp *)op)->watch->waiter = NULL;
}


static const OpType waittype = {
  .name = "wait",
  .start = startwatch,
  .giveup = giveupwatch,
  .finish = finishwait,
  .giveback = givebackwatch,
};

static const OpType nexttype = {
  .name = "as_completed",
  .start = startwatch,
  .giveup = giveupwatch,
  .finish = finishnext,
  .giveback = givebackwatch,
};


/* watch:wait(count, timeout or nil, onerror): until so many are done. */
static int watch_wait (lua_State *L) {
  Core *c = ca_core(L);
  Watch *w = checkwatch(L);
  lua_Integer count = luaL_checkinteger(L, 2);
  bool timed = !lua_isnoneornil(L, 3);
  lua_Number timeout = timed ? ca_seconds(L, 3) : 0;
  WatchOp *wo = ca_op_new(L, c, &waittype, sizeof(WatchOp), 1, 1);
  wo->watch = w;
  wo->wanted = count > w->n ? w->n : (uint32_t)count;
  wo->timed = timed;
  wo->deadline = timed ? ca_loop_deadline(c->loop, timeout) : 0;
  wo->onerror = lua_toboolean(L, 4);
  return 1;
}


/* watch:next([deadline]): the next that is done; nil after the last. */
static int watch_next (lua_State *L) {
  Core *c = ca_core(L);
  Watch *w = checkwatch(L);
  bool timed = !lua_isnoneornil(L, 2);
  lua_Number when = timed ? ca_seconds(L, 2) : 0;
  WatchOp *wo = ca_op_new(L, c, &nexttype, sizeof(WatchOp), 1, 1);
  wo->watch = w;
  wo->wanted = w->nnext < w->n ? w->nnext + 1 : w->n;
  wo->timed = timed;
  wo->deadline = ca_loop_when(when);
  return 1;
}


static const luaL_Reg methods[] = {
  {"close", watch_close},
  {"next", watch_next},
  {"wait", watch_wait},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__close", watch_close},
  {"__gc", watch_gc},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"watch", watch_new},
  {NULL, NULL}
};


void ca_watch_open (lua_State *L) {
  ca_type_new(L, KIND_WATCH, "casync.Watch", methods, meta);
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
