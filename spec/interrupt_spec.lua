-- Ctrl-C, sent to real programs.

local process = require "spec.support.process"

-- What the scripts begin with. 'interrupt()' sends SIGINT to the script and
-- returns when it has been delivered; 'interrupt_later()' returns before.
local prelude = [[
local casync = require "casync"
local await, sleep = casync.await, casync.sleep
local pid = io.popen("echo $PPID"):read "n"
local function interrupt() io.popen("kill -INT " .. pid):close() end
local senders = {}
local function interrupt_later()
  senders[#senders + 1] = io.popen("sleep 0.05; kill -INT " .. pid)
end
local function say(...)
  print(...)
  io.stdout:flush()
end
]]

-- A program that was started in the background ignores SIGINT; 'env' can undo
-- that, and so the specs do not depend on how they were started.
local undo = os.execute("env --default-signal=INT true 2>/dev/null")
  and "env --default-signal=INT " or ""

local scripts = 0

-- Run a script; what it printed to both streams, and its exit code.
local function run(text, command)
  scripts = scripts + 1
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(prelude, text)
  file:close()
  local build = os.getenv "CASYNC_BUILD" or "build"
  local pipe = assert(io.popen(("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' "
    .. "LUA_CPATH='%s/%s/?.so;;' %s%s %s %s 2>&1; echo code $?"):format(
    process.root, process.root, process.root, build, undo,
    command or "timeout --foreground 20", process.lua, name)))
  local output = pipe:read "a"
  pipe:close()
  os.remove(name)
  local out, code = output:match "^(.*)code (%d+)\n$"
  return out, tonumber(code)
end

describe("The first SIGINT #programs", function()
  it("cancels main, lets the cleanup run, and ends with KeyboardInterrupt "
    .. "and code 130", function()
    local out, code = run [[
      casync.run(function()
        local _ <close> = setmetatable({}, {__close = function(_, err)
          await(sleep(0.001))
          say("cleanup", casync.CancelledError:is(err))
        end})
        interrupt_later()
        await(sleep(10))
        say "not reached"
      end)
      say "not reached"
    ]]

    assert.match("^cleanup\ttrue\n", out)
    assert.match("KeyboardInterrupt", out)
    assert.is_nil(out:find("not reached", 1, true))
    assert.equal(130, code)
  end)

  it("cancels the other tasks too, when main has ended", function()
    local out, code = run [[
      casync.run(function()
        casync.create_task(function()
          local _ <close> = setmetatable({}, {__close = function()
            await(sleep(0))
            say "other cleaned up"
          end})
          await(sleep(10))
        end)
        interrupt_later()
        await(sleep(10))
      end)
    ]]

    assert.match("other cleaned up\n", out)
    assert.equal(130, code)
  end)

  it("can be caught around run", function()
    local out, code = run [[
      local ok, err = pcall(casync.run, function()
        interrupt_later()
        await(sleep(10))
      end)
      say(ok, casync.KeyboardInterrupt:is(err))
    ]]

    assert.equal("false\ttrue\n", out)
    assert.equal(0, code)
  end)

  it("is heard at the next wait of a main that is busy", function()
    local out, code = run [[
      casync.run(function()
        interrupt()
        say "still running"
        await(sleep(0))
        await(sleep(10))
        say "not reached"
      end)
    ]]

    assert.match("^still running\n", out)
    assert.is_nil(out:find("not reached", 1, true))
    assert.equal(130, code)
  end)

  it("lets a main that swallows it return normally", function()
    local out, code = run [[
      say(casync.run(function()
        interrupt_later()
        pcall(await, sleep(10))
        await(sleep(0))
        return "result"
      end))
    ]]

    assert.equal("result\n", out)
    assert.equal(0, code)
  end)

  it("does not hide another error of main", function()
    local out, code = run [[
      casync.run(function()
        interrupt_later()
        pcall(await, sleep(10))
        error("other error", 0)
      end)
    ]]

    assert.match("other error", out)
    assert.equal(1, code)
  end)

  it("reaches a main that waits for a task, which decides", function()
    local out, code = run [[
      say(casync.run(function()
        local task = casync.create_task(function()
          pcall(await, sleep(10))
          return "the task went on"
        end)
        interrupt_later()
        return (await(task))
      end))
    ]]

    assert.equal("the task went on\n", out)
    assert.equal(0, code)
  end)

  it("counts anew in each run", function()
    local out, code = run [[
      for i = 1, 3 do
        local ok, err = pcall(casync.run, function()
          interrupt()
          await(sleep(10))
        end)
        say(i, ok, casync.KeyboardInterrupt:is(err))
      end
    ]]

    assert.equal("1\tfalse\ttrue\n2\tfalse\ttrue\n3\tfalse\ttrue\n", out)
    assert.equal(0, code)
  end)
end)

describe("The second SIGINT #programs", function()
  it("raises KeyboardInterrupt in a busy loop", function()
    local out, code = run [[
      casync.run(function()
        interrupt()
        interrupt_later()
        local ok, err = pcall(function() while true do end end)
        say(ok, casync.KeyboardInterrupt:is(err))
        error(err, 0)
      end)
    ]]

    assert.match("^false\ttrue\n", out)
    assert.equal(130, code)
  end)

  it("ends a main that ignores the first and is busy", function()
    local out, code = run [[
      casync.run(function()
        pcall(function()
          interrupt_later()
          await(sleep(10))
        end)
        say "ignored"
        interrupt_later()
        while true do end
      end)
    ]]

    assert.match("^ignored\n", out)
    assert.equal(130, code)
  end)

  it("ends one that ignores the first and waits", function()
    local out, code = run [[
      casync.run(function()
        interrupt_later()
        pcall(await, sleep(10))
        say "ignored"
        interrupt_later()
        await(sleep(10))
        say "not reached"
      end)
    ]]

    assert.match("^ignored\n", out)
    assert.is_nil(out:find("not reached", 1, true))
    assert.equal(130, code)
  end)

  it("raises in a callback that is busy", function()
    local out, code = run [[
      casync.run(function()
        casync.get_running_loop():call_soon(function()
          interrupt()
          interrupt_later()
          while true do end
        end)
        await(sleep(10))
      end)
    ]]

    assert.match("KeyboardInterrupt", out)
    assert.equal(130, code)
  end)
end)

describe("The third SIGINT #programs", function()
  it("kills", function()
    local out, code = run([[
      casync.run(function()
        interrupt()
        pcall(function()
          interrupt_later()
          while true do end
        end)
        say "about to die"
        interrupt()
        say "not reached"
      end)
    ]], "")

    assert.match("^about to die\n", out)
    assert.is_nil(out:find("not reached", 1, true))
    assert.equal(130, code)
  end)
end)

describe("SIGINT #programs", function()
  it("is put back after run", function()
    local out, code = run([[
      casync.run(function() await(sleep(0)) end)
      interrupt_later()
      local ok, err = pcall(function() while true do end end)
      say(ok, err)
    ]], "")

    assert.match("^false\t.*interrupted!\n", out)
    assert.equal(0, code)
  end)
end)

describe("A program that goes on after a KeyboardInterrupt #programs", function()
  it("does not end with 130 for another reason", function()
    local out, code = run [[
      local ok, err = coroutine.resume(coroutine.create(function()
        casync.run(function()
          interrupt()
          await(sleep(10))
        end)
      end))
      say(ok, casync.KeyboardInterrupt:is(err))
      casync.run(function() await(sleep(0)) end)
      error("another reason", 0)
    ]]

    assert.match("^false\ttrue\n.*another reason", out)
    assert.equal(1, code)
  end)
end)
