-- gather: results, errors, errors as results, cancelling.

local casync = require "casync"
local async, await, sleep = casync.async, casync.await, casync.sleep

local work = async(function(i, fails)
  await(sleep(0.0002 * i))
  if fails then error "bad" end
  return i
end)

return function(run)
  run(function()
    local a, b, c = await(casync.gather(work(1), work(2), work(3)))
    assert(a + b + c == 6)

    local list = await(casync.gather({work(1), work(2, true), work(1)},
      {return_exceptions = true}))
    if casync.is_failure(list[1]) then error(list[1].error, 0) end
    assert(list[1] == 1)
    if not list[2].error:find "bad" then error(list[2].error, 0) end

    local ok, err = pcall(await,
      casync.gather(work(1), work(2, true), work(9000)))
    if ok or not tostring(err):find "bad" then error(err, 0) end

    local gathered = casync.gather(work(9000), work(9000))
    await(sleep(0))
    gathered:cancel()
    ok, err = pcall(await, gathered)
    if ok or not casync.CancelledError:is(err) then error(err, 0) end
  end)
end
