/*
** sleep.c - sleep: wait for a time.
**
** 'sleep(0)' without a result, which everybody uses to give up a turn, is
** one object for all; it holds nothing.
*/

#include "awaitable.h"
#include "error.h"
#include "operations.h"

/* op.head.n: user value 1 is a result. */
typedef struct Sleep {
  Op op;
  lua_Number delay;
} Sleep;


static int startsleep (lua_State *L, Core *c, Op *op, Task *t) {
  Sleep *s = (Sleep *)op;
  (void)c;
  if (!ca_task_settimer(t, ca_loop_deadline(t->future.loop, s->delay)))
    ca_nomem(L);
  return CA_WAIT;
}


static void giveupsleep (Op *op, Task *t) {
  (void)op;
  ca_task_unsettimer(t);
}


static int finishsleep (lua_State *L, Core *c, Op *op) {
  (void)c;
  if (op->head.n == 0) return 0;
  lua_getiuservalue(L, 1, OPUV_OWNER);
  return 1;
}


static const OpType sleeptype = {
  .name = "sleep",
  .start = startsleep,
  .giveup = giveupsleep,
  .finish = finishsleep,
  .small = true,
  .nuv = 0,
};

/* With a result. */
static const OpType resulttype = {
  .name = "sleep",
  .start = startsleep,
  .giveup = giveupsleep,
  .finish = finishsleep,
  .small = true,
  .nuv = 1,
};


static int startturn (lua_State *L, Core *c, Op *op, Task *t) {
  (void)L; (void)c; (void)op; (void)t;
  return CA_AGAIN;
}


static int finishturn (lua_State *L, Core *c, Op *op) {
  (void)c;
  if (op->head.n == 0) return 0;
  lua_getiuservalue(L, 1, OPUV_OWNER);
  return 1;
}


static const OpType turntype = {
  .name = "sleep(0)",
  .start = startturn,
  .finish = finishturn,
  .again = true,
};


/* sleep(delay [, result]): awaited, lets that many seconds pass; 0 and less
   give the others one turn. Cancelled, its timer is gone at once. */
static int sleep_sleep (lua_State *L) {
  Core *c = ca_core(L);
  lua_Number delay = ca_seconds(L, 1);
  bool result = !lua_isnoneornil(L, 2);
  if (delay <= 0 && !result) {
    lua_getiuservalue(L, CORE, UV_YIELD);
    return 1;
  }
  const OpType *type = delay <= 0 ? &turntype
                                  : result ? &resulttype : &sleeptype;
  Sleep *s = ca_op_new(L, c, type, sizeof(Sleep), result, result ? 2 : 0);
  s->delay = delay;
  s->op.head.n = result;
  return 1;
}


static const luaL_Reg functions[] = {
  {"sleep", sleep_sleep},
  {NULL, NULL}
};


void ca_sleep_open (lua_State *L) {
  ca_op_new(L, ca_core(L), &turntype, sizeof(Sleep), 0, 0);
  lua_setiuservalue(L, CORE, UV_YIELD);
  ca_setfuncs(L, functions);
}
