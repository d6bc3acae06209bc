/*
** sync.c - Lock, Event, Semaphore and BoundedSemaphore.
**
** Nobody owns a lock or a permit: any task may give back what another one
** took. The way of a task in line has two steps, and 'turns' counts those
** that are between them:
**
**   woken   by a release; out of the list, in the ready queue
**   runs    takes the lock in 'finish', or was cancelled: 'giveback'
**
** A Lock that was released to a woken task is unlocked until that runs, but
** who comes meanwhile waits in line. A Semaphore gives the permit away when
** it wakes, so its value is what is left for others; who comes while woken
** tasks have not run waits all the same, so that they go first.
**
** Lua adds what is made of these: see lua/casync/locks.lua.
*/

#include <lua.h>
#include <lauxlib.h>

#include "operations.h"
#include "waitlist.h"

typedef struct Lock {
  Object head;
  WaitList waiters;
  bool locked;
  bool turn;                    /* woken, but has not run yet */
} Lock;

typedef struct Event {
  Object head;
  WaitList waiters;
  bool set;
} Event;

typedef struct Semaphore {
  Object head;
  WaitList waiters;
  lua_Integer value;            /* permits that nobody has */
  lua_Integer bound;            /* value may not exceed it; -1: no bound */
  uint32_t turns;               /* woken with a permit, have not run yet */
} Semaphore;

/* The wait for a lock, an event or a semaphore. */
typedef struct SyncOp {
  Op op;
  bool waited;                  /* it has been parked */
  union {
    Lock *lock;
    Event *event;
    Semaphore *sem;
  } of;
} SyncOp;

#define opof(op)  (((SyncOp *)(op))->of)


static SyncOp *newop (lua_State *L, const OpType *type) {
  return (SyncOp *)ca_op_new(L, ca_core(L), type, sizeof(SyncOp), 1, 1);
}


/* Wait in line: the second half of every 'start'. */
static int park (lua_State *L, Op *op, WaitList *w, Task *t) {
  ca_waitlist_park(L, w, t);
  ((SyncOp *)op)->waited = true;
  return CA_WAIT;
}


static int pushtrue (lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}


/*
** Lock
*/

static int lock_start (lua_State *L, Core *c, Op *op, Task *t) {
  Lock *l = opof(op).lock;
  (void)c;
  if (!l->locked && !l->turn) return CA_READY;
  return park(L, op, &l->waiters, t);
}


static void lock_giveup (Op *op, Task *t) {
  ca_waitlist_leave(&opof(op).lock->waiters, t);
}


static int lock_finish (lua_State *L, Core *c, Op *op) {
  Lock *l = opof(op).lock;
  (void)c;
  if (((SyncOp *)op)->waited) l->turn = false;
  l->locked = true;
  return pushtrue(L);
}


static void lock_giveback (lua_State *L, Core *c, Op *op) {
  Lock *l = opof(op).lock;
  (void)L;
  (void)c;
  l->turn = ca_waitlist_wake(&l->waiters);
}


static const OpType locktype = {
  .name = "Lock.acquire",
  .start = lock_start,
  .giveup = lock_giveup,
  .finish = lock_finish,
  .giveback = lock_giveback,
  .small = true,
  .nuv = 1,
};


static Lock *checklock (lua_State *L) {
  return (Lock *)ca_check(L, ca_core(L), 1, KIND_LOCK);
}


static int lock_acquire (lua_State *L) {
  Lock *l = checklock(L);
  newop(L, &locktype)->of.lock = l;
  return 1;
}


static int lock_locked (lua_State *L) {
  lua_pushboolean(L, checklock(L)->locked);
  return 1;
}


static int lock_release (lua_State *L) {
  Lock *l = checklock(L);
  if (!l->locked) return ca_misuse(L, "Lock is not acquired.");
  l->locked = false;
  l->turn = ca_waitlist_wake(&l->waiters);
  return 0;
}


/* Push "<Name [state, waiters:n]>"; the state is on top and is popped. */
static int pushrepr (lua_State *L, const char *name, uint32_t nwaiters) {
  const char *state = lua_tostring(L, -1);
  if (nwaiters == 0) lua_pushfstring(L, "<%s [%s]>", name, state);
  else lua_pushfstring(L, "<%s [%s, waiters:%I]>", name, state,
                       (LUAI_UACINT)nwaiters);
  lua_remove(L, -2);
  return 1;
}


static int lock_tostring (lua_State *L) {
  Lock *l = checklock(L);
  lua_pushstring(L, l->locked ? "locked" : "unlocked");
  return pushrepr(L, "Lock", l->waiters.n + l->turn);
}


static int lock_new (lua_State *L) {
  Lock *l = (Lock *)ca_object_new(L, ca_core(L), KIND_LOCK, sizeof(Lock), 0);
  ca_waitlist_init(&l->waiters);
  return 1;
}


/*
** Event
*/

static int event_start (lua_State *L, Core *c, Op *op, Task *t) {
  Event *e = opof(op).event;
  (void)c;
  if (e->set) return CA_READY;
  return park(L, op, &e->waiters, t);
}


static void event_giveup (Op *op, Task *t) {
  ca_waitlist_leave(&opof(op).event->waiters, t);
}


static int event_finish (lua_State *L, Core *c, Op *op) {
  (void)c;
  (void)op;
  return pushtrue(L);
}


static const OpType eventtype = {
  .name = "Event.wait",
  .start = event_start,
  .giveup = event_giveup,
  .finish = event_finish,
  .small = true,
  .nuv = 1,
};


static Event *checkevent (lua_State *L) {
  return (Event *)ca_check(L, ca_core(L), 1, KIND_EVENT);
}


static int event_clear (lua_State *L) {
  checkevent(L)->set = false;
  return 0;
}


static int event_isset (lua_State *L) {
  lua_pushboolean(L, checkevent(L)->set);
  return 1;
}


static int event_set (lua_State *L) {
  Event *e = checkevent(L);
  e->set = true;
  ca_waitlist_wakeall(&e->waiters);
  return 0;
}


static int event_tostring (lua_State *L) {
  Event *e = checkevent(L);
  lua_pushstring(L, e->set ? "set" : "unset");
  return pushrepr(L, "Event", e->waiters.n);
}


static int event_wait (lua_State *L) {
  Event *e = checkevent(L);
  newop(L, &eventtype)->of.event = e;
  return 1;
}


static int event_new (lua_State *L) {
  Event *e = (Event *)ca_object_new(L, ca_core(L), KIND_EVENT, sizeof(Event),
                                    0);
  ca_waitlist_init(&e->waiters);
  return 1;
}


/*
** Semaphore and BoundedSemaphore
*/

/* Give free permits to those in line. */
static void sem_pass (Semaphore *s) {
  while (s->value > 0 && ca_waitlist_wake(&s->waiters)) {
    s->value--;
    s->turns++;
  }
}


static bool sem_islocked (const Semaphore *s) {
  return s->value == 0 || s->turns > 0 || s->waiters.n > 0;
}


static int sem_start (lua_State *L, Core *c, Op *op, Task *t) {
  Semaphore *s = opof(op).sem;
  (void)c;
  if (!sem_islocked(s)) return CA_READY;
  return park(L, op, &s->waiters, t);
}


static void sem_giveup (Op *op, Task *t) {
  ca_waitlist_leave(&opof(op).sem->waiters, t);
}


static int sem_finish (lua_State *L, Core *c, Op *op) {
  Semaphore *s = opof(op).sem;
  (void)c;
  if (!((SyncOp *)op)->waited) s->value--;
  else {                        /* the permit came with the wake-up */
    s->turns--;
    sem_pass(s);                /* to those who waited for us to run */
  }
  return pushtrue(L);
}


static void sem_giveback (lua_State *L, Core *c, Op *op) {
  Semaphore *s = opof(op).sem;
  (void)L;
  (void)c;
  s->turns--;
  s->value++;
  sem_pass(s);
}


static const OpType semtype = {
  .name = "Semaphore.acquire",
  .start = sem_start,
  .giveup = sem_giveup,
  .finish = sem_finish,
  .giveback = sem_giveback,
  .small = true,
  .nuv = 1,
};


static Semaphore *checksem (lua_State *L) {
  return (Semaphore *)ca_check(L, ca_core(L), 1, KIND_SEMAPHORE);
}


static int sem_acquire (lua_State *L) {
  Semaphore *s = checksem(L);
  newop(L, &semtype)->of.sem = s;
  return 1;
}


static int sem_locked (lua_State *L) {
  lua_pushboolean(L, sem_islocked(checksem(L)));
  return 1;
}


static int sem_release (lua_State *L) {
  Semaphore *s = checksem(L);
  if (s->bound >= 0 && s->value >= s->bound)
    return ca_misuse(L, "BoundedSemaphore released too many times");
  if (s->value == LUA_MAXINTEGER)
    return ca_misuse(L, "Semaphore released too many times: its value would"
                        " exceed math.maxinteger");
  s->value++;
  sem_pass(s);
  return 0;
}


static int sem_tostring (lua_State *L) {
  Semaphore *s = checksem(L);
  if (sem_islocked(s)) lua_pushliteral(L, "locked");
  else lua_pushfstring(L, "unlocked, value:%I", (LUAI_UACINT)s->value);
  return pushrepr(L, (s->bound < 0) ? "Semaphore" : "BoundedSemaphore",
                  s->waiters.n + s->turns);
}


static int newsem (lua_State *L, bool bounded) {
  lua_Integer value = luaL_optinteger(L, 1, 1);
  luaL_argcheck(L, value >= 0, 1, "Semaphore initial value must be >= 0");
  Semaphore *s = (Semaphore *)ca_object_new(L, ca_core(L), KIND_SEMAPHORE,
                                            sizeof(Semaphore), 0);
  ca_waitlist_init(&s->waiters);
  s->value = value;
  s->bound = bounded ? value : -1;
  return 1;
}


static int sem_new (lua_State *L) {
  return newsem(L, false);
}


static int sem_newbounded (lua_State *L) {
  return newsem(L, true);
}


static const luaL_Reg lockmethods[] = {
  {"acquire", lock_acquire},
  {"locked", lock_locked},
  {"release", lock_release},
  {NULL, NULL}
};

static const luaL_Reg lockmeta[] = {
  {"__tostring", lock_tostring},
  {NULL, NULL}
};

static const luaL_Reg eventmethods[] = {
  {"clear", event_clear},
  {"is_set", event_isset},
  {"set", event_set},
  {"wait", event_wait},
  {NULL, NULL}
};

static const luaL_Reg eventmeta[] = {
  {"__tostring", event_tostring},
  {NULL, NULL}
};

static const luaL_Reg semmethods[] = {
  {"acquire", sem_acquire},
  {"locked", sem_locked},
  {"release", sem_release},
  {NULL, NULL}
};

static const luaL_Reg semmeta[] = {
  {"__tostring", sem_tostring},
  {NULL, NULL}
};

static const luaL_Reg functions[] = {
  {"BoundedSemaphore", sem_newbounded},
  {"Event", event_new},
  {"Lock", lock_new},
  {"Semaphore", sem_new},
  {NULL, NULL}
};


/* Make the metatable of a kind; its methods go into the core module under
   'exported', where Lua adds to them. */
static void newtype (lua_State *L, Kind kind, const char *name,
                     const luaL_Reg *methods, const luaL_Reg *meta,
                     const char *exported) {
  ca_type_new(L, kind, name, methods, meta);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, exported);
  lua_pop(L, 1);
}


void ca_sync_open (lua_State *L) {
  newtype(L, KIND_LOCK, "Lock", lockmethods, lockmeta, "LockMethods");
  newtype(L, KIND_EVENT, "Event", eventmethods, eventmeta, "EventMethods");
  newtype(L, KIND_SEMAPHORE, "Semaphore", semmethods, semmeta,
          "SemaphoreMethods");
  ca_setfuncs(L, functions);
}
