/*
** roster.c - Roster: the unfinished tasks of a group, on which TaskGroup
** (lua/casync/taskgroups.lua) is built.
**
** A member is a block of C memory with a node in its future and a place in
** the list of the roster, in order of arrival. When the future settles, the
** member's job is posted, as asyncio's done-callbacks are; the job takes it
** off the list. Lua is asked only about the members that failed, and those
** it has asked to see.
**
** While it has members a roster is anchored, and its tasks are too; futures
** that are not tasks are kept in a table by their address.
*/

#include <string.h>

#include "awaitable.h"
#include "future.h"
#include "loop.h"
#include "roster.h"
#include "task.h"

/* User values: function(future), for a member that is to be looked at; and
   the table of the futures that are not tasks, or nil. */
enum { RUV_ONDONE = 1, RUV_OTHERS, RUV_COUNT = RUV_OTHERS };

typedef struct Roster {
  Object head;
  Loop *loop;
  uint32_t generation;          /* of the loop */
  uint32_t slot;                /* its anchor, while it has members */
  uint32_t count;               /* members whose job has not run */
  List members;
  Task *waiter;                 /* parked until there is none, or NULL */
} Roster;

typedef struct Member {
  Orphan orphan;                /* the loop was closed, its job is queued */
  Node node;
  Job job;
  List link;                    /* in roster->members */
  Roster *roster;
  Future *future;               /* may be collected once it is queued */
  bool task;                    /* it is a task */
  bool watched;                 /* Lua wants to see it, however it ends */
  bool pinned;                  /* it does see it: the future is pinned */
  bool queued;                  /* its job is in the ready queue */
} Member;

typedef struct RosterOp {
  Op op;
  Roster *roster;
} RosterOp;


static void freemember (Member *m) {
  list_remove(&m->link);
  list_remove(&m->node.link);
  ca_free(m->roster->loop->core, m, sizeof(Member));
}


/* Push the future of a member of the roster at 'idx'. */
static void pushfuture (lua_State *L, Core *c, const Member *m, int idx) {
  if (m->future->head.kind == KIND_TASK) {
    ca_anchor_push(L, c, m->roster->loop, m->future->slot);
    return;
  }
  lua_getiuservalue(L, idx, RUV_OTHERS);
  lua_rawgetp(L, -1, m->future);
  lua_remove(L, -2);
}


/* The member is over: what keeps its future and, after the last one, the
   roster goes. */
static void forget (lua_State *L, Core *c, Member *m) {
  Roster *r = m->roster;
  if (!m->task) {       /* then the table has kept it */
    ca_anchor_push(L, c, r->loop, r->slot);
    lua_getiuservalue(L, -1, RUV_OTHERS);
    lua_pushnil(L);
    lua_rawsetp(L, -2, m->future);
    lua_pop(L, 2);
  }
  freemember(m);
  if (--r->count == 0) {
    ca_anchor_drop(L, c, r->loop, r->slot);
    r->slot = 0;
  }
}


static void memberjob (lua_State *L, Loop *l, Job *job) {
  Member *m = container_of(job, Member, job);
  Roster *r = m->roster;
  Future *f = m->future;
  Core *c = l->core;
  bool pinned = m->pinned;
  m->queued = false;
  if (pinned) {
    ca_anchor_push(L, c, l, r->slot);
    lua_getiuservalue(L, -1, RUV_ONDONE);
    ca_anchor_push(L, c, l, f->slot);
    ca_future_unpin(L, c, f);
  }
  forget(L, c, m);
  if (pinned) ca_loop_call(L, l, 1, "Exception in a task group", 0);
  if (r->count == 0 && r->waiter != NULL) {
    Task *t = r->waiter;
    r->waiter = NULL;
    if (t->place == PARKED) ca_task_wake(t);
  }
}


/* Is Lua to see this member, which has ended? */
static bool isofinterest (const Future *f, bool watched) {
  return watched || f->head.state == RAISED;
}


static void membersettled (Node *node) {
  Member *m = container_of(node, Member, node);
  Future *f = m->future;
  if (ca_future_loop(f) == NULL) return;
  m->pinned = isofinterest(f, m->watched);
  if (m->pinned) f->pins++;
  m->queued = true;
  ca_loop_post(m->roster->loop, &m->job);
}


void ca_roster_abandon (Object *roster) {
  Roster *r = (Roster *)(void *)roster;
  while (!list_empty(&r->members)) {
    Member *m = container_of(r->members.next, Member, link);
    if (!m->queued) freemember(m);
    else {
      list_remove(&m->link);
      ca_loop_orphan(r->loop, &m->orphan, sizeof(Member));
    }
  }
  r->count = r->slot = 0;
}


/* (roster, future, watched): all that may need Lua's memory for a new
   member. */
static void prepare (lua_State *L, Core *c, void *roster) {
  Roster *r = (Roster *)roster;
  Future *f = (Future *)lua_touserdata(L, 2);
  if (f->head.kind != KIND_TASK) {
    if (lua_getiuservalue(L, 1, RUV_OTHERS) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -1);
      lua_setiuservalue(L, 1, RUV_OTHERS);
    }
    lua_pushvalue(L, 2);
    lua_rawsetp(L, -2, f);
    f->head.flags |= F_CALLBACKS;
  }
  if (r->slot == 0) {
    lua_pushvalue(L, 1);
    r->slot = ca_anchor(L, c, r->loop);
  }
  if (f->head.state != PENDING && f->slot == 0 &&
      isofinterest(f, lua_toboolean(L, 3))) {
    lua_pushvalue(L, 2);
    f->slot = ca_anchor(L, c, f->loop);
  }
}


/* The future at 2 can't become a member: it must not go on. The error is on
   top of the stack. */
static int refuse (lua_State *L, Core *c, Roster *r) {
  if (r->count == 0 && r->slot != 0) {
    ca_anchor_drop(L, c, r->loop, r->slot);
    r->slot = 0;
  }
  ca_future_cancel(L, c, 2, 0);
  return lua_error(L);
}


static Roster *checkroster (lua_State *L) {
  return (Roster *)ca_check(L, ca_core(L), 1, KIND_ROSTER);
}


/*
** roster:add(future [, watched]): one more member. When that fails, for lack
** of memory, the future is cancelled.
*/
static int roster_add (lua_State *L) {
  Core *c = ca_core(L);
  Roster *r = checkroster(L);
  Future *f = ca_future_check(L, c, 2);
  bool watched = lua_toboolean(L, 3);
  if (f->loop != r->loop || f->generation != r->generation ||
      ca_future_loop(f) == NULL)
    return luaL_error(L, "the task belongs to a different loop");
  Member *m = ca_malloc(c, sizeof(Member));
  if (m == NULL) {
    lua_pushliteral(L, "not enough memory");
    return refuse(L, c, r);
  }
  bool easy = r->count > 0 && f->head.kind == KIND_TASK &&
              f->head.state == PENDING;
  if (!easy) {
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushboolean(L, watched);
    if (!ca_protect(L, c, prepare, r, 3)) {
      ca_free(c, m, sizeof(Member));
      return refuse(L, c, r);
    }
  }
  memset(m, 0, sizeof(*m));
  list_init(&m->orphan.link);
  m->node.settled = membersettled;
  m->job.run = memberjob;
  m->roster = r;
  m->future = f;
  m->task = f->head.kind == KIND_TASK;
  m->watched = watched;
  list_append(&r->members, &m->link);
  r->count++;
  list_init(&m->node.link);
  if (f->head.state == PENDING) list_append(&f->nodes, &m->node.link);
  else membersettled(&m->node);
  return 0;
}


/* roster:count(): how many have not ended. */
static int roster_count (lua_State *L) {
  lua_pushinteger(L, checkroster(L)->count);
  return 1;
}


/* roster:list(): those that are pending, in order of arrival. */
static int roster_list (lua_State *L) {
  Core *c = ca_core(L);
  Roster *r = checkroster(L);
  lua_settop(L, 1);
  lua_createtable(L, (int)r->count, 0);
  lua_Integer n = 0;
  for (List *p = r->members.next; p != &r->members; p = p->next) {
    const Member *m = container_of(p, Member, link);
    if (m->queued || m->future->head.state != PENDING) continue;
    pushfuture(L, c, m, 1);
    lua_rawseti(L, 2, ++n);
  }
  return 1;
}


/* roster:cancel(): cancel all that are pending, in order of arrival. */
static int roster_cancel (lua_State *L) {
  Core *c = ca_core(L);
  Roster *r = checkroster(L);
  luaL_checkstack(L, CANCELSTACK + 2, "cannot cancel");
  lua_settop(L, 1);
  for (List *p = r->members.next; p != &r->members; p = p->next) {
    const Member *m = container_of(p, Member, link);
    if (m->queued || m->future->head.state != PENDING) continue;
    pushfuture(L, c, m, 1);
    ca_future_cancel(L, c, 2, 0);
    lua_settop(L, 1);
  }
  return 0;
}


static int wait_start (lua_State *L, Core *c, Op *op, Task *t) {
  Roster *r = ((RosterOp *)op)->roster;
  (void)c;
  if (r->waiter != NULL) luaL_error(L, "another task waits for this group");
  if (r->count == 0) return CA_READY;
  r->waiter = t;
  return CA_WAIT;
}


static void wait_giveup (Op *op, Task *t) {
  (void)t;
  ((RosterOp *)op)->roster->waiter = NULL;
}


static int wait_finish (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  (void)op;
  return 0;
}


static const OpType waittype = {
  .name = "TaskGroup",
  .start = wait_start,
  .giveup = wait_giveup,
  .finish = wait_finish,
  .small = true,
  .nuv = 1,
};


/* roster:wait(): awaited, until no member is left. */
static int roster_wait (lua_State *L) {
  Roster *r = checkroster(L);
  RosterOp *op = (RosterOp *)ca_op_new(L, ca_core(L), &waittype,
                                       sizeof(RosterOp), 1, 1);
  op->roster = r;
  return 1;
}


/* roster(ondone): of the running loop. 'ondone(future)' is called for each
   member that fails or is watched. */
static int roster_new (lua_State *L) {
  Core *c = ca_core(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  Loop *l = ca_loop_running(L, c);
  Roster *r = (Roster *)ca_object_new(L, c, KIND_ROSTER, sizeof(Roster),
                                      RUV_COUNT);
  list_init(&r->members);
  r->loop = l;
  r->generation = l->generation;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, RUV_ONDONE);
  return 1;
}


static const luaL_Reg methods[] = {
  {"add", roster_add},
  {"cancel", roster_cancel},
  {"count", roster_count},
  {"list", roster_list},
  {"wait", roster_wait},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"roster", roster_new},
  {NULL, NULL}
};


void ca_roster_open (lua_State *L) {
  ca_type_new(L, KIND_ROSTER, "casync.Roster", methods, NULL);
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
