-- Timers: order of deadlines, cancelled ones, negative and nested ones.
local casync = require "casync"
local await = casync.await

local log = {}

local function add(x) log[#log + 1] = x end

local function logged(separator)
  local text = table.concat(log, separator or " ")
  log = {}
  return text
end

casync.run(function()
  local loop = casync.get_running_loop()
  local now = loop:time()
  local handles = {}
  for i = 0, 199 do
    local k = i * 73 % 200
    handles[k] = loop:call_at(now + 0.05 + k * 0.0002, add, k)
  end
  for k = 0, 199 do
    if k % 4 ~= 0 then
      handles[k]:cancel()
      handles[k]:cancel()
    end
  end
  await(casync.sleep(0.15))
  print("fired " .. logged())
  local cancelled = 0
  for k = 0, 199 do
    if handles[k]:cancelled() then cancelled = cancelled + 1 end
  end
  print("cancelled " .. cancelled)

  loop:call_later(-1, add, "minus one")
  loop:call_later(-2, add, "minus two")
  loop:call_soon(add, "soon")
  await(casync.sleep(0.01))
  local place = {}
  for i, s in ipairs(log) do place[s] = i end
  table.sort(log)
  print("negative " .. logged("; ") .. " " .. tostring(place["minus two"] < place["minus one"]))

  local handle = loop:call_soon(add, "never")
  handle:cancel()
  local later
  loop:call_soon(function() later:cancel() end)
  later = loop:call_soon(add, "cancelled in the same pass")
  loop:call_soon(add, "runs")
  await(casync.sleep(0.005))
  print(("handles %s %s %s"):format(logged(), handle:cancelled(), later:cancelled()))

  local done = loop:create_future()
  local function again(n)
    add(n)
    if n > 0 then loop:call_later(0.002, again, n - 1) else done:set_result() end
  end
  loop:call_later(0, again, 5)
  await(done)
  print("repeated " .. logged())

  handle = loop:call_later(0.01, add, "x")
  local left = handle:when() - loop:time()
  print("when " .. tostring(0 < left and left <= 0.01))
  local start = loop:time()
  await(casync.sleep(0.03))
  print("not too early " .. tostring(loop:time() - start >= 0.0299) .. " " .. log[1])
  print("sleep returns " .. await(casync.sleep(0, "result")) .. " " .. await(casync.sleep(0.001, "later")))
end)
