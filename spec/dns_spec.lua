local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await

describe("getaddrinfo", function()
  it("gives numeric addresses back", async(function()
    assert.same({{
      family = "inet", type = "stream", protocol = "tcp",
      address = "127.0.0.1", port = 80,
    }}, await(casync.getaddrinfo("127.0.0.1", 80)))
    assert.same({{
      family = "inet6", type = "dgram", protocol = "udp",
      address = "::1", port = 0,
    }}, await(casync.getaddrinfo("::1", nil, {type = "dgram"})))
  end))

  it("looks up names", async(function()
    local list = await(casync.getaddrinfo("localhost", 8080,
      {family = "inet"}))

    assert.equal("127.0.0.1", list[1].address)
    assert.equal(8080, list[1].port)
    assert.equal("inet", list[1].family)
  end))

  it("is a method of the loop too", async(function()
    local loop = casync.get_running_loop()
    local list = await(loop:getaddrinfo("127.0.0.1", 1))

    assert.equal(1, list[1].port)
  end))

  it("knows this machine and all its interfaces", async(function()
    for _, info in ipairs(await(casync.getaddrinfo(nil, 0))) do
      assert.is_true(info.address == "127.0.0.1" or info.address == "::1")
    end
    local all = await(casync.getaddrinfo(nil, 0, {passive = true}))
    for _, info in ipairs(all) do
      assert.is_true(info.address == "0.0.0.0" or info.address == "::")
    end
  end))

  it("raises for a name that does not exist", async(function()
    local ok, err = pcall(await, casync.getaddrinfo("no-such-host.invalid", 1))

    assert.is_false(ok)
    assert.is_true(casync.OSError:is(err))
    assert.equal("getaddrinfo", err.syscall)
    assert.matches("^EAI_", err.code)
    assert.matches("no%-such%-host%.invalid", err.message)
  end))

  it("can be cancelled while waiting", async(function()
    local task = casync.create_task(casync.getaddrinfo("localhost", 1))
    settle()
    task:cancel()
    settle()

    assert.is_true(task:cancelled())
  end))

  it("can be cancelled when the answer is there", async(function()
    for wait = 0, 5 do
      local task = casync.create_task(casync.getaddrinfo("localhost", 1))
      await(casync.sleep(wait / 2000))
      task:cancel()
      settle()
      assert.is_true(task:done())
    end
  end))

  it("may be pending when the loop is closed", function()
    casync.run(function()
      for _ = 1, 10 do
        casync.create_task(casync.getaddrinfo("localhost", 1))
      end
      settle()
    end)
    local loop = casync.new_event_loop()
    loop:run_until_complete(function()
      loop:set_exception_handler(function() end)
      casync.create_task(casync.getaddrinfo("localhost", 1))
      await(casync.sleep(0))
    end)
    loop:close()
  end)

  it("cannot be awaited outside a task", function()
    assert.is_false(pcall(casync.await, casync.getaddrinfo("127.0.0.1", 1)))
  end)

  it("checks its arguments", async(function()
    local bad = {
      {5}, {""}, {{}}, {"a\0b"}, {("x"):rep(254)}, {"x", -1}, {"x", 65536},
      {"x", 1.5}, {"x", 0 / 0}, {"x", ""}, {"x", {}}, {"x", "a\0b"},
      {"x", 1, 5}, {"x", 1, {family = "ipx"}}, {"x", 1, {family = 4}},
      {"x", 1, {type = true}}, {"x", 1, {colour = 1}},
    }
    for i, args in ipairs(bad) do
      assert.is_false(pcall(casync.getaddrinfo, args[1], args[2], args[3]), i)
    end
  end))
end)

describe("getaddrinfo, asked for other kinds of sockets,", function()
  it("gives them", async(function()
    assert.same({{
      family = "inet", type = "raw", protocol = "ip",
      address = "127.0.0.1", port = 0,
    }}, await(casync.getaddrinfo("127.0.0.1", nil, {type = "raw"})))
  end))

  it("looks up the names of services", async(function()
    local ok, list = pcall(await, casync.getaddrinfo("127.0.0.1", "http"))

    if ok then assert.equal(80, list[1].port)
    else assert.matches("EAI_", list.code) end  -- a system without /etc/services
  end))

  it("keeps the zone of an address", async(function()
    local ok, list = pcall(await, casync.getaddrinfo("fe80::1%lo", 80))

    if ok then assert.equal("fe80::1%lo", list[1].address)
    else assert.is_true(casync.OSError:is(list), tostring(list)) end
  end))

  it("refuses a name that cannot be one", async(function()
    local err = helper.caught(await, casync.getaddrinfo("\xff\xff.", 80))

    assert.is_true(casync.OSError:is(err), tostring(err))
  end))

  it("drops what it has found when it is cancelled then", async(function()
    local loop = casync.get_running_loop()
    local lookup = casync.getaddrinfo("localhost", 80)
    local task = casync.create_task(function() return await(lookup) end)
    settle()
    local due = loop:time() + 0.05
    repeat until loop:time() > due      -- a thread finds it meanwhile
    await(casync.sleep(0))              -- and wakes the task, behind us

    task:cancel()
    settle()

    assert.is_true(task:done())
  end))
end)

describe("Looking up names #programs", function()
  it("minds the size that is asked for libuv's pool", function()
    local process = require "spec.support.process"
    for _, size in ipairs {"1", "0", "2000"} do
      local result = process.run {process.lua, "-e", [[
        local casync = require "casync"
        casync.run(function()
          print(casync.await(casync.getaddrinfo("localhost", 1))[1].port)
        end)
      ]], env = {UV_THREADPOOL_SIZE = size}}

      process.assert_ok(result, "with " .. size)
      assert.equal("1\n", result.stdout)
    end
  end)
end)
