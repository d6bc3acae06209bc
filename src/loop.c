/*
** loop.c - the ready queue, the timers and the turns of libuv.
**
** One turn: libuv has its say (without waiting while jobs are ready, and
** not at all when it had it a moment ago: a poll is a system call, a round
** may be one switch of 100 ns); then the timers that are due fire; then one
** round of the ready queue is run. What a round posts waits for the next
** round, as in asyncio.
**
** The round lives in the Loop, not on the C stack: an error may leave
** 'turns' at any job, and the rest of the round is run by the next run.
**
** libuv's callbacks and timers store, wake and post; they never touch Lua.
** Only jobs do, on the runner, inside 'turns'.
**
** A Loop is memory that is never given back while its Lua state lives:
** closed ones are used again with a new generation. So a future may keep
** the address of its loop without keeping the loop.
*/

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "loop.h"
#include "reserve.h"

/* Heaps of more KB are not collected for the sake of reports. */
#define MAXSWEEP 32768

/* libuv's turn is due after this many nanoseconds of rounds. */
#define POLLSLICE 50000

/* So many rounds go by between two looks at the clock, when the last ones
   took not even a quarter of a slice together. */
#define BLINDROUNDS 4


/* The field of a loop that is not a method, and its first value, in
   nanoseconds. */
#define PROPERTY "slow_callback_duration"
#define SLOW 100000000


typedef struct LoopBox {
  Object head;
  uint32_t generation;
  Loop *loop;                   /* NULL when it has been closed */
  Loop *was;                    /* what 'loop' was; may live again by now */
} LoopBox;


/* {=======================================================
** Anchors: slots of a table that is the loop's user value. A free slot
** holds false. The list of free slots always has room for all of them, so
** that dropping an anchor can't fail.
** ======================================================== */

void ca_anchor_table (lua_State *L, Core *c, Loop *l) {
  if (l == c->loop) lua_getiuservalue(L, CORE, UV_ANCHORS);
  else {
    ca_loop_push(L, c, l);
    if (lua_isnil(L, -1)) luaL_error(L, "the event loop is gone");
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
  }
}


/* A slot beyond the last, and room to list it when it will be free. */
static uint32_t newslot (lua_State *L, Core *c, Loop *l) {
  if (l->nanchors == l->freesize) {
    uint32_t size = l->freesize == 0 ? 64 : l->freesize * 2;
    uint32_t *slots = ca_realloc(c, l->freeanchors,
                                 l->freesize * sizeof(uint32_t),
                                 size * sizeof(uint32_t));
    if (slots == NULL) ca_nomem(L);
    l->freeanchors = slots;
    l->freesize = size;
  }
  return l->nanchors + 1;
}


uint32_t ca_anchor (lua_State *L, Core *c, Loop *l) {
  uint32_t slot;
  ca_anchor_table(L, c, l);
  if (l->nfreeanchors > 0) slot = l->freeanchors[l->nfreeanchors - 1];
  else slot = newslot(L, c, l);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, slot);     /* the last thing that may raise */
  if (slot > l->nanchors) l->nanchors = slot;
  else l->nfreeanchors--;
  lua_pop(L, 1);
  return slot;
}


void ca_anchor_push (lua_State *L, Core *c, Loop *l, uint32_t slot) {
  ca_anchor_table(L, c, l);
  lua_rawgeti(L, -1, slot);
  lua_replace(L, -2);
}


void ca_anchor_drop (lua_State *L, Core *c, Loop *l, uint32_t slot) {
  ca_anchor_table(L, c, l);
  ca_anchor_dropfrom(L, l, lua_gettop(L), slot);
  lua_pop(L, 1);
}

/* }====================================================== */


/* {=======================================================
** Reports
** ======================================================== */

/* Last resort: no Lua function takes reports. */
static void printreport (lua_State *L) {
  lua_getfield(L, -1, "message");
  const char *message = lua_tostring(L, -1);
  fprintf(stderr, "casync: %s\n", message ? message : "report");
  lua_pop(L, 1);
}


void ca_loop_report (lua_State *L, Core *c, Loop *l) {
  if (!lua_checkstack(L, 8)) return;
  if (lua_getiuservalue(L, CORE, UV_REPORT) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    printreport(L);
    lua_pop(L, 1);
    return;
  }
  lua_insert(L, -2);
  if (l != NULL && l->open) ca_loop_push(L, c, l);
  else lua_pushnil(L);
  lua_insert(L, -2);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) ca_loop_unreported(L);
}


void ca_loop_unreported (lua_State *L) {
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                       : NULL;
  fprintf(stderr, "casync: error in a report: %s\n",
          message ? message : "(no message)");
  lua_pop(L, 1);
}


/* (error, handle or nil): report what a callback raised. */
static void reportcall (lua_State *L, Core *c, void *message) {
  lua_createtable(L, 0, 4);
  if (lua_isnil(L, 2)) lua_pushstring(L, (const char *)message);
  else {
    lua_pushfstring(L, "%s %s", (const char *)message,
                    luaL_tolstring(L, 2, NULL));
    lua_remove(L, -2);
  }
  lua_setfield(L, 3, "message");
  if (lua_isnil(L, 1)) lua_pushliteral(L, "nil error");
  else lua_pushvalue(L, 1);
  lua_setfield(L, 3, "exception");
  lua_getiuservalue(L, CORE, UV_TRACEBACK);
  lua_setfield(L, 3, "traceback");
  ca_error_untrace(L, c);
  lua_pushvalue(L, 2);
  lua_setfield(L, 3, "handle");
  ca_loop_report(L, c, c->loop);
}


void ca_loop_call (lua_State *L, Loop *l, int n, const char *message,
                   int handle) {
  Core *c = l->core;
  int fn = lua_gettop(L) - n;
  lua_getiuservalue(L, CORE, UV_HANDLER);
  lua_insert(L, fn);
  int status = lua_pcall(L, n, 0, fn);
  lua_remove(L, fn);
  if (status == LUA_OK) return;
  /* A callback that lacked memory has not done what others rely on (a group
     its tasks, 'run' its stop): better to end than to wait for ever. */
  if (status == LUA_ERRMEM || ca_error_is(L, c, -1, ERR_KEYBOARDINTERRUPT))
    lua_error(L);
  if (handle != 0) lua_pushvalue(L, handle);
  else lua_pushnil(L);
  if (!ca_protect(L, c, reportcall, (void *)message, 2))
    ca_loop_unreported(L);
}

/* }====================================================== */


/* {=======================================================
** Life of a loop
** ======================================================== */

/* Its use is to end the poll; libuv may fire it before it polls, and would
   then wait for ever, were it not told to stop. */
static void onalarm (uv_timer_t *alarm) {
  uv_stop(alarm->loop);
}


static void onwakeup (uv_async_t *wakeup) {
  (void)wakeup;         /* likewise: 'turns' looks at what has happened */
}


static int uvinit (Loop *l) {
  int status = ca_reserve_loop(l->core, &l->uv);
  if (status < 0) return status;
  status = uv_async_init(&l->uv, &l->wakeup, onwakeup);
  if (status < 0) {
    int closed = uv_loop_close(&l->uv);
    assert(closed == 0);
    (void)closed;
    return status;
  }
  uv_unref((uv_handle_t *)&l->wakeup);
  uv_timer_init(&l->uv, &l->alarm);
  l->uvopen = true;
  return 0;
}


static void emptyqueue (Loop *l) {
  l->first = NULL;
  l->last = &l->first;
  l->round = NULL;
}


/* A Loop for a new life: a closed one, or new memory. */
static Loop *takeloop (lua_State *L, Core *c) {
  Loop *l = c->loops;
  while (l != NULL && (l->open || l->uvopen)) l = l->nextloop;
  if (l != NULL) {
    Loop *next = l->nextloop;
    uint32_t generation = l->generation + 1;
    memset(l, 0, sizeof(*l));
    l->nextloop = next;
    l->generation = generation;
  }
  else {
    l = ca_malloc(c, sizeof(Loop));
    if (l == NULL) ca_nomem(L);
    memset(l, 0, sizeof(*l));
    l->generation = 1;
    l->nextloop = c->loops;
    c->loops = l;
  }
  l->core = c;
  l->slow = SLOW;
  list_init(&l->bodies);
  list_init(&l->orphans);
  emptyqueue(l);
  return l;
}


/*
** Give the new loop on top of the stack a metatable of its own, whose __index
** has its properties and goes on to the methods: an __index that is a
** function would be called for each method.
*/
static void setmeta (lua_State *L) {
  lua_getiuservalue(L, CORE, UV_TYPES + KIND_LOOP);
  ca_type_copy(L);
  lua_createtable(L, 0, 1);             /* properties */
  lua_pushnumber(L, SLOW / 1e9);
  lua_setfield(L, -2, PROPERTY);
  lua_createtable(L, 0, 1);
  lua_getfield(L, -4, "__index");
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -3);
  lua_pop(L, 1);
}


/* new_event_loop(): a loop of one's own. Lua may run finalisers, which may
   make loops: none comes between taking the Loop and opening it. */
static int loop_new (lua_State *L) {
  Core *c = ca_core(L);
  LoopBox *box = ca_object_new(L, c, KIND_LOOP, sizeof(LoopBox), 1);
  lua_newtable(L);      /* anchors */
  lua_setiuservalue(L, -2, 1);
  setmeta(L);
  Loop *l = takeloop(L, c);
  int status = uvinit(l);
  if (status < 0)
    return ca_error_uv(L, c, status, "uv_loop_init",
                       "cannot make an event loop");
  l->open = true;
  box->loop = box->was = l;
  box->generation = l->generation;
  lua_getiuservalue(L, CORE, UV_LOOPS);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, l);
  lua_pop(L, 1);
  return 1;
}


void ca_body_open (Loop *l, Body *body, void (*close) (Body *)) {
  body->close = close;
  list_append(&l->bodies, &body->link);
}


void ca_body_closed (Body *body) {
  list_remove(&body->link);
}


void ca_loop_orphan (Loop *l, Orphan *o, size_t size) {
  o->size = size;
  list_append(&l->orphans, &o->link);
}


static void closerest (uv_handle_t *handle, void *unused) {
  (void)unused;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}


/* Close what libuv holds; its last callbacks only free memory of ours. */
static void uvclose (Loop *l) {
  while (!list_empty(&l->bodies)) {
    Body *body = container_of(l->bodies.next, Body, link);
    list_remove(&body->link);
    body->close(body);
  }
  uv_walk(&l->uv, closerest, NULL);
  while (uv_loop_close(&l->uv) == UV_EBUSY)
    uv_run(&l->uv, UV_RUN_ONCE);
  l->uvopen = false;
}


/*
** Abandon what is still pending (tasks are taken out of the lists of what
** they wait for, so that nothing points at them), and drop all anchors. The
** table of anchors is on top. Raises nothing.
*/
static void abandonall (lua_State *L, Core *c, Loop *l) {
  for (uint32_t i = 1; i <= l->nanchors; i++) {
    lua_rawgeti(L, -1, i);
    Object *o = ca_object(L, c, -1);
    if (o != NULL) c->abandon(L, o);
    lua_pop(L, 1);
  }
  for (uint32_t i = 1; i <= l->nanchors; i++) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, i);
  }
}


static void closeloop (lua_State *L, Core *c, LoopBox *box, int idx) {
  Loop *l = box->loop;
  l->closing = true;
  lua_getiuservalue(L, idx, 1);
  if (lua_istable(L, -1)) abandonall(L, c, l);
  lua_pop(L, 1);
  l->open = false;
  uvclose(l);
  emptyqueue(l);
  while (!list_empty(&l->orphans)) {
    Orphan *o = container_of(l->orphans.next, Orphan, link);
    list_remove(&o->link);
    ca_free(c, o, o->size);
  }
  ca_free(c, l->heap, l->heapsize * sizeof(HeapEntry));
  l->heap = NULL;
  l->nheap = l->heapsize = 0;
  ca_free(c, l->freeanchors, l->freesize * sizeof(uint32_t));
  l->freeanchors = NULL;
  l->freesize = l->nfreeanchors = 0;
  box->loop = NULL;
}


Loop *ca_loop_check (lua_State *L, Core *c, int idx) {
  LoopBox *box = (LoopBox *)ca_check(L, c, idx, KIND_LOOP);
  if (box->loop == NULL || box->loop->closing)
    luaL_error(L, "Event loop is closed");
  return box->loop;
}


Loop *ca_loop_any (lua_State *L, Core *c, int idx, uint32_t *generation) {
  LoopBox *box = (LoopBox *)ca_check(L, c, idx, KIND_LOOP);
  *generation = box->generation;
  return box->was;
}


Loop *ca_loop_running (lua_State *L, Core *c) {
  if (c->loop == NULL)
    luaL_error(L, "no running event loop: call it inside "
                  "casync.run(function() ... end)");
  return c->loop;
}


Loop *ca_loop_get (lua_State *L, Core *c) {
  if (c->loop != NULL) return c->loop;
  lua_getiuservalue(L, CORE, UV_GETLOOP);
  if (lua_isnil(L, -1)) ca_loop_running(L, c);
  lua_call(L, 0, 1);
  Loop *l = ca_loop_check(L, c, -1);
  lua_pop(L, 1);        /* get_event_loop keeps it */
  return l;
}


void ca_loop_push (lua_State *L, Core *c, Loop *l) {
  (void)c;
  lua_getiuservalue(L, CORE, UV_LOOPS);
  lua_rawgetp(L, -1, l);
  lua_remove(L, -2);
}


void ca_loop_freeall (Core *c) {
  Loop *l = c->loops;
  c->loops = NULL;
  while (l != NULL) {
    Loop *next = l->nextloop;
    if (!l->uvopen) ca_free(c, l, sizeof(Loop));
    l = next;
  }
}

/* }====================================================== */


/* {=======================================================
** Running
** ======================================================== */

/* Milliseconds of libuv's clock at which the deadline has surely passed. */
static uint64_t alarmtime (int64_t deadline) {
  if (deadline > INT64_MAX - 1000000) return UINT64_MAX / 2;
  if (deadline <= 0) return 0;  /* call_at with a time of long ago */
  return (uint64_t)((deadline + 999999) / 1000000);
}


/* When the poll is to end at the latest: the earliest timer, or a collection
   that is due. */
static int64_t nextalarm (const Loop *l) {
  int64_t at = l->nheap > 0 ? l->heap[1].deadline : INT64_MAX;
  return (l->sweep && l->sweepat < at) ? l->sweepat : at;
}


/* Nothing is ready: let libuv wait for the earliest deadline or an event. */
static void pollwait (Loop *l) {
  bool alarm = l->nheap > 0 || l->sweep;
  bool forever = !alarm && !uv_loop_alive(&l->uv);
  if (alarm) {
    uv_update_time(&l->uv);
    uint64_t now = uv_now(&l->uv);
    uint64_t at = alarmtime(nextalarm(l));
    uv_timer_start(&l->alarm, onalarm, at > now ? at - now : 0, 0);
  }
  if (forever) uv_ref((uv_handle_t *)&l->wakeup);
  uv_run(&l->uv, UV_RUN_ONCE);
  if (forever) uv_unref((uv_handle_t *)&l->wakeup);
  if (alarm) uv_timer_stop(&l->alarm);
}


/* Nothing can happen any more, and somebody waits for a result. */
static void deadlock (lua_State *L, Loop *l) {
  lua_getiuservalue(L, CORE, UV_DEADLOCK);
  lua_pushvalue(L, RUN_LOOP);
  ca_anchor_push(L, l->core, l, l->main);
  lua_call(L, 2, 0);
  if (l->first == NULL)
    luaL_error(L, "deadlock: nothing is left that could wake the main task");
}


/*
** Idle, and a failed task has not been asked for its error: it is reported
** when it is collected, so collect, once for each time that tasks have
** failed. Not in large heaps, and not for more than a twentieth of the time.
*/
static void sweep (lua_State *L, Loop *l) {
  l->sweep = false;
  if (l->nunretrieved == 0 || lua_gc(L, LUA_GCCOUNT) > MAXSWEEP ||
      !lua_gc(L, LUA_GCISRUNNING)) return;
  int64_t begun = ca_loop_now(l);
  lua_gc(L, LUA_GCCOLLECT);
  int64_t now = ca_loop_now(l);
  l->sweepat = now + 20 * (now - begun);
}


static void poll (lua_State *L, Loop *l) {
  if (l->first != NULL || l->round != NULL || l->stopping) {
    if (l->blind > 0 && !l->stopping) {
      l->blind--;
      return;
    }
    int64_t now = ca_loop_now(l);
    if (now - l->lastlook < POLLSLICE / 4) l->blind = BLINDROUNDS;
    l->lastlook = now;
    if (now - l->lastpoll >= POLLSLICE || l->stopping) {
      uv_run(&l->uv, UV_RUN_NOWAIT);
      l->lastpoll = now;
    }
    return;
  }
  if (l->sweep && ca_loop_now(l) >= l->sweepat) {
    sweep(L, l);                /* a report may have made something ready */
    uv_run(&l->uv, UV_RUN_NOWAIT);
  }
  else if (l->main != 0 && l->nheap == 0 &&
           !uv_loop_alive(&l->uv)) deadlock(L, l);
  else pollwait(l);
  l->lastpoll = ca_loop_now(l);
}


static void runround (lua_State *L, Loop *l) {
  if (l->round == NULL) {
    l->round = l->first;
    l->first = NULL;
    l->last = &l->first;
  }
  while (l->round != NULL) {
    Job *job = l->round;
    l->round = job->next;
    job->run(L, l, job);
    if (lua_gettop(L) != RUN_TOP) lua_settop(L, RUN_TOP);
  }
}


/* (loop, anchors): run until stopped. */
static int turns (lua_State *L) {
  Loop *l = ((LoopBox *)lua_touserdata(L, RUN_LOOP))->loop;
  /* Jobs have this room from the start, and need not ask for it. */
  luaL_checkstack(L, LUA_MINSTACK * 15, "cannot run the event loop");
  l->lastpoll = l->lastlook = 0;
  l->blind = 0;
  do {
    poll(L, l);
    ca_timer_fire(l);
    if (l->nsignals != l->seensignals) l->signalled(L, l);
    runround(L, l);
  } while (!l->stopping);
  return 0;
}


static int loop_run_forever (lua_State *L) {
  Core *c = ca_core(L);
  LoopBox *box = (LoopBox *)ca_check(L, c, 1, KIND_LOOP);
  Loop *l = ca_loop_check(L, c, 1);
  lua_settop(L, 1);
  if (l->running) return luaL_error(L, "This event loop is already running");
  if (c->loop != NULL)
    return luaL_error(L, "Cannot run the event loop while another loop is "
                         "running");
  lua_getiuservalue(L, CORE, UV_CONTEXT);       /* at 2 */
  lua_pushvalue(L, CORE);
  lua_pushcclosure(L, turns, 1);
  lua_pushvalue(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, CORE, UV_ANCHORS);
  l->running = true;
  l->L = L;
  c->loop = l;
  c->debug = l->debug;
  int status = lua_pcall(L, 2, 0, 0);
  assert(box->loop == l);
  (void)box;
  c->loop = NULL;
  c->lastloop = l;
  c->running = NULL;
  c->handle = NULL;
  lua_pushvalue(L, 2);          /* a callback's error may have left another */
  lua_setiuservalue(L, CORE, UV_CONTEXT);
  c->debug = false;
  l->running = false;
  l->stopping = false;
  l->L = NULL;
  lua_pushnil(L);
  lua_setiuservalue(L, CORE, UV_ANCHORS);
  return status == LUA_OK ? 0 : lua_error(L);
}

/* }====================================================== */


static int loop_stop (lua_State *L) {
  Core *c = ca_core(L);
  LoopBox *box = (LoopBox *)ca_check(L, c, 1, KIND_LOOP);
  if (box->loop != NULL) box->loop->stopping = true;
  return 0;
}


static int loop_close (lua_State *L) {
  Core *c = ca_core(L);
  LoopBox *box = (LoopBox *)ca_check(L, c, 1, KIND_LOOP);
  if (box->loop == NULL || box->loop->closing) return 0;
  if (box->loop->running)
    return luaL_error(L, "Cannot close a running event loop");
  closeloop(L, c, box, 1);
  return 0;
}


static int loop_gc (lua_State *L) {
  Core *c = ca_core(L);
  LoopBox *box = (LoopBox *)ca_test(L, c, 1, KIND_LOOP);
  if (box != NULL && box->loop != NULL && !box->loop->closing) {
    Loop *l = box->loop;
    if (l->running) {   /* os.exit(n, true) inside it: the process ends */
      l->closing = true;
      return 0;
    }
    lua_settop(L, 1);
    closeloop(L, c, box, 1);
  }
  return 0;
}


static int loop_is_running (lua_State *L) {
  LoopBox *box = (LoopBox *)ca_check(L, ca_core(L), 1, KIND_LOOP);
  lua_pushboolean(L, box->loop != NULL && box->loop->running);
  return 1;
}


static int loop_is_closed (lua_State *L) {
  LoopBox *box = (LoopBox *)ca_check(L, ca_core(L), 1, KIND_LOOP);
  lua_pushboolean(L, box->loop == NULL);
  return 1;
}


static int loop_time (lua_State *L) {
  LoopBox *box = (LoopBox *)ca_check(L, ca_core(L), 1, KIND_LOOP);
  lua_pushnumber(L, (lua_Number)ca_loop_now(box->loop) / 1e9);
  return 1;
}


static int loop_set_debug (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  l->debug = lua_toboolean(L, 2);
  if (l == c->loop) c->debug = l->debug;
  return 0;
}


static int loop_get_debug (lua_State *L) {
  LoopBox *box = (LoopBox *)ca_check(L, ca_core(L), 1, KIND_LOOP);
  lua_pushboolean(L, box->loop != NULL && box->loop->debug);
  return 1;
}


/* Set the property. */
static int loop_newindex (lua_State *L) {
  Loop *l = ca_loop_check(L, ca_core(L), 1);
  const char *key = lua_tostring(L, 2);
  if (key == NULL || strcmp(key, PROPERTY) != 0)
    return luaL_error(L, "a Loop has no field '%s' that can be set",
                      luaL_tolstring(L, 2, NULL));
  l->slow = ca_loop_when(ca_seconds(L, 3));
  luaL_getmetafield(L, 1, "__index");
  lua_pushvalue(L, 3);
  lua_setfield(L, -2, PROPERTY);
  return 0;
}


static int loop_tostring (lua_State *L) {
  LoopBox *box = (LoopBox *)ca_check(L, ca_core(L), 1, KIND_LOOP);
  lua_pushfstring(L, "<Loop running=%s closed=%s debug=%s>",
                  box->loop && box->loop->running ? "true" : "false",
                  box->loop ? "false" : "true",
                  box->loop && box->loop->debug ? "true" : "false");
  return 1;
}


/* running_loop(): the running loop, or nil. */
static int loop_running_loop (lua_State *L) {
  Core *c = ca_core(L);
  if (c->loop == NULL) lua_pushnil(L);
  else ca_loop_push(L, c, c->loop);
  return 1;
}


/* set_main(loop, future or nil): what run_until_complete waits for. */
static int loop_set_main (lua_State *L) {
  Core *c = ca_core(L);
  LoopBox *box = (LoopBox *)ca_check(L, c, 1, KIND_LOOP);
  Loop *l = box->loop;
  lua_settop(L, 2);
  if (l == NULL) return 0;
  if (l->main != 0) {
    uint32_t slot = l->main;
    l->main = 0;
    ca_anchor_drop(L, c, l, slot);
  }
  if (!lua_isnil(L, 2)) l->main = ca_anchor(L, c, l);
  return 0;
}


static void counthandle (uv_handle_t *handle, void *count) {
  if (uv_is_active(handle) && uv_has_ref(handle) && !uv_is_closing(handle))
    ++*(lua_Integer *)count;
}


static void setcount (lua_State *L, const char *name, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}


/* census(loop): how much of everything the loop holds. */
static int loop_census (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  lua_Integer handles = 0, ready = 0, anchors = 0;
  uv_walk(&l->uv, counthandle, &handles);
  for (Job *j = l->first; j != NULL; j = j->next) ready++;
  for (Job *j = l->round; j != NULL; j = j->next) ready++;
  lua_settop(L, 1);
  ca_anchor_table(L, c, l);
  for (uint32_t i = 1; i <= l->nanchors; i++) {
    if (lua_rawgeti(L, -1, i) != LUA_TBOOLEAN) anchors++;
    lua_pop(L, 1);
  }
  lua_createtable(L, 0, 5);
  setcount(L, "tasks", l->ntasks);
  setcount(L, "ready", ready);
  setcount(L, "timers", l->nheap);
  setcount(L, "handles", handles);
  setcount(L, "anchors", anchors);
  return 1;
}


/* collect_lost(loop [, force]): report failed tasks that nobody can ask any
   more, and with 'force' all that is reported when it is collected. */
static int loop_collect_lost (lua_State *L) {
  Loop *l = ca_loop_check(L, ca_core(L), 1);
  if (l->nunretrieved > 0 || lua_toboolean(L, 2)) {
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT);
  }
  return 0;
}


static int loop_set_report (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setiuservalue(L, CORE, UV_REPORT);
  return 0;
}


static int loop_set_deadlock (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setiuservalue(L, CORE, UV_DEADLOCK);
  return 0;
}


/* set_getloop(fn): what gives the loop to use when none runs. */
static int loop_set_getloop (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setiuservalue(L, CORE, UV_GETLOOP);
  return 0;
}


static const luaL_Reg methods[] = {
  {"close", loop_close},
  {"get_debug", loop_get_debug},
  {"is_closed", loop_is_closed},
  {"is_running", loop_is_running},
  {"run_forever", loop_run_forever},
  {"set_debug", loop_set_debug},
  {"stop", loop_stop},
  {"time", loop_time},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__close", loop_close},
  {"__gc", loop_gc},
  {"__newindex", loop_newindex},
  {"__tostring", loop_tostring},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"census", loop_census},
  {"collect_lost", loop_collect_lost},
  {"new_event_loop", loop_new},
  {"running_loop", loop_running_loop},
  {"set_deadlock", loop_set_deadlock},
  {"set_getloop", loop_set_getloop},
  {"set_main", loop_set_main},
  {"set_report", loop_set_report},
  {NULL, NULL}
};


void ca_loop_open (lua_State *L) {
  ca_type_new(L, KIND_LOOP, "casync.Loop", methods, meta);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "LoopMethods");
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setiuservalue(L, CORE, UV_LOOPS);
  ca_setfuncs(L, functions);
}
