--- A million tasks, all asleep at the same time.
--
--   lua5.4 examples/million.lua [count]

local casync = require "casync"

local await = casync.await

local count = tonumber(arg[1] or 1000000)
if not count or count < 1 or count % 1 ~= 0 then
  io.stderr:write("million.lua: the number of tasks must be a whole number above zero, not '",
    tostring(arg[1]), "'\n")
  os.exit(2)
end
count = math.tointeger(count)


--- 1234567 as "1,234,567".
local function grouped(n)
  local text = ("%d"):format(n)
  local head = #text % 3
  local rest = text:sub(head + 1):gsub("%d%d%d", ",%0")
  return head == 0 and rest:sub(2) or text:sub(1, head) .. rest
end


--- The most memory this process has had, in MB, where the system tells.
local function peak_memory()
  local status <close> = io.open("/proc/self/status")
  local kb = status and status:read("a"):match("VmHWM:%s*(%d+)")
  return kb and kb / 1024
end


casync.run(function()
  local loop = casync.get_running_loop()
  local start = loop:time()
  local awake = 0

  local function say(...)
    print(("%5.1f s  %s"):format(loop:time() - start, string.format(...)))
    io.stdout:flush()
  end

  local function sleeper(i)
    await(casync.sleep(1 + i / count))
    awake = awake + 1
  end

  local tasks = {}
  for i = 1, count do tasks[i] = casync.create_task(sleeper, i) end
  say("%s tasks made; each will sleep for 1 to 2 s", grouped(count))

  local reporter = casync.create_task(function()
    while true do
      await(casync.sleep(0.5))
      say("%s have woken up", grouped(awake))
    end
  end)

  for i = 1, count do await(tasks[i]) end
  reporter:cancel()
  say("all %s have slept and are done", grouped(awake))

  local memory = peak_memory()
  if memory then
    say("peak memory %.0f MB, %.0f bytes a task", memory, memory * 1048576 / count)
  end
end)
