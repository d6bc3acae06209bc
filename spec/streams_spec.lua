local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await

--- Two connected streams: ours and the other side's. `opts` are for ours.
local function pair(opts)
  local other = casync.get_running_loop():create_future()
  local server = await(casync.start_server(function(stream)
    other:set_result(stream)
  end, "127.0.0.1", 0))
  local host, port = server:sockets()[1]:getsockname()
  local stream = await(casync.open_connection(host, port, opts))
  local peer = await(other)
  server:close()
  return stream, peer
end

--- A stream whose peer has sent `data` and ended its side.
local function source(data, opts)
  local stream, peer = pair(opts)
  peer:write(data)
  await(peer:close())
  return stream
end

local function fails_with(class, call, ...)
  local ok, err = pcall(call, ...)
  assert.is_false(ok)
  assert.is_true(class:is(err), tostring(err))
  return err
end

local function reader(stream, method, ...)
  return casync.create_task(function(...)
    return await(stream[method](stream, ...))
  end, ...)
end

--- Give what was sent the time to arrive.
local function pass(seconds)
  await(casync.sleep(seconds or 0.01))
end

describe("stream:read", function()
  it("gives what has come, and nil at the end", async(function()
    local stream <close> = source("hello")

    assert.equal("hel", await(stream:read(3)))
    assert.equal("lo", await(stream:read(100)))
    assert.is_nil(await(stream:read(100)))
    assert.is_true(stream:at_eof())
  end))

  it("gives all until the end without a count", async(function()
    local stream <close> = source(("x"):rep(300000))

    assert.equal(300000, #await(stream:read()))
    assert.equal("", await(stream:read()))
  end))

  it("gives an empty string at once for 0 bytes", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer

    assert.equal("", await(stream:read(0)))
  end))

  it("loses nothing when it is cancelled while waiting", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    local task = reader(stream, "read", 10)
    settle()

    task:cancel()
    settle()
    await(peer:write("kept"))

    assert.is_true(task:cancelled())
    assert.equal("kept", await(stream:read(10)))
  end))

  it("loses nothing when it is cancelled after data came", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    local task = reader(stream, "read", 10)
    settle()
    await(peer:write("kept"))

    -- The loop polls before the next round, in which we are the first.
    local now = os.clock()
    while os.clock() < now + 0.001 do end     -- luacheck: ignore
    await(casync.sleep(0))
    task:cancel()
    settle()

    assert.is_true(task:cancelled())
    assert.equal("kept", await(stream:read(10)))
  end))

  it("ends for who waits when the stream is closed", async(function()
    local stream, peer = pair()
    local _ <close> = peer
    local task = reader(stream, "read", 10)
    settle()

    await(stream:close())

    assert.is_nil(await(task))
  end))

  it("cannot be called by two tasks at once", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    local task = reader(stream, "read", 10)
    settle()

    local ok, err = pcall(await, stream:read(10))

    assert.is_false(ok)
    assert.matches("read%(%) called while another task is already waiting " ..
      "for incoming data", err)
    task:cancel()
  end))

  it("cannot be awaited outside a task", function()
    local stream
    casync.run(function()
      stream = source("x")
    end)
    local ok, err = pcall(function() return stream:read(1) end)

    assert.is_false(ok)
    assert.matches("stream is closed", err)
  end)

  it("checks its argument", async(function()
    local stream <close> = source("")
    for _, bad in ipairs {-1, 0 / 0, 1.5, "x", {}, true} do
      assert.has_error(function() stream:read(bad) end)
      assert.has_error(function() stream:readexactly(bad) end)
    end
    assert.has_error(function() stream.read({}, 1) end)
    assert.has_error(function() stream.read(io.stdout, 1) end)
    assert.equal("", await(stream:read()))
    fails_with(casync.IncompleteReadError, await,
      stream:readexactly(math.maxinteger))
  end))

  it("gives two reads that were made at once their own bytes", async(function()
    local stream <close> = source("hello")
    await(stream:read(1))

    local first, second = stream:read(1), stream:read(2)

    assert.equal("e", await(first))
    assert.equal("ll", await(second))
    assert.has_error(function() await(first) end)
    assert.equal("o", await(stream:read(9)))
  end))

  it("can be made again after one that failed", async(function()
    local stream <close> = source("one\ntwo")
    assert.equal("one\n", await(stream:readline()))

    fails_with(casync.IncompleteReadError, await, stream:readexactly(4))

    assert.is_nil(await(stream:readline()))
    assert.is_nil(await(stream:read(3)))
  end))
end)

describe("stream:readexactly", function()
  it("waits for all the bytes", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    local task = reader(stream, "readexactly", 6)

    await(peer:write("abc"))
    pass()
    assert.is_false(task:done())
    await(peer:write("defg"))

    assert.equal("abcdef", await(task))
    assert.equal("g", await(stream:read(10)))
  end))

  it("tells what came before the end", async(function()
    local stream <close> = source("abc")

    local err = fails_with(casync.IncompleteReadError, await,
      stream:readexactly(5))

    assert.equal("abc", err.partial)
    assert.equal(5, err.expected)
    assert.equal("IncompleteReadError: 3 bytes read on a total of 5 " ..
      "expected bytes", tostring(err))
  end))

  it("reads more than the limit", async(function()
    local stream <close> = source(("x"):rep(100000), {limit = 10})

    assert.equal(100000, #await(stream:readexactly(100000)))
  end))

  it("takes large messages that follow each other without a pause", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    local messages = {}
    for i = 1, 6 do messages[i] = string.char(64 + i):rep(300000 + i) end
    local sender = casync.create_task(function()
      for _, message in ipairs(messages) do await(peer:write(message)) end
      peer:write_eof()
    end)

    for i, message in ipairs(messages) do
      assert.is_true(await(stream:readexactly(300000 + i)) == message)
      if i % 2 == 0 then pass() end       -- the next one arrives meanwhile
    end

    assert.is_nil(await(stream:read(1)))
    await(sender)
  end))

  it("leaves all bytes to the next one, whenever it is cancelled", async(function()
    local data = ("0123456789"):rep(20000)
    for turns = 0, 24 do
      local stream <close>, peer = pair()
      local _ <close> = peer
      local task = reader(stream, "readexactly", #data)
      local sender = casync.create_task(function()
        await(peer:write(data .. data))
        peer:write_eof()
      end)

      for _ = 1, turns do await(casync.sleep(0)) end
      local cancelled = task:cancel()
      local ok, first = pcall(await, task)
      assert.equal(cancelled, not ok)
      local rest = await(stream:read())

      assert.is_true((ok and first or "") .. rest == data .. data)
      await(sender)
    end
  end))
end)

describe("stream:readline", function()
  it("gives lines, the last one as it is, then nil", async(function()
    local stream <close> = source("one\n\nthree")

    assert.equal("one\n", await(stream:readline()))
    assert.equal("\n", await(stream:readline()))
    assert.equal("three", await(stream:readline()))
    assert.is_nil(await(stream:readline()))
  end))

  it("puts together what comes in pieces", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    local task = reader(stream, "readline")
    for c in ("slow\n"):gmatch "." do
      await(peer:write(c))
      pass(0.002)
    end

    assert.equal("slow\n", await(task))
  end))

  it("drops a line over the limit and goes on", async(function()
    local stream <close> = source(("x"):rep(15) .. "\nok\n", {limit = 10})

    local err = fails_with(casync.LimitOverrunError, await, stream:readline())

    assert.equal(15, err.consumed)
    assert.matches("Separator is found, but chunk is longer than limit",
      err.message)
    assert.equal("ok\n", await(stream:readline()))
  end))

  it("drops all when no newline comes", async(function()
    local stream <close>, peer = pair {limit = 10}
    local _ <close> = peer
    peer:write(("x"):rep(30))

    local err = fails_with(casync.LimitOverrunError, await, stream:readline())
    assert.matches("Separator is not found, and chunk exceed the limit",
      err.message)
    peer:write("ok\n")

    assert.equal("ok\n", await(stream:readline()))
  end))

  it("is repeated by lines()", async(function()
    local stream <close> = source("a\n\nb\r\nc")
    local lines = {}
    for line in stream:lines() do lines[#lines + 1] = line end

    assert.same({"a", "", "b\r", "c"}, lines)
  end))
end)

describe("stream:readuntil", function()
  it("gives the data with its separator", async(function()
    local stream <close> = source("head\r\n\r\nbody")

    assert.equal("head\r\n\r\n", await(stream:readuntil("\r\n\r\n")))
    local err = fails_with(casync.IncompleteReadError, await,
      stream:readuntil("\r\n\r\n"))
    assert.equal("body", err.partial)
    assert.is_nil(err.expected)
  end))

  it("finds a separator that comes in two pieces", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    local task = reader(stream, "readuntil", "=END=")
    await(peer:write("x=E=E"))
    pass()
    await(peer:write("ND=rest"))

    assert.equal("x=E=END=", await(task))
  end))

  it("takes the separator that ends first", async(function()
    local stream <close> = source("a;b,c;")
    local separators = {",", ";"}
    local read = stream:readuntil(separators)
    separators[2] = "!"

    assert.equal("a;", await(read))
    assert.equal("b,", await(stream:readuntil {";", ","}))
  end))

  it("keeps the data when it is over the limit", async(function()
    local stream <close> = source(("x"):rep(15) .. ";", {limit = 10})

    local err = fails_with(casync.LimitOverrunError, await,
      stream:readuntil(";"))

    assert.equal(15, err.consumed)
    assert.equal(16, #await(stream:read(100)))
  end))

  it("checks its separators", async(function()
    local stream <close> = source("")
    for _, bad in ipairs {"", {}, {""}, {1}, 5, true} do
      local ok, err = pcall(stream.readuntil, stream, bad)
      assert.is_false(ok)
      assert.matches("separator", err)
    end
    assert.equal("", await(stream:read()))
  end))
end)

describe("stream:write", function()
  it("queues at once, whether awaited or not", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    stream:write("a")
    stream:write("")
    stream:write("b")

    assert.equal("ab", await(peer:readexactly(2)))
  end))

  it("waits while too much is queued", async(function()
    local stream, peer = pair()
    local data = ("x"):rep(8 << 20)
    local writer = casync.create_task(function()
      await(stream:write(data))
      return stream:get_write_buffer_size()
    end)
    pass()
    assert.is_false(writer:done())
    assert.is_true(stream:get_write_buffer_size() > 65536)

    local got = 0
    while got < #data do got = got + #await(peer:read(100000)) end

    assert.is_true(await(writer) <= 16384)
    assert.equal(#data, got)
    await(stream:close())
    await(peer:close())
  end))

  it("may be awaited by many tasks", async(function()
    local stream, peer = pair()
    stream:write(("x"):rep(8 << 20))
    local tasks = {}
    for i = 1, 3 do tasks[i] = reader(stream, "drain") end
    settle()
    tasks[2]:cancel()
    local rest = casync.create_task(function()
      stream:write_eof()
      return #await(peer:read())
    end)

    await(tasks[1])
    await(tasks[3])

    assert.is_true(tasks[2]:cancelled())
    assert.equal(8 << 20, await(rest))
    await(stream:close())
    await(peer:close())
  end))

  it("reports a broken connection when awaited, not before", async(function()
    local reports = helper.capture()
    local stream, peer = pair()
    stream:write(("x"):rep(1 << 20))
    pass()
    await(peer:abort())
    pass()

    for _ = 1, 10 do stream:write("y") end
    local err = fails_with(casync.OSError, await, stream:drain())
    fails_with(casync.OSError, await, stream:write("z"))

    assert.is_true(err.code == "ECONNRESET" or err.code == "EPIPE", err.code)
    await(stream:close())
    assert.same({}, reports)
  end))

  it("is refused after write_eof and after close", async(function()
    local stream, peer = pair()
    stream:write("last")
    stream:write_eof()
    local ok, err = pcall(stream.write, stream, "more")
    assert.is_false(ok)
    assert.matches("write%(%) after write_eof%(%)", err)
    assert.equal("last", await(peer:read()))
    stream:close()
    ok, err = pcall(stream.write, stream, "more")
    assert.is_false(ok)
    assert.matches("stream is closed", err)
    for _, name in ipairs {"read", "readline", "readuntil", "lines", "drain",
        "write_eof"} do
      assert.is_false(pcall(stream[name], stream))
    end
    assert.is_true(stream:is_closing())
    await(stream:wait_closed())
    await(peer:close())
  end))

  it("takes other limits", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    stream:set_write_buffer_limits {high = 100}
    assert.same({25, 100}, {stream:get_write_buffer_limits()})
    stream:set_write_buffer_limits {low = 100}
    assert.same({100, 400}, {stream:get_write_buffer_limits()})
    stream:set_write_buffer_limits()
    assert.same({16384, 65536}, {stream:get_write_buffer_limits()})
    for _, bad in ipairs {{high = -1}, {high = 1, low = 2}, {max = 1},
        {high = "x"}, {high = 0 / 0}} do
      assert.is_false(pcall(stream.set_write_buffer_limits, stream, bad))
    end
  end))

  it("checks its argument", async(function()
    local stream <close>, peer = pair()
    local _ <close> = peer
    assert.has_error(function() stream:write() end)
    assert.has_error(function() stream:write({}) end)
    assert.has_error(function() stream.write("x") end)
  end))
end)

describe("a stream", function()
  it("goes on in one direction when the other has ended", async(function()
    local stream, peer = pair()
    stream:write("question")
    stream:write_eof()
    assert.equal("question", await(peer:read()))
    peer:write("answer")
    peer:write_eof()

    assert.equal("answer", await(stream:read()))
    assert.is_true(stream:at_eof() and peer:at_eof())
    await(stream:close())
    await(peer:close())
  end))

  it("stops receiving what nobody reads", async(function()
    local stream, peer = pair {limit = 1000}
    local sent = 0
    local writer = casync.create_task(function()
      for _ = 1, 64 do
        await(peer:write(("x"):rep(1 << 20)))
        sent = sent + (1 << 20)
      end
      await(peer:close())
    end)
    pass(0.1)
    assert.is_true(sent < 32 << 20)

    local got = 0
    repeat
      local data = await(stream:read(1 << 16))
      got = got + #(data or "")
    until not data

    assert.equal(64 << 20, got)
    await(writer)
    await(stream:close())
  end))

  it("gives what came before a reset, then the error", async(function()
    local stream, peer = pair()
    stream:write(("x"):rep(1 << 20))      -- the peer will not read it all
    peer:write("before")
    pass()
    await(peer:abort())
    pass()

    assert.equal("before", await(stream:read(100)))
    local err = fails_with(casync.OSError, await, stream:read(100))
    fails_with(casync.OSError, await, stream:readline())

    assert.equal("ECONNRESET", err.code)
    assert.equal("read", err.syscall)
    await(stream:abort())
  end))

  it("sends what is queued before it closes", async(function()
    local stream, peer = pair()
    stream:write(("x"):rep(8 << 20))
    local closing = casync.create_task(function() await(stream:close()) end)
    peer:write("nobody reads this")

    assert.equal(8 << 20, #await(peer:read()))
    await(peer:close())
    await(closing)
  end))

  it("is aborted when who closes it does not wait", async(function()
    local stream, peer = pair()
    stream:write(("x"):rep(8 << 20))

    local ok = pcall(await, casync.wait_for(stream:close(), 0.02))

    assert.is_false(ok)
    pass()
    assert.matches("closed", tostring(stream))
    await(peer:abort())
  end))

  it("tells all who wait that it is closed", async(function()
    local stream, peer = pair()
    local tasks = {}
    for i = 1, 3 do tasks[i] = reader(stream, "wait_closed") end
    settle()
    tasks[2]:cancel()
    await(stream:close())
    await(stream:close())
    await(tasks[1])
    await(tasks[3])
    assert.is_true(tasks[2]:cancelled())
    await(peer:close())
  end))

  it("closes at the end of a scope, at once when cancelled", async(function()
    local stream, peer = pair()
    local task = casync.create_task(function()
      local s <close> = stream
      s:write(("x"):rep(8 << 20))
      await(s:read())
    end)
    settle()

    task:cancel()
    pcall(await, task)

    assert.is_true(task:cancelled())
    assert.matches("closed", tostring(stream))
    await(peer:abort())
  end))

  it("knows its two ends", async(function()
    local stream, peer = pair()
    local own = stream:get_extra_info("sockname")
    assert.same(own, peer:get_extra_info("peername"))
    assert.same(stream:get_extra_info("peername"),
      peer:get_extra_info("sockname"))
    assert.equal("127.0.0.1", own[1])
    assert.equal("integer", math.type(stream:get_extra_info("fd")))
    assert.equal("none", stream:get_extra_info("cipher", "none"))
    assert.is_nil(stream:get_extra_info("cipher"))
    assert.matches("^<Stream open peer=127.0.0.1 port %d+>$",
      tostring(stream))
    await(stream:close())
    await(peer:close())
    assert.same(own, peer:get_extra_info("peername"))
  end))

  it("is closed when it is collected, and said so in debug mode",
    async(function()
      local loop = casync.get_running_loop()
      local reports = helper.capture()
      loop:set_debug(true)
      local stream, peer = pair()
      stream:write("x")
      assert.equal("x", await(peer:read(1)))
      stream = nil          -- luacheck: ignore
      settle()
      collectgarbage()
      collectgarbage()

      assert.is_nil(await(peer:read(1)))
      loop:set_debug(false)
      local found
      for _, report in ipairs(reports) do
        found = found or report.message:find("unclosed stream", 1, true)
      end
      assert.truthy(found)
      await(peer:close())
    end))

  it("is closed with its loop", function()
    local kept
    casync.run(function()
      local stream, peer = pair()
      kept = {stream, peer, stream:drain(), stream:read(1)}
      stream:write(("x"):rep(1 << 20))
    end)

    for i = 1, 2 do
      assert.matches("closed", tostring(kept[i]))
      assert.is_false(pcall(kept[i].read, kept[i], 1))
      assert.is_false(pcall(kept[i].write, kept[i], "x"))
      assert.is_true(kept[i]:is_closing())
    end
    assert.is_false(pcall(casync.run, kept[4]))
  end)

  it("cannot be used in another loop", function()
    local loop = casync.new_event_loop()
    local stream, peer
    loop:run_until_complete(function() stream, peer = pair() end)

    for _, name in ipairs {"read", "drain", "wait_closed"} do
      local ok, err = pcall(casync.run, function()
        await(stream[name](stream, 1))
      end)

      assert.is_false(ok)
      assert.matches("another event loop", tostring(err))
    end
    loop:run_until_complete(function()
      await(stream:close())
      await(peer:close())
    end)
    loop:close()
  end)

  it("echoes a megabyte", async(function()
    local stream, peer = pair()
    local block = {}
    for i = 1, 251 do block[i] = string.char(i) end
    local data = table.concat(block):rep(4178)  -- a bit over 1 MiB
    local echo = casync.create_task(function()
      while true do
        local piece = await(peer:read(65536))
        if not piece then break end
        await(peer:write(piece))
      end
      await(peer:close())
    end)
    local back = reader(stream, "readexactly", #data)
    await(stream:write(data))

    assert.is_true(await(back) == data)
    stream:write_eof()
    await(echo)
    await(stream:close())
  end))
end)

describe("open_connection", function()
  it("raises when the connection is refused", async(function()
    local server = await(casync.start_server(print, "127.0.0.1", 0))
    local host, port = server:sockets()[1]:getsockname()
    await(server:close())

    local err = fails_with(casync.OSError, await,
      casync.open_connection(host, port))

    assert.equal("ECONNREFUSED", err.code)
    assert.equal("connect", err.syscall)
    assert.matches("127.0.0.1 port " .. port, err.message)
  end))

  it("leaves no socket when it is cancelled", async(function()
    local server = await(casync.start_server(function(s)
      await(s:close())
    end, "127.0.0.1", 0))
    local host, port = server:sockets()[1]:getsockname()
    for turns = 0, 6 do
      local task = casync.create_task(casync.open_connection(host, port))
      for _ = 1, turns do await(casync.sleep(0)) end
      if turns > 3 then pass(0.002) end
      task:cancel()
      local ok, stream = pcall(await, task)
      if ok then await(stream:close()) end
    end
    await(server:close())
  end))

  it("tries the next address when one does not answer", async(function()
    local core = require "casync.core"
    local server = await(casync.start_server(function(s)
      await(s:close())
    end, "127.0.0.1", 0))
    local _, port = server:sockets()[1]:getsockname()
    local refused = await(casync.start_server(print, "127.0.0.2", 0))
    local _, closed = refused:sockets()[1]:getsockname()
    await(refused:close())

    local stream = await(core.tcp_connect({
      {address = "127.0.0.2", port = closed},
      {address = "127.0.0.1", port = port},
    }, nil, 10))
    assert.same({"127.0.0.1", port}, stream:get_extra_info("peername"))
    await(stream:close())

    local err = fails_with(casync.OSError, await, core.tcp_connect({
      {address = "127.0.0.2", port = closed},
      {address = "127.0.0.3", port = closed},
    }, nil, 0))
    assert.equal("ECONNREFUSED", err.code)
    assert.equal(2, #err.errors)
    assert.matches("127.0.0.3 port", err.message)
    await(server:close())
  end))

  it("binds to a local address", async(function()
    local peername
    local server = await(casync.start_server(function(s)
      peername = s:get_extra_info("peername")
      await(s:close())
    end, "127.0.0.1", 0))
    local host, port = server:sockets()[1]:getsockname()
    local stream <close> = await(casync.open_connection(host, port,
      {local_addr = {"127.0.0.5", 0}}))

    assert.is_nil(await(stream:read(1)))
    assert.equal("127.0.0.5", peername[1])
    await(server:close())
  end))

  it("checks its arguments", function()
    local bad = {
      {}, {""}, {5, 80}, {"a\0b", 80}, {("x"):rep(254), 80}, {"x"},
      {"x", -1}, {"x", 65536}, {"x", 0 / 0}, {"x", 1.5}, {"x", {}},
      {"x", 80, 5}, {"x", 80, {colour = 1}}, {"x", 80, {limit = 0}},
      {"x", 80, {limit = "y"}}, {"x", 80, {happy_eyeballs_delay = -1}},
      {"x", 80, {happy_eyeballs_delay = 0 / 0}}, {"x", 80, {local_addr = "y"}},
    }
    for _, args in ipairs(bad) do
      local ok, err = pcall(casync.open_connection, args[1], args[2], args[3])
      assert.is_false(ok)
      assert.matches("open_connection", err)
    end
    local ok, err = pcall(casync.open_connection, "x", 443, {ssl = true})
    assert.is_false(ok)
    assert.matches("TLS", err)
  end)
end)

describe("A stream", function()
  it("can end its side", async(function()
    local stream, peer = pair()

    assert.is_true(stream:can_write_eof())

    stream:close()
    peer:close()
  end))

  it("stops receiving when a large read is given up", async(function()
    local stream, peer = pair {limit = 1000}
    local reading = casync.create_task(function()
      await(stream:readexactly(1 << 30))
    end)
    local sent = 0
    local writer = casync.create_task(function()
      for _ = 1, 32 do
        await(peer:write(("x"):rep(1 << 20)))
        sent = sent + (1 << 20)
      end
    end)
    repeat await(casync.sleep(0)) until sent > 0

    reading:cancel()

    assert.is_false(await(casync.move_on_after(0.3, function()
      await(casync.shield(writer))
    end)))
    writer:cancel()
    stream:abort()
    peer:abort()
  end))
end)

describe("open_connection", function()
  it("fails when its local address is of another family", async(function()
    local err = helper.caught(await, casync.open_connection("127.0.0.1", 1,
      {local_addr = {"::1", 0}}))

    assert.equal("EADDRNOTAVAIL", err.code)
  end))

  it("fails when its local address is not here", async(function()
    local err = helper.caught(await, casync.open_connection("127.0.0.1", 1,
      {local_addr = {"192.0.2.1", 0}}))

    assert.equal("EADDRNOTAVAIL", err.code)
  end))
end)

describe("Records that come faster than they are read", function()
  it("are all whole", async(function()
    local stream, peer = pair()
    local size, count = 777, 2000
    local writer = casync.create_task(function()
      for i = 1, count do
        await(peer:write(("%07d"):format(i) .. ("x"):rep(size - 7)))
      end
      await(peer:close())
    end)
    for i = 1, count do
      local record = await(stream:readexactly(size))
      assert(tonumber(record:sub(1, 7)) == i and #record == size, i)
      if i % 50 == 0 then await(casync.sleep(0)) end
    end

    assert.is_nil(await(stream:read(1)))
    await(writer)
    await(stream:close())
  end))
end)
