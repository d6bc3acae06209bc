--- Who waits for whom: call graphs, and what a deadlock looks like.

local core = require "casync.core"
local exceptions = require "casync.exceptions"
local tasks = require "casync.tasks"

local graph = {}

--- What a task waits for: a future, a task or an operation; nil: it runs.
local function waiting(task)
  if task:done() then return nil end
  return core.waiting(task)
end

--- The futures that complete a future of casync's own (that of a gather).
local function parts(object)
  return core.members(object) or {}
end

--- All futures and tasks that `object` waits for, through gathers.
local function sources(object)
  if core.istask(object) then return {object} end
  local list = {}
  for _, part in ipairs(parts(object)) do
    for _, source in ipairs(sources(part)) do list[#list + 1] = source end
  end
  if #list == 0 then list[1] = object end
  return list
end

--- For each future and task the tasks that wait for it, in order of creation.
local function waiters(loop)
  local map = {}
  for _, task in ipairs(tasks.all_tasks(loop)) do
    local object = waiting(task)
    if object ~= nil then
      for _, source in ipairs(sources(object)) do
        map[source] = map[source] or {}
        table.insert(map[source], task)
      end
    end
  end
  return map
end

local function title(object)
  if core.istask(object) then
    return ("Task(name='%s')"):format(object:get_name())
  end
  return tostring(object)
end

local function addgraph(lines, object, map, indent, seen)
  local again = seen[object] and " (shown above)" or ""
  lines[#lines + 1] = indent .. "* " .. title(object) .. again
  if again ~= "" then return end
  seen[object] = true
  if core.istask(object) then
    local stack = object:get_stack()
    if #stack > 0 then lines[#lines + 1] = indent .. "  + Call stack:" end
    for i = #stack, 1, -1 do
      local frame = stack[i]
      if not frame.short_src:find "casync/graph%.lua$" then
        lines[#lines + 1] = ("%s  |   File '%s', line %d, in %s()"):format(
          indent, frame.short_src, frame.currentline, frame.name)
      end
    end
  end
  local list = map[object]
  if list then
    lines[#lines + 1] = indent .. "  + Awaited by:"
    for _, task in ipairs(list) do
      addgraph(lines, task, map, indent .. "    ", seen)
    end
  end
end

--- A text: the stack of a task (the running one) and the tasks that wait for
-- it, and so on. A future can be given too.
function graph.format_call_graph(future)
  future = future or core.current_task()
  if future == nil then
    error("format_call_graph needs a task outside of tasks", 2)
  elseif not core.isfuture(future) then
    error("bad argument #1 to 'format_call_graph' (future or task expected, "
      .. "got " .. type(future) .. ")", 2)
  end
  local loop = future:get_loop()
  local lines = {}
  local map = loop and not loop:is_closed() and waiters(loop) or {}
  addgraph(lines, future, map, "", {})
  return table.concat(lines, "\n")
end

--- Write the call graph to a file (standard error).
function graph.print_call_graph(future, file)
  local text = graph.format_call_graph(future)
  file = file or io.stderr
  file:write(text, "\n")
end

-- Deadlock

--- Where a task stands: its innermost function that is not casync's.
local function where(task)
  local stack = task:get_stack()
  for i = #stack, 1, -1 do
    local frame = stack[i]
    if not frame.short_src:find "casync/[%w_]+%.lua$" then
      return (" at %s:%d"):format(frame.short_src, frame.currentline)
    end
  end
  return ""
end

local function addwaits(lines, task, indent, seen)
  if seen[task] then
    lines[#lines + 1] = ("%s%s (shown above)"):format(indent, title(task))
    return
  end
  seen[task] = true
  local object = waiting(task)
  local text = indent .. title(task) .. where(task)
  if object == nil then
    lines[#lines + 1] = text .. " waits"
    return
  end
  local list = sources(object)
  local inner = {}
  for _, source in ipairs(list) do
    if core.istask(source) then inner[#inner + 1] = source end
  end
  if #inner == 0 then
    lines[#lines + 1] = text .. " waits for " .. tostring(object)
    return
  end
  lines[#lines + 1] = text .. " waits for"
  for _, source in ipairs(inner) do
    addwaits(lines, source, indent .. "  ", seen)
  end
end

--- The tree of waiting tasks, from the main one down, then the others.
local function tree(loop, main)
  local lines, seen = {}, {}
  if core.istask(main) then addwaits(lines, main, "  ", seen) end
  for _, task in ipairs(tasks.all_tasks(loop)) do
    if not seen[task] then addwaits(lines, task, "  ", seen) end
  end
  return table.concat(lines, "\n")
end

core.set_deadlock(function(loop, main)
  local message =
    "the main task waits, and nothing is left that could wake it"
  local ok, text = pcall(tree, loop, main)
  if ok and text ~= "" then message = message .. ":\n" .. text end
  local err = exceptions.DeadlockError(message)
  if core.istask(main) then
    core.throw(main, err)
  else
    error(err, 0)       -- no task to raise it in: it ends run_forever
  end
end)

return graph
