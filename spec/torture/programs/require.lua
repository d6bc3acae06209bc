-- Loading all of casync.

return function(run)
  local casync = require "casync"
  run(function() casync.await(casync.sleep(0)) end)
end
