-- What a state of the host does: a program that uses everything, or one that
-- is left in the middle of everything, in one of several ways.

local casync = require "casync"
local await, sleep, create_task = casync.await, casync.sleep, casync.create_task

local function quiet(loop)
  loop:set_exception_handler(function() end)
end

-- ---- a program that ends -------------------------------------------------

local function echo(stream)
  local _ <close> = stream
  while true do
    local line = await(stream:readline())
    if not line then return end
    await(stream:write(line))
  end
end

local function port_of(server)
  local _, port = server:sockets()[1]:getsockname()
  return port
end

local function ask(port, n)
  local stream <close> = await(casync.open_connection("127.0.0.1", port))
  for i = 1, n do
    local line = ("%d of %d\n"):format(i, n)
    await(stream:write(line))
    assert(await(stream:readline()) == line)
  end
end

local function work()
  local server <close> = await(casync.start_server(echo, "127.0.0.1", 0))
  local port = port_of(server)
  local queue = casync.Queue(2)
  local lock = casync.Lock()
  local sum, ticks = 0, 0
  casync.get_running_loop():call_later(0.001, function() ticks = ticks + 1 end)
  await(casync.task_group(function(group)
    for n = 1, 4 do group:create_task(ask, port, n) end
    group:create_task(function()
      local list = await(casync.getaddrinfo("localhost", 80))
      assert(#list > 0)
    end)
    group:create_task(function()
      for i = 1, 20 do await(queue:put(i)) end
      await(queue:put(nil))
    end)
    group:create_task(function()
      for i in queue:iter() do
        local _ <close> = await(lock:acquire_scoped())
        await(sleep(0))
        sum = sum + i
      end
    end)
    group:create_task(function()
      local finished = await(casync.move_on_after(0.002, sleep, 3600))
      assert(not finished)
    end)
  end))
  local sleeper = create_task(sleep(3600))
  await(sleep(0.002))
  sleeper:cancel()
  pcall(await, sleeper)
  assert(sum == 210 and ticks == 1 and sleeper:cancelled())
end

-- ---- one that is left with everything under way --------------------------

local function forever() await(sleep(3600)) end

local function deaf(_) forever() end

local function park()
  local loop = casync.get_running_loop()
  quiet(loop)
  local lock, event = casync.Lock(), casync.Event()
  local condition, semaphore = casync.Condition(), casync.Semaphore(0)
  local full, empty = casync.Queue(1), casync.PriorityQueue()
  local future = loop:create_future()
  local server = await(casync.start_server(deaf, "127.0.0.1", 0))
  local port = port_of(server)
  local r, w = host.pipe()
  full:put_nowait(1)
  await(lock:acquire())
  loop:add_reader(r, function() end)
  loop:add_writer(w, function() end)
  loop:call_later(3600, print)
  future:add_done_callback(type)
  local generator = casync.generator(function(yield)
    for i = 1, 3 do
      await(sleep(0))
      yield(i)
    end
  end)
  local all = {
    forever,
    function() await(lock:acquire()) end,
    function() await(event:wait()) end,
    function() await(semaphore:acquire()) end,
    function() await(full:put(2)) end,
    function() await(empty:get()) end,
    function() await(full:join()) end,
    function() await(future) end,
    function() await(casync.shield(forever)) end,
    function() await(casync.shielded(sleep, 0.02)) end,
    function() await(casync.gather(forever, forever)) end,
    function() await(casync.wait({forever}, {timeout = 3600})) end,
    function() await(casync.wait_for(forever, 3600)) end,
    function() for _ in casync.as_completed {forever} do forever() end end,
    function() for _ in generator() do forever() end end,
    function() local _ = generator() await(_:next()) end,
    function() await(casync.Barrier(2):wait()) end,
    function() await(server:serve_forever()) end,
    function()
      local _ <close> = casync.timeout(3600)
      forever()
    end,
    function()
      local _ <close> = await(condition:acquire_scoped())
      await(condition:wait())
    end,
    function()
      local group <close> = casync.TaskGroup()
      group:create_task(forever)
      group:create_task(forever)
    end,
    function()
      local stream = await(casync.open_connection("127.0.0.1", port))
      await(stream:read(1))
    end,
    function()
      local stream = await(casync.open_connection("127.0.0.1", port))
      stream:write(("x"):rep(8 << 20))
      await(stream:drain())
    end,
  }
  for _, fn in ipairs(all) do create_task(fn) end
  await(sleep(0.005))
  -- And this has only begun.
  create_task(casync.open_connection("127.0.0.1", port))
  create_task(casync.getaddrinfo("localhost", 80))
  create_task(casync.getaddrinfo("ip6-localhost", 80))
  create_task(forever):cancel()
  loop:call_soon(type, 1)
  create_task(forever, {eager_start = true})
end

local function stop()
  local loop = casync.get_running_loop()
  park()
  loop:stop()
end

local function stopped()
  local loop = casync.new_event_loop()
  loop:create_task(stop)
  loop:run_forever()
  assert(not loop:is_closed())
  return loop
end

local ways = {
  function() casync.run(work) end,
  stopped,
  function() -- an error out of run, which then cancels all
    local ok, err = pcall(casync.run, function()
      park()
      error("enough", 0)
    end)
    assert(not ok and err == "enough")
  end,
  function() -- an error out of the loop, which stays open
    local loop = casync.new_event_loop()
    loop:create_task(function()
      park()
      loop:call_soon(function() error(casync.KeyboardInterrupt "") end)
    end)
    local ok, err = pcall(loop.run_forever, loop)
    assert(not ok and casync.KeyboardInterrupt:is(err))
  end,
  function() -- a loop that never runs
    local loop = casync.new_event_loop()
    quiet(loop)
    for _ = 1, 10 do loop:create_task(forever) end
    loop:call_later(0, print)
    loop:call_soon(type, 1)
    loop:create_future():add_done_callback(type)
  end,
  function() -- several loops in one state
    local first = stopped()
    casync.run(work)
    stopped():close()
    casync.run(work)
    assert(not first:is_closed())
  end,
}

ways[(host.thread + host.state) % #ways + 1]()
