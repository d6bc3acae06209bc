-- Every program of the course runs and prints what is written beside it.

local process = require "spec.support.process"

describe("examples/tutorial #programs", function()
  for _, script in ipairs(process.glob "examples/tutorial/*.lua") do
    it(script:match "[^/]+$" .. " prints what it should", function()
      local result = process.run_lua(script)

      process.assert_ok(result, script)
      local expected = process.read_file((script:gsub("%.lua$", ".out")))
      if expected then process.assert_same(expected, result.stdout, script) end
    end)
  end
end)
