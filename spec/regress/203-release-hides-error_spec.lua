-- When the block of a lock ended by an error, and the lock could not be
-- released, only the second was raised.

local casync = require "casync"
local helper = require "spec.helper"

local await = casync.await

describe("an error in a block that holds a lock", function()
  it("counts, also when the lock cannot be released", helper.async(function()
    local lock = casync.Lock()

    assert.equal("first", helper.caught(await, lock:with(function()
      lock:release()
      error("first", 0)
    end)))
    assert.is_false(lock:locked())
    helper.misuse("not acquired", await, lock:with(lock.release, lock))
  end))
end)
