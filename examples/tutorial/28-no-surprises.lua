-- Tasks change places only at an await: what stands between two awaits cannot
-- be interrupted, and needs no lock. What spans an await does.
-- Shows: sharing data among tasks, Lock.
local casync = require "casync"
local async, await = casync.async, casync.await

local LIMIT = 3

local function count_guests(enter)
  local hall = {}
  local guests = {}
  for i = 1, 10 do guests[i] = enter(hall, "guest " .. i) end
  await(casync.gather(guests))
  return #hall
end

casync.run(function()
  print("no await between test and use:", count_guests(async(function(hall, guest)
    await(casync.sleep(0))
    if #hall < LIMIT then hall[#hall + 1] = guest end
  end)))

  print("an await between them:", count_guests(async(function(hall, guest)
    if #hall < LIMIT then
      await(casync.sleep(0))
      hall[#hall + 1] = guest
    end
  end)))

  local lock = casync.Lock()
  print("the same under a lock:", count_guests(async(function(hall, guest)
    local _ <close> = await(lock:acquire_scoped())
    if #hall < LIMIT then
      await(casync.sleep(0))
      hall[#hall + 1] = guest
    end
  end)))
end)
