--- Fetch many files over HTTP, a bounded number of them at a time.
--
--   lua5.4 examples/downloader.lua [options] [URL...]
--
-- Without URLs it serves a directory tree of this machine to itself (see
-- static_server.lua), fetches some 500 files of it, and compares each byte
-- with what lies on disk.

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path

local casync = require "casync"
local static_server = require "static_server"

local async, await = casync.async, casync.await

local USAGE = [[
usage: downloader.lua [options] [URL...]

Fetches each URL (plain http). Without URLs it fetches files of a directory
tree from a server inside this program and compares them with the originals.

  --root DIR        the tree to serve when there are no URLs (/usr/share/doc)
  --files N         how many of its files to fetch (500)
  --concurrency N   how many to fetch at the same time (50)
  --timeout S       seconds that one file may take (30)
  --out DIR         save what is fetched under DIR
  --help            this text

Exit code: 0 when every file came whole, 1 when one did not, 2 for misuse.
]]

local DEFAULT_ROOT = "/usr/share/doc"
local OTHER_ROOTS = {"/usr/share/man", "/usr/share/misc", here .. ".."}

local PIECE = 65536         -- bytes of a body in memory, per file
local LINE_LIMIT = 16384    -- bytes of a status line, header or chunk size
local HEADERS_LIMIT = 200   -- headers of one response
local REDIRECTS = 5         -- how often a URL may lead elsewhere


--- What is wrong with an answer, as opposed to with the network.
local FetchError = casync.Error:extend("FetchError")

local function fail(...)
  error(FetchError(string.format(...)))
end


-- A small HTTP client ------------------------------------------------------

--- The parts of a URL. Raises FetchError for one that can't be fetched.
local function parse_url(url)
  local scheme, rest = url:match("^(%a[%w+.-]*)://(.*)$")
  if not scheme then fail("'%s' is no URL: it must begin with http://", url) end
  scheme = scheme:lower()
  if scheme == "https" then
    fail("'%s' needs TLS, which this program doesn't speak: give an http:// URL", url)
  elseif scheme ~= "http" then
    fail("'%s' cannot be fetched: only http:// is spoken here, not %s://", url, scheme)
  end
  if url:find("[%c \127]") then fail("'%s' holds a blank or a control character", url) end
  local authority, target = rest:match("^([^/?#]*)([^#]*)")
  authority = authority:match("([^@]*)$")
  local host, port = authority:match("^%[([%x:.]+)%]:?(%d*)$")
  if not host then host, port = authority:match("^([^:]+):?(%d*)$") end
  if not host then fail("'%s' has no valid host", url) end
  port = port == "" and 80 or math.tointeger(tonumber(port)) or 0
  if port < 1 or port > 65535 then fail("'%s' has no valid port", url) end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  return {host = host, port = port, authority = authority, target = target}
end


--- Where a redirect leads.
local function resolve(url, location)
  if location:match("^%a[%w+.-]*://") then return location end
  local base = parse_url(url)
  if location:sub(1, 2) == "//" then return "http:" .. location end
  if location:sub(1, 1) ~= "/" then
    location = base.target:gsub("[?#].*$", ""):match("^(.*/)") .. location
  end
  return "http://" .. base.authority .. location
end


local function read_line(stream)
  local line = await(stream:readline())
  if not line or line:sub(-1) ~= "\n" then
    fail("the server closed the connection in the middle of its answer")
  end
  return (line:gsub("\r?\n$", ""))
end


--- The status of the answer and its headers, by lower-case name.
local function read_head(stream)
  local line = read_line(stream)
  local status = line:match("^HTTP/1%.%d (%d%d%d)")
  if not status then fail("the answer is not HTTP/1: '%s'", line:sub(1, 60)) end
  local headers = {}
  for _ = 1, HEADERS_LIMIT do
    line = read_line(stream)
    if line == "" then return tonumber(status), headers end
    local name, value = line:match("^([^%s:]+):[ \t]*(.-)[ \t]*$")
    if not name then fail("a header of the answer is malformed: '%s'", line:sub(1, 60)) end
    name = name:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  fail("the answer has more than %d headers", HEADERS_LIMIT)
end


--- Pass exactly `size` bytes to the sink, in pieces.
local function read_sized(stream, size, sink)
  local left = size
  while left > 0 do
    local data = await(stream:read(math.min(PIECE, left)))
    if not data then
      fail("the body ends early: %d of %d bytes came", size - left, size)
    end
    left = left - #data
    sink(data)
  end
  return size
end


local function read_chunked(stream, sink)
  local total = 0
  while true do
    local line = read_line(stream)
    local hex = line:match("^(%x+)[ \t]*$") or line:match("^(%x+)[ \t]*;")
    if not hex or #hex > 15 then fail("a chunk size is malformed: '%s'", line:sub(1, 60)) end
    local size = tonumber(hex, 16)
    if size == 0 then break end
    total = total + read_sized(stream, size, sink)
    if read_line(stream) ~= "" then fail("a chunk is longer than it said") end
  end
  for _ = 1, HEADERS_LIMIT do
    if read_line(stream) == "" then return total end
  end
  fail("the answer has more than %d trailers", HEADERS_LIMIT)
end


local function read_to_end(stream, sink)
  local total = 0
  while true do
    local data = await(stream:read(PIECE))
    if not data then return total end
    total = total + #data
    sink(data)
  end
end


--- Pass the body of the answer to the sink; its length.
local function read_body(stream, status, headers, sink)
  if status == 204 or status == 304 then return 0 end
  local coding = headers["transfer-encoding"]
  if coding then
    if coding:lower() ~= "chunked" then fail("the transfer coding '%s' is unknown", coding) end
    return read_chunked(stream, sink)
  end
  local length = headers["content-length"]
  if not length then return read_to_end(stream, sink) end
  local size
  for part in (length .. ","):gmatch("%s*(.-)%s*,") do
    -- A length given twice is fine when it is the same.
    if not part:match("^%d+$") or #part > 15 or size and size ~= tonumber(part) then
      fail("Content-Length '%s' is no number", length:sub(1, 60))
    end
    size = tonumber(part)
  end
  return read_sized(stream, size, sink)
end


--- GET one URL, passing its body to the sink piece by piece. Returns the
-- length of the body, or nil and the URL where the answer leads.
local function request(url, sink)
  local parts = parse_url(url)
  local stream <close> = await(casync.open_connection(parts.host, parts.port,
    {limit = LINE_LIMIT}))
  await(stream:write(table.concat({
    "GET " .. parts.target .. " HTTP/1.1",
    "Host: " .. parts.authority,
    "User-Agent: casync-downloader",
    "Accept: */*",
    "Connection: close",
  }, "\r\n") .. "\r\n\r\n"))
  local status, headers
  repeat
    status, headers = read_head(stream)
  until status >= 200
  if headers.location and status >= 301 and status <= 308 and status ~= 304 then
    return nil, resolve(url, headers.location)
  end
  if status ~= 200 then fail("the server answered with status %d", status) end
  return read_body(stream, status, headers, sink)
end


local function get(url, sink)
  for _ = 0, REDIRECTS do
    local size, elsewhere = request(url, sink)
    if size then return size end
    url = elsewhere
  end
  fail("more than %d redirects", REDIRECTS)
end


-- Where the bytes go -------------------------------------------------------
-- A sink has `write(data)`, `finish()` when all has come, and `__close`,
-- which tidies up, whether it finished or not.

local Comparison = {__name = "Comparison"}
Comparison.__index = Comparison

--- A sink that raises at the first byte that differs from the file's.
local function Comparison_of(path)
  return setmetatable({
    file = assert(io.open(path, "rb")),
    offset = 0,  -- bytes that were the same
  }, Comparison)
end

function Comparison:write(data)
  local expected = self.file:read(#data) or ""
  if data ~= expected then
    local i = 1
    while i <= #expected and data:byte(i) == expected:byte(i) do i = i + 1 end
    fail("differs from the file on disk at byte %d", self.offset + i)
  end
  self.offset = self.offset + #data
end

function Comparison:finish()
  if self.file:read(1) then
    fail("is shorter than the file on disk: %d bytes", self.offset)
  end
end

function Comparison:__close()
  self.file:close()
end


local Saving = {__name = "Saving"}
Saving.__index = Saving

--- A sink that leaves a file at `path` only when all of it has come.
local function Saving_to(path)
  local part = path .. ".casync-part"
  return setmetatable({
    file = assert(io.open(part, "wb")),
    part = part,   -- the name until it is whole
    path = path,
    whole = false,
  }, Saving)
end

function Saving:write(data)
  assert(self.file:write(data))
end

function Saving:finish()
  assert(self.file:close())
  assert(os.rename(self.part, self.path))
  self.whole = true
end

function Saving:__close()
  if self.whole then return end
  if io.type(self.file) == "file" then self.file:close() end
  os.remove(self.part)
end


-- The files of a tree ------------------------------------------------------

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end


local function is_directory(path)
  return os.execute("test -d " .. quote(path)) == true
end


--- The regular, readable files under `root`, as {name, path, size}. `find`
-- follows no symbolic links, so none can dangle or lead in a circle.
local function list_files(root)
  local files = {}
  local find = assert(io.popen("find " .. quote(root .. "/") .. " -type f -print0 2>/dev/null"))
  local names = find:read("a")
  find:close()
  for path in names:gmatch("[^\0]+") do
    local file <close> = io.open(path, "rb")
    local size = file and file:seek("end")
    if size then
      files[#files + 1] = {name = path:sub(#root + 2):gsub("^/+", ""), path = path, size = size}
    end
  end
  return files
end


--- At most `count` of the files, of every size there is from the smallest to
-- the largest: the same ones each time, in order of their names.
local function choose(files, count)
  table.sort(files, function(a, b)
    if a.size ~= b.size then return a.size < b.size end
    return a.name < b.name
  end)
  local chosen = {}
  if #files <= count then
    chosen = files
  elseif count == 1 then
    chosen[1] = files[#files]
  else
    for i = 0, count - 1 do
      chosen[i + 1] = files[1 + i * (#files - 1) // (count - 1)]
    end
  end
  table.sort(chosen, function(a, b) return a.name < b.name end)
  return chosen
end


--- The tree to serve, and its files.
local function find_tree(options)
  local root = options.root or DEFAULT_ROOT
  local files = is_directory(root) and list_files(root) or {}
  if #files > 0 then return root, files end
  if options.root then
    io.stderr:write(("downloader.lua: there is no readable file under '%s'\n"):format(root))
    os.exit(2)
  end
  for _, other in ipairs(OTHER_ROOTS) do
    files = is_directory(other) and list_files(other) or {}
    if #files > 0 then
      print(("there is no readable file under %s; serving %s instead"):format(root, other))
      return other, files
    end
  end
  io.stderr:write("downloader.lua: found no files to serve; name a tree with --root DIR\n")
  os.exit(2)
end


local function encode(name)
  return (name:gsub("[^%w/._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end


--- Make the directories that the paths need, in few calls of mkdir.
local function make_directories(paths)
  local seen, batch, size = {}, {}, 0
  local function flush()
    if #batch == 0 then return end
    if not os.execute("mkdir -p -- " .. table.concat(batch, " ")) then
      io.stderr:write("downloader.lua: cannot make the directories for --out\n")
      os.exit(2)
    end
    batch, size = {}, 0
  end
  for _, path in ipairs(paths) do
    local directory = path:match("^(.*)/")
    if directory and not seen[directory] then
      seen[directory] = true
      batch[#batch + 1] = quote(directory)
      size = size + #batch[#batch] + 1
      if size > 30000 then flush() end
    end
  end
  flush()
end


-- What is shown ------------------------------------------------------------

--- Bytes for people.
local function human(bytes)
  if bytes < 1000 then return ("%.0f bytes"):format(bytes) end
  local value = bytes / 1000
  for _, unit in ipairs {"kB", "MB"} do
    if value < 1000 then return ("%.1f %s"):format(value, unit) end
    value = value / 1000
  end
  return ("%.1f GB"):format(value)
end


--- A line that is redrawn on a terminal, and an ordinary line now and then
-- anywhere else.
local function Progress(total)
  local live = os.execute("test -t 1") == true
  local loop = casync.get_running_loop()
  local drawn = -1                       -- when the live line was last drawn
  local step = math.max(1, total // 5)   -- files between two plain lines
  local progress = {}

  --- Print a line above the live one.
  function progress.line(...)
    if live then io.stdout:write("\r\27[K") end
    print(string.format(...))
    drawn = -1
  end

  function progress.update(state)
    local text = ("%d of %d files, %s, %d under way, %d failed"):format(
      state.done, total, human(state.bytes), state.active, state.failed)
    if live then
      local now = loop:time()
      if drawn >= 0 and now - drawn < 0.05 and state.done < total then return end
      drawn = now
      io.stdout:write("\r", text, "\27[K")
      io.stdout:flush()
    elseif state.done % step == 0 or state.done == total then
      print(text)
      io.stdout:flush()
    end
  end

  function progress.finish()
    if live then io.stdout:write("\r\27[K") end
  end

  return progress
end


-- The program --------------------------------------------------------------

--- Fetch the items ({url, name, sinks = {function giving a sink, ...}}),
-- `options.concurrency` at a time. Returns what the summary needs.
local function download(items, options)
  local limit = casync.Semaphore(options.concurrency)
  local state = {done = 0, bytes = 0, failed = 0, active = 0, peak = 0}

  local fetch = async(function(item)
    local _ <close> = await(limit:acquire_scoped())
    state.active = state.active + 1
    state.peak = math.max(state.peak, state.active)
    local _ <close> = setmetatable({}, {__close = function()
      state.active = state.active - 1
    end})

    -- The time in line for the semaphore doesn't count.
    local _ <close> = casync.timeout(options.timeout)
    local first <close> = item.sinks[1] and item.sinks[1]()
    local second <close> = item.sinks[2] and item.sinks[2]()
    local size = get(item.url, function(data)
      if first then first:write(data) end
      if second then second:write(data) end
    end)
    if first then first:finish() end
    if second then second:finish() end
    return size
  end, "fetch")

  local tasks, item_of = {}, {}
  -- On Ctrl-C nobody asks for the rest: stop them while the server still runs.
  local _ <close> = setmetatable({}, {__close = function()
    for _, task in ipairs(tasks) do task:cancel() end
  end})
  for i, item in ipairs(items) do
    tasks[i] = casync.create_task(fetch(item))
    item_of[tasks[i]] = item
  end

  local progress = Progress(#items)
  for task in casync.as_completed(tasks) do
    local item = item_of[task]
    local ok, result = casync.pcall(await, task)
    state.done = state.done + 1
    if ok then
      state.bytes = state.bytes + result
      if item.show then progress.line("%s  %s", item.name, human(result)) end
    else
      state.failed = state.failed + 1
      if casync.TimeoutError:is(result) then
        result = ("took longer than %g s"):format(options.timeout)
      elseif FetchError:is(result) then
        result = result.message
      end
      progress.line("FAILED  %s: %s", item.name, tostring(result))
    end
    progress.update(state)
  end
  progress.finish()
  return state
end


--- The file name under --out for each URL: its last part, made harmless and
-- told apart from the others.
local function name_items(items, out)
  local taken = {}
  for _, item in ipairs(items) do
    local path = item.url:gsub("[?#].*$", ""):gsub("^%a[%w+.-]*://[^/]*", "")
    local name = path:match("([^/]*)$"):gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
    name = name:gsub("[%c/\127]", "_"):gsub("^%.+", "_")
    if name == "" then name = "index.html" end
    local unique, i = name, 1
    while taken[unique] do
      unique = name .. "." .. i
      i = i + 1
    end
    taken[unique] = true
    local target = out .. "/" .. unique
    item.sinks = {function() return Saving_to(target) end}
    item.name = item.url .. " -> " .. target
  end
end


local function print_summary(state, seconds)
  print(("%d files, %s (%d bytes) in %.2f s, %s/s, at most %d at the same time"):format(
    state.done - state.failed, human(state.bytes), state.bytes, seconds,
    human(state.bytes / math.max(seconds, 1e-6)), state.peak))
end


local function fetch_urls(urls, options)
  local items = {}
  for i, url in ipairs(urls) do
    items[i] = {url = url, name = url, sinks = {}, show = true}
  end
  if options.out then
    make_directories {options.out .. "/"}
    name_items(items, options.out)
  end
  local loop = casync.get_running_loop()
  local start = loop:time()
  local state = download(items, options)
  print_summary(state, loop:time() - start)
  if state.failed > 0 then print(("%d of %d failed"):format(state.failed, #items)) end
  return state.failed == 0
end


local function demo(options)
  local root, files = find_tree(options)
  files = choose(files, options.files)
  local server <close> = await(static_server.serve(root))
  local host, port = server:sockets()[1]:getsockname()
  print(("%d files of %s, %d at a time, from http://%s:%d/"):format(
    #files, root, options.concurrency, host, port))

  local items, targets = {}, {}
  for i, file in ipairs(files) do
    local sinks = {function() return Comparison_of(file.path) end}
    if options.out then
      targets[i] = options.out .. "/" .. file.name
      sinks[2] = function() return Saving_to(targets[i]) end
    end
    items[i] = {
      url = ("http://%s:%d/%s"):format(host, port, encode(file.name)),
      name = file.name,
      sinks = sinks,
    }
  end
  make_directories(targets)

  local loop = casync.get_running_loop()
  local start = loop:time()
  local state = download(items, options)
  print_summary(state, loop:time() - start)
  if state.failed > 0 then
    print(("%d of %d failed or differ"):format(state.failed, #items))
  else
    print("every byte is the same as on disk")
  end
  return state.failed == 0
end


local function usage_error(...)
  io.stderr:write("downloader.lua: ", string.format(...), "\n", USAGE)
  os.exit(2)
end


local function parse_arguments(args)
  local options = {concurrency = 50, files = 500, timeout = 30}
  local urls = {}
  local i = 1
  while i <= #args do
    local name = args[i]
    if name == "--help" or name == "-h" then
      io.stdout:write(USAGE)
      os.exit(0)
    elseif name == "--root" or name == "--out" then
      i = i + 1
      local value = args[i]
      if not value or value == "" then usage_error("%s needs a directory", name) end
      options[name:sub(3)] = value
    elseif name == "--concurrency" or name == "--files" then
      i = i + 1
      local value = math.tointeger(tonumber(args[i] or ""))
      if not value or value < 1 then
        usage_error("%s needs a whole number above zero, not '%s'", name, args[i] or "")
      end
      options[name:sub(3)] = value
    elseif name == "--timeout" then
      i = i + 1
      local value = tonumber(args[i] or "")
      if not value or not (value > 0 and value < math.huge) then
        usage_error("--timeout needs seconds above zero, not '%s'", args[i] or "")
      end
      options.timeout = value
    elseif name:sub(1, 1) == "-" then
      usage_error("unknown option '%s'", name)
    else
      urls[#urls + 1] = name
    end
    i = i + 1
  end
  if #urls > 0 and options.root then
    usage_error("--root is for running without URLs")
  end
  return options, urls
end


local options, urls = parse_arguments(arg)

local whole = casync.run(function()
  if #urls > 0 then return fetch_urls(urls, options) end
  return demo(options)
end)

os.exit(whole and 0 or 1, true)
