-- A task begins by itself, at the next turn of the loop, and can be awaited
-- when its result is needed. Three ways to make one.
-- Shows: create_task, ensure_future, loop:create_task.
local casync = require "casync"
local async, await = casync.async, casync.await

local boil = async(function(what, delay)
  print("boiling " .. what)
  await(casync.sleep(delay))
  print(what .. " ready")
  return what
end)

casync.run(function()
  local loop = casync.get_running_loop()
  local tea = casync.create_task(boil("tea", 0.06))
  local eggs = casync.ensure_future(boil("eggs", 0.03))
  local soup = loop:create_task(boil("soup", 0.09))
  print("three tasks made, none has begun")
  local start = loop:time()
  print("got " .. await(tea))
  print("got " .. await(eggs) .. ", which had been waiting")
  print("got " .. await(soup))
  print("together, not in sequence:", loop:time() - start < 0.17)
  print("a task is given back unchanged:", casync.ensure_future(tea) == tea)
end)
