local casync = require "casync"
local helper = require "spec.helper"

local async, settle, await = helper.async, helper.settle, casync.await

--- Two connected streams and the descriptor of the first, which is paused,
--- so that what is sent to it stays readable.
local function pair()
  local other = casync.get_running_loop():create_future()
  local server = await(casync.start_server(function(s)
    other:set_result(s)
  end, "127.0.0.1", 0))
  local host, port = server:sockets()[1]:getsockname()
  local stream = await(casync.open_connection(host, port, {limit = 1}))
  local peer = await(other)
  server:close()
  await(peer:write(("x"):rep(10)))
  await(casync.sleep(0.01))
  return stream, peer, stream:get_extra_info("fd")
end

local function pass()
  await(casync.sleep(0.01))
end

describe("loop:add_reader", function()
  local loop, stream, peer, fd

  local function watching(body)
    return async(function()
      loop = casync.get_running_loop()
      stream, peer, fd = pair()
      local _ <close> = setmetatable({}, {__close = function()
        local first, second = stream, peer
        stream, peer = nil, nil
        await(first:abort())
        await(second:abort())
      end})
      body()
    end)
  end

  it("calls again while there is something to read", watching(function()
    local calls = 0
    loop:add_reader(fd, function() calls = calls + 1 end)
    pass()
    assert.equal(0, calls)

    await(peer:write("y"))
    while calls < 3 do pass() end

    assert.is_true(loop:remove_reader(fd))
    local seen = calls
    pass()
    assert.equal(seen, calls)
    assert.is_false(loop:remove_reader(fd))
  end))

  it("hands arguments over", watching(function()
    local got
    loop:add_reader(fd, function(...)
      got = table.pack(...)
      loop:remove_reader(fd)
    end, 1, nil, "x", nil)
    await(peer:write("y"))
    while not got do pass() end

    assert.same({1, nil, "x", nil, n = 4}, got)
  end))

  it("replaces the function that was there", watching(function()
    local first, second = 0, 0
    loop:add_reader(fd, function() first = first + 1 end)
    loop:add_reader(fd, function() second = second + 1 end)
    await(peer:write("y"))
    while second == 0 do pass() end

    assert.equal(0, first)
    assert.is_true(loop:remove_reader(fd))
    assert.is_false(loop:remove_reader(fd))
  end))

  it("works beside add_writer", watching(function()
    local reads, writes = 0, 0
    loop:add_writer(fd, function() writes = writes + 1 end)
    loop:add_reader(fd, function() reads = reads + 1 end)
    while writes < 3 do pass() end
    assert.equal(0, reads)

    assert.is_true(loop:remove_writer(fd))
    await(peer:write("y"))
    local before = writes
    while reads < 2 do pass() end

    assert.equal(before, writes)
    assert.is_false(loop:remove_writer(fd))
    assert.is_true(loop:remove_reader(fd))
  end))

  it("reports a function that raises, and goes on", watching(function()
    local reports = helper.capture()
    loop:add_reader(fd, function() error("oops", 0) end)
    await(peer:write("y"))
    while #reports < 2 do pass() end
    loop:remove_reader(fd)

    assert.equal("oops", reports[1].exception)
  end))

  it("tells when the other side has gone", watching(function()
    local calls = 0
    loop:add_reader(fd, function()
      calls = calls + 1
      if calls == 3 then loop:remove_reader(fd) end
    end)
    await(peer:abort())
    while calls < 3 do pass() end

    assert.equal(3, calls)
  end))

  it("survives that the descriptor is closed", watching(function()
    local calls = 0
    loop:add_reader(fd, function() calls = calls + 1 end)
    await(stream:abort())
    pass()
    local again = pair()

    assert.is_true(loop:remove_reader(fd))
    assert.is_false(loop:remove_reader(fd))
    await(again:abort())
  end))

  it("sees that the descriptor has become another file", watching(function()
    local old, new = 0, 0
    loop:add_reader(fd, function() old = old + 1 end)
    await(stream:abort())
    local again, other, samefd
    local kept = {}
    for _ = 1, 20 do
      again, other, samefd = pair()
      kept[#kept + 1], kept[#kept + 2] = again, other
      if samefd == fd then break end
    end
    if samefd == fd then
      loop:add_reader(fd, function() new = new + 1 end)
      await(other:write("y"))
      for _ = 1, 100 do
        if new > 0 then break end
        pass()
      end
      assert.is_true(new > 0)
    end
    assert.is_true(loop:remove_reader(fd))
    for _, s in ipairs(kept) do await(s:abort()) end
  end))

  it("keeps nothing when its loop is closed", function()
    casync.run(function()
      local l = casync.get_running_loop()
      local _, p, d = pair()
      l:add_reader(d, function() end)
      l:add_writer(d, function() end)
      p:write("y")
      settle()
    end)
    local closed = casync.new_event_loop()
    closed:close()
    assert.is_false(pcall(closed.add_reader, closed, 0, print))
  end)

  it("checks its arguments", async(function()
    local l = casync.get_running_loop()
    for _, bad in ipairs {-1, 1.5, 0 / 0, "x", {}, 1 << 40, true} do
      local ok, err = pcall(function() l:add_reader(bad, print) end)
      assert.is_false(ok)
      assert.matches("add_reader", err)
      assert.is_false(pcall(l.remove_reader, l, bad))
    end
    assert.is_false(pcall(l.add_reader, l, 0))
    assert.is_false(pcall(l.add_reader, l, 0, "x"))
    local ok, err = pcall(l.add_reader, l, 9999, print)
    assert.is_false(ok)
    assert.equal("EBADF", err.code)
    assert.matches("file descriptor 9999", err.message)
  end))

  it("refuses regular files", async(function()
    local l = casync.get_running_loop()
    local name = os.tmpname()
    local file = assert(io.open(name))
    local found
    for d = 3, 50 do
      local ok, err = pcall(l.add_reader, l, d, print)
      if ok then l:remove_reader(d)
      elseif err.code == "EPERM" then found = err end
    end
    file:close()
    os.remove(name)

    assert.matches("regular file", found.message)
  end))
end)

describe("A descriptor that is another file by now", function()
  it("is watched anew", async(function()
    local loop = casync.get_running_loop()
    local stream, peer, fd = pair()
    loop:add_reader(fd, function() end)
    await(stream:abort())
    local called = false
    local pipe = io.popen "echo x"      -- it gets the lowest free number
    loop:add_reader(fd, function()
      called = pipe:read "l"
      loop:remove_reader(fd)
    end)

    for _ = 1, 100 do
      if called then break end
      await(casync.sleep(0.01))
    end

    assert.equal("x", called)
    pipe:close()
    await(peer:abort())
  end))
end)
