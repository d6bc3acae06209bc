--- The results of `make bench` as text, and as Markdown for the README.
--
--   lua5.4 bench/report.lua RESULTS FILE...  write the block between the lines
--                                            <!-- bench:begin --> and
--                                            <!-- bench:end --> of the files;
--                                            all tables after
--                                            <!-- bench:begin all -->

local report = {}

-- What casync was built for. `a` and `b` are a row, by name and key, and a
-- peer; their quotient, or `a` alone, is compared. Where a goal was given in
-- ns, it was on a machine where a bare switch took 105 ns.
local GOALS = {
  {what = "switch: times a bare resume and yield", most = 1.7,
    a = {"switch", "ns", "casync"}, b = {"switch", "ns", "bare"}},
  {what = "switch: times faster than asyncio", least = 5,
    a = {"switch", "ns", "asyncio"}, b = {"switch", "ns", "casync"}},
  {what = "spawn and await: times a bare create and resume", most = 2.5,
    a = {"spawn_await", "ns", "casync"}, b = {"spawn_await", "ns", "bare"}},
  {what = "spawn and await: times faster than asyncio", least = 8,
    a = {"spawn_await", "ns", "asyncio"}, b = {"spawn_await", "ns", "casync"}},
  {what = "spawn and gather: times Go's", most = 1.3,
    a = {"spawn_gather", "ns", "casync"}, b = {"spawn_gather", "ns", "go"}},
  {what = "queue ping-pong: times a bare resume and yield", most = 8.6,
    a = {"pingpong", "ns", "casync"}, b = {"switch", "ns", "bare"}},
  {what = "call of an async function: times a bare resume and yield", most = 1.2,
    a = {"call", "ns", "casync"}, b = {"switch", "ns", "bare"}},
  {what = "TCP echo of 64 bytes: times the processor time of C on libuv", most = 1.11,
    a = {"echo_small", "ns", "casync"}, b = {"echo_small", "ns", "libuv"}},
  {what = "sleeping task: peak memory, bytes", most = 1500, a = {"million", "bytes", "casync"}},
  {what = "a million tasks asleep: times the memory of bare coroutines", most = 1.3,
    full = true, a = {"million", "mb", "casync"}, b = {"million", "mb", "bare"}},
  {what = "a million tasks asleep for 1 to 2 s: seconds", most = 4, full = true,
    a = {"million", "seconds", "casync"}},
}


--- 1000000 as "1,000,000".
function report.thousands(n)
  local text = ("%d"):format(n)
  return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end


--- A value of plain tables, numbers and strings as Lua source.
function report.serialize(value, indent)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  indent = indent or ""
  local keys, lines = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  for _, key in ipairs(keys) do
    lines[#lines + 1] = ("%s  [%s] = %s,\n"):format(indent, report.serialize(key),
      report.serialize(value[key], indent .. "  "))
  end
  return "{\n" .. table.concat(lines) .. indent .. "}"
end


--- "value", or beside casync "value (ratio)".
local function cell(row, peer, compared)
  local value = row.values[peer]
  if not value then return "" end
  local text = row.form:format(value)
  local ours = row.values.casync
  if compared and peer ~= "casync" and ours and ours > 0 then
    text = ("%s (%.2g)"):format(text, value / ours)
    if value / ours >= 10 then text = text:gsub("%(.*%)", ("(%.0f)"):format(value / ours)) end
  end
  return text
end


--- The peers that have a value in some of the rows, in order.
function report.peers(results, rows)
  local list = {}
  for _, peer in ipairs(results.peers) do
    for _, row in ipairs(rows) do
      if row.values[peer] then
        list[#list + 1] = peer
        break
      end
    end
  end
  return list
end


--- A section as lines of cells; the first is the heading.
local function grid(results, section)
  local peers = report.peers(results, section.rows)
  local head = {section.title}
  for _, peer in ipairs(peers) do head[#head + 1] = results.titles[peer] end
  local lines = {head}
  for _, row in ipairs(section.rows) do
    local line = {row.what}
    for _, peer in ipairs(peers) do line[#line + 1] = cell(row, peer, section.compared) end
    lines[#lines + 1] = line
  end
  return lines
end


--- Where threads of a runtime worked side by side, so that its processor time
-- is more than the time on the wall, or "".
local function threads(results, section)
  local found = {}
  for _, row in ipairs(section.rows) do
    for _, peer in ipairs(results.peers) do
      local ns, wall = row.processor and row.processor[peer], row.wall and row.wall[peer]
      if ns and wall and ns > wall * 1.1 then
        found[#found + 1] = ("%s of %s (%.0f ns and %.0f ns)"):format(row.name,
          results.titles[peer], ns, wall)
      end
    end
  end
  if #found == 0 then return "" end
  return "More processor time than time on the wall, by several threads: "
    .. table.concat(found, ", ") .. ".\n"
end


--- A section for the terminal.
function report.section(results, section)
  local lines, widths = grid(results, section), {}
  for _, line in ipairs(lines) do
    for i, text in ipairs(line) do widths[i] = math.max(widths[i] or 0, #text) end
  end
  local out = {}
  for _, line in ipairs(lines) do
    for i, text in ipairs(line) do
      local space = (" "):rep(widths[i] - #text)
      line[i] = i == 1 and text .. space or space .. text
    end
    out[#out + 1] = table.concat(line, "  ")
  end
  return table.concat(out, "\n") .. "\n" .. threads(results, section)
end


--- A section for Markdown.
local function markdown(results, section)
  local lines, out = grid(results, section), {}
  for i, line in ipairs(lines) do
    out[#out + 1] = "| " .. table.concat(line, " | ") .. " |"
    if i == 1 then out[#out + 1] = "|---" .. ("|--:"):rep(#line - 1) .. "|" end
  end
  local note = threads(results, section)
  return table.concat(out, "\n") .. "\n" .. (note ~= "" and "\n" .. note or "")
end


--- Machine, versions and commit, in sentences.
function report.heading(results)
  local small = results.scale == 1 and ""
    or (" A quick look: the counts are %g of the usual ones."):format(results.scale)
  return ("%s. %s.\nCommit %s. Median of %d runs, %s; in brackets, how many times "
    .. "casync's.%s"):format(results.machine, table.concat(results.versions, ", "),
    results.commit or "unknown", results.rounds, results.clock, small)
end


local function lookup(results, place)
  for _, section in ipairs(results.sections) do
    for _, row in ipairs(section.rows) do
      if not section.growth and row.name == place[1] and row.key == place[2] then
        return row.values[place[3]]
      end
    end
  end
end


--- The goals that were measured, as rows: what, the goal, the value, and
-- whether it is reached.
local function goals(results)
  local list = {}
  for _, goal in ipairs(GOALS) do
    local value = lookup(results, goal.a)
    local unit = goal.b and lookup(results, goal.b)
    if value and (unit or not goal.b) and (results.sleepers >= 1000000 or not goal.full) then
      if unit then value = value / unit end
      local reached = goal.most and value <= goal.most or goal.least and value >= goal.least
      list[#list + 1] = {goal.what,
        goal.most and ("at most %g"):format(goal.most) or ("at least %g"):format(goal.least),
        (value < 100 and "%.2f" or "%.0f"):format(value), reached and "yes" or "no"}
    end
  end
  return list
end


--- The goals for the terminal.
function report.goals(results)
  local out = {}
  for _, goal in ipairs(goals(results)) do
    out[#out + 1] = ("%-66s %12s %8s  %s\n"):format(goal[1], goal[2], goal[3],
      goal[4] == "yes" and "reached" or "missed")
  end
  if #out > 0 then table.insert(out, 1, ("%-66s %12s %8s\n"):format("goals", "", "measured")) end
  return table.concat(out)
end


-- How many of the tables are the main ones: operations, echo, sleepers.
local MAIN = 3

--- The block of a README: the main tables, or all of them.
function report.readme(results, all)
  local out = {report.heading(results), "\n\n"}
  for i, section in ipairs(results.sections) do
    if all or i <= MAIN then
      out[#out + 1] = markdown(results, section)
      out[#out + 1] = "\n"
    end
  end
  local list = goals(results)
  if #list > 0 then
    out[#out + 1] = "| what casync was built for | goal | measured | reached |\n|---|--:|--:|---|\n"
    for _, goal in ipairs(list) do
      out[#out + 1] = "| " .. table.concat(goal, " | ") .. " |\n"
    end
  end
  return table.concat(out)
end


--- Write the block between the marks of a file.
local function rewrite(path, results)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  local first, all, last =
    text:match("^(.*<!%-%- bench:begin ?(%l*) %-%->\n).*(<!%-%- bench:end %-%->.*)$")
  assert(first, path .. " has no lines <!-- bench:begin --> and <!-- bench:end -->")
  text = first .. report.readme(results, all == "all") .. last
  file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

if arg and arg[0]:match("report%.lua$") then
  local results = dofile(arg[1])
  for i = 2, #arg do rewrite(arg[i], results) end
end

return report
