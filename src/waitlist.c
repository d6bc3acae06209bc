/*
** waitlist.c - wait lists, and the one that Lua modules build upon.
**
** 'core.WaitList()' has 'wait()', an operation that ends when the task is
** woken; 'wake(n)', which wakes the first n; and 'count()'. A wake-up given
** to a task that is cancelled before it runs goes to the next in line.
*/

#include <lua.h>
#include <lauxlib.h>

#include "operations.h"
#include "waitlist.h"

typedef struct WaitListObject {
  Object head;
  WaitList list;
} WaitListObject;

typedef struct WaitOp {
  Op op;
  WaitList *list;
} WaitOp;


void ca_waitlist_park (lua_State *L, WaitList *w, Task *t) {
  Task *first = ca_waitlist_first(w);
  if (first != NULL && first->future.loop != t->future.loop) {
    lua_getiuservalue(L, 1, OPUV_OWNER);
    luaL_error(L, "%s is bound to a different event loop: tasks of another"
                  " loop wait for it; make one for each loop",
               luaL_tolstring(L, -1, NULL));
  }
  list_append(&w->tasks, &t->node.link);
  w->n++;
}


static int wait_start (lua_State *L, Core *c, Op *op, Task *t) {
  (void)c;
  ca_waitlist_park(L, ((WaitOp *)op)->list, t);
  return CA_WAIT;
}


static void wait_giveup (Op *op, Task *t) {
  ca_waitlist_leave(((WaitOp *)op)->list, t);
}


static int wait_finish (lua_State *L, Core *c, Op *op) {
  (void)c;
  (void)op;
  lua_pushboolean(L, 1);
  return 1;
}


static void wait_giveback (lua_State *L, Core *c, Op *op) {
  (void)L;
  (void)c;
  ca_waitlist_wake(((WaitOp *)op)->list);
}


static const OpType waittype = {
  .name = "WaitList.wait",
  .start = wait_start,
  .giveup = wait_giveup,
  .finish = wait_finish,
  .giveback = wait_giveback,
  .small = true,
  .nuv = 1,
};


static WaitListObject *checklist (lua_State *L) {
  return (WaitListObject *)ca_check(L, ca_core(L), 1, KIND_WAITLIST);
}


static int waitlist_count (lua_State *L) {
  lua_pushinteger(L, checklist(L)->list.n);
  return 1;
}


static int waitlist_tostring (lua_State *L) {
  lua_pushfstring(L, "<WaitList [waiters:%I]>",
                  (LUAI_UACINT)checklist(L)->list.n);
  return 1;
}


static int waitlist_wait (lua_State *L) {
  WaitListObject *w = checklist(L);
  WaitOp *op = (WaitOp *)ca_op_new(L, ca_core(L), &waittype, sizeof(WaitOp),
                                   1, 1);
  op->list = &w->list;
  return 1;
}


/* list:wake(n): wake the first n (one, if not given); how many they were. */
static int waitlist_wake (lua_State *L) {
  WaitListObject *w = checklist(L);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  lua_Integer woken = 0;
  while (woken < n && ca_waitlist_wake(&w->list)) woken++;
  lua_pushinteger(L, woken);
  return 1;
}


static int waitlist_new (lua_State *L) {
  WaitListObject *w = (WaitListObject *)ca_object_new(L, ca_core(L),
                        KIND_WAITLIST, sizeof(WaitListObject), 0);
  ca_waitlist_init(&w->list);
  return 1;
}


static const luaL_Reg methods[] = {
  {"count", waitlist_count},
  {"wait", waitlist_wait},
  {"wake", waitlist_wake},
  {NULL, NULL}
};

static const luaL_Reg meta[] = {
  {"__tostring", waitlist_tostring},
  {NULL, NULL}
};

static const luaL_Reg functions[] = {
  {"WaitList", waitlist_new},
  {NULL, NULL}
};


void ca_waitlist_open (lua_State *L) {
  ca_type_new(L, KIND_WAITLIST, "WaitList", methods, meta);
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
