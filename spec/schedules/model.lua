--- What must hold while a random program runs.
--
--   A lock is held by one task at most, a semaphore by no more than it
--   permits, and in the end by nobody. Who came first gets it first, except
--   those that have been cancelled.
--   What a queue gives is what was put, once, in its order; what it holds in
--   the end is what was put and not got.
--   CancelledError is raised only in a task that was cancelled, and a task
--   that was cancelled does not get past its next wait without one.
--   Every task ends.

local model = {}

local Model = {}
Model.__index = Model

-- A lock or a semaphore: who has it, and who waits.
local Line = {}
Line.__index = Line

local function newline(owner, permits)
  return setmetatable({owner = owner, permits = permits, n = 0, holders = {},
                       waiting = {}}, Line)
end

local function position(list, value)
  for i, v in ipairs(list) do if v == value then return i end end
end

function Line:hold(task)
  self.n = self.n + 1
  self.holders[task] = (self.holders[task] or 0) + 1
  self.owner:check(self.n <= self.permits, "held by more than it permits")
end

--- Run acquire(); then the task holds it.
function Line:enter(task, acquire)
  local waiting = self.waiting
  waiting[#waiting + 1] = task
  local ok, err = pcall(acquire)
  local at = position(waiting, task)
  table.remove(waiting, at)
  if not ok then error(err, 0) end
  for i = 1, at - 1 do
    self.owner:check(waiting[i]:cancelling() > 0, "not first come, first served")
  end
  self:hold(task)
end

function Line:leave(task)
  local n = self.holders[task]
  self.owner:check(n, "given back by who has not got it")
  self.n = self.n - 1
  self.holders[task] = n and n > 1 and n - 1 or nil
end

-- A queue: what is in it.
local Queue = {}
Queue.__index = Queue

local pick = {
  fifo = function() return 1 end,
  lifo = function(items) return #items end,
  least = function(items)
    local at = 1
    for i, v in ipairs(items) do if v < items[at] then at = i end end
    return at
  end,
}

function Queue:put(item)
  self.items[#self.items + 1] = item
  self.unfinished = self.unfinished + 1
  self.owner:check(self.maxsize == 0 or #self.items <= self.maxsize,
    "a queue has more than its maxsize")
end

function Queue:got(item)
  local at = pick[self.order](self.items)
  self.owner:check(self.items[at] == item, "a queue gave the wrong item")
  local i = position(self.items, item)
  self.owner:check(i, "a queue gave what was not in it")
  if i then table.remove(self.items, i) end
  return item
end

function Queue:task_done()
  self.unfinished = self.unfinished - 1
  if self.unfinished == 0 then self.zeros = self.zeros + 1 end
end

function Queue:joined()
  self.owner:check(self.unfinished == 0 or self.zeros > 0,
    "join ended though nothing was done")
end

--- `complain(text)` is called for each violation.
function model.new(complain)
  local self = setmetatable({
    complain = complain,
    tasks = {},         -- label -> task
    labels = {},        -- task -> label
    order = {},         -- the tasks, as they were made
    pending = {},       -- tasks to which a cancellation is to be delivered
    locks = {},
    semaphores = {},
    queues = {},
  }, Model)
  for i = 1, 4 do self.locks[i] = newline(self, 1) end
  self.semaphores = {newline(self, 2), newline(self, 1)}
  for i, q in ipairs {{"fifo", 0}, {"fifo", 1}, {"lifo", 2}, {"least", 2}} do
    self.queues[i] = setmetatable({owner = self, order = q[1], maxsize = q[2],
                                   items = {}, unfinished = 0, zeros = 0}, Queue)
  end
  return self
end

function Model:violation(text) self.complain(text) end

function Model:check(ok, text)
  if not ok then self:violation(text) end
end

--- A task has been made, or has begun, to run the body of that label (0: one
--- without a label). The first one is what the label stands for. A task that
--- runs the body of another one meanwhile keeps its label; else there would
--- be rings of tasks that wait for each other.
function Model:begun(label, task)
  if self.labels[task] then return end
  self.labels[task] = label
  self.order[#self.order + 1] = task
  self.tasks[label] = self.tasks[label] or task
end

function Model:asked(task) self.pending[task] = true end
function Model:delivered(task) if task then self.pending[task] = nil end end

--- An await has ended that only a cancellation could end early. 'suspended':
--- others have run meanwhile.
function Model:awaited(ctx, suspended, ok, err)
  local task = ctx.task
  if ok then
    self:check(not (suspended and self.pending[task] and ctx.shields == 0),
      "a cancellation was lost")
  elseif type(err) == "table" and err.name == "CancelledError" then
    self:check(task:cancelling() > 0, "CancelledError without a cancellation")
    self.pending[task] = nil
  end
end

--- The program has ended.
function Model:finished(run)
  for i, line in ipairs(self.locks) do
    self:check(line.n == 0, "a lock is held by nobody who runs")
    local lock = run.locks[i] or run.conditions[1]
    self:check(not lock:locked(), "a lock is held by nobody")
  end
  for i, line in ipairs(self.semaphores) do
    self:check(line.n == 0, "a semaphore is held by nobody who runs")
    self:check(not run.semaphores[i]:locked(), "a semaphore is held by nobody")
  end
  for i, queue in ipairs(self.queues) do
    self:check(run.queues[i]:qsize() == #queue.items,
      ("queue %d has %d items instead of %d"):format(i,
        run.queues[i]:qsize(), #queue.items))
    while #queue.items > 0 and run.queues[i]:qsize() > 0 do
      queue:got(run.queues[i]:get_nowait())
    end
  end
end

return model
