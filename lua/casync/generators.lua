--- Async generators: functions that yield values and may await meanwhile.
--
-- The body runs in a coroutine of its own, driven by the `coroutine.resume`
-- that lets an await pass to the loop. A generator is
--   new        before its first turn,
--   suspended  at a yield,
--   running    in a turn, or while it is closed,
--   ended      for good.
-- Leaving a `for` early closes it. One that is left open is closed when the
-- task that used it last ends, when it is collected, or at the end of `run`.

local core = require "casync.core"
local events = require "casync.events"
local exceptions = require "casync.exceptions"

local GeneratorExit = exceptions.GeneratorExit
local resume, current_task = core.coroutine_resume, core.current_task
local stands = core.coroutine_stands

local generators = {}

local Generator = {__name = "casync.Generator"}
Generator.__index = Generator

-- The suspended generators: of each task that used one, and of each loop.
-- They are held weakly, so that one nobody can use any more is collected.
local weak = {__mode = "k"}
local oftask = setmetatable({}, weak)
local ofloop = setmetatable({}, weak)

local leave     -- the end of a task: see below

--- Each step may lack memory; it is noted as done when it is done.
local function register(self)
  local loop = core.running_loop()
  if loop and self.loop ~= loop then
    ofloop[loop] = ofloop[loop] or setmetatable({}, weak)
    ofloop[loop][self] = true
    self.loop = loop
  end
  local task = current_task()
  if task == self.owner then return end
  if task then
    if not oftask[task] then
      task:add_done_callback(leave)
      oftask[task] = setmetatable({}, weak)
    end
    oftask[task][self] = true
  end
  if self.owner and oftask[self.owner] then
    oftask[self.owner][self] = nil
  end
  self.owner = task
end

local function ended(self)
  self.state = "ended"
  if self.owner and oftask[self.owner] then oftask[self.owner][self] = nil end
  if self.loop and ofloop[self.loop] then ofloop[self.loop][self] = nil end
  self.owner, self.loop, self.args = nil, nil, nil
end

--- Its state. A turn that was cut off by the lack of memory leaves "running"
-- behind, though nobody is in the body any more.
local function stateof(self)
  if self.state == "running" then
    local state = stands(self.co)
    if state == "ended" then ended(self) end
    self.state = state or "running"
  end
  return self.state
end

--- What a turn of the body gave: the values of a yield, or its end, which is
-- what the pcall around the body returned.
local function turned(self, resumed, ...)
  self.args = nil
  if resumed and coroutine.status(self.co) == "suspended" then
    self.state = "suspended"
    return ...
  end
  ended(self)
  local ok, err = ...
  if not resumed then error(ok, 0) end
  if not ok then error(err, 0) end
  return nil
end

local function start(self)
  local args = self.args
  return turned(self, resume(self.co, table.unpack(args, 1, args.n)))
end

--- The next values, or nil at the end; waits for them where the body awaits.
local turn
function turn(self)
  local state = self.state
  if state == "suspended" then
    if self.owner ~= current_task() then register(self) end
    self.state = "running"
    return turned(self, resume(self.co))
  elseif state == "new" then
    register(self)
    self.state = "running"
    return start(self)
  elseif state == "running" then
    if stateof(self) ~= "running" then return turn(self) end
    error(tostring(self) .. " is already running: wait for its turn to end "
      .. "before asking for the next", 2)
  end
  return nil
end

--- Close it here and now, waiting where its cleanup awaits.
local function finish(self)
  local state = stateof(self)
  if self.closer then
    core.await(self.closer)
  elseif state == "running" then
    error(tostring(self) .. " is running and cannot be closed", 2)
  elseif state == "new" then
    ended(self)
  elseif state == "suspended" then
    local exit = GeneratorExit()
    self.state = "running"
    local resumed, ok, err = resume(self.co, exit)
    local stubborn = resumed and coroutine.status(self.co) == "suspended"
    ended(self)
    if not resumed then error(ok, 0) end
    if stubborn then
      coroutine.close(self.co)
      error(tostring(self) .. " ignored GeneratorExit: it yielded again "
        .. "while it was closed", 2)
    elseif not ok and not rawequal(err, exit)
        and not GeneratorExit:is(err) then
      error(err, 0)
    end
  end
end

local function closing(self)
  if stateof(self) == "suspended" then finish(self) end
end

--- Close it in a task of its own, which is given back.
local function close_later(self, loop)
  local task = core.create_task(loop, {
    name = "close " .. tostring(self),
    eager_start = true,
  }, closing, self)
  if not task:done() then self.closer = task end
  return task
end

leave = function(task)
  local set = oftask[task]
  oftask[task] = nil
  local list = {}
  for self in pairs(set or {}) do list[#list + 1] = self end
  table.sort(list, function(a, b) return a.id < b.id end)
  local loop = task:get_loop()
  for _, self in ipairs(list) do
    if stateof(self) == "suspended" then close_later(self, loop) end
  end
end

-- In a for without a scope of its own: `for x in g do`.
function Generator:__call()
  return turn(self)
end

Generator.__close = finish

function Generator:__gc()
  if stateof(self) ~= "suspended" then return end
  local loop = self.loop
  if loop and not loop:is_closed() then
    -- This may run inside any code, so the closing must not begin here.
    loop:call_soon(function()
      if self.state == "suspended" then close_later(self, loop) end
    end)
  else
    coroutine.close(self.co)
  end
end

function Generator:__tostring()
  return ("<generator %s %s>"):format(self.name, self.state)
end

--- Awaitable: the values of the next yield, nil at the end.
Generator.next = core.async(turn, "next")

--- Close it: raises GeneratorExit at the yield where it stands. Begins at
-- once; what it gives is ready when the cleanup has ended.
function Generator:close()
  if self.closer then return self.closer end
  if stateof(self) == "running" then
    error(tostring(self) .. " is running and cannot be closed", 2)
  end
  local loop = core.running_loop()
  if self.state == "suspended" and loop then
    return close_later(self, loop)
  end
  finish(self)
  local done = events.get_event_loop():create_future()
  done:set_result()
  return done
end

local count = 0

--- What a turn gives the body at its yield: nothing, or what to raise.
local function resumed(exit)
  if exit ~= nil then error(exit, 0) end
end

local function create(fn, name, ...)
  count = count + 1
  local co
  local function yield(...)
    if coroutine.running() ~= co then
      error("yield called outside the body of its generator", 2)
    end
    return resumed(coroutine.yield(...))
  end
  -- Under a pcall, so that the <close> variables of the body are closed, and
  -- may wait, when it fails.
  co = coroutine.create(pcall)
  local self = setmetatable({
    id = count,         -- in order of creation
    name = name,
    co = co,            -- where the body runs
    state = "new",
    args = table.pack(fn, yield, ...),  -- of the pcall, before it starts
    closer = nil,       -- the task that closes it
    owner = nil,        -- the task that used it last
    loop = nil,         -- the loop it ran in last
  }, Generator)
  return self, nil, nil, self
end

--- Raise an error when a generator function is itself the iterator of a `for`,
-- which would make generators without end; Lua passes two nils then.
local function mustcall(a, b)
  if a == nil and b == nil
      and debug.getinfo(2, "n").namewhat == "for iterator" then
    error("a generator function is no iterator: call it, "
      .. "as in 'for x in gen() do'", 3)
  end
end

--- Make a function whose calls give generators. `fn(yield, ...)` is the body.
function generators.generator(fn, name)
  if type(fn) ~= "function" then
    error("bad argument #1 to 'generator' (function expected, got "
      .. type(fn) .. ")", 2)
  elseif core.iscoroutinefunction(fn) then
    error("bad argument #1 to 'generator' (the body is a plain function: "
      .. "leave out 'async')", 2)
  end
  if name == nil then
    local info = debug.getinfo(fn, "S")
    name = ("at %s:%d"):format(info.short_src, info.linedefined)
  end
  return function(...)
    if select("#", ...) == 2 then mustcall(...) end
    return create(fn, name, ...)
  end
end

--- Close what is still open in a loop, in order of creation; called in a
-- task at the end of `run`. Errors are reported, not raised.
function generators.shutdown(loop)
  local list = {}
  for self in pairs(ofloop[loop] or {}) do list[#list + 1] = self end
  table.sort(list, function(a, b) return a.id < b.id end)
  for _, self in ipairs(list) do
    local ok, err = pcall(closing, self)
    if not ok then
      loop:call_exception_handler {
        message = "an error occurred during closing of " .. tostring(self),
        exception = err,
        asyncgen = self,
      }
    end
  end
end

return generators
