-- Four workers crawl a graph of sixty pages through a queue, to depth three.
local casync = require "casync"
local async, await = casync.async, casync.await

local active, peak = 0, 0

local function links(page)
  return { (page * 2 + 1) % 60, (page * 7 + 3) % 60, (page + 13) % 60 }
end

local fetch = async(function(page)
  active = active + 1
  peak = math.max(peak, active)
  for _ = 1, page % 4 do await(casync.sleep(0)) end
  active = active - 1
  if page % 17 == 16 then error("page " .. page .. " is broken", 0) end
  return links(page)
end)

local worker = async(function(queue, seen, depths, errors)
  while true do
    local page, depth = table.unpack(await(queue:get()))
    local ok, found = pcall(await, fetch(page))
    if ok then
      depths[page] = depth
      for _, link in ipairs(found) do
        if depth < 3 and not seen[link] then
          seen[link] = true
          queue:put_nowait({ link, depth + 1 })
        end
      end
    else
      errors[#errors + 1] = found
    end
    queue:task_done()
  end
end)

casync.run(function()
  local queue, seen, depths, errors = casync.Queue(), { [0] = true }, {}, {}
  local workers = {}
  for i = 1, 4 do workers[i] = casync.create_task(worker(queue, seen, depths, errors)) end
  queue:put_nowait({ 0, 0 })
  await(queue:join())
  for _, w in ipairs(workers) do w:cancel() end
  await(casync.gather(workers, {return_exceptions = true}))
  local pages, their_depths = {}, {}
  for page in pairs(depths) do pages[#pages + 1] = page end
  table.sort(pages)
  for i, page in ipairs(pages) do their_depths[i] = depths[page] end
  table.sort(errors)
  print("visited " .. table.concat(pages, " "))
  print("depths " .. table.concat(their_depths, " "))
  print("errors " .. table.concat(errors, " "))
  local stopped = true
  for _, w in ipairs(workers) do stopped = stopped and w:cancelled() end
  print(("peak %d workers stopped %s"):format(peak, stopped))
end)
