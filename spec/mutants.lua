-- Planted bugs: each must turn its check red. 'make mutants' tries them, in a
-- copy of the tree.
--
--   name    what is broken
--   file    where, and what is in its place: 'find' (a text that is there
--           exactly once) becomes 'put'
--   check   the target of make that must fail, 'spec' if not given
--   specs   and the specs with which it is run
--   filter  of these only those whose names are like this
--   says    what its output must have then; for checkers, whose own words
--           tell that they, and no spec, have found it

return {

  -- Lost wake-ups.

  {
    name = "a task whose timer has fired is not woken",
    file = "src/task.c",
    find = "if (t->place == PARKED) ca_task_wake(t);",
    put = "if (t->place == PARKED) return;",
    specs = "spec/tasks_spec.lua",
  },
  {
    name = "a future tells only the first of those who wait",
    file = "src/future.c",
    find = "while (!list_empty(&f->nodes)) {",
    put = "if (!list_empty(&f->nodes)) {",
    specs = "spec/futures_spec.lua",
  },
  {
    name = "setting an event wakes nobody",
    file = "src/sync.c",
    find = "ca_waitlist_wakeall(&e->waiters);",
    put = "(void)e;",
    specs = "spec/locks_spec.lua",
  },
  {
    name = "a lock handed to a task that is cancelled is not handed on",
    file = "src/sync.c",
    find = "  (void)c;\n  l->turn = ca_waitlist_wake(&l->waiters);",
    put = "  (void)c;\n  (void)l;",
    specs = "spec/locks_spec.lua",
  },
  {
    name = "a queue's turn that a cancelled task had is lost",
    file = "src/queue.c",
    find = "  (void)c;\n  endturn(op);\n  balance(op->queue);",
    put = "  (void)c;\n  endturn(op);",
    specs = "spec/queues_spec.lua",
  },
  {
    name = "a condition's notification is lost with a cancelled task",
    file = "lua/casync/locks.lua",
    find = "if notified then waiters:wake() end",
    put = "if not notified then waiters:wake() end",
    specs = "spec/locks_spec.lua",
  },
  {
    name = "a connection receives what nobody reads",
    file = "src/conn.c",
    find = "if (n->reading && ca_buffer_length(&n->in) > 2 * n->limit)",
    put = "if (false)",
    specs = "spec/streams_spec.lua",
  },

  -- Cancellation.

  {
    name = "a cancellation that came before the task ran is swallowed",
    file = "src/await.c",
    find = "if (t->mustcancel) return cancelledlate(L, c, t, o);",
    put = "t->mustcancel = false; (void)cancelledlate;",
    specs = "spec/cancel_spec.lua",
  },
  {
    name = "a cancellation of a task that waits only wakes it",
    file = "src/await.c",
    find = "t->interrupted = t->mustcancel = false;\n"
      .. "    return ca_task_raisecancelled(L, c, t);",
    put = "t->interrupted = t->mustcancel = false;\n    return 0;",
    specs = "spec/cancel_spec.lua",
  },
  {
    name = "a task that never waits again is not cancelled",
    file = "src/task.c",
    find = "if (t->mustcancel) {          /* cancelled, and it never",
    put = "if (false) {          /* cancelled, and it never",
    specs = "spec/cancel_spec.lua",
  },
  {
    name = "what a cancelled operation was given is not given back",
    file = "src/await.c",
    find = "if (op->type->giveback != NULL) op->type->giveback(L, c, op);",
    put = "(void)op;",
    specs = "spec/queues_spec.lua",
  },
  {
    name = "a time-out takes every cancellation for its own",
    file = "src/scope.c",
    find = "own = ca_task_uncancel(t) <= s->ncancel && err != 0 &&",
    put = "ca_task_uncancel(t); own = err != 0 &&",
    specs = "spec/timeouts_spec.lua",
  },
  {
    name = "a time-out that a shield held back never comes",
    file = "src/scope.c",
    find = "if (ca_scope_permits(t, s)) t->mustcancel = true;",
    put = "",
    specs = "spec/timeouts_spec.lua",
  },
  {
    name = "cancelling a gather cancels its last member only",
    file = "src/combine.c",
    find = "for (uint32_t i = cb->links->used; i-- > 0; ) {",
    put = "for (uint32_t i = cb->links->used; i-- + 1 > cb->links->used; ) {",
    specs = "spec/gather_spec.lua",
  },
  {
    name = "a shield passes cancellations on",
    file = "src/combine.c",
    find = "if (cb->mode == SHIELD) {     /* what is shielded goes on */",
    put = "if (false) {",
    specs = "spec/gather_spec.lua spec/wait_spec.lua spec/timeouts_spec.lua",
  },
  {
    name = "a failed task does not cancel the others of its group",
    file = "lua/casync/taskgroups.lua",
    find = "self.aborting = true\n  self.roster:cancel()",
    put = "self.aborting = true",
    specs = "spec/taskgroups_spec.lua",
  },
  {
    name = "run does not cancel the tasks that are left",
    file = "lua/casync/runners.lua",
    find = "for _, task in ipairs(left) do task:cancel() end",
    put = "",
    specs = "spec/runners_spec.lua",
  },
  {
    name = "the generators of a task stay open when it ends",
    file = "lua/casync/generators.lua",
    find = "  if stateof(self) == \"suspended\" then close_later(",
    put = "  if stateof(self) == \"new\" then close_later(",
    specs = "spec/generators_spec.lua",
  },

  -- Order.

  {
    name = "of equal timers the last made fires first",
    file = "src/timer.c",
    find = "a->seq < b->seq",
    put = "a->seq > b->seq",
    specs = "spec/handles_spec.lua",
  },
  {
    name = "the heap of timers overlooks its last entry",
    file = "src/timer.c",
    find = "if (child < l->nheap && before(",
    put = "if (child + 1 < l->nheap && before(",
    specs = "spec/handles_spec.lua",
  },
  {
    name = "a timer that takes the place of another one only sinks",
    file = "src/timer.c",
    find = "if (i > 1 && before(&last, &l->heap[i / 2])) siftup(l, i, last);\n"
      .. "  else siftdown",
    put = "siftdown",
    specs = "spec/handles_spec.lua",
  },
  {
    name = "a sleep wakes its task one round early",
    file = "src/task.c",
    find = "  t->firing = true;\n  t->alarm.run = fired;\n"
      .. "  ca_loop_post(t->future.loop, &t->alarm);",
    put = "  (void)fired;\n  ca_task_wake(t);",
    specs = "spec/tasks_spec.lua",
  },
  {
    name = "a lock can be taken before those who wait",
    file = "src/sync.c",
    find = "if (!l->locked && !l->turn) return CA_READY;",
    put = "if (!l->locked) return CA_READY;",
    specs = "spec/locks_spec.lua",
  },
  {
    name = "who was robbed in a queue waits behind the others",
    file = "src/queue.c",
    find = "List *pos = last;\n"
      .. "  while (pos != &s->waiting.tasks && opof(pos)->ticket > op->ticket)\n"
      .. "    pos = pos->prev;",
    put = "List *pos = s->waiting.tasks.prev;",
    specs = "spec/queues_spec.lua",
  },
  {
    name = "a queue that grows forgets where its first item is",
    file = "src/queue.c",
    find = "from = (q->order == HEAP) ? i : (q->first + i) & (q->cap - 1);",
    put = "from = i;",
    specs = "spec/queues_spec.lua",
  },

  -- Counting.

  {
    name = "one item too many fits into a queue",
    file = "src/queue.c",
    find = "freeslots(q) > q->putters.turns) return CA_READY;",
    put = "freeslots(q) >= q->putters.turns) return CA_READY;",
    specs = "spec/queues_spec.lua",
  },
  {
    name = "a semaphore gives permits it has not",
    file = "src/sync.c",
    find = "    s->value--;\n    s->turns++;",
    put = "    s->turns++;",
    specs = "spec/locks_spec.lua",
  },
  {
    name = "a separator that comes in two pieces is not found",
    file = "src/want.c",
    find = "w->scanned = length + 1 - w->longest;",
    put = "w->scanned = length;",
    specs = "spec/streams_spec.lua",
  },
  {
    name = "bytes that make room in a buffer move to its end",
    file = "src/buffer.c",
    find = "memmove(b->data, b->data + b->start, length);\n    b->start = 0;",
    put = "b->start = 0;",
    specs = "spec/streams_spec.lua",
  },
  {
    name = "the connection of a handler that failed stays open",
    file = "lua/casync/streams.lua",
    find = "if err == nil then return end\n      stream:close()",
    put = "if err == nil then return end",
    specs = "spec/server_spec.lua",
  },
  {
    name = "the late error of a gathered task is reported",
    file = "src/combine.c",
    find = "if (member->head.state == RAISED) ca_future_retrieved(member);\n"
      .. "    return;",
    put = "return;",
    specs = "spec/gather_spec.lua spec/reports_spec.lua",
  },
  {
    name = "a deadlock is not noticed",
    file = "src/loop.c",
    find = "!uv_loop_alive(&l->uv)) deadlock(L, l);",
    put = "!uv_loop_alive(&l->uv)) (void)deadlock;",
    specs = "spec/graph_spec.lua",
  },
  {
    name = "the second SIGINT does not interrupt what is busy",
    file = "src/interrupt.c",
    find = "if (L != NULL) {\n      atomic_store(&hooked, L);",
    put = "if (false) {\n      atomic_store(&hooked, L);",
    specs = "spec/interrupt_spec.lua",
  },

  -- Memory.

  {
    name = "nobody in line: a null pointer is used",
    file = "src/queue.c",
    find = "  Task *t = ca_waitlist_first(&s->waiting);\n"
      .. "  if (t == NULL) return false;",
    put = "  Task *t = ca_waitlist_first(&s->waiting);",
    specs = "spec/queues_spec.lua",
  },
  {
    name = "the memory of a scope is never freed",
    file = "src/scope.c",
    find = "ca_free(s->loop->core, s, sizeof(Scope));",
    put = "",
    check = "asan",
    specs = "spec/timeouts_spec.lua",
    says = "LeakSanitizer: detected memory leaks",
  },
  {
    name = "a scope is freed while its job is in the queue",
    file = "src/scope.c",
    find = "if (!s->queued) freescope(s);\n"
      .. "  else ca_loop_orphan(s->loop, &s->orphan, sizeof(Scope));",
    put = "freescope(s);",
    check = "asan",
    specs = "spec/timeouts_spec.lua",
    says = "AddressSanitizer: heap-use-after-free",
  },
  {
    name = "the links of a gather are never freed",
    file = "src/link.c",
    find = "ca_free(links->core, links, linksize(links->n));",
    put = "",
    check = "valgrind",
    specs = "spec/gather_spec.lua",
    says = "definitely lost",
  },
  {
    name = "a lookup that is given up is freed while libuv works on it",
    file = "src/dns.c",
    find = "if (r->done) freerequest(r);\n  else uv_cancel(",
    put = "freerequest(r);\n  if (false) uv_cancel(",
    check = "valgrind",
    specs = "spec/dns_spec.lua",
    says = "Invalid",
  },
  {
    name = "nothing holds the coroutine of a task",
    file = "src/pool.c",
    find = "lua_insert(L, -2);\n  lua_rawseti(L, -2, slot);\n  lua_pop(L, 1);\n"
      .. "  return slot;",
    put = "lua_pop(L, 2);\n  return slot;",
    check = "gc",
    specs = "spec/tasks_spec.lua",
  },
  {
    name = "nothing holds the futures that a wait watches",
    file = "src/watch.c",
    find = "  lua_setiuservalue(L, 2, 1);\n  w->n",
    put = "  lua_pop(L, 1);\n  w->n",
    check = "gc",
    specs = "spec/wait_spec.lua",
  },
  {
    name = "a time without end overflows",
    file = "src/timer.c",
    find = "return (wait > INT64_MAX - now) ? INT64_MAX : now + wait;",
    put = "return now + wait;",
    check = "ubsan",
    specs = "spec/timeouts_spec.lua spec/handles_spec.lua",
    says = "signed integer overflow",
  },

  -- What the other checks are for.

  {
    name = "a public function is not documented",
    file = "docs/reference.md",
    find = "### `checkpoint()`",
    put = "### A turn for the others",
    specs = "spec/reference_spec.lua",
  },
  {
    name = "a program of the README prints something else",
    file = "README.md",
    find = "hello\nworld\n10 letters",
    put = "world\nhello\n10 letters",
    specs = "spec/docs_spec.lua",
    filter = "README",
  },
  {
    name = "the kernel includes an operation",
    file = "src/timer.c",
    find = "#include \"loop.h\"",
    put = "#include \"loop.h\"\n#include \"stream.h\"",
    check = "check-layers",
  },
  {
    name = "a variable of Lua is never used",
    file = "lua/casync/queues.lua",
    find = "\nreturn ",
    put = "\nlocal unused = 1\n\nreturn ",
    check = "check-lua",
    says = "unused",
  },
  {
    name = "a variable of C is never used",
    file = "src/sleep.c",
    find = "  Sleep *s = (Sleep *)op;\n  (void)c;",
    put = "  Sleep *s = (Sleep *)op;\n  (void)c;\n  int unused;",
    check = "check-warnings",
    says = "unused",
  },
}
