local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await
local raises, misuse, rounds, stop =
  helper.raises, helper.misuse, helper.rounds, helper.stop

local spawn = casync.create_task

local log

local function note(text)
  log[#log + 1] = text
end

before_each(function() log = {} end)

describe("Lock", function()
  local lock

  before_each(function() lock = casync.Lock() end)

  local function taker(name)
    return spawn(function()
      await(lock:acquire())
      note(name)
    end)
  end

  -- Tasks that wait for the lock, which is held.
  local function takers(...)
    await(lock:acquire())
    local tasks = {}
    for i, name in ipairs {...} do tasks[i] = taker(name) end
    settle()
    return table.unpack(tasks)
  end

  it("gives true when it is acquired", async(function()
    assert.is_true(await(lock:acquire()))
    assert.is_true(lock:locked())
  end))

  it("is acquired at once when it is free", async(function()
    local other = spawn(note, "other")

    await(lock:acquire())
    lock:release()
    await(lock:acquire())

    assert.same({}, log)
    await(other)
  end))

  it("serves waiters in order of arrival", async(function()
    takers("a", "b", "c")

    for _ = 1, 3 do
      lock:release()
      settle()
    end

    assert.same({"a", "b", "c"}, log)
  end))

  it("wakes one waiter, in the next round", async(function()
    local a, b = takers("a", "b")

    lock:release()

    assert.equal(1, rounds(a))
    assert.is_false(b:done())
    stop(b)
  end))

  it("is free between release and the waiter's turn, but cannot be overtaken",
      async(function()
    takers("waiter")

    lock:release()
    local free = not lock:locked()
    local barger = spawn(function()
      await(lock:acquire())
      note "barger"
    end)
    settle()

    assert.is_true(free)
    assert.same({"waiter"}, log)
    lock:release()
    await(barger)
  end))

  it("makes its own releaser wait in line", async(function()
    takers("waiter")
    spawn(function()
      await(casync.sleep(0))
      await(casync.sleep(0))
      lock:release()
    end)

    lock:release()
    await(lock:acquire())
    note "releaser"

    assert.same({"waiter", "releaser"}, log)
  end))

  it("can be released by another task", async(function()
    await(lock:acquire())

    await(spawn(function() lock:release() end))

    assert.is_false(lock:locked())
  end))

  it("skips a waiter that was cancelled while it waited", async(function()
    local a = takers("a", "b")

    a:cancel()
    settle()
    lock:release()
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b"}, log)
  end))

  it("goes to the next when a waiter is cancelled in the round of its turn",
      async(function()
    local a = takers("a", "b")

    lock:release()
    a:cancel()
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b"}, log)
    assert.is_true(lock:locked())
  end))

  it("is free when all who had their turn are cancelled", async(function()
    local a, b = takers("a", "b")

    lock:release()
    stop(a, b)

    assert.is_false(lock:locked())
    assert.equal("<Lock [unlocked]>", tostring(lock))
  end))

  it("goes on after a waiter's time-out", async(function()
    takers()

    raises(casync.TimeoutError, await, casync.wait_for(lock:acquire(), 0))
    lock:release()

    assert.is_true(await(lock:acquire()))
  end))

  it("says that it is not acquired", function()
    misuse("locks_spec%.lua:%d+: Lock is not acquired%.$",
      function() lock:release() end)
  end)

  it("cannot be acquired outside a task", function()
    local acquire = lock:acquire()

    misuse("outside a task", function() await(acquire) end)
    assert.is_false(lock:locked())
  end)

  it("shows its state and who waits", async(function()
    assert.equal("<Lock [unlocked]>", tostring(lock))
    local a, b = takers("a", "b")
    assert.equal("<Lock [locked, waiters:2]>", tostring(lock))
    lock:release()
    assert.equal("<Lock [unlocked, waiters:2]>", tostring(lock))
    stop(a, b)
  end))

  it("refuses a task of another loop while one waits", function()
    local first, second = casync.Runner(), casync.Runner()
    first:run(function() takers("a") end)

    misuse("<Lock %[locked, waiters:1%]> is bound to a different event loop",
      second.run, second, function() await(lock:acquire()) end)

    second:close()
    first:close()
  end)

  it("tells a wrong self", function()
    misuse("Lock expected", lock.acquire)
    misuse("Lock expected", lock.acquire, casync.Event())
    misuse("Lock expected", lock.release, {})
  end)

  it("passes through a hundred thousand waiters", async(60, function()
    local n, served = helper.gc and 2000 or 100000, 0
    await(lock:acquire())
    for _ = 1, n do
      spawn(function()
        await(lock:acquire())
        served = served + 1
        lock:release()
      end)
    end
    settle()

    lock:release()
    await(lock:acquire())

    assert.equal(n, served)
  end))
end)

-- What all that can be held have in common.
for _, class in ipairs {"Lock", "Semaphore", "BoundedSemaphore", "Condition"} do
  describe(class .. " with a scope", function()
    local lock

    before_each(function() lock = casync[class]() end)

    it("is held to the end of the block", async(function()
      do
        local _ <close> = await(lock:acquire_scoped())
        assert.is_true(lock:locked())
      end

      assert.is_false(lock:locked())
    end))

    it("is released when the block raises", async(function()
      local ok, err = pcall(function()
        local _ <close> = await(lock:acquire_scoped())
        error("oops", 0)
      end)

      assert.is_false(ok)
      assert.equal("oops", err)
      assert.is_false(lock:locked())
    end))

    it("can be released before the end of the block, once", async(function()
      do
        local guard <close> = await(lock:acquire_scoped())
        guard:release()
        assert.is_false(lock:locked())
        guard:release()
      end

      assert.is_false(lock:locked())
    end))

    it("fails at once when await was forgotten", async(function()
      local scoped = lock:acquire_scoped()

      misuse("non%-closable", function()
        local _ <close> = scoped
      end)

      await(scoped):release()
    end))

    it("is not held by who was cancelled while waiting", async(function()
      await(lock:acquire())
      local waiter = spawn(function()
        local _ <close> = await(lock:acquire_scoped())
      end)
      settle()

      stop(waiter)
      lock:release()

      assert.is_true(waiter:cancelled())
      assert.is_false(lock:locked())
    end))

    it("is not held by who was cancelled in the round of its turn",
        async(function()
      await(lock:acquire())
      local waiter = spawn(function()
        local _ <close> = await(lock:acquire_scoped())
      end)
      settle()

      lock:release()
      stop(waiter)

      assert.is_true(waiter:cancelled())
      assert.is_false(lock:locked())
    end))

    it("calls a function with its arguments and gives its results",
        async(function()
      local held

      local results = table.pack(await(lock:with(function(...)
        held = lock:locked()
        return select("#", ...), ...
      end, 1, nil, 3, nil)))

      assert.is_true(held)
      assert.same({4, 1, nil, 3, nil, n = 5}, results)
      assert.is_false(lock:locked())
    end))

    it("runs an async function", async(function()
      local result = await(lock:with(casync.async(function(x)
        await(casync.sleep(0))
        return x + 1
      end), 41))

      assert.equal(42, result)
    end))

    it("is released when the function raises", async(function()
      local problem = {}

      local ok, err = pcall(await, lock:with(function() error(problem) end))

      assert.is_false(ok)
      assert.equal(problem, err)
      assert.is_false(lock:locked())
    end))

    it("is released when the function is cancelled", async(function()
      local task = spawn(lock:with(function() await(casync.sleep(3600)) end))
      settle()
      local held = lock:locked()

      stop(task)

      assert.is_true(held)
      assert.is_true(task:cancelled())
      assert.is_false(lock:locked())
    end))

    it("wants a function", function()
      misuse("locks_spec%.lua:%d+: bad argument #1 to 'with'",
        function() lock:with(42) end)
    end)
  end)
end

describe("Event", function()
  local event

  before_each(function() event = casync.Event() end)

  local function waiter(name)
    return spawn(function()
      await(event:wait())
      note(name)
      return event:is_set()
    end)
  end

  it("lets pass at once when it is set", async(function()
    local other = spawn(note, "other")
    event:set()

    assert.is_true(await(event:wait()))

    assert.same({}, log)
    await(other)
  end))

  it("wakes all who wait, in order, in the next round", async(function()
    local a, b, c = waiter "a", waiter "b", waiter "c"
    settle()

    event:set()

    assert.same({}, log)
    assert.equal(1, rounds(c))
    assert.is_true(a:done() and b:done())
    assert.same({"a", "b", "c"}, log)
  end))

  it("wakes all who wait though it is cleared at once", async(function()
    local a, b = waiter "a", waiter "b"
    settle()

    event:set()
    event:clear()
    settle()

    assert.is_false(a:result())
    assert.is_false(b:result())
    assert.is_false(event:is_set())
  end))

  it("makes wait again once it is cleared", async(function()
    event:set()
    event:clear()

    local a = waiter "a"
    settle()

    assert.is_false(a:done())
    stop(a)
  end))

  it("forgets a waiter that was cancelled", async(function()
    local a = waiter "a"
    settle()

    stop(a)
    event:set()
    settle()

    assert.is_true(a:cancelled())
    assert.same({}, log)
  end))

  it("lets a cancellation win in the round of the wake-up", async(function()
    local a = waiter "a"
    waiter "b"
    settle()

    event:set()
    a:cancel()
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b"}, log)
  end))

  it("raises the time-out of who waits", async(function()
    raises(casync.TimeoutError, await, casync.wait_for(event:wait(), 0))

    assert.equal("<Event [unset]>", tostring(event))
  end))

  it("cannot be waited for outside a task", function()
    local wait = event:wait()

    misuse("outside a task", function() await(wait) end)
  end)

  it("shows its state", async(function()
    assert.equal("<Event [unset]>", tostring(event))
    local a = waiter "a"
    settle()
    assert.equal("<Event [unset, waiters:1]>", tostring(event))
    event:set()
    assert.equal("<Event [set]>", tostring(event))
    await(a)
  end))

  it("refuses a task of another loop while one waits", function()
    local first, second = casync.Runner(), casync.Runner()
    first:run(function()
      waiter "a"
      settle()
    end)

    misuse("is bound to a different event loop",
      second.run, second, function() await(event:wait()) end)

    second:close()
    first:close()
  end)
end)

describe("Semaphore", function()
  local function taker(sem, name)
    return spawn(function()
      await(sem:acquire())
      note(name)
    end)
  end

  -- Tasks that wait for the semaphore, which has no permit left.
  local function takers(sem, ...)
    local tasks = {}
    for i, name in ipairs {...} do tasks[i] = taker(sem, name) end
    settle()
    return table.unpack(tasks)
  end

  it("is acquired at once while there are permits", async(function()
    local sem = casync.Semaphore(2)
    local other = spawn(note, "other")

    assert.is_true(await(sem:acquire()))
    assert.is_false(sem:locked())
    assert.is_true(await(sem:acquire()))

    assert.is_true(sem:locked())
    assert.same({}, log)
    await(other)
  end))

  it("hands a permit over when it is released", async(function()
    local sem = casync.Semaphore(0)
    takers(sem, "a", "b")

    sem:release()
    sem:release()

    assert.is_true(sem:locked())
    taker(sem, "barger")
    await(casync.sleep(0))
    assert.same({"a", "b"}, log)
    sem:release()
    settle()
    assert.same({"a", "b", "barger"}, log)
  end))

  it("lets woken tasks run first though a permit is left", async(function()
    local sem = casync.Semaphore(0)
    takers(sem, "a")
    sem:release()
    sem:release()

    await(sem:acquire())
    note "main"

    assert.same({"a", "main"}, log)
  end))

  it("wakes a waiter in the next round", async(function()
    local sem = casync.Semaphore(0)
    local a = takers(sem, "a")

    sem:release()

    assert.equal(1, rounds(a))
  end))

  it("skips a waiter that was cancelled while it waited", async(function()
    local sem = casync.Semaphore(0)
    local a = takers(sem, "a", "b")

    a:cancel()
    sem:release()
    settle()

    assert.same({"b"}, log)
    assert.is_true(a:cancelled())
  end))

  it("gives the permit to the next when a waiter is cancelled in the round of"
      .. " its turn", async(function()
    local sem = casync.Semaphore(0)
    local a, b = takers(sem, "a", "b", "c")

    sem:release()
    stop(a, b)

    assert.same({"c"}, log)
    assert.equal("<Semaphore [locked]>", tostring(sem))
  end))

  it("keeps the permit when all who had their turn are cancelled",
      async(function()
    local sem = casync.Semaphore(0)
    local a = takers(sem, "a")

    sem:release()
    stop(a)

    assert.equal("<Semaphore [unlocked, value:1]>", tostring(sem))
  end))

  it("raises the time-out of who waits", async(function()
    local sem = casync.Semaphore(0)

    raises(casync.TimeoutError, await, casync.wait_for(sem:acquire(), 0))
    sem:release()

    assert.is_true(await(sem:acquire()))
  end))

  it("cannot be acquired outside a task", function()
    local sem = casync.Semaphore()
    local acquire = sem:acquire()

    misuse("outside a task", function() await(acquire) end)
    assert.is_false(sem:locked())
  end)

  it("can be released above its first value", async(function()
    local sem = casync.Semaphore(1)

    sem:release()

    assert.equal("<Semaphore [unlocked, value:2]>", tostring(sem))
  end))

  it("shows its state", async(function()
    local sem = casync.Semaphore(3)
    assert.equal("<Semaphore [unlocked, value:3]>", tostring(sem))
    sem = casync.BoundedSemaphore(0)
    local a = takers(sem, "a")
    assert.equal("<BoundedSemaphore [locked, waiters:1]>", tostring(sem))
    stop(a)
  end))

  it("never lets more in than it has permits", async(function()
    local sem, inside, most = casync.Semaphore(3), 0, 0
    local tasks = {}
    for i = 1, 50 do
      tasks[i] = spawn(function()
        local _ <close> = await(sem:acquire_scoped())
        local _ <close> = setmetatable({}, {__close = function()
          inside = inside - 1
        end})
        inside = inside + 1
        most = math.max(most, inside)
        for _ = 1, i % 4 do await(casync.sleep(0)) end
      end)
    end
    for i = 1, 50, 7 do
      await(casync.sleep(0))
      tasks[i]:cancel()
    end
    settle()

    assert.equal(3, most)
    assert.equal("<Semaphore [unlocked, value:3]>", tostring(sem))
  end))

  it("tells a wrong value", function()
    misuse("initial value must be >= 0", casync.Semaphore, -1)
    misuse("initial value must be >= 0", casync.BoundedSemaphore, -1)
    misuse("number expected", casync.Semaphore, "many")
    misuse("integer", casync.Semaphore, 1.5)
    misuse("integer", casync.Semaphore, 0 / 0)
    misuse("math.maxinteger", function()
      casync.Semaphore(math.maxinteger):release()
    end)
  end)

  it("refuses a task of another loop while one waits", function()
    local sem = casync.Semaphore(0)
    local first, second = casync.Runner(), casync.Runner()
    first:run(function() takers(sem, "a") end)

    misuse("is bound to a different event loop",
      second.run, second, function() await(sem:acquire()) end)

    second:close()
    first:close()
  end)
end)

describe("BoundedSemaphore", function()
  it("cannot be released more often than it was acquired", async(function()
    local sem = casync.BoundedSemaphore(2)
    await(sem:acquire())

    sem:release()

    misuse("locks_spec%.lua:%d+: BoundedSemaphore released too many times$",
      function() sem:release() end)
    assert.equal("<BoundedSemaphore [unlocked, value:2]>", tostring(sem))
  end))
end)

describe("Condition", function()
  local cond

  before_each(function() cond = casync.Condition() end)

  local function waiter(name)
    return spawn(function()
      local _ <close> = await(cond:acquire_scoped())
      local result = await(cond:wait())
      note(name)
      return result
    end)
  end

  local function waiters(...)
    local tasks = {}
    for i, name in ipairs {...} do tasks[i] = waiter(name) end
    settle()
    return table.unpack(tasks)
  end

  local function notify(n)
    local _ <close> = await(cond:acquire_scoped())
    cond:notify(n)
  end

  it("wakes one waiter, who gets true", async(function()
    local a = waiters("a", "b")

    notify()
    settle()

    assert.is_true(a:result())
    assert.same({"a"}, log)
    notify()
    settle()
  end))

  it("wakes as many as asked, in order", async(function()
    waiters("a", "b", "c", "d")

    notify(0)
    settle()
    assert.same({}, log)
    notify(3)
    settle()
    assert.same({"a", "b", "c"}, log)
    notify(10)
    settle()
    assert.same({"a", "b", "c", "d"}, log)
  end))

  it("wakes all", async(function()
    waiters("a", "b", "c")

    await(cond:with(function() cond:notify_all() end))
    settle()

    assert.same({"a", "b", "c"}, log)
  end))

  it("lets a waiter go on in the next round", async(function()
    local a = waiters("a")

    notify()

    assert.equal(1, rounds(a))
  end))

  it("gives the lock away while it waits, and has it again after",
      async(function()
    local held
    local task = spawn(function()
      await(cond:acquire())
      await(cond:wait())
      held = cond:locked()
      cond:release()
    end)
    settle()

    local free = not cond:locked()
    notify()
    await(task)

    assert.is_true(free)
    assert.is_true(held)
  end))

  it("waits until a predicate holds, and gives what it gave", async(function()
    local n = 0
    local task = spawn(cond:with(function()
      return await(cond:wait_for(function() return n >= 2 and "n is " .. n end))
    end))
    settle()

    for i = 1, 3 do
      n = i
      notify()
      settle()
    end

    assert.equal("n is 2", task:result())
  end))

  it("does not wait when the predicate holds already", async(function()
    await(cond:acquire())

    assert.equal(7, await(cond:wait_for(function() return 7 end)))

    cond:release()
  end))

  it("raises what the predicate raises", async(function()
    local err = raises(casync.TimeoutError, await, cond:with(function()
      await(cond:wait_for(function() error(casync.TimeoutError "own") end))
    end))

    assert.equal("own", err.message)
    assert.is_false(cond:locked())
  end))

  it("has the lock again when the wait is cancelled", async(function()
    local held
    local task = spawn(function()
      await(cond:acquire())
      local ok, err = pcall(await, cond:wait())
      held = cond:locked()
      cond:release()
      if not ok then error(err, 0) end
    end)
    settle()

    stop(task)

    assert.is_true(held)
    assert.is_true(task:cancelled())
  end))

  it("does not raise a cancellation before it has the lock", async(function()
    local a = waiters("a")
    await(cond:acquire())

    a:cancel()
    settle()
    assert.is_false(a:done())
    cond:release()
    settle()

    assert.is_true(a:cancelled())
    assert.is_false(cond:locked())
  end))

  it("raises the last of several cancellations", async(function()
    local a = waiters("a")
    await(cond:acquire())

    for _, message in ipairs {"first", "second", "third"} do
      a:cancel(message)
      settle()
    end
    cond:release()

    local err = raises(casync.CancelledError, await, a)
    assert.equal("third", err.message)
    assert.equal(3, a:cancelling())
  end))

  it("tells another when the notified one is cancelled before it runs",
      async(function()
    local a = waiters("a", "b")

    notify()
    a:cancel()
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b"}, log)
  end))

  it("tells another when the notified one is cancelled while it waits for the"
      .. " lock", async(function()
    local a = waiters("a", "b")
    await(cond:acquire())
    cond:notify()
    settle()

    a:cancel()
    settle()
    cond:release()
    settle()

    assert.is_true(a:cancelled())
    assert.same({"b"}, log)
    assert.is_false(cond:locked())
  end))

  it("does not wake a second one for one that was only cancelled",
      async(function()
    local a, b = waiters("a", "b")

    stop(a)

    assert.is_false(b:done())
    stop(b)
  end))

  it("raises the time-out of who waits, with the lock held", async(function()
    await(cond:acquire())

    raises(casync.TimeoutError, await, casync.wait_for(cond:wait(), 0))

    assert.is_true(cond:locked())
  end))

  it("shares a lock", async(function()
    local lock = casync.Lock()
    local one, two = casync.Condition(lock), casync.Condition(lock)

    await(one:acquire())

    assert.is_true(two:locked())
    two:release()
    assert.is_false(lock:locked())
  end))

  it("cannot be waited for or notified without the lock", async(function()
    misuse("locks_spec%.lua:%d+: cannot wait on un%-acquired lock$",
      function() await(cond:wait()) end)
    misuse("locks_spec%.lua:%d+: cannot notify on un%-acquired lock$",
      function() cond:notify() end)
    misuse("locks_spec%.lua:%d+: cannot notify on un%-acquired lock$",
      function() cond:notify_all() end)
    misuse("locks_spec%.lua:%d+: Lock is not acquired%.$",
      function() cond:release() end)
  end))

  it("cannot be waited for outside a task", function()
    local wait = cond:wait()

    misuse("outside a task", function() await(wait) end)
    misuse("un%-acquired lock", casync.run, wait)
  end)

  it("tells wrong arguments", function()
    misuse("Lock expected, got table", casync.Condition, {})
    misuse("Lock expected, got userdata", casync.Condition, io.stdout)
    misuse("Lock expected, got userdata", casync.Condition, casync.Event())
    misuse("integer expected, got string", cond.notify, cond, "1")
    misuse("integer expected, got 1.5", cond.notify, cond, 1.5)
    misuse("function expected, got nil", cond.wait_for, cond)
  end)

  it("shows its state", async(function()
    assert.equal("<Condition [unlocked]>", tostring(cond))
    local a = waiters("a")
    await(cond:acquire())
    assert.equal("<Condition [locked, waiters:1]>", tostring(cond))
    cond:release()
    stop(a)
  end))
end)

describe("Barrier", function()
  local barrier

  before_each(function() barrier = casync.Barrier(3) end)

  local function comer(name)
    return spawn(function()
      local index = await(barrier:wait())
      note(name .. index)
      return index
    end)
  end

  local function comers(...)
    local tasks = {}
    for i, name in ipairs {...} do tasks[i] = comer(name) end
    settle()
    return table.unpack(tasks)
  end

  it("lets all go on when the last has come, the last one first",
      async(function()
    comers("a", "b")
    assert.same({}, log)

    comers("c")

    assert.same({"c2", "a0", "b1"}, log)
  end))

  it("lets the last go on at once, the others in the next round",
      async(function()
    local a = comers("a", "b")

    assert.equal(2, await(barrier:wait()))

    assert.is_false(a:done())
    assert.equal(1, rounds(a))
  end))

  it("can be used again and again", async(function()
    comers("a", "b", "c", "d", "e", "f", "g")

    assert.same({"c2", "a0", "b1", "f2", "d0", "e1"}, log)
    assert.equal(1, barrier.n_waiting)
    comers("h", "i")
    assert.equal(9, #log)
  end))

  it("keeps those out who come while others leave", async(function()
    comers("a", "b")
    local last = comer "c"
    await(casync.sleep(0))

    -- 'c' has passed; 'a' and 'b' are woken, and leave in this round.
    assert.is_true(last:done())
    comers("d", "e", "f")

    assert.same({"c2", "a0", "b1"}, {table.unpack(log, 1, 3)})
    assert.equal(6, #log)
    assert.equal(0, barrier.n_waiting)
  end))

  it("of one lets pass at once", async(function()
    local other = spawn(note, "other")

    assert.equal(0, await(casync.Barrier(1):wait()))

    assert.same({}, log)
    await(other)
  end))

  it("gives each index once though a waiter was cancelled", async(function()
    local a = comers("a", "b")

    stop(a)
    assert.equal(1, barrier.n_waiting)
    comers("c", "d")

    table.sort(log)
    assert.same({"b0", "c1", "d2"}, log)
  end))

  it("gives each index once though one is cancelled as it leaves",
      async(function()
    local a = comers("a", "b")

    local index = await(barrier:wait())
    a:cancel()
    settle()

    assert.equal(2, index)
    assert.is_true(a:cancelled())
    assert.same({"b0"}, log)
    assert.equal(0, barrier.n_waiting)
    comers("c", "d", "e")
    assert.equal(4, #log)
  end))

  it("is not broken when a waiter is cancelled", async(function()
    local a = comers("a")

    stop(a)

    assert.is_false(barrier.broken)
    assert.equal(0, barrier.n_waiting)
  end))

  it("sends those who wait away when it is reset", async(function()
    local a, b = comers("a", "b")

    await(barrier:reset())

    raises(casync.BrokenBarrierError, await, a)
    raises(casync.BrokenBarrierError, await, b)
    assert.is_false(barrier.broken)
    comers("c", "d", "e")
    assert.same({"e2", "c0", "d1"}, log)
  end))

  it("is broken by abort until it is reset", async(function()
    local a = comers("a")

    await(barrier:abort())

    raises(casync.BrokenBarrierError, await, a)
    assert.is_true(barrier.broken)
    local err = raises(casync.BrokenBarrierError, await, barrier:wait())
    assert.equal("Barrier aborted", err.message)
    await(barrier:reset())
    assert.is_false(barrier.broken)
    comers("b", "c", "d")
    assert.equal(3, #log)
  end))

  it("raises the time-out of who waits", async(function()
    raises(casync.TimeoutError, await, casync.wait_for(barrier:wait(), 0))

    assert.equal(0, barrier.n_waiting)
  end))

  it("cannot be waited for outside a task", function()
    local wait = barrier:wait()

    misuse("outside a task", function() await(wait) end)
    assert.equal(0, barrier.n_waiting)
    casync.run(barrier:abort())
    raises(casync.BrokenBarrierError, casync.run, wait)
  end)

  it("has fields and shows its state", async(function()
    local a, b = comers("a", "b")

    assert.equal(3, barrier.parties)
    assert.equal(2, barrier.n_waiting)
    assert.is_false(barrier.broken)
    assert.is_nil(barrier.unknown)
    assert.equal("<Barrier [filling, waiters:2/3]>", tostring(barrier))
    stop(a, b)
    await(barrier:abort())
    assert.equal("<Barrier [broken]>", tostring(barrier))
  end))

  it("tells a wrong number of parties", function()
    misuse("parties must be > 0", casync.Barrier, 0)
    misuse("integer expected, got nil", casync.Barrier)
    misuse("integer expected, got string", casync.Barrier, "3")
    misuse("integer expected, got 1.5", casync.Barrier, 1.5)
  end)
end)
