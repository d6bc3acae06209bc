-- Tasks whose timers had fired in the round in which something else woke them
-- ran in the order of their timers, after those woken by it before.

local casync = require "casync"
local async = require("spec.helper").async
local await = casync.await

-- Let so much time pass that all these timers fire in one round.
local function busy(seconds)
  local loop = casync.get_running_loop()
  local till = loop:time() + seconds
  while loop:time() < till do end
end

describe("a timer that fires in the round in which its task is woken", function()
  it("does not change the order of a cancellation", async(function()
    local order = {}
    local event = casync.Event()
    local function waiter(name, awaitable)
      return casync.create_task(function()
        local ok = pcall(await, awaitable)
        order[#order + 1] = name .. (ok and "" or " cancelled")
      end)
    end
    local sleeper, other
    casync.get_running_loop():call_later(0.001, function()
      sleeper:cancel()
      other:cancel()
    end)
    sleeper = waiter("sleeper", casync.sleep(0.002))
    other = waiter("other", event:wait())
    await(casync.sleep(0))

    busy(0.01)
    await(casync.wait {sleeper, other})

    assert.are.same({"sleeper cancelled", "other cancelled"}, order)
  end))

  it("does not delay a wait that has what it waits for", async(function()
    local order = {}
    local function waiter(name, timeout, task)
      return casync.create_task(function()
        local done = await(casync.wait({task}, {timeout = timeout}))
        order[#order + 1] = name .. " " .. #done
      end)
    end
    local first = casync.create_task(function() await(casync.sleep(0)) end)
    local second = casync.create_task(function()
      await(casync.sleep(0))
      busy(0.01)
    end)
    local waiters = {waiter("timed", 0.005, first), waiter("other", nil, second)}

    await(casync.wait(waiters))

    assert.are.same({"timed 1", "other 1"}, order)
  end))
end)
