-- A broker with a queue per client: slow clients dropped, one disconnecting.
local casync = require "casync"
local async, await = casync.async, casync.await

local queues, dropped = {}, {}

local function publish(message)
  for _, name in ipairs { "fast", "leaver", "slow" } do
    local queue = queues[name]
    if queue then
      local ok, e = pcall(queue.put_nowait, queue, message)
      if not ok and casync.QueueFull:is(e) then
        dropped[#dropped + 1] = name
        queues[name] = nil
      end
    end
  end
end

local subscribe = async(function(name, take, inbox)
  local queue = casync.Queue(3)
  queues[name] = queue
  local _, e = pcall(function()
    while true do
      inbox[#inbox + 1] = await(queue:get())
      for _ = 1, take do await(casync.sleep(0)) end
    end
  end)
  inbox[#inbox + 1] = "bye"
  queues[name] = nil
  error(e, 0)
end)

casync.run(function()
  local inboxes, tasks, list = {}, {}, {}
  for i, client in ipairs { { "fast", 0 }, { "leaver", 0 }, { "slow", 30 } } do
    local name, take = client[1], client[2]
    inboxes[name] = {}
    tasks[name] = casync.create_task(subscribe(name, take, inboxes[name]))
    list[i] = tasks[name]
  end
  await(casync.sleep(0))
  for i = 0, 7 do
    publish("m" .. i)
    if i == 4 then tasks.leaver:cancel() end
    for _ = 1, 3 do await(casync.sleep(0)) end
  end
  for _, task in ipairs(list) do task:cancel() end
  local results = await(casync.gather(list, {return_exceptions = true}))
  for _, name in ipairs { "fast", "leaver", "slow" } do
    print(name .. " " .. table.concat(inboxes[name], " "))
  end
  print(("dropped %s left %s"):format(table.concat(dropped, " "), next(queues) or 0))
  local cancelled = 0
  for _, r in ipairs(results) do
    if casync.CancelledError:is(r.error) then cancelled = cancelled + 1 end
  end
  print("cancelled " .. cancelled)
end)
