/*
** threads.c - a host with many Lua states in many threads.
**
**   threads SCRIPT THREADS STATES   THREADS threads at a time, each of which
**                                   makes STATES states, one after the other
**   threads SCRIPT                  one state, in the main thread
** With HOST_MAIN in the environment the main thread has a state meanwhile.
**
** Each state runs the script, with the table 'host', and is closed, however
** the script left it. Then it must hold no memory; when all threads have
** ended, libuv must hold no more than after a first state, and as many
** descriptors must be open. What does not hold is printed; the status is 1.
*/

#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

enum { MAXTHREADS = 64, MAXPIPES = 32 };

#if defined(__SANITIZE_THREAD__)
#include <dlfcn.h>
#include <sys/syscall.h>

/* libuv closes descriptors by 'syscall', where ThreadSanitizer does not see
   it; it would take the next one of the same number for the old one. */
long syscall (long number, ...) {
  static long (*real) (long, ...);
  long a[6];
  va_list args;
  va_start(args, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(args, long);
  va_end(args);
  if (number == SYS_close) return close((int)a[0]);
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "syscall");
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
#endif

static const char *script;
static int nthreads, nstates;
static bool withmain;
static pthread_t threads[MAXTHREADS];
static pthread_barrier_t start;
static atomic_int failures;
static atomic_int running;              /* states that run their script */
static atomic_bool finished;            /* the main thread's script is over */

/* {=======================================================
** What is held
** ======================================================== */

static atomic_long uvblocks;

static void *uvmalloc (size_t size) {
  void *p = malloc(size);
  if (p != NULL) atomic_fetch_add(&uvblocks, 1);
  return p;
}


static void *uvcalloc (size_t n, size_t size) {
  void *p = calloc(n, size);
  if (p != NULL) atomic_fetch_add(&uvblocks, 1);
  return p;
}


static void uvfree (void *p) {
  if (p != NULL) atomic_fetch_sub(&uvblocks, 1);
  free(p);
}


static void *uvrealloc (void *p, size_t size) {
  if (p == NULL) return uvmalloc(size);
  if (size == 0) {
    uvfree(p);
    return NULL;
  }
  return realloc(p, size);
}


/* Of one Lua state, and of casync in it. */
typedef struct Held {
  size_t bytes;
  long blocks;
} Held;


static void *alloc (void *ud, void *p, size_t osize, size_t nsize) {
  Held *h = ud;
  if (p == NULL) osize = 0;
  if (nsize == 0) {
    if (p != NULL) h->blocks--;
    h->bytes -= osize;
    free(p);
    return NULL;
  }
  void *q = realloc(p, nsize);
  if (q == NULL) return NULL;
  if (p == NULL) h->blocks++;
  h->bytes += nsize - osize;
  return q;
}


static int descriptors (void) {
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL) return 0;
  int n = 0;
  while (readdir(dir) != NULL) n++;
  closedir(dir);
  return n;
}


static void fail (const char *what, int thread, int state) {
  fprintf(stderr, "thread %d, state %d: %s\n", thread, state, what);
  atomic_fetch_add(&failures, 1);
}

/* }====================================================== */


/* {=======================================================
** The table 'host'
** ======================================================== */

typedef struct Pipes {
  int fd[MAXPIPES];
  int n;
} Pipes;


/* host.pipe(): two descriptors, which stay open until the state is closed. */
static int host_pipe (lua_State *L) {
  Pipes *pipes = lua_touserdata(L, lua_upvalueindex(1));
  if (pipes->n + 2 > MAXPIPES || pipe(pipes->fd + pipes->n) != 0)
    return luaL_error(L, "no pipe");
  lua_pushinteger(L, pipes->fd[pipes->n]);
  lua_pushinteger(L, pipes->fd[pipes->n + 1]);
  pipes->n += 2;
  return 2;
}


/* host.interrupt(): SIGINT, delivered to the first of the threads. */
static int host_interrupt (lua_State *L) {
  (void)L;
  pthread_kill(threads[0], SIGINT);
  return 0;
}


/* host.running(): how many states run their script at this moment. */
static int host_running (lua_State *L) {
  lua_pushinteger(L, atomic_load(&running));
  return 1;
}


/* host.finished(): is the script of the main thread over? */
static int host_finished (lua_State *L) {
  lua_pushboolean(L, atomic_load(&finished));
  return 1;
}


static void interruptlate (void) {
  raise(SIGINT);
}


/* host.interrupt_at_exit(): the same when the process ends. */
static int host_interrupt_at_exit (lua_State *L) {
  (void)L;
  atexit(interruptlate);
  return 0;
}


static void openhost (lua_State *L, Pipes *pipes, int thread, int state) {
  const luaL_Reg functions[] = {
    {"finished", host_finished},
    {"interrupt", host_interrupt},
    {"interrupt_at_exit", host_interrupt_at_exit},
    {"pipe", host_pipe},
    {"running", host_running},
    {NULL, NULL}
  };
  luaL_newlibtable(L, functions);
  lua_pushlightuserdata(L, pipes);
  luaL_setfuncs(L, functions, 1);
  lua_pushinteger(L, thread);
  lua_setfield(L, -2, "thread");
  lua_pushinteger(L, state);
  lua_setfield(L, -2, "state");
  lua_setglobal(L, "host");
}

/* }====================================================== */


static void runstate (int thread, int state) {
  Held held = {0, 0};
  Pipes pipes = {.n = 0};
  lua_State *L = lua_newstate(alloc, &held);
  if (L == NULL) abort();
  luaL_openlibs(L);
  openhost(L, &pipes, thread, state);
  atomic_fetch_add(&running, 1);
  if (luaL_dofile(L, script) != LUA_OK)
    fail(luaL_tolstring(L, -1, NULL), thread, state);
  atomic_fetch_sub(&running, 1);
  lua_close(L);
  for (int i = 0; i < pipes.n; i++) close(pipes.fd[i]);
  if (held.bytes != 0 || held.blocks != 0) {
    char text[80];
    snprintf(text, sizeof(text), "%zu bytes in %ld blocks were left",
             held.bytes, held.blocks);
    fail(text, thread, state);
  }
}


static void *runthread (void *arg) {
  int thread = (int)(intptr_t)arg;
  pthread_barrier_wait(&start);
  for (int i = 0; i < nstates; i++) runstate(thread, i);
  return NULL;
}


static void runthreads (void) {
  pthread_barrier_init(&start, NULL, (unsigned)nthreads);
  for (int i = 0; i < nthreads; i++)
    if (pthread_create(&threads[i], NULL, runthread, (void *)(intptr_t)(i + 1)))
      abort();
  if (withmain) runstate(0, 0);
  atomic_store(&finished, true);
  for (int i = 0; i < nthreads; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&start);
}


static void check (const char *what, long before, long after) {
  if (after <= before) return;
  fprintf(stderr, "%s: %ld before, %ld after\n", what, before, after);
  atomic_fetch_add(&failures, 1);
}


int main (int argc, char **argv) {
  if (argc != 2 && argc != 4) {
    fprintf(stderr, "usage: %s SCRIPT [THREADS STATES]\n", argv[0]);
    return 2;
  }
  script = argv[1];
  uv_replace_allocator(uvmalloc, uvrealloc, uvcalloc, uvfree);
  if (argc == 2) {
    runstate(0, 0);
    return atomic_load(&failures) != 0;
  }
  nthreads = atoi(argv[2]);
  nstates = atoi(argv[3]);
  if (nthreads < 1 || nthreads > MAXTHREADS) return 2;
  /* What libuv makes once, for the process, is there after this. */
  withmain = getenv("HOST_MAIN") != NULL;
  if (!withmain) runstate(0, 0);
  long blocks = atomic_load(&uvblocks);
  int fds = descriptors();
  runthreads();
  if (!withmain) {
    check("blocks of libuv", blocks, atomic_load(&uvblocks));
    check("descriptors", fds, descriptors());
  }
  printf("%d states in %d threads, %d failures\n", nthreads * nstates,
         nthreads, atomic_load(&failures));
  return atomic_load(&failures) != 0;
}
