local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await

local function serve(handler, opts)
  local server = await(casync.start_server(handler, "127.0.0.1", 0, opts))
  local host, port = server:sockets()[1]:getsockname()
  return server, function() return casync.open_connection(host, port) end
end

local function echo(stream)
  local s <close> = stream
  for line in s:lines() do await(s:write(line .. "\n")) end
end

local function pass(seconds)
  await(casync.sleep(seconds or 0.01))
end

describe("start_server", function()
  it("runs its handler in a task for each connection", async(function()
    local tasks = {}
    local server, connect = serve(function(s)
      tasks[#tasks + 1] = casync.current_task()
      await(s:close())
    end)
    for _ = 1, 3 do
      local s <close> = await(connect())
      assert.is_nil(await(s:read(1)))
    end
    await(server:close())

    assert.equal(3, #tasks)
    assert.is_true(tasks[1] ~= tasks[2] and tasks[2] ~= tasks[3])
  end))

  it("takes async functions as handlers", async(function()
    local server, connect = serve(casync.async(echo))
    local s <close> = await(connect())
    await(s:write("hello\n"))

    assert.equal("hello\n", await(s:readline()))
    s:write_eof()
    assert.equal("", await(s:read()))
    await(server:close())
  end))

  it("serves 64 clients at once", async(10, function()
    local server, connect = serve(echo)
    local clients = {}
    for i = 1, 64 do
      clients[i] = function()
        local s <close> = await(connect())
        for j = 1, 20 do
          local line = ("client %d line %d\n"):format(i, j)
          await(s:write(line))
          if await(s:readline()) ~= line then return false end
        end
        return true
      end
    end
    local results = await(casync.gather(clients))
    await(server:close())

    for i = 1, 64 do assert.is_true(results[i]) end
  end))

  it("listens on all interfaces on one port", async(function()
    local server = await(casync.start_server(echo, nil, 0))
    local port
    for _, socket in ipairs(server:sockets()) do
      local host, p = socket:getsockname()
      assert.is_true(host == "0.0.0.0" or host == "::")
      port = port or p
      assert.equal(port, p)
    end
    local s = await(casync.open_connection("127.0.0.1", port))
    await(s:close())
    await(server:close())
  end))

  it("listens on each host of a list", async(function()
    local server = await(casync.start_server(echo,
      {"127.0.0.1", "127.0.0.2", "127.0.0.1"}, 0))
    local hosts = {}
    for i, socket in ipairs(server:sockets()) do
      hosts[i] = socket:getsockname()
    end
    assert.same({"127.0.0.1", "127.0.0.2"}, hosts)
    await(server:close())
  end))

  it("raises when the port is in use, unless it is shared", async(function()
    local server = serve(echo, {reuse_port = true})
    local _, port = server:sockets()[1]:getsockname()

    local ok, err = pcall(await, casync.start_server(echo, "127.0.0.1", port))
    assert.is_false(ok)
    assert.equal("EADDRINUSE", err.code)
    local second = await(casync.start_server(echo, "127.0.0.1", port,
      {reuse_port = true}))

    await(second:close())
    await(server:close())
  end))

  it("raises when the address is not of this machine", async(function()
    local ok, err = pcall(await, casync.start_server(echo, "192.0.2.1", 0))

    assert.is_false(ok)
    assert.equal("EADDRNOTAVAIL", err.code)
  end))

  it("can start serving later", async(function()
    local server, connect = serve(echo, {start_serving = false})
    assert.is_false(server:is_serving())
    assert.equal("ECONNREFUSED", select(2, pcall(await, connect())).code)

    await(server:start_serving())
    assert.is_true(server:is_serving())
    local s = await(connect())
    await(s:close())

    await(server:close())
    assert.is_false(server:is_serving())
    assert.is_false(pcall(await, server:start_serving()))
  end))

  it("reports a handler that fails, and closes its stream", async(function()
    local reports = helper.capture()
    local server, connect = serve(function() error("oops", 0) end)
    local s <close> = await(connect())

    assert.is_nil(await(s:read(1)))
    assert.equal(1, #reports)
    assert.equal("Unhandled exception in client_connected_cb",
      reports[1].message)
    assert.equal("oops", reports[1].exception)
    await(server:close())
  end))

  it("closes the stream of a cancelled handler silently", async(function()
    local reports = helper.capture()
    local task
    local server, connect = serve(function(s)
      task = casync.current_task()
      await(s:read(1))
    end)
    local s <close> = await(connect())
    pass()
    task:cancel()

    assert.is_nil(await(s:read(1)))
    assert.same({}, reports)
    await(server:close())
  end))

  it("leaves the stream open when the handler returns", async(function()
    local kept
    local server, connect = serve(function(s) kept = s end)
    local s <close> = await(connect())
    pass()
    await(kept:write("later"))

    assert.equal("later", await(s:readexactly(5)))
    await(kept:close())
    await(server:close())
  end))

  it("checks its arguments", function()
    local bad = {
      {}, {5}, {print, 5}, {print, {}}, {print, {5}}, {print, "x", -1},
      {print, "x", 65536}, {print, "x", 0 / 0}, {print, "x", {}},
      {print, "x", 0, 5}, {print, "x", 0, {backlog = 0}},
      {print, "x", 0, {limit = 1.5}}, {print, "x", 0, {tls = 1}},
      {print, "a\0b", 0},
    }
    for i, args in ipairs(bad) do
      local ok, err = pcall(casync.start_server, args[1], args[2], args[3],
        args[4])
      assert.is_false(ok, i)
      assert.matches("start_server", err)
    end
  end)
end)

describe("a server", function()
  it("has no sockets when it is closed", async(function()
    local server = serve(echo)
    assert.matches("^<Server serving 127.0.0.1 port %d+>$", tostring(server))
    local socket = server:sockets()[1]
    await(server:close())
    await(server:close())

    assert.same({}, server:sockets())
    assert.is_nil((socket:getsockname()))
    assert.equal("<Server closed>", tostring(server))
  end))

  it("waits for its connections in wait_closed", async(function()
    local server, connect = serve(echo)
    local s = await(connect())
    s:write("x\n")
    await(s:readline())
    server:close()
    local waiting = casync.create_task(server:wait_closed())
    pass()
    assert.is_false(waiting:done())

    s:write("still here\n")
    assert.equal("still here\n", await(s:readline()))
    await(s:close())
    await(waiting)
  end))

  it("may be waited for by several tasks, some cancelled", async(function()
    local server, connect = serve(echo)
    local s = await(connect())
    pass()
    local tasks = {}
    for i = 1, 3 do tasks[i] = casync.create_task(server:wait_closed()) end
    settle()
    tasks[1]:cancel()
    server:close()
    await(s:close())
    await(tasks[2])
    await(tasks[3])

    assert.is_true(tasks[1]:cancelled())
  end))

  it("closes its clients: they get what was queued", async(function()
    local server, connect = serve(function(s)
      s:write(("x"):rep(4 << 20))
      assert(await(s:read()) == "")
    end)
    local s <close> = await(connect())
    pass()
    server:close()
    server:close_clients()

    assert.equal(4 << 20, #await(s:read()))
    await(server:wait_closed())
  end))

  it("gives up on clients that do not read", async(function()
    local server, connect = serve(function(s)
      s:write(("x"):rep(16 << 20))
      await(s:wait_closed())
    end)
    local s = await(connect())
    pass()
    server:close()
    server:close_clients()
    local reports = helper.capture()
    await(server:wait_closed())

    await(s:abort())
    settle()
    assert.equal(1, #reports)
    assert.equal("ECONNABORTED", reports[1].exception.code)
  end))

  it("aborts its clients", async(function()
    local server, connect = serve(function(s)
      pcall(function() await(s:write(("x"):rep(16 << 20))) end)
    end)
    local s = await(connect())
    pass()
    server:close()
    server:abort_clients()
    await(server:wait_closed())
    await(s:abort())
  end))

  it("is closed with its clients when serve_forever is cancelled",
    async(function()
      local server, connect = serve(echo)
      local serving = casync.create_task(server:serve_forever())
      local s <close> = await(connect())
      s:write("x\n")
      await(s:readline())
      assert.is_false(pcall(await, server:serve_forever()))

      serving:cancel()
      pcall(await, serving)

      assert.is_true(serving:cancelled())
      assert.same({}, server:sockets())
      assert.is_nil(await(s:read(1)))
      assert.is_false(pcall(await, server:serve_forever()))
    end))

  it("ends serve_forever when it is closed", async(function()
    local server = serve(echo)
    local serving = casync.create_task(server:serve_forever())
    settle()
    await(server:close())
    settle()

    assert.is_true(serving:cancelled())
  end))

  it("is closed at the end of a scope", async(function()
    local socket
    do
      local server <close> = serve(echo)
      socket = server:sockets()[1]
    end

    assert.is_nil((socket:getsockname()))
  end))

  it("aborts at the end of a cancelled scope", async(function()
    local connect, closed
    local task = casync.create_task(function()
      local server <close>, c = serve(echo)
      connect = c
      await(server:serve_forever())
    end)
    settle()
    pass()
    local s <close> = await(connect())
    pass()
    task:cancel()
    pcall(await, task)
    closed = await(s:read(1))

    assert.is_nil(closed)
    assert.is_true(task:cancelled())
  end))

  it("goes away with its loop, whatever is open", function()
    local server, client
    casync.run(function()
      local connect
      server, connect = serve(function(s)
        s:write(("x"):rep(1 << 20))
        await(s:read())
      end)
      client = await(connect())
      casync.create_task(connect())
      settle()
    end)

    assert.equal("<Server closed>", tostring(server))
    assert.same({}, server:sockets())
    assert.matches("closed", tostring(client))
  end)

  it("stops accepting when descriptors run out, and goes on later #slow",
    async(20, function()
      local lua = os.getenv "LUA" or "lua5.4"
      local script = os.tmpname()
      local file = assert(io.open(script, "w"))
      file:write [[
        local casync = require "casync"
        local await = casync.await
        casync.run(function()
          local reports = {}
          casync.get_running_loop():set_exception_handler(function(_, c)
            reports[#reports + 1] = c.exception.code
          end)
          local server = await(casync.start_server(function(s)
            local c <close> = s
            await(c:read(1))
          end, "127.0.0.1", 0))
          print((select(2, server:sockets()[1]:getsockname())))
          io.stdout:flush()
          await(casync.sleep(4))
          print(table.concat(reports, ","))
        end)
      ]]
      file:close()
      local child = assert(io.popen(("ulimit -n 32; LUA_PATH='%s' " ..
        "LUA_CPATH='%s' exec %s %s 2>&1"):format(package.path, package.cpath,
        lua, script)))
      local port = tonumber(child:read())
      local clients = {}
      for i = 1, 40 do
        clients[i] = await(casync.open_connection("127.0.0.1", port))
      end
      pass(0.2)
      local late = clients[40]
      for i = 1, 39 do clients[i]:close() end
      late:write("x")

      assert.is_nil(await(late:read(1)))
      await(late:close())
      local reported = child:read()
      child:close()
      os.remove(script)
      assert.equal("EMFILE", reported)
    end))
end)

describe("A server", function()
  it("knows its loop", async(function()
    local server <close> = serve(echo)

    assert.equal(casync.get_running_loop(), server:get_loop())
  end))

  it("has listeners that show their state", async(function()
    local server = serve(echo, {start_serving = false})
    local listener = server:sockets()[1]
    local states = {tostring(listener)}
    server:listen()
    states[2] = tostring(listener)
    server:close()
    states[3] = tostring(listener)

    assert.same({"<Listener bound>", "<Listener listening>",
                 "<Listener closed>"}, states)
    assert.matches("server is closed", helper.caught(listener.listen, listener))
  end))

  it("cannot be waited for in another loop", function()
    local home <close> = casync.Runner()
    local server = home:run(function() return (serve(echo)) end)

    local ok, err = pcall(casync.run, function() await(server:wait_closed()) end)

    assert.is_false(ok)
    assert.matches("the server belongs to another event loop", tostring(err))
    server:close()
  end)

  it("can be waited for with a method, too", async(function()
    local server = serve(echo)

    server:close():await()

    assert.is_false(server:is_serving())
  end))

  it("closes its connections when an error leaves its scope",
    async(function()
      local client
      local ok, err = pcall(function()
        local _ <close>, connect = serve(echo)
        client = await(connect())
        pass()
        error("oops", 0)
      end)

      assert.is_false(ok)
      assert.equal("oops", err)
      assert.is_nil(await(client:read(1)))
      client:close()
    end))

  it("aborts connections that nobody has seen when it is closed",
    async(function()
      local seen = 0
      local server, connect = serve(function() seen = seen + 1 end)
      local loop = casync.get_running_loop()
      local opening = casync.create_task(function() return (await(connect())) end)
      await(casync.sleep(0))    -- it connects now
      local due = loop:time() + 0.001
      repeat until loop:time() > due
      await(casync.sleep(0))    -- it is accepted, behind us in this round
      server:close()
      local client = await(opening)

      assert.is_false((pcall(function()
        assert(await(client:read(1)), "ended")
      end)))
      assert.equal(0, seen)
      client:close()
    end))

  it("whose task factory fails drops the connection and reports it",
    async(function()
      local contexts = helper.capture()
      local loop = casync.get_running_loop()
      local server, connect = serve(echo)
      loop:set_task_factory(function() error("no task", 0) end)
      local client = await(connect())
      pass()
      loop:set_task_factory(nil)

      assert.equal("no task", contexts[1] and contexts[1].exception)
      local ok, data = pcall(await, client:read(1))
      assert.is_true(not ok or data == nil)
      client:close()
      server:close()
    end))
end)
