-- Each step needs the result of the one before: with await it reads from top
-- to bottom; with callbacks it nests. Several such chains still run side by side.
-- Shows: await in sequence inside a task, add_done_callback, gather.
local casync = require "casync"
local async, await = casync.async, casync.await

local look_up = async(function(name)
  await(casync.sleep(0.02))
  return #name
end)

local load = async(function(id)
  await(casync.sleep(0.02))
  return ("record %d"):format(id)
end)

local format = async(function(record)
  await(casync.sleep(0.02))
  return "<" .. record .. ">"
end)

local by_awaits = async(function(name)
  local id = await(look_up(name))
  local record = await(load(id))
  return await(format(record))
end)

local function by_callbacks(name, finish)
  casync.create_task(look_up(name)):add_done_callback(function(id)
    casync.create_task(load(id:result())):add_done_callback(function(record)
      casync.create_task(format(record:result())):add_done_callback(function(text)
        finish(text:result())
      end)
    end)
  end)
end

casync.run(function()
  local loop = casync.get_running_loop()
  print("awaits: " .. await(by_awaits("Grace")))

  local future = loop:create_future()
  by_callbacks("Ada", function(text) future:set_result(text) end)
  print("callbacks: " .. await(future))

  local start = loop:time()
  local results = await(casync.gather { by_awaits("a"), by_awaits("bc"), by_awaits("def") })
  print("side by side: " .. table.concat(results, " "))
  print("three chains, the time of one:", loop:time() - start < 0.15)
end)
