-- Coroutine objects and operations whose memory is used again.

local casync = require "casync"
local helper = require "spec.helper"

local async, await, caught = helper.async, casync.await, helper.caught
local sleep = casync.sleep

local give = casync.async(function(...) return ... end)

local function isgone(weak)
  collectgarbage()
  collectgarbage()
  return next(weak) == nil
end

describe("A coroutine object that has been awaited", function()
  it("refuses to be awaited again, whatever came after it", async(function()
    local first = give(1)
    await(first)
    assert.match("cannot reuse", caught(await, first))
    assert.equal(2, await(give(2)))
    assert.match("cannot reuse", caught(await, first))
    assert.same({3, 4}, {await(give(3, 4))})
    assert.match("cannot reuse", caught(await, first))
    assert.equal(5, await(casync.create_task(give(5))))
    assert.match("cannot reuse", caught(await, first))
  end))

  it("is not the one that is made while it runs", async(function()
    local function nest(n)
      if n == 0 then return 0 end
      local inner = casync.async(nest)(n - 1)
      return n + await(inner)
    end

    assert.equal(5050, await(casync.async(nest)(100)))
  end))

  it("keeps no argument alive", async(function()
    local weak = setmetatable({}, {__mode = "k"})
    local function pass()
      local value = {}
      weak[value] = true
      await(give(value))
      await(casync.create_task(give({}, value)))
    end
    pass()

    assert.is_true(isgone(weak))
  end))

  it("stays itself when a list knows it", async(function()
    local objects = {give(1), give(2)}
    local done = await(casync.wait(objects))
    local another = give(3)

    assert.is_true(done[objects[1]] and done[objects[2]])
    assert.is_nil(done[another])
    assert.equal(3, await(another))
  end))

  it("is watched like any other when it is forgotten", async(function()
    local messages = {}
    casync.get_running_loop():set_exception_handler(function(_, context)
      messages[#messages + 1] = context.message
    end)
    await(give(1))
    give(2)
    await(give(3))
    collectgarbage()
    collectgarbage()

    assert.equal(1, #messages)
    assert.match("was never awaited", messages[1])
  end))
end)

describe("An operation that has been awaited", function()
  it("refuses to be awaited again, whatever came after it", async(function()
    local queue, lock = casync.Queue(), casync.Lock()
    local first = queue:put(1)
    await(first)
    await(queue:put(2))
    assert.match("cannot await this Queue.put again", caught(await, first))
    local get = queue:get()
    await(get)
    await(lock:acquire())
    assert.match("cannot await this", caught(await, get))
    assert.equal(1, queue:qsize())
  end))

  it("does not meddle with those that still wait", async(function()
    local queues, results = {}, {}
    for i = 1, 20 do
      queues[i] = casync.Queue()
      casync.create_task(function()
        for _ = 1, 3 do
          local item = await(queues[i]:get())
          results[#results + 1] = i * 10 + item
        end
      end)
    end
    for n = 1, 3 do
      for i = 20, 1, -1 do await(queues[i]:put(n)) end
      await(sleep(0.001))
    end

    table.sort(results)
    local want = {}
    for i = 1, 20 do for n = 1, 3 do want[#want + 1] = i * 10 + n end end
    table.sort(want)
    assert.same(want, results)
  end))

  it("keeps neither its item nor its owner alive", async(function()
    local weak = setmetatable({}, {__mode = "k"})
    local function pass()
      local queue, item = casync.Queue(), {}
      weak[queue], weak[item] = true, true
      await(queue:put(item))
      await(queue:get())
      await(queue:put(item))
    end
    pass()

    assert.is_true(isgone(weak))
  end))

  it("may have been cancelled", async(function()
    local queue = casync.Queue()
    local op = queue:get()
    local task = casync.create_task(function() return await(op) end)
    await(sleep(0))
    task:cancel()
    await(sleep(0))
    await(queue:put(1))

    assert.match("cannot await this Queue.get again", caught(await, op))
    assert.equal(1, await(queue:get()))
  end))
end)
