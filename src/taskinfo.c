/*
** taskinfo.c - the methods of tasks, and what there is to see of them: names,
** stacks, what they wait for, and the text that stands for a task, which is
** like that of asyncio's repr.
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "future.h"
#include "task.h"
#include "taskinfo.h"


static Task *checktask (lua_State *L) {
  return (Task *)ca_check(L, ca_core(L), 1, KIND_TASK);
}


void ca_task_pushname (lua_State *L, Task *t, int idx) {
  if (ca_future_getextra(L, idx, "name") != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushfstring(L, "Task-%I", (LUAI_UACINT)t->id);
  }
}


static int task_get_name (lua_State *L) {
  Task *t = checktask(L);
  ca_task_pushname(L, t, 1);
  return 1;
}


/* task:set_name(name): returns the task. */
static int task_set_name (lua_State *L) {
  checktask(L);
  luaL_checkany(L, 2);
  luaL_tolstring(L, 2, NULL);
  ca_future_setextra(L, 1, "name");
  lua_settop(L, 1);
  return 1;
}


static int task_cancelling (lua_State *L) {
  lua_pushinteger(L, checktask(L)->ncancel);
  return 1;
}


/* task:uncancel(): take back one request; how many are left. */
static int task_uncancel (lua_State *L) {
  lua_pushinteger(L, ca_task_uncancel(checktask(L)));
  return 1;
}


/* task:get_coro(): its coroutine, nil when it has ended. */
static int task_get_coro (lua_State *L) {
  Task *t = checktask(L);
  if (t->place == ENDED) return 0;
  ca_task_expose(L, ca_core(L), t, 1);
  return 1;
}


static int task_get_context (lua_State *L) {
  checktask(L);
  ca_future_getextra(L, 1, "context");
  return 1;
}


/* set_task_context(task, context): give it another context value. */
static int task_set_task_context (lua_State *L) {
  checktask(L);
  ca_core(L)->contexts = true;
  lua_settop(L, 2);
  ca_future_setextra(L, 1, "context");
  return 0;
}


/* task:get_stack(): a list of its frames, the innermost last. */
static int task_get_stack (lua_State *L) {
  Task *t = checktask(L);
  lua_Debug ar;
  lua_newtable(L);
  if (t->active == NULL) return 1;
  lua_State *co = t->active;
  int depth = 0;
  while (lua_getstack(co, depth, &ar)) depth++;
  lua_Integer n = 0;
  for (int level = depth - 1; level >= 0; level--) {
    lua_getstack(co, level, &ar);
    lua_getinfo(co, "nSl", &ar);
    if (*ar.what == 'C') continue;
    lua_createtable(L, 0, 4);
    lua_pushstring(L, ar.name ? ar.name : "?");
    lua_setfield(L, -2, "name");
    lua_pushstring(L, ar.short_src);
    lua_setfield(L, -2, "short_src");
    lua_pushinteger(L, ar.currentline);
    lua_setfield(L, -2, "currentline");
    lua_pushinteger(L, ar.linedefined);
    lua_setfield(L, -2, "linedefined");
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}


/* stack_traceback(task): its frames as a text. */
static int task_stack_traceback (lua_State *L) {
  Task *t = checktask(L);
  lua_settop(L, 1);
  if (t->active == NULL) ca_future_getextra(L, 1, "traceback");
  else luaL_traceback(L, t->active, NULL, 0);
  return 1;
}


/* The line where the outermost function of the task is, or -1. */
static int currentline (Task *t) {
  lua_Debug ar;
  int depth = 0;
  if (t->co == NULL || !t->started) return -1;
  while (lua_getstack(t->co, depth, &ar)) depth++;
  if (depth < 2 || !lua_getstack(t->co, depth - 2, &ar)) return -1;
  lua_getinfo(t->co, "l", &ar);
  return ar.currentline;
}


/* Push "coro=<name() running at place>" for the task at 'idx'. */
static void pushcoro (lua_State *L, Task *t, int idx) {
  char place[160];
  if (lua_getiuservalue(L, idx, FUV_EXTRA) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
  if (!lua_isfunction(L, -1)) {
    lua_pushliteral(L, "coro=<?>");
    return;
  }
  ca_function_place(L, -1, place, sizeof(place));
  const char *name = lua_tostring(L, -1);
  if (t->place == ENDED)
    lua_pushfstring(L, "coro=<%s() done, defined at %s>", name, place);
  else {
    int line = currentline(t);
    char *colon = strrchr(place, ':');
    if (line > 0 && colon != NULL)
      snprintf(colon, sizeof(place) - (size_t)(colon - place), ":%d", line);
    lua_pushfstring(L, "coro=<%s() running at %s>", name, place);
  }
  lua_remove(L, -2);
  lua_remove(L, -2);
}


void ca_task_pushobject (lua_State *L, Task *t) {
  lua_Debug ar;
  lua_State *co = t->active;
  if (!t->inawait || co == NULL || !lua_checkstack(co, 1) ||
      !lua_getstack(co, 0, &ar) || lua_getlocal(co, &ar, 1) == NULL) {
    lua_pushnil(L);
    return;
  }
  if (co != L) lua_xmove(co, L, 1);
}


void ca_task_pushawaited (lua_State *L, Task *t) {
  if (t->place == PARKED) ca_task_pushobject(L, t);
  else lua_pushnil(L);
}


static void pushstate (lua_State *L, Task *t) {
  static const char *const names[] = {"pending", "finished", "finished",
                                      "cancelled"};
  bool cancelling = t->future.head.state == PENDING && t->ncancel > 0 &&
                    (t->mustcancel || t->interrupted);
  lua_pushstring(L, cancelling ? "cancelling" : names[t->future.head.state]);
}


/* Push the text for the task at 'idx', without what it waits for. */
static void pushshort (lua_State *L, Task *t, int idx) {
  pushstate(L, t);
  ca_task_pushname(L, t, idx);
  pushcoro(L, t, idx);
  lua_pushfstring(L, "<Task %s name='%s' %s", lua_tostring(L, -3),
                  lua_tostring(L, -2), lua_tostring(L, -1));
  lua_replace(L, -4);
  lua_pop(L, 2);
}


/* Push " wait_for=..." for the parked task, or "". */
static void pushwaitfor (lua_State *L, Core *c, Task *t) {
  ca_task_pushawaited(L, t);
  int what = lua_gettop(L);
  Object *o = ca_object(L, c, what);
  if (o == NULL) lua_pushliteral(L, "");
  else if (o->kind == KIND_TASK) {
    pushshort(L, (Task *)o, what);
    lua_pushfstring(L, " wait_for=%s>", lua_tostring(L, -1));
  }
  else lua_pushfstring(L, " wait_for=%s", luaL_tolstring(L, what, NULL));
  lua_replace(L, what);
  lua_settop(L, what);
}


static int task_tostring (lua_State *L) {
  Core *c = ca_core(L);
  Task *t = checktask(L);
  lua_settop(L, 1);
  pushshort(L, t, 1);
  pushwaitfor(L, c, t);
  ca_future_addresult(L, 1);
  lua_pushfstring(L, "%s%s%s>", lua_tostring(L, 2), lua_tostring(L, 3),
                  lua_tostring(L, -1));
  return 1;
}


/* waiting(task): what it waits for: a future, a task, an operation, nil. */
static int task_waiting (lua_State *L) {
  Task *t = checktask(L);
  lua_settop(L, 1);
  ca_task_pushawaited(L, t);
  return 1;
}


/* current_task([loop]): the running task, or nil. */
static int task_current_task (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = lua_isnoneornil(L, 1) ? c->loop : ca_loop_check(L, c, 1);
  if (c->running == NULL || l != c->running->future.loop) lua_pushnil(L);
  else ca_task_push(L, c, c->running);
  return 1;
}


typedef struct Found {
  uint32_t id;
  uint32_t slot;
} Found;


static int byid (const void *a, const void *b) {
  uint32_t x = ((const Found *)a)->id, y = ((const Found *)b)->id;
  return x < y ? -1 : x > y;
}


/* all_tasks([loop]): the tasks that have not ended, in order of creation. */
static int task_all_tasks (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = lua_isnoneornil(L, 1) ? ca_loop_running(L, c)
                                  : ca_loop_check(L, c, 1);
  lua_settop(L, 0);
  uint32_t n = 0;
  Found *found = lua_newuserdatauv(L, (l->ntasks + 1) * sizeof(Found), 0);
  for (uint32_t slot = 1; slot <= l->nanchors && n < l->ntasks; slot++) {
    ca_anchor_push(L, c, l, slot);
    Task *t = (Task *)ca_test(L, c, -1, KIND_TASK);
    if (t != NULL && t->future.head.state == PENDING &&
        t->future.slot == slot) {   /* others may have anchored it as well */
      found[n].id = t->id;
      found[n++].slot = slot;
    }
    lua_settop(L, 1);
  }
  qsort(found, n, sizeof(Found), byid);
  lua_createtable(L, (int)n, 0);
  for (uint32_t i = 0; i < n; i++) {
    ca_anchor_push(L, c, l, found[i].slot);
    lua_rawseti(L, 2, i + 1);
  }
  return 1;
}


/* istask(x): is it a task? */
static int task_istask (lua_State *L) {
  lua_pushboolean(L, ca_test(L, ca_core(L), 1, KIND_TASK) != NULL);
  return 1;
}


static int task_nosettle (lua_State *L) {
  checktask(L);
  return luaL_error(L, "Task does not support set_result and set_exception: "
                       "its function decides how it ends");
}


static const luaL_Reg methods[] = {
  {"cancelling", task_cancelling},
  {"get_context", task_get_context},
  {"get_coro", task_get_coro},
  {"get_name", task_get_name},
  {"get_stack", task_get_stack},
  {"set_exception", task_nosettle},
  {"set_name", task_set_name},
  {"set_result", task_nosettle},
  {"uncancel", task_uncancel},
  {NULL, NULL}
};


static const luaL_Reg meta[] = {
  {"__tostring", task_tostring},
  {NULL, NULL}
};


static const luaL_Reg functions[] = {
  {"all_tasks", task_all_tasks},
  {"current_task", task_current_task},
  {"istask", task_istask},
  {"set_task_context", task_set_task_context},
  {"stack_traceback", task_stack_traceback},
  {"waiting", task_waiting},
  {NULL, NULL}
};


void ca_taskinfo_open (lua_State *L) {
  ca_type_new(L, KIND_TASK, "casync.Task", NULL, meta);
  lua_getfield(L, -1, "__index");
  ca_future_methods(L);
  ca_setfuncs(L, methods);
  lua_setfield(L, -3, "TaskMethods");
  lua_pop(L, 1);
  ca_setfuncs(L, functions);
}
