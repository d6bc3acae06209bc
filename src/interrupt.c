/*
** interrupt.c - SIGINT while 'run' is in the main thread, as asyncio does.
**
** The first cancels the main task, so that cleanup runs. The second raises
** KeyboardInterrupt in the Lua code that runs at that moment (a busy loop
** included), by a hook, as the lua program does itself; when none runs it
** is raised out of the loop. The third is the system's.
**
** A signal belongs to the process, so what its handler needs is the one
** thing here that does not hang on a Lua state: the loop that took it over.
** The handler touches that loop only while it is 'target', and only in the
** main thread, where that loop runs: the system may deliver the signal to
** any thread.
*/

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "error.h"
#include "interrupt.h"
#include "task.h"

static _Atomic(Loop *) target;
static _Atomic(pthread_t) owner;        /* the main thread */
static struct sigaction before;         /* put back at the end */
static _Atomic(lua_State *) hooked;     /* who is to raise, or NULL */


#if defined(__linux__)
static bool mainthread (void) {
  return syscall(SYS_gettid) == getpid();
}
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__)
#if !defined(__APPLE__)
#include <pthread_np.h>
#endif
static bool mainthread (void) {
  return pthread_main_np() != 0;
}
#else
static bool mainthread (void) {
  return true;
}
#endif


/* The hook: raise KeyboardInterrupt here. */
static void raisehook (lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  atomic_store(&hooked, NULL);
  Loop *l = atomic_load(&target);
  if (l == NULL) return;
  l->seensignals = l->nsignals;
  /* A hook has no upvalues: the class is found through the registry. */
  lua_getfield(L, LUA_REGISTRYINDEX, "casync.KeyboardInterrupt");
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "message");
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  lua_error(L);
}


static void onsigint (int sig) {
  Loop *l = atomic_load(&target);
  if (l == NULL) return;
  if (!pthread_equal(pthread_self(), atomic_load(&owner))) {
    pthread_kill(atomic_load(&owner), sig);
    return;
  }
  l->nsignals = l->nsignals + 1;
  if (l->nsignals >= 2) {
    struct sigaction dfl;
    memset(&dfl, 0, sizeof(dfl));
    dfl.sa_handler = SIG_DFL;
    sigaction(sig, &dfl, NULL);         /* the third is the system's */
    Task *t = l->core->running;
    lua_State *L = t != NULL ? t->active : l->L;
    if (L != NULL) {
      atomic_store(&hooked, L);
      lua_sethook(L, raisehook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE |
                  LUA_MASKCOUNT, 1);
    }
  }
  uv_async_send(&l->wakeup);
}


static void unhook (void) {
  lua_State *L = atomic_exchange(&hooked, NULL);
  if (L != NULL) lua_sethook(L, NULL, 0, 0);
}


/* Called by the loop between rounds. */
static void signalled (lua_State *L, Loop *l) {
  Core *c = l->core;
  l->seensignals = l->nsignals;
  if (l->nsignals >= 2) {
    unhook();
    ca_error_raise(L, c, ERR_KEYBOARDINTERRUPT, NULL);
  }
  lua_getiuservalue(L, CORE, UV_INTERRUPT);
  Task *t = (Task *)ca_test(L, c, -1, KIND_TASK);
  if (t != NULL) ca_task_cancel(L, c, t, 0, NULL);
}


/* interrupt_begin(loop, task): take SIGINT over, if this is the main thread
   and it is not ignored; true if so. */
static int interrupt_begin (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  ca_check(L, c, 2, KIND_TASK);
  lua_settop(L, 2);
  struct sigaction now;
  Loop *none = NULL;
  bool here = mainthread();
  if (here) atomic_store(&owner, pthread_self());
  if (!here || sigaction(SIGINT, NULL, &now) != 0 ||
      (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN) ||
      !atomic_compare_exchange_strong(&target, &none, l)) {
    lua_pushboolean(L, false);
    return 1;
  }
  lua_setiuservalue(L, CORE, UV_INTERRUPT);
  lua_getiuservalue(L, CORE, UV_ERRORS);
  lua_rawgeti(L, -1, ERR_KEYBOARDINTERRUPT + 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "casync.KeyboardInterrupt");
  before = now;
  l->nsignals = l->seensignals = 0;
  l->signalled = signalled;
  struct sigaction ours;
  memset(&ours, 0, sizeof(ours));
  ours.sa_handler = onsigint;
  sigemptyset(&ours.sa_mask);
  sigaction(SIGINT, &ours, NULL);
  lua_pushboolean(L, true);
  return 1;
}


/* interrupt_end(loop): put it back. How many SIGINTs came. */
static int interrupt_end (lua_State *L) {
  Core *c = ca_core(L);
  Loop *l = ca_loop_check(L, c, 1);
  int n = (int)l->nsignals;
  if (atomic_load(&target) == l) {
    sigaction(SIGINT, &before, NULL);
    atomic_store(&target, NULL);
    unhook();
    l->nsignals = l->seensignals = 0;
    lua_pushnil(L);
    lua_setiuservalue(L, CORE, UV_INTERRUPT);
  }
  lua_pushinteger(L, n);
  return 1;
}


void ca_interrupt_close (Core *c) {
  if (!mainthread()) return;
  Loop *l = atomic_load(&target);
  if (l == NULL || l->core != c) return;
  sigaction(SIGINT, &before, NULL);
  atomic_store(&target, NULL);
  atomic_store(&hooked, NULL);
}


/* interrupted(loop): how many SIGINTs have come. */
static int interrupt_interrupted (lua_State *L) {
  Loop *l = ca_loop_check(L, ca_core(L), 1);
  lua_pushinteger(L, (lua_Integer)l->nsignals);
  return 1;
}


#if defined(__GLIBC__)

static _Atomic(int) uncaught;   /* 1: a KeyboardInterrupt leaves the script */

/* The interpreter ends with the status of an error: that of an interrupted
   program is 130. */
static void onexit (int status, void *unused) {
  (void)unused;
  if (status == EXIT_FAILURE && atomic_load(&uncaught)) {
    fflush(NULL);
    _exit(130);
  }
}


/* interrupt_uncaught(flag): the process is about to end by one, or not. */
static int interrupt_uncaught (lua_State *L) {
  static _Atomic(int) registered;
  if (atomic_exchange(&registered, 1) == 0) on_exit(onexit, NULL);
  atomic_store(&uncaught, lua_toboolean(L, 1));
  return 0;
}

#else

static int interrupt_uncaught (lua_State *L) {
  (void)L;              /* no way to change the exit code from here */
  return 0;
}

#endif


static const luaL_Reg functions[] = {
  {"interrupt_begin", interrupt_begin},
  {"interrupt_end", interrupt_end},
  {"interrupt_uncaught", interrupt_uncaught},
  {"interrupted", interrupt_interrupted},
  {NULL, NULL}
};


void ca_interrupt_open (lua_State *L) {
  ca_setfuncs(L, functions);
}
