--- Errors at every call, where the stack may lack the memory to grow.

local cutoff = {}

-- More than the calls in anything that is cut off.
local MOST = 1000

--- Call `body(cut)` again and again: `cut(fn, ...)` is fn(...) with an error
-- at the first call in there, at the second the next time, and so on until it
-- comes to its end. Only calls in the same coroutine count.
function cutoff.everywhere(body)
  local done = false
  for n = 1, MOST do
    body(function(fn, ...)
      local cutting, calls = coroutine.running(), 0
      local before = table.pack(debug.gethook())
      done = true
      debug.sethook(function()
        if coroutine.running() ~= cutting then  -- made there: has it as well
          debug.sethook()
          return
        end
        calls = calls + 1
        if calls < n then return end
        debug.sethook()
        done = false
        error("cut off", 0)
      end, "c")
      local results = table.pack(pcall(fn, ...))
      debug.sethook(table.unpack(before, 1, 3))
      if not results[1] then error(results[2], 0) end
      return table.unpack(results, 2, results.n)
    end)
    if done then return end
  end
  error "there is no end to what is cut off"
end

return cutoff
