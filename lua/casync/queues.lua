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
  return step, self
end

return queues
