local casync = require "casync"
local helper = require "spec.helper"

local async, await = helper.async, casync.await
local sleep = casync.sleep
local caught, forever =
  helper.caught, helper.forever

local function fail(message)
  return function()
    await(sleep(0))
    error(message, 0)
  end
end

describe("TaskGroup", function()
  it("waits for its tasks at the end of the block", async(function()
    local log = {}
    do
      local group <close> = casync.TaskGroup()
      for i = 1, 3 do
        group:create_task(function(x)
          await(sleep(0))
          log[#log + 1] = x
        end, i)
      end
      log[#log + 1] = "body"
    end

    assert.same({"body", 1, 2, 3}, log)
  end))

  it("does not suspend when it is empty", async(function()
    local turn = false
    casync.get_running_loop():call_soon(function() turn = true end)
    do
      local _ <close> = casync.TaskGroup()
    end

    assert.is_false(turn)
    await(sleep(0))
  end))

  it("cancels the others and the body at the first failure", async(function()
    local sibling
    local err = caught(function()
      local group <close> = casync.TaskGroup()
      sibling = group:create_task(forever)
      group:create_task(fail "one")
      forever()
    end)

    assert.is_true(casync.ExceptionGroup:is(err))
    assert.equal("unhandled errors in a TaskGroup", err.message)
    assert.same({"one"}, err.errors)
    assert.is_true(sibling:cancelled())
    assert.equal(0, casync.current_task():cancelling())
  end))

  it("collects the errors in order of time, the body's last", async(function()
    local err = caught(function()
      local group <close> = casync.TaskGroup()
      group:create_task(fail "one")
      group:create_task(fail "two")
      pcall(forever)
      error("body", 0)
    end)

    assert.same({"one", "two", "body"}, err.errors)
  end))

  it("wraps the body's error even when it is alone", async(function()
    local err = caught(function()
      local _ <close> = casync.TaskGroup()
      error("body", 0)
    end)

    assert.same({"body"}, err.errors)
  end))

  it("goes on when a task is cancelled by hand", async(function()
    local group <close> = casync.TaskGroup()
    local task = group:create_task(forever)
    await(sleep(0))

    task:cancel()
    await(sleep(0))
    await(sleep(0))

    assert.equal(1, await(group:create_task(function() return 1 end)))
  end))

  it("passes a cancellation from outside, bare", async(function()
    local child
    local task = casync.create_task(function()
      local group <close> = casync.TaskGroup()
      child = group:create_task(forever)
    end)
    helper.settle()

    task:cancel "stop"
    local err = caught(await, task)

    assert.is_true(casync.CancelledError:is(err))
    assert.equal("stop", err.message)
    assert.is_true(child:cancelled())
  end))

  it("prefers errors of the cleanup and cancels the parent again",
    async(function()
      local log = {}
      local task = casync.create_task(function()
        local err = caught(function()
          local group <close> = casync.TaskGroup()
          group:create_task(function()
            pcall(forever)
            error("cleanup", 0)
          end)
          forever()
        end)
        log[1] = err.errors and err.errors[1]
        forever()
      end)
      helper.settle()

      task:cancel()
      pcall(await, task)

      assert.same({"cleanup"}, log)
      assert.is_true(task:cancelled())
    end))

  it("is not hurried by further cancellations", async(function()
    local cleaned = false
    local task = casync.create_task(function()
      local group <close> = casync.TaskGroup()
      group:create_task(function()
        pcall(forever)
        await(casync.shielded(sleep(0.005)))
        for _ = 1, 5 do await(sleep(0)) end
        cleaned = true
      end)
      await(sleep(0))
    end)
    helper.settle()

    task:cancel "first"
    await(sleep(0))
    task:cancel "second"
    local err = caught(await, task)

    assert.is_true(cleaned)
    assert.equal("first", err.message)
  end))

  it("passes KeyboardInterrupt bare", function()
    local err = caught(casync.run, function()
      local group <close> = casync.TaskGroup()
      group:create_task(forever)
      await(sleep(0))
      error(casync.KeyboardInterrupt())
    end)

    assert.is_true(casync.KeyboardInterrupt:is(err))
  end)

  it("nests", async(function()
    local err = caught(function()
      local outer <close> = casync.TaskGroup()
      outer:create_task(function()
        local inner <close> = casync.TaskGroup()
        inner:create_task(fail "deep")
      end)
    end)

    assert.same({"deep"}, err:flatten())
    assert.is_true(casync.ExceptionGroup:is(err.errors[1]))
  end))

  it("takes tasks from its tasks while it ends", async(function()
    local log = {}
    do
      local group <close> = casync.TaskGroup()
      group:create_task(function()
        await(sleep(0))
        group:create_task(function() log[1] = "grandchild" end)
      end)
    end

    assert.same({"grandchild"}, log)
  end))

  it("takes no tasks after its end or a failure", async(function()
    local main = casync.async(function() end)
    local kept
    local reports = helper.capture()
    do
      local group <close> = casync.TaskGroup()
      kept = group
    end

    assert.error_matches(function() kept:create_task(main()) end,
      "<TaskGroup .*> is finished")
    caught(function()
      local group <close> = casync.TaskGroup()
      group:create_task(fail "x")
      pcall(forever)
      assert.error_matches(function() group:create_task(main()) end,
        "is shutting down")
    end)
    collectgarbage()
    collectgarbage()
    assert.same({}, reports)
  end))

  it("does not cancel the body at once for an eager failure", async(function()
    local went_on = false
    local err = caught(function()
      local group <close> = casync.TaskGroup()
      local bad = casync.async(function() error("eager", 0) end)
      group:create_task(bad(), {eager_start = true})
      went_on = true
      forever()
    end)

    assert.is_true(went_on)
    assert.same({"eager"}, err.errors)
  end))

  it("wins over the time-out around it", async(function()
    local err = caught(function()
      local _ <close> = casync.timeout(0.01)
      local group <close> = casync.TaskGroup()
      group:create_task(function()
        pcall(forever)
        error("cleanup", 0)
      end)
    end)

    assert.same({"cleanup"}, err.errors)
    await(sleep(0))
    assert.equal(0, casync.current_task():cancelling())
  end))

  it("is made in a task only", function()
    assert.error_matches(casync.TaskGroup,
      "TaskGroup should be used inside a task")
  end)

  it("lists its tasks in order of creation", async(function()
    local group <close> = casync.TaskGroup()
    local tasks = {}
    for i = 1, 5 do tasks[i] = group:create_task(sleep(0)) end

    assert.same(tasks, group:tasks())
  end))
end)

describe("task_group", function()
  it("gives the results of its function after all tasks", async(function()
    local log = {}

    local a, b = await(casync.task_group(function(group)
      group:create_task(function()
        await(sleep(0))
        log[1] = "done"
      end)
      return 1, 2
    end))

    assert.same({1, 2}, {a, b})
    assert.same({"done"}, log)
  end))

  it("raises the group of errors", async(function()
    local err = caught(await, casync.task_group(function(group)
      group:create_task(fail "x")
      forever()
    end))

    assert.same({"x"}, err.errors)
  end))

  it("ends quietly when the group is cancelled", async(function()
    local after = false
    local n = select("#", await(casync.task_group(function(group)
      group:create_task(forever)
      await(sleep(0))
      group:cancel()
      after = true
      forever()
    end)))

    assert.equal(0, n)
    assert.is_true(after)
    assert.equal(0, casync.current_task():cancelling())
    await(sleep(0))
  end))
end)

describe("group:start", function()
  it("gives what the child reports and lets it go on", async(function()
    local ended = false

    await(casync.task_group(function(group)
      local port, host = await(group:start(function(started, base)
        await(sleep(0))
        started(base + 1, "localhost")
        await(sleep(0))
        ended = true
      end, 8000))
      assert.same({8001, "localhost"}, {port, host})
      assert.is_false(ended)
    end))

    assert.is_true(ended)
  end))

  it("raises the error of a child that did not get so far", async(function()
    await(casync.task_group(function(group)
      local err = caught(await, group:start(function() error("early", 0) end))
      assert.equal("early", err)
      err = caught(await, group:start(function() end))
      assert.matches("ended without having called 'started'", err)
    end))
  end))

  it("ends the child when it is cancelled itself", async(function()
    local child
    await(casync.task_group(function(group)
      local ok = await(casync.move_on_after(0.005, function()
        await(group:start(function()
          child = casync.current_task()
          forever()
        end))
      end))
      assert.is_false(ok)
      assert.is_true(child:cancelled())
    end))
  end))

  it("complains about a second report", async(function()
    local err
    await(casync.task_group(function(group)
      await(group:start(function(started)
        started()
        err = caught(started)
      end))
    end))

    assert.matches("'started' has already been called", err)
  end))
end)

describe("A TaskGroup", function()
  it("cannot be left by another task", async(function()
    local group = casync.TaskGroup()
    local leave = getmetatable(group).__close

    local task = casync.create_task(leave, group)
    local err = caught(await, task)

    assert.matches("must be left by the task that made it", err)
    leave(group)
  end))

  it("that is never left reports what failed in it", async(function()
    local contexts = helper.capture()
    local parent = casync.create_task(function()
      local group = casync.TaskGroup()
      group:create_task(fail "lost")
      await(sleep(3600))
    end)

    assert.is_true(casync.CancelledError:is(caught(await, parent)))
    helper.settle()

    assert.equal(1, #contexts)
    assert.matches("never left", contexts[1].message)
    assert.same({"lost"}, contexts[1].exception.errors)
    assert.equal(parent, contexts[1].task)
  end))

  it("reports what fails in it when its body has ended", async(function()
    local contexts = helper.capture()
    local child
    local parent = casync.create_task(function()
      child = casync.TaskGroup():create_task(fail "late")
    end)
    await(parent)

    helper.settle()

    assert.equal(1, #contexts)
    assert.matches("its parent task .* already completed", contexts[1].message)
    assert.equal("late", contexts[1].exception)
    assert.equal(child, contexts[1].task)
  end))

  it("gives a DeadlockError on, when no task of it can end", function()
    local ok, err = pcall(casync.run, function()
      local group <close> = casync.TaskGroup()
      group:create_task(function()
        await(casync.get_running_loop():create_future())
      end)
    end)

    assert.is_false(ok)
    assert.is_true(casync.DeadlockError:is(err), tostring(err))
  end)

  it("says what it does as a string", async(function()
    local group = casync.TaskGroup()
    local leave = getmetatable(group).__close
    local future = casync.get_running_loop():create_future()
    local states = {tostring(group)}
    group:create_task(function()
      await(sleep(0))
      states[#states + 1] = tostring(group)
      await(future)
    end)
    casync.get_running_loop():call_later(0.01, function()
      group:cancel()
      states[#states + 1] = tostring(group)
    end)
    pcall(leave, group)
    states[#states + 1] = tostring(group)

    assert.same({
      "<TaskGroup tasks=0>", "<TaskGroup tasks=1 exiting>",
      "<TaskGroup tasks=1 cancelling>", "<TaskGroup tasks=0 finished>",
    }, states)
  end))

  it("tells 'start' that the task was cancelled first", async(function()
    local err
    await(casync.task_group(function(group)
      casync.get_running_loop():call_later(0.001, function()
        group:tasks()[1]:cancel()
      end)
      err = caught(await, group:start(forever))
    end))

    assert.matches("cancelled before it called 'started'", err)
  end))

  it("keeps the traceback of its body", async(function()
    local err = caught(await, casync.task_group(function(group)
      group:create_task(fail "task")
      local ok = pcall(forever)
      assert(not ok)
      error("body", 0)
    end))

    assert.same({"task", "body"}, err.errors)
    assert.matches("taskgroups_spec", err.tracebacks[2])
  end))

  it("checks its arguments", async(function()
    local misuse = helper.misuse
    misuse("takes no arguments", casync.TaskGroup, {})
    misuse("'task_group' %(function expected, got nil", casync.task_group)
    await(casync.task_group(function(group)
      misuse("'start' %(function expected, got table", group.start, group, {})
    end))
  end))
end)

describe("A TaskGroup whose loop is stopped", function()
  it("takes tasks, and goes with the loop when that is closed", function()
    local loop = casync.new_event_loop()
    local contexts = helper.capture(loop)
    local group, ran
    loop:create_task(function()
      group = casync.TaskGroup()
      group:create_task(forever)
      loop:stop()
      forever()
    end)
    loop:run_forever()
    group:create_task(function()
      ran = true
      loop:stop()
    end)
    loop:run_forever()

    loop:close()

    assert.is_true(ran)
    for _, context in ipairs(contexts) do
      assert.matches("destroyed but it is pending", context.message)
    end
  end)
end)

describe("A TaskGroup whose loop has a task factory", function()
  it("takes futures that are no tasks", async(function()
    local loop = casync.get_running_loop()
    loop:set_task_factory(function(l, coro)
      return casync.shield(casync.Task(coro, {loop = l}))
    end)
    local done = 0
    local ok, err = pcall(function()
      local group <close> = casync.TaskGroup()
      for _ = 1, 3 do
        group:create_task(function()
          await(sleep(0))
          done = done + 1
        end)
      end
      assert.equal(3, #group:tasks())
    end)
    loop:set_task_factory(nil)

    assert.is_true(ok, tostring(err))
    assert.equal(3, done)
  end))
end)
