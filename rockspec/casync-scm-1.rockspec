-- The lists below are written by 'make rockspec'.
rockspec_format = "3.0"
package = "casync"
version = "scm-1"

source = {
  url = "git+https://example.org/casync/casync.git",
  branch = "main",
}

description = {
  summary = "asyncio for Lua 5.4, in C on libuv",
  detailed = "Tasks, futures, time-outs, task groups, locks, queues and " ..
    "streams with the names and the semantics of Python's asyncio.",
  license = "MIT",
  labels = {"async", "asyncio", "coroutine", "libuv"},
}

supported_platforms = {"unix"}

dependencies = {"lua >= 5.4"}

external_dependencies = {
  LIBUV = {header = "uv.h", library = "uv"},
}

test_dependencies = {"busted >= 2.1"}

test = {type = "busted"}

build = {
  type = "builtin",
  modules = {
    ["casync.core"] = {
      sources = {
        "src/address.c",
        "src/await.c",
        "src/awaitable.c",
        "src/buffer.c",
        "src/cancel.c",
        "src/combine.c",
        "src/conn.c",
        "src/connect.c",
        "src/core.c",
        "src/coro.c",
        "src/dns.c",
        "src/error.c",
        "src/future.c",
        "src/handle.c",
        "src/interrupt.c",
        "src/link.c",
        "src/loop.c",
        "src/poll.c",
        "src/pool.c",
        "src/queue.c",
        "src/reading.c",
        "src/reserve.c",
        "src/roster.c",
        "src/scope.c",
        "src/server.c",
        "src/sleep.c",
        "src/spawn.c",
        "src/stream.c",
        "src/sync.c",
        "src/task.c",
        "src/taskinfo.c",
        "src/timer.c",
        "src/waitlist.c",
        "src/want.c",
        "src/watch.c",
        "src/writing.c",
      },
      libraries = {"uv"},
      incdirs = {"$(LIBUV_INCDIR)"},
      libdirs = {"$(LIBUV_LIBDIR)"},
    },
    ["casync.contextvars"] = "lua/casync/contextvars.lua",
    ["casync.coroutines"] = "lua/casync/coroutines.lua",
    ["casync.events"] = "lua/casync/events.lua",
    ["casync.exceptions"] = "lua/casync/exceptions.lua",
    ["casync.generators"] = "lua/casync/generators.lua",
    ["casync.graph"] = "lua/casync/graph.lua",
    ["casync"] = "lua/casync/init.lua",
    ["casync.locks"] = "lua/casync/locks.lua",
    ["casync.options"] = "lua/casync/options.lua",
    ["casync.queues"] = "lua/casync/queues.lua",
    ["casync.runners"] = "lua/casync/runners.lua",
    ["casync.streams"] = "lua/casync/streams.lua",
    ["casync.taskgroups"] = "lua/casync/taskgroups.lua",
    ["casync.tasks"] = "lua/casync/tasks.lua",
    ["casync.timeouts"] = "lua/casync/timeouts.lua",
  },
}
