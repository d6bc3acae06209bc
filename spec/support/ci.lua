-- An output handler for busted: one line for each file of specs, every
-- failure in full, and 'N passed, N failed' as the last line. '-Xoutput slow'
-- lists the slowest specs too, '-Xoutput names' each spec when it begins.

local pretty = require "pl.pretty"

local busted = require "busted"

local SLOWEST = 20

local function message_of(failure)
  local message = failure.message
  if message == nil then return "nil error" end
  if type(message) == "string" then return message end
  local meta = getmetatable(message)
  if meta and meta.__tostring then return tostring(message) end
  return pretty.write(message)
end

local function place_of(failure)
  local trace = failure.element.trace or failure.trace
  if not trace or not trace.short_src then return "?" end
  return trace.short_src .. ":" .. tostring(trace.currentline)
end

return function(options)
  local handler = require "busted.outputHandlers.base"()
  local counts, times = {}, {}
  local wanted = {}
  for _, option in ipairs(options.arguments or {}) do wanted[option] = true end

  local function file_of(element)
    while element and element.descriptor ~= "file" do
      element = busted.parent(element)
    end
    return element and element.name or "?"
  end

  local function on_test_start(element)
    io.write(handler.getFullName(element), "\n")
    io.flush()
    return nil, true
  end

  local function on_test_end(element, _, status)
    local file = file_of(element)
    local count = counts[file] or {success = 0, pending = 0, failed = 0}
    counts[file] = count
    local key = (status == "success" or status == "pending") and status
      or "failed"
    count[key] = count[key] + 1
    if element.duration then
      times[#times + 1] = {handler.getFullName(element), element.duration}
    end
    return nil, true
  end

  local function on_file_end(file)
    local count = counts[file.name]
    if not count then return nil, true end
    local line = ("%-44s %4d passed"):format(file.name, count.success)
    if count.failed > 0 then line = line .. ", " .. count.failed .. " FAILED" end
    if count.pending > 0 then line = line .. ", " .. count.pending .. " pending" end
    io.write(line, "\n")
    io.flush()
    return nil, true
  end

  local function describe(kind, failure)
    io.write("\n", kind, ": ", failure.name, "\n  at ", place_of(failure), "\n")
    io.write((message_of(failure):gsub("[^\n]+", "  %0")), "\n")
    if options.verbose and failure.trace and failure.trace.traceback then
      io.write((failure.trace.traceback:gsub("[^\n]+", "  %0")), "\n")
    end
  end

  local function on_suite_end()
    for _, pending in ipairs(handler.pendings) do describe("pending", pending) end
    for _, failure in ipairs(handler.failures) do describe("FAILED", failure) end
    for _, failure in ipairs(handler.errors) do describe("ERROR", failure) end
    if wanted.slow then
      table.sort(times, function(a, b) return a[2] > b[2] end)
      io.write("\nslowest:\n")
      for i = 1, math.min(SLOWEST, #times) do
        io.write(("  %8.1f ms  %s\n"):format(times[i][2] * 1000, times[i][1]))
      end
    end
    io.flush()
    return nil, true
  end

  -- After all else that may print.
  local function on_exit()
    local failed = handler.failuresCount + handler.errorsCount
    io.write(("\n%d passed, %d failed\n"):format(handler.successesCount, failed))
    io.flush()
    return nil, true
  end

  if wanted.names then busted.subscribe({"test", "start"}, on_test_start) end
  busted.subscribe({"test", "end"}, on_test_end,
                   {predicate = handler.cancelOnPending})
  busted.subscribe({"file", "end"}, on_file_end)
  busted.subscribe({"suite", "end"}, on_suite_end)
  busted.subscribe({"exit"}, on_exit, {priority = 100})

  return handler
end
