local casync = require "casync"
local helper = require "spec.helper"

local async, await = helper.async, casync.await

describe("format_call_graph", function()
  it("shows the stack of a task and who waits for it", async(function()
    local loop = casync.get_running_loop()
    local future = loop:create_future()
    local function inner() await(future) end
    local child = casync.create_task(function() inner() end):set_name "child"
    local parent = casync.create_task(function()
      await(child)
    end):set_name "parent"
    helper.settle()

    local text = casync.format_call_graph(child)

    assert.matches("^%* Task%(name='child'%)\n  %+ Call stack:\n", text)
    assert.matches("in inner%(%)", text)
    assert.matches("  %+ Awaited by:\n    %* Task%(name='parent'%)", text)
    future:set_result()
    await(parent)
  end))

  it("shows the tasks that wait for a future", async(function()
    local future = casync.get_running_loop():create_future()
    for i = 1, 2 do
      casync.create_task(function() await(future) end):set_name("w" .. i)
    end
    helper.settle()

    local text = casync.format_call_graph(future)

    assert.matches("<Future pending", text)
    assert.matches("name='w1'.*name='w2'", text)
    future:set_result()
    helper.settle()
  end))

  it("is printed to a file", async(function()
    local written = {}
    local file = {write = function(_, ...)
      for _, text in ipairs {...} do written[#written + 1] = text end
    end}

    casync.print_call_graph(nil, file)

    assert.matches("^%* Task%(name='.-'%)\n  %+ Call stack:\n.*graph_spec.lua',"
      .. ".*\n$", table.concat(written))
  end))

  it("refuses what is no future", function()
    assert.error_matches(function() casync.format_call_graph(5) end,
      "bad argument #1 to 'format_call_graph'")
    assert.error_matches(function() casync.format_call_graph() end,
      "needs a task")
  end)
end)

describe("DeadlockError", function()
  local function deadlock(main)
    local ok, err = pcall(casync.run, main)
    assert.is_false(ok)
    assert.is_true(casync.DeadlockError:is(err), tostring(err))
    return err.message
  end

  it("shows who waits for what", function()
    local message = deadlock(function()
      local lock = casync.Lock()
      await(lock:acquire())
      local task = casync.create_task(function()
        await(lock:acquire())
      end):set_name "holder"
      await(task)
    end)

    assert.matches("graph_spec.lua:%d+ waits for\n", message)
    assert.matches("Task%(name='holder'%) at .*graph_spec.lua:%d+", message)
  end)

  it("shows a circle once", function()
    local message = deadlock(function()
      local a, b
      a = casync.create_task(function() await(b) end):set_name "a"
      b = casync.create_task(function() await(a) end):set_name "b"
      await(a)
    end)

    assert.matches("name='a'.*name='b'.*name='a'%) %(shown above%)", message)
  end)

  it("comes out of run_until_complete of a future", function()
    local loop = casync.new_event_loop()
    local ok, err = pcall(loop.run_until_complete, loop, loop:create_future())
    loop:close()

    assert.is_false(ok)
    assert.is_true(casync.DeadlockError:is(err), tostring(err))
  end)
end)
