/*
** scope.c - time-outs and shields.
**
** A scope belongs to the task that made it and is on the task's list,
** innermost first, until it is left. Until then its box is anchored, so
** that a scope whose <close> was forgotten is still there when the task
** ends, to be disarmed and named.
**
** A time-out that expires cancels its task, as asyncio's does, and takes
** that request back when it is left; if what leaves is a CancelledError and
** no other request is open, the error is its own, and becomes TimeoutError.
**
** A shield lets no cancellation through that was asked outside of it; it is
** delivered at the first await after the shield was left.
*/

#include <assert.h>
#include <string.h>

#include "error.h"
#include "scope.h"

typedef struct Box Box;
typedef struct Scope Scope;

struct Scope {
  Orphan orphan;                /* left, and its job is in the queue */
  Scope *outer;                 /* the next one on the task's list */
  Task *task;
  Box *box;                     /* anchored */
  uint32_t slot;                /* its anchor */
  Loop *loop;
  Timer timer;
  Job job;
  uint32_t ncancel;             /* requests that were open when entered */
  bool shield;
  bool expired;
  bool queued;                  /* its job is in the ready queue */
  bool due;                     /* and will expire the scope */
  bool left;
  bool deferred;                /* expired, but a shield is in between */
  int line;                     /* where it was made, in BUV_MAKER */
};

/* User value of a box: the function that made the scope. */
enum { BUV_MAKER = 1, BUV_COUNT = BUV_MAKER };

struct Box {
  Object head;
  Scope *scope;                 /* NULL when it has been left */
  lua_Number when;
  bool timed;                   /* 'when' is set */
  bool expired;
};


bool ca_scope_permits (Task *t, struct Scope *asker) {
  for (Scope *s = t->scopes; s != NULL && s != asker; s = s->outer) {
    if (s->shield) {
      if (asker != NULL) asker->deferred = true;
      else t->deferred = true;
      return false;
    }
  }
  return true;
}


bool ca_scope_expired (const Task *t) {
  for (Scope *s = t->scopes; s != NULL; s = s->outer)
    if (s->expired) return true;
  return false;
}


/* Some shield was left: deliver what it held back, if no other does. */
static void deliverdeferred (Task *t) {
  if (t->deferred) {
    t->deferred = false;
    if (ca_scope_permits(t, NULL)) t->mustcancel = true;
  }
  for (Scope *s = t->scopes; s != NULL; s = s->outer) {
    if (s->deferred) {
      s->deferred = false;
      if (ca_scope_permits(t, s)) t->mustcancel = true;
    }
  }
}


static void freescope (Scope *s) {
  list_remove(&s->orphan.link);
  ca_free(s->loop->core, s, sizeof(Scope));
}


/* Take it off the list of its task; its memory goes with its job. */
static void unlinkscope (Scope *s) {
  Scope **p = &s->task->scopes;
  while (*p != NULL && *p != s) p = &(*p)->outer;
  if (*p == s) *p = s->outer;
  ca_timer_unset(s->loop, &s->timer);
  s->left = true;
  s->box->scope = NULL;
}


/* It has been left: its memory goes now, or when its job has run. */
static void letgo (lua_State *L, Scope *s) {
  Core *c = s->loop->core;
  if (!s->loop->closing) ca_anchor_drop(L, c, s->loop, s->slot);
  if (!s->queued) freescope(s);
  else ca_loop_orphan(s->loop, &s->orphan, sizeof(Scope));
}


static void expire (lua_State *L, Loop *l, Job *job) {
  Scope *s = container_of(job, Scope, job);
  s->queued = false;
  if (s->left) freescope(s);
  else if (s->due) {
    s->expired = true;
    ca_task_cancel(L, l->core, s->task, 0, s);
  }
}


static void firescope (Timer *timer) {
  Scope *s = container_of(timer, Scope, timer);
  s->due = true;
  if (!s->queued) ca_loop_post(s->loop, &s->job);
  s->queued = true;
}


/* Set its timer; what is due already expires in the next round. False: no
   memory (not when a timer was set before: then there is room). */
static bool arm (Box *box) {
  Scope *s = box->scope;
  ca_timer_unset(s->loop, &s->timer);
  s->due = false;
  if (!box->timed) return true;
  int64_t deadline = ca_loop_when(box->when);
  if (deadline > ca_loop_now(s->loop))
    return ca_timer_set(s->loop, &s->timer, deadline);
  firescope(&s->timer);
  return true;
}


/* Enter a new scope; its box is on top of the stack. */
static Scope *newscope (lua_State *L, Core *c, Box *box, bool shield,
                        const char *what) {
  lua_Debug ar;
  Task *t = c->running;
  if (t == NULL) luaL_error(L, "%s should be used inside a task", what);
  Loop *l = t->future.loop;
  uint32_t slot = ca_anchor(L, c, l);
  Scope *s = ca_malloc(c, sizeof(Scope));
  if (s == NULL) {
    ca_anchor_drop(L, c, l, slot);
    ca_nomem(L);
  }
  memset(s, 0, sizeof(*s));
  list_init(&s->orphan.link);
  s->task = t;
  s->loop = l;
  s->slot = slot;
  s->box = box;
  s->shield = shield;
  s->ncancel = t->ncancel;
  s->timer.fire = firescope;
  s->job.run = expire;
  /* Level 1 is casync.timeout; above it, the first function of Lua. */
  for (int level = 2; s->line <= 0 && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "fl", &ar);
    lua_setiuservalue(L, -2, BUV_MAKER);
    s->line = ar.currentline;
  }
  s->outer = t->scopes;
  t->scopes = s;
  box->scope = s;
  return s;
}


/* Leave the scope with the error at 'err' (0: none). True when the error is
   its own cancellation. */
static bool leave (lua_State *L, Core *c, Box *box, int err) {
  Scope *s = box->scope;
  if (s == NULL) return false;
  Task *t = s->task;
  bool own = false;
  unlinkscope(s);
  if (s->shield) deliverdeferred(t);
  if (s->expired) {
    box->expired = true;
    own = ca_task_uncancel(t) <= s->ncancel && err != 0 &&
          ca_error_is(L, c, err, ERR_CANCELLED);
  }
  letgo(L, s);
  return own;
}


static void reportopen (lua_State *L, Core *c, void *scope) {
  const Scope *s = (const Scope *)scope;
  lua_Debug ar;
  ca_anchor_push(L, c, s->loop, s->slot);
  lua_createtable(L, 0, 3);
  strcpy(ar.short_src, "?");
  if (lua_getiuservalue(L, -2, BUV_MAKER) == LUA_TFUNCTION)
    lua_getinfo(L, ">S", &ar);
  else lua_pop(L, 1);
  lua_pushfstring(L, "%s made at %s:%d was still open when its task ended: "
                     "write 'local t <close> = ...'",
                  s->shield ? "shield" : "timeout", ar.short_src, s->line);
  lua_setfield(L, -2, "message");
  ca_task_push(L, c, s->task);
  lua_setfield(L, -2, "task");
  lua_pushboolean(L, true);
  lua_setfield(L, -2, "warning");
  ca_loop_report(L, c, s->loop);
}


void ca_scope_abandon (lua_State *L, Core *c, Task *t) {
  while (t->scopes != NULL) {
    Scope *s = t->scopes;
    unlinkscope(s);
    bool told = ca_protect(L, c, reportopen, s, 0);
    letgo(L, s);
    if (!told) ca_loop_unreported(L);
  }
}


void ca_scope_drop (lua_State *L, Task *t) {
  while (t->scopes != NULL) {
    Scope *s = t->scopes;
    unlinkscope(s);
    letgo(L, s);
  }
}


static Box *newbox (lua_State *L, Core *c) {
  return (Box *)ca_object_new(L, c, KIND_SCOPE, sizeof(Box), BUV_COUNT);
}


/* timeout(when or nil [, relative]): a scope that the running task enters;
   'relative' tells that 'when' counts from now. */
static int scope_timeout (lua_State *L) {
  Core *c = ca_core(L);
  bool timed = !lua_isnoneornil(L, 1);
  lua_Number when = timed ? ca_seconds(L, 1) : 0;
  if (timed && c->loop != NULL && lua_toboolean(L, 2))
    when += (lua_Number)ca_loop_now(c->loop) / 1e9;
  Box *box = newbox(L, c);
  box->when = when;
  box->timed = timed;
  Scope *s = newscope(L, c, box, false, "Timeout");
  if (!arm(box)) {
    unlinkscope(s);
    letgo(L, s);
    return ca_nomem(L);
  }
  return 1;
}


/* shield_scope(): a scope that no cancellation from outside enters. */
static int scope_shield_scope (lua_State *L) {
  Core *c = ca_core(L);
  newscope(L, c, newbox(L, c), true, "shielded");
  return 1;
}


static Box *checkbox (lua_State *L) {
  return (Box *)ca_check(L, ca_core(L), 1, KIND_SCOPE);
}


/* scope:when(): its deadline on the clock of the loop, or nil. */
static int scope_when (lua_State *L) {
  Box *box = checkbox(L);
  if (box->timed) lua_pushnumber(L, box->when);
  else lua_pushnil(L);
  return 1;
}


static int scope_expired (lua_State *L) {
  Box *box = checkbox(L);
  lua_pushboolean(L, box->expired || (box->scope && box->scope->expired));
  return 1;
}


/* scope:reschedule(when or nil): another deadline. */
static int scope_reschedule (lua_State *L) {
  Box *box = checkbox(L);
  bool timed = !lua_isnoneornil(L, 2);
  lua_Number when = timed ? ca_seconds(L, 2) : 0;
  if (box->scope == NULL || box->scope->expired)
    return luaL_error(L, "Cannot change state of %s Timeout",
                      box->scope == NULL ? "finished" : "expiring");
  box->timed = timed;
  box->when = when;
  if (!arm(box)) {              /* it had no timer */
    box->timed = false;
    return ca_nomem(L);
  }
  return 0;
}


/* scope_exit(scope, err): leave it; is err its own cancellation? */
static int scope_scope_exit (lua_State *L) {
  Core *c = ca_core(L);
  Box *box = checkbox(L);
  lua_settop(L, 2);
  lua_pushboolean(L, leave(L, c, box, 2));
  return 1;
}


static int scope_close (lua_State *L) {
  Core *c = ca_core(L);
  Box *box = checkbox(L);
  lua_settop(L, 2);
  if (!leave(L, c, box, 2)) return 0;
  lua_pushnil(L);
  ca_error_new(L, c, ERR_TIMEOUT);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "cause");
  lua_getiuservalue(L, CORE, UV_ERROR);
  if (lua_rawequal(L, -1, 2)) {         /* its frames are those of its cause */
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, CORE, UV_ERROR);
  }
  lua_pop(L, 1);
  return lua_error(L);
}


static int scope_tostring (lua_State *L) {
  Box *box = checkbox(L);
  const char *state = box->scope == NULL
                      ? (box->expired ? "expired" : "finished")
                      : (box->scope->expired ? "expiring" : "active");
  if (box->timed && box->scope != NULL)
    lua_pushfstring(L, "<Timeout [%s] when=%f>", state, box->when);
  else lua_pushfstring(L, "<Timeout [%s]>", state);
  return 1;
}


static const luaL_Reg methods[] = {
  {"expired", scope_expired},
  {"reschedule", scope_reschedule},
  {"when", scope_when},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__close", scope_close},
  {"__tostring", scope_tostring},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"scope_exit", scope_scope_exit},
  {"shield_scope", scope_shield_scope},
  {"timeout", scope_timeout},
  {NULL, NULL}
};


void ca_scope_open (lua_State *L) {
  ca_type_new(L, KIND_SCOPE, "casync.Timeout", methods, meta);
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
