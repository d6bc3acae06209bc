/*
** timer.c - the timers of a loop: a binary heap by deadline, and where these
** are equal by order of creation. The nodes are inside what waits; entry 0
** of the heap is not used.
*/

#include <assert.h>
#include <math.h>

#include "loop.h"


int64_t ca_loop_now (Loop *l) {
  (void)l;
  return (int64_t)uv_hrtime();
}


int64_t ca_loop_when (lua_Number when) {
  lua_Number ns = ceil(when * 1e9);
  if (ns >= 9.2e18) return INT64_MAX;
  if (ns <= -9.2e18) return INT64_MIN + 1;
  return (int64_t)ns;
}


int64_t ca_loop_deadline (Loop *l, lua_Number delay) {
  int64_t now = ca_loop_now(l);
  int64_t wait = ca_loop_when(delay);
  return (wait > INT64_MAX - now) ? INT64_MAX : now + wait;
}


static inline bool before (const HeapEntry *a, const HeapEntry *b) {
  return a->deadline < b->deadline ||
         (a->deadline == b->deadline && a->seq < b->seq);
}


static inline void put (Loop *l, uint32_t i, HeapEntry e) {
  l->heap[i] = e;
  e.timer->index = i;
}


static void siftup (Loop *l, uint32_t i, HeapEntry e) {
  while (i > 1 && before(&e, &l->heap[i / 2])) {
    put(l, i, l->heap[i / 2]);
    i /= 2;
  }
  put(l, i, e);
}


static void siftdown (Loop *l, uint32_t i, HeapEntry e) {
  for (;;) {
    uint32_t child = 2 * i;
    if (child > l->nheap) break;
    if (child < l->nheap && before(&l->heap[child + 1], &l->heap[child]))
      child++;
    if (!before(&l->heap[child], &e)) break;
    put(l, i, l->heap[child]);
    i = child;
  }
  put(l, i, e);
}


bool ca_timer_set (Loop *l, Timer *timer, int64_t deadline) {
  assert(timer->index == 0);
  if (l->nheap + 1 >= l->heapsize) {
    uint32_t size = l->heapsize == 0 ? 64 : l->heapsize * 2;
    if (size < l->heapsize) return false;
    HeapEntry *heap = ca_realloc(l->core, l->heap,
                                 l->heapsize * sizeof(HeapEntry),
                                 size * sizeof(HeapEntry));
    if (heap == NULL) return false;
    l->heap = heap;
    l->heapsize = size;
  }
  HeapEntry e = {deadline, l->nexttimer++, timer};
  siftup(l, ++l->nheap, e);
  return true;
}


void ca_timer_unset (Loop *l, Timer *timer) {
  uint32_t i = timer->index;
  if (i == 0) return;
  assert(l->heap[i].timer == timer);
  timer->index = 0;
  HeapEntry last = l->heap[l->nheap--];
  if (i > l->nheap) return;     /* it was the last one */
  if (i > 1 && before(&last, &l->heap[i / 2])) siftup(l, i, last);
  else siftdown(l, i, last);
}


void ca_timer_fire (Loop *l) {
  if (l->nheap == 0) return;
  int64_t now = l->now = ca_loop_now(l);
  while (l->nheap > 0 && l->heap[1].deadline <= now) {
    Timer *timer = l->heap[1].timer;
    ca_timer_unset(l, timer);
    timer->fire(timer);
  }
  if (l->heapsize > 1024 && l->nheap < l->heapsize / 8) {
    HeapEntry *heap = ca_realloc(l->core, l->heap,
                                 l->heapsize * sizeof(HeapEntry),
                                 l->heapsize / 4 * sizeof(HeapEntry));
    if (heap != NULL) {
      l->heap = heap;
      l->heapsize /= 4;
    }
  }
}
