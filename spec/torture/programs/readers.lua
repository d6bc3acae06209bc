-- add_reader and add_writer, on descriptors beyond libuv's first table.

local casync = require "casync"
local await, sleep = casync.await, casync.sleep

local input, output = host.pipe()

return function(run)
  run(function()
    local loop = casync.get_running_loop()
    local files = {}
    for i = 1, 20 do files[i] = assert(io.open("/dev/null")) end
    local ready, reads, writes = loop:create_future(), 0, 0
    loop:add_reader(input, function(step)
      reads = reads + step
      if reads == 2 then
        loop:remove_reader(input)
        ready:set_result(reads)
      end
    end, 1)
    loop:add_writer(output, function()
      writes = writes + 1
      loop:remove_writer(output)
      host.write(output)
    end)
    assert(await(ready) == 2 and writes == 1)
    loop:add_reader(input, function() end)      -- left to the loop
    await(sleep(0))
    for _, file in ipairs(files) do file:close() end
  end)
end
