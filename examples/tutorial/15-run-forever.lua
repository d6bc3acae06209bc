-- run_forever runs until someone calls stop, so stop has to be called from
-- inside. Stopping in the first task to end leaves the others unfinished;
-- a callback on a gather of all of them does it right.
-- Shows: run_forever, stop, ensure_future outside a task, add_done_callback.
local casync = require "casync"
local async, await = casync.async, casync.await

local loop = casync.new_event_loop()
casync.set_event_loop(loop)

local job = async(function(name, delay, stops)
  print(name .. " begins")
  await(casync.sleep(delay))
  print(name .. " ends")
  if stops then loop:stop() end
end)

local quick = casync.ensure_future(job("quick", 0.01, true))
local slow = casync.ensure_future(job("slow", 0.08, true))
loop:run_forever()
print(("stopped: quick done %s, slow done %s"):format(quick:done(), slow:done()))
loop:run_forever()
print(("run again: slow done %s\n"):format(slow:done()))

local both = casync.gather(job("small", 0.01), job("large", 0.08))
both:add_done_callback(function() loop:stop() end)
loop:run_forever()
print("stopped when both were done: " .. tostring(both:done()))

loop:close()
casync.set_event_loop(nil)
