--- Queues: what is not in C.

local core = require "casync.core"

local await, queue_next = core.await, core.queue_next

local queues = {}

queues.Queue = core.Queue
queues.PriorityQueue = core.PriorityQueue
queues.LifoQueue = core.LifoQueue

local function step(queue)
  return await(queue_next(queue))
end

--- For a `for` loop: each item as it comes, until the queue is shut down and
-- empty, or an item is nil.
function core.QueueMethods:iter()
  if self == nil then   -- `for x in queue.iter do` would never end
    error("bad argument #1 to 'iter' (Queue expected, got nil): call it as "
      .. "queue:iter()", 2)
  end
  return step, self
end

return queues
