-- Tasks that begin at once, and those that a factory makes.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

return function(run)
  run(function()
    local loop = casync.get_running_loop()
    local n = 0
    local work = async(function(k)
      n = n + k
      await(sleep(0))
      return n
    end)
    local function eager(coro)
      return casync.create_task(coro, {eager_start = true})
    end

    local first = eager(work(1))
    if first:done() then await(first) end       -- its error
    assert(n == 1)
    local second = eager(async(function() return 5 end)())
    assert(second:done())
    assert(await(second) == 5)
    pcall(await, eager(async(function() error "at once" end)()))
    pcall(await, eager(async(function()
      eager(work(1))
      error "after another"
    end)()))
    await(first)

    -- The stack must grow for the arguments of a task that begins at once.
    local count = async(function(...) return select("#", ...) end)
    for k = 20, 50, 2 do
      await(casync.create_task(function()
        local args = {}
        for i = 1, k do args[i] = i end
        local task = eager(count(table.unpack(args)))
        if task:done() then await(task) end
      end))
    end

    loop:set_task_factory(casync.eager_task_factory)
    await(casync.create_task(work, 2))
    loop:set_task_factory(nil)
  end)
end
