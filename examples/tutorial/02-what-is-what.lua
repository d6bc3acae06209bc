-- Coroutine functions, coroutine objects, tasks and futures: telling them apart.
-- Shows: iscoroutinefunction, iscoroutine, isfuture, isawaitable.
local casync = require "casync"
local async, await = casync.async, casync.await

local fetch = async(function() return "fetched" end)

local function plain() return "plain" end

local function describe(title, x)
  print(("%-20s function %-5s object %-5s future %-5s awaitable %s"):format(title,
    casync.iscoroutinefunction(x), casync.iscoroutine(x), casync.isfuture(x), casync.isawaitable(x)))
end

casync.run(function()
  local object, task = fetch(), casync.create_task(fetch())
  describe("plain function", plain)
  describe("coroutine function", fetch)
  describe("coroutine object", object)
  describe("task", task)
  describe("future", casync.get_running_loop():create_future())
  describe("number", 42)
  print(await(object), await(task))
end)
