/*
** counts.c - what a process holds: blocks of malloc, descriptors, threads.
** For specs only. It is loaded twice, as the same file: before the program
** (LD_PRELOAD), so that its malloc and free are everybody's, and by
** 'require "counts"'.
*/

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#ifndef __GLIBC__
#error "blocks are counted by replacing the malloc of glibc"
#endif

#include <lua.h>
#include <lauxlib.h>

extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *p, size_t size);
extern void *__libc_memalign (size_t alignment, size_t size);
extern void __libc_free (void *p);

static atomic_long blocks;

#define PUBLIC  __attribute__((visibility("default")))


static void *counted (void *p) {
  if (p != NULL) atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
  return p;
}


PUBLIC void *malloc (size_t size) {
  return counted(__libc_malloc(size));
}


PUBLIC void *calloc (size_t n, size_t size) {
  return counted(__libc_calloc(n, size));
}


PUBLIC void free (void *p) {
  if (p != NULL) atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
  __libc_free(p);
}


PUBLIC void *realloc (void *p, size_t size) {
  if (p == NULL) return malloc(size);
  if (size == 0) {
    free(p);
    return NULL;
  }
  return __libc_realloc(p, size);
}


PUBLIC void *memalign (size_t alignment, size_t size) {
  return counted(__libc_memalign(alignment, size));
}


PUBLIC void *aligned_alloc (size_t alignment, size_t size) {
  return memalign(alignment, size);
}


PUBLIC int posix_memalign (void **p, size_t alignment, size_t size) {
  void *block = memalign(alignment, size);
  if (block == NULL) return ENOMEM;
  *p = block;
  return 0;
}


/* Entries of a directory, without itself and its parent. */
static long entries (const char *name) {
  DIR *dir = opendir(name);
  long n = -2;
  if (dir == NULL) return -1;
  while (readdir(dir) != NULL) n++;
  closedir(dir);
  return n;
}


/* counts(): blocks of malloc, descriptors, threads. */
static int count (lua_State *L) {
  lua_pushinteger(L, atomic_load(&blocks));
  lua_pushinteger(L, entries("/proc/self/fd") - 1);
  lua_pushinteger(L, entries("/proc/self/task"));
  return 3;
}


PUBLIC int luaopen_counts (lua_State *L);

PUBLIC int luaopen_counts (lua_State *L) {
  lua_pushcfunction(L, count);
  return 1;
}
