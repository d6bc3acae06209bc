-- Keeps the books of locks, semaphores, queues and the like: what was taken
-- from them by code, and what was given back, must be what they hold. To be
-- required before casync.

local core = require "casync.core"

local watched = {}

-- object -> {balance=, check=}; operation -> function called when it is done
local books, ops
-- Functions that unset what was set: callbacks, readers, servers.
local unsets

local weak = {__mode = "k"}

--- Forget all, and keep the books of what is made from now on.
function watched.begin()
  books, ops = setmetatable({}, weak), setmetatable({}, weak)
  unsets = {}
end

watched.begin()

--- What is to be told the results of awaiting `op`, or nil. Once: casync
--- makes the same object another operation later.
function watched.of(op)
  local watch = ops[op]
  ops[op] = nil
  return watch
end

local function open(object, balance, check)
  books[object] = {balance = balance, check = check}
  return object
end

local function add(object, n)
  local book = books[object]
  if book then book.balance = book.balance + n end
end

local function spoil(object)
  local book = books[object]
  if book then book.balance = nil end
end

-- Let `methods[name]` add n to the balance when it succeeds.
local function counted(methods, name, n)
  local method = methods[name]
  methods[name] = function(self, ...)
    local result = method(self, ...)
    if books[self] and books[self].balance then add(self, n) end
    return result
  end
end

-- Let what `holder[name]` gives add n when it has been awaited.
local function counted_op(holder, name, n)
  local method = holder[name]
  holder[name] = function(self, ...)
    local op = method(self, ...)
    ops[op] = function(first)
      if name == "queue_next" and first == nil then spoil(self)
      elseif books[self] and books[self].balance then add(self, n)
      end
    end
    return op
  end
end

local function waiters(object)
  local n = tostring(object):match "waiters:(%d+)"
  if n then return n .. " waiting" end
end

local function made(name, initial, check)
  local new = core[name]
  core[name] = function(...)
    return open(new(...), initial(...), check)
  end
end

local function none() return 0 end

local function checklock(lock, balance)
  local locked = lock:locked() and 1 or 0
  if locked ~= balance then
    return ("%s, but %d have it"):format(tostring(lock), balance)
  end
  return waiters(lock)
end

made("Lock", none, checklock)
counted_op(core.LockMethods, "acquire", 1)
counted(core.LockMethods, "release", -1)

made("Event", none, waiters)

for _, name in ipairs {"Semaphore", "BoundedSemaphore"} do
  made(name, function(value) return value or 1 end, function(sem, balance)
    local value = tonumber(tostring(sem):match "value:(%d+)") or 0
    if value ~= balance then
      return ("%s, but %d should be left"):format(tostring(sem), balance)
    end
    return waiters(sem)
  end)
end
counted_op(core.SemaphoreMethods, "acquire", -1)
counted(core.SemaphoreMethods, "release", 1)

for _, name in ipairs {"Queue", "PriorityQueue", "LifoQueue"} do
  made(name, none, function(queue, balance)
    local text = tostring(queue)
    if balance and queue:qsize() ~= balance then
      return ("%s, but %d should be left"):format(text, balance)
    elseif text:find "_getters" or text:find "_putters" then
      return text
    end
  end)
end
counted_op(core.QueueMethods, "put", 1)
counted_op(core.QueueMethods, "get", -1)
counted_op(core, "queue_next", -1)
counted(core.QueueMethods, "put_nowait", 1)
counted(core.QueueMethods, "get_nowait", -1)

local shutdown = core.QueueMethods.shutdown
function core.QueueMethods:shutdown(immediate, ...)
  shutdown(self, immediate, ...)
  if immediate then spoil(self) end
end

made("WaitList", none, function(list)
  if list:count() > 0 then return tostring(list) end
end)

local loopmethods = core.LoopMethods

for _, name in ipairs {"call_later", "call_at"} do
  local call = loopmethods[name]
  loopmethods[name] = function(...)
    local handle = call(...)
    unsets[function() handle:cancel() end] = true
    return handle
  end
end

for _, way in ipairs {"reader", "writer"} do
  local set, unset = loopmethods["add_" .. way], loopmethods["remove_" .. way]
  loopmethods["add_" .. way] = function(loop, fd, ...)
    set(loop, fd, ...)
    unsets[function() unset(loop, fd) end] = true
  end
end

-- 'await' itself, also where C calls it.
local await = core.await
local handler

local function ours(...)
  if not handler then return await(...) end
  return handler(await, ...)
end

--- Let `fn(await, ...)` be called for each `await(...)`.
function watched.on_await(fn) handler = fn end

core.await = ours
core.FutureMethods.await = ours
core.TaskMethods.await = ours

do
  local _, state = debug.getupvalue(await, 1)
  for i = 1, 100 do
    local value, is = debug.getuservalue(state, i)
    if not is then break end
    if value == await then debug.setuservalue(state, ours, i) end
  end
end

local uncancel = core.TaskMethods.uncancel
function core.TaskMethods:uncancel()
  if watched.on_uncancel then watched.on_uncancel() end
  return uncancel(self)
end

--- What is made in Lua, when casync has been loaded.
function watched.complete(casync)
  local start = casync.start_server
  function casync.start_server(...)
    local awaitable = start(...)
    ops[awaitable] = function(server)
      unsets[function() server:close() end] = true
    end
    return awaitable
  end

  local new = casync.Barrier
  function casync.Barrier(parties)
    return open(new(parties), 0, function(barrier)
      if barrier.count ~= 0 then
        return ("%s has %d inside"):format(tostring(barrier), barrier.count)
      end
    end)
  end
end

--- Some code is gone: release the locks that it has, and unset what it had
--- set: callbacks, readers, servers.
function watched.release()
  for unset in pairs(unsets) do unset() end
  unsets = {}
  for object, book in pairs(books) do
    if book.check == checklock and book.balance == 1 and object:locked() then
      object:release()
    end
  end
end

--- When all tasks have ended: a list of texts, one for each object that holds
--- what nobody has.
function watched.unbalanced()
  local list = {}
  for object, book in pairs(books) do
    local text = book.check(object, book.balance)
    if text then list[#list + 1] = text end
  end
  return list
end

return watched
