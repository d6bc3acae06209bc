/*
** clock.c - a clock that only jumps. Preloaded into an interpreter, it stands
** between libuv and the system: the monotonic clock stands still, except
** that a wait for nothing else but time takes no time and sets the clock to
** its end. As a Lua module it gives 'advance(ms)', what a busy task does to
** the clock, and 'now()' in milliseconds.
*/

#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <lua.h>
#include <lauxlib.h>

/* A whole number of milliseconds, so that nothing is ever rounded. */
static long long now_ms = 1000000;


int clock_gettime (clockid_t id, struct timespec *ts) {
  if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
    return (int)syscall(SYS_clock_gettime, id, ts);
  ts->tv_sec = now_ms / 1000;
  ts->tv_nsec = now_ms % 1000 * 1000000;
  return 0;
}


int epoll_pwait (int fd, struct epoll_event *events, int max, int timeout,
                 const sigset_t *mask) {
  static int (*real) (int, struct epoll_event *, int, int, const sigset_t *);
  if (real == NULL)
    real = (int (*) (int, struct epoll_event *, int, int, const sigset_t *))
           dlsym(RTLD_NEXT, "epoll_pwait");
  int n = real(fd, events, max, timeout > 0 ? 0 : timeout, mask);
  if (n == 0 && timeout > 0) now_ms += timeout;
  return n;
}


int epoll_wait (int fd, struct epoll_event *events, int max, int timeout) {
  return epoll_pwait(fd, events, max, timeout, NULL);
}


static int clock_advance (lua_State *L) {
  now_ms += luaL_checkinteger(L, 1);
  return 0;
}


static int clock_now (lua_State *L) {
  lua_pushinteger(L, now_ms);
  return 1;
}


int luaopen_schedules_clock (lua_State *L);

int luaopen_schedules_clock (lua_State *L) {
  const luaL_Reg functions[] = {
    {"advance", clock_advance},
    {"now", clock_now},
    {NULL, NULL}
  };
  luaL_newlib(L, functions);
  return 1;
}
