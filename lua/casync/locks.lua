--- Locks and what tasks agree by. Lock, Event and the semaphores are in C;
-- here is what is made of them.

local core = require "casync.core"
local coroutines = require "casync.coroutines"
local exceptions = require "casync.exceptions"

local async, await = core.async, core.await
local invoke = coroutines.invoke
local BrokenBarrierError = exceptions.BrokenBarrierError
local CancelledError = exceptions.CancelledError

local locks = {}

locks.Lock = core.Lock
locks.Event = core.Event
locks.Semaphore = core.Semaphore
locks.BoundedSemaphore = core.BoundedSemaphore

-- Raise an error about misuse inside an async function: its position is that
-- of the nearest Lua function outside this file, which awaits.
local this = debug.getinfo(1, "S").source

local function misuse(message)
  local level, place = 2, ""
  local info = debug.getinfo(level, "Sl")
  while info do
    if info.currentline > 0 and info.source ~= this then
      place = ("%s:%d: "):format(info.short_src, info.currentline)
      break
    end
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  error(place .. message, 0)
end

-- Give `value` as an integer, or raise an error that names the argument.
local function checkinteger(value, who)
  local n = math.type(value) and math.tointeger(value)
  if n then return n end
  error(("bad argument #1 to '%s' (integer expected, got %s)"):format(who,
    type(value) == "number" and tostring(value) or type(value)), 3)
end

local function checkfunction(fn, arg, who)
  if type(fn) ~= "function" then
    error(("bad argument #%d to '%s' (function expected, got %s)"):format(
      arg, who, type(fn)), 3)
  end
end

-- Holds what was acquired until the block is left, or until `release`.
local Guard = {__name = "casync.Guard"}
Guard.__index = Guard

--- Release now what the block holds. Leaving the block does nothing then.
function Guard:release()
  local held = self.held
  self.held = false
  if held then held:release() end
end

--- The block's own error is what counts: without memory, a condition that
-- waited may not have got its lock back.
function Guard:__close(err)
  if err == nil then return self:release() end
  pcall(self.release, self)
end

-- Give a class that has `acquire` and `release` the scoped forms.
local function add_scopes(methods, name)
  --- Acquire for the rest of a block:
  -- `local _ <close> = await(lock:acquire_scoped())`.
  methods.acquire_scoped = async(function(self)
    local guard = setmetatable({
      held = false,  -- what is to be released, or false
    }, Guard)
    await(self:acquire())
    guard.held = self
    return guard
  end, name .. ".acquire_scoped")

  local with = async(function(self, fn, ...)
    local _ <close> = await(self:acquire_scoped())
    return invoke(fn, ...)
  end, name .. ".with")

  --- Acquire, call `fn`, release however it ends; gives what `fn` gave.
  function methods:with(fn, ...)
    checkfunction(fn, 1, "with")
    return with(self, fn, ...)
  end
end

add_scopes(core.LockMethods, "Lock")
add_scopes(core.SemaphoreMethods, "Semaphore")

local function islock(value)
  local meta = type(value) == "userdata" and debug.getmetatable(value)
  return meta and meta.__index == core.LockMethods
end

local Condition = {__name = "casync.Condition"}
Condition.__index = Condition

--- A condition that tasks wait for and notify each other of, with its lock.
function locks.Condition(lock)
  if lock == nil then
    lock = core.Lock()
  elseif not islock(lock) then
    error(("bad argument #1 to 'Condition' (Lock expected, got %s)"):format(
      type(lock)), 2)
  end
  return setmetatable({
    lock = lock,                -- is held by whoever waits or notifies
    waiters = core.WaitList(),  -- those who wait to be notified
  }, Condition)
end

--- Awaitable: true, with the lock held.
function Condition:acquire() return self.lock:acquire() end

--- Does anybody hold the lock?
function Condition:locked() return self.lock:locked() end

--- Release the lock.
function Condition:release()
  if not self.lock:locked() then error("Lock is not acquired.", 2) end
  self.lock:release()
end

add_scopes(Condition, "Condition")

-- Acquire the lock, whatever cancellations come meanwhile. Gives the last; or
-- another error (no memory), and then the lock is not held.
local function reacquire(lock, acquiring)
  local raised
  while true do
    local ok, err = pcall(await, acquiring)
    if ok then return raised end
    raised = err
    if not CancelledError:is(err) then return raised end
    acquiring = lock:acquire()
  end
end

--- Release the lock, wait to be notified, acquire the lock again. True.
-- The lock is held again also when this raises.
Condition.wait = async(function(self)
  local lock, waiters = self.lock, self.waiters
  if not lock:locked() then misuse "cannot wait on un-acquired lock" end
  local waiting, acquiring = waiters:wait(), lock:acquire()
  lock:release()
  local notified, err = pcall(await, waiting)
  local raised = reacquire(lock, acquiring)
  if raised then
    -- Who was notified and cannot use it tells another one. (Cancelled
    -- before it ran, the wait list has done so.)
    if notified then waiters:wake() end
    error(raised, 0)
  end
  if not notified then error(err, 0) end
  return true
end, "Condition.wait")

local wait_for = async(function(self, predicate)
  local result = predicate()
  while not result do
    await(self:wait())
    result = predicate()
  end
  return result
end, "Condition.wait_for")

--- Wait until the function `predicate`, called with the lock held, gives a
-- true value; gives that.
function Condition:wait_for(predicate)
  checkfunction(predicate, 1, "wait_for")
  return wait_for(self, predicate)
end

--- Wake `n` of those who wait (one, if not given). They go on when they get
-- the lock.
function Condition:notify(n)
  n = n == nil and 1 or checkinteger(n, "notify")
  if not self.lock:locked() then
    error("cannot notify on un-acquired lock", 2)
  end
  self.waiters:wake(n)
end

--- Wake all who wait.
function Condition:notify_all()
  if not self.lock:locked() then
    error("cannot notify on un-acquired lock", 2)
  end
  self.waiters:wake(self.waiters:count())
end

function Condition:__tostring()
  local n = self.waiters:count()
  return ("<Condition [%s%s]>"):format(
    self.lock:locked() and "locked" or "unlocked",
    n > 0 and ", waiters:" .. n or "")
end

-- A barrier fills until all parties have come; drains until they have left,
-- while others wait outside; and fills again. A reset while some are inside
-- sends them away, as if draining; a broken barrier stays so until a reset.
local FILLING, DRAINING = "filling", "draining"
local RESETTING, BROKEN = "resetting", "broken"

local methods = {}

local fields = {
  parties = function(self) return self.size end,
  n_waiting = function(self) return self.state == FILLING and self.count or 0
  end,
  broken = function(self) return self.state == BROKEN end,
}

local Barrier = {__name = "casync.Barrier"}

function Barrier:__index(key)
  local field = fields[key]
  if field then return field(self) end
  return methods[key]
end

--- A point where `parties` tasks wait for each other.
function locks.Barrier(parties)
  parties = checkinteger(parties, "Barrier")
  if parties < 1 then
    error("bad argument #1 to 'Barrier' (parties must be > 0)", 2)
  end
  return setmetatable({
    size = parties,
    state = FILLING,
    count = 0,                  -- tasks inside
    left = 0,                   -- of them, how many have got their index
    inside = core.WaitList(),   -- those who wait for the others
    outside = core.WaitList(),  -- those who wait until it is empty
  }, Barrier)
end

local function wake_all(list)
  list:wake(list:count())
end

local function leave(self)
  self.count = self.count - 1
  if self.count > 0 then return end
  if self.state ~= BROKEN then self.state = FILLING end
  wake_all(self.outside)
end

-- Only those who pass together are counted, in order of arrival: a task
-- cancelled while it waited leaves no gap, and no index is given twice.
local function next_index(self)
  local index = self.left
  self.left = index + 1
  return index
end

local function await_others(self)
  while self.state == FILLING do await(self.inside:wait()) end
  if self.state ~= DRAINING then
    error(BrokenBarrierError("Abort or reset of barrier"), 0)
  end
  return next_index(self)
end

--- Wait until all parties are here. Gives the index of this one, from 0 to
-- parties - 1; the last to come has the highest, and goes on first.
methods.wait = async(function(self)
  while self.state == DRAINING or self.state == RESETTING do
    await(self.outside:wait())
  end
  if self.state == BROKEN then
    error(BrokenBarrierError("Barrier aborted"), 0)
  end
  self.count = self.count + 1
  if self.count == self.size then
    self.state = DRAINING
    self.left = 0
    wake_all(self.inside)
    leave(self)
    return self.size - 1
  end
  local ok, result = pcall(await_others, self)
  leave(self)
  if not ok then error(result, 0) end
  return result
end, "Barrier.wait")

--- Send those who wait away with a BrokenBarrierError, and begin anew.
methods.reset = async(function(self)
  self.state = self.count > 0 and RESETTING or FILLING
  wake_all(self.inside)
  wake_all(self.outside)
end, "Barrier.reset")

--- Break the barrier: whoever waits or comes gets a BrokenBarrierError.
methods.abort = async(function(self)
  self.state = BROKEN
  wake_all(self.inside)
  wake_all(self.outside)
end, "Barrier.abort")

function Barrier:__tostring()
  if self.state == BROKEN then return "<Barrier [broken]>" end
  return ("<Barrier [%s, waiters:%d/%d]>"):format(self.state, self.n_waiting,
    self.size)
end

return locks
