--- A static file server: HTTP/1.1 over casync streams.
--
--   lua5.4 examples/static_server.lua [--host H] [--port N] [root]
--
-- Or as a module: `server = await(static_server.serve(root, {port = 0}))`.
--
-- Reading a file blocks for as long as the disk takes, 64 KiB at a time; what
-- is written is limited by what the peer takes, so a file of any size needs
-- little memory. Symbolic links are followed, as most servers do. A root
-- should hold no named pipes: opening one blocks until it has a writer.

local casync = require "casync"

local async, await = casync.async, casync.await

local static_server = {}

local PIECE = 65536           -- bytes of a file in memory, per connection
local LINE_LIMIT = 8192       -- bytes of the request line or of one header
local HEADERS_LIMIT = 100     -- headers of one request
local HEAD_LIMIT = 32768      -- bytes of all headers of one request
local BODY_LIMIT = 65536      -- bytes of a request's body that are skipped

local REASONS = {
  [200] = "OK",
  [301] = "Moved Permanently",
  [400] = "Bad Request",
  [404] = "Not Found",
  [405] = "Method Not Allowed",
  [408] = "Request Timeout",
  [413] = "Content Too Large",
  [414] = "URI Too Long",
  [431] = "Request Header Fields Too Large",
  [500] = "Internal Server Error",
  [501] = "Not Implemented",
  [505] = "HTTP Version Not Supported",
}

local TYPES = {
  css = "text/css; charset=utf-8",
  csv = "text/csv; charset=utf-8",
  gif = "image/gif",
  gz = "application/gzip",
  htm = "text/html; charset=utf-8",
  html = "text/html; charset=utf-8",
  ico = "image/x-icon",
  jpeg = "image/jpeg",
  jpg = "image/jpeg",
  js = "text/javascript; charset=utf-8",
  json = "application/json",
  lua = "text/plain; charset=utf-8",
  md = "text/markdown; charset=utf-8",
  pdf = "application/pdf",
  png = "image/png",
  svg = "image/svg+xml",
  txt = "text/plain; charset=utf-8",
  wasm = "application/wasm",
  webp = "image/webp",
  xml = "application/xml",
  zip = "application/zip",
}

-- Methods that exist but that a file server has no use for.
local OTHER_METHODS = {
  CONNECT = true, DELETE = true, OPTIONS = true, PATCH = true, POST = true,
  PUT = true, TRACE = true,
}


--- A request that gets an answer other than a file. Thrown, and caught by
-- the connection it belongs to.
local Refusal = casync.Error:extend("Refusal")

local function refuse(status, message, header)
  local refusal = Refusal(message)
  refusal.status = status
  refusal.header = header  -- one more header for the answer, or nil
  error(refusal)
end


--- The next line of the head, without its end; nil at the end of the stream.
local function read_line(stream, too_long)
  local ok, line = casync.pcall(await, stream:readline())
  if not ok then
    if casync.LimitOverrunError:is(line) then
      refuse(too_long, ("a line is longer than %d bytes"):format(LINE_LIMIT))
    end
    error(line, 0)
  end
  if line == nil then return nil end
  if line:sub(-1) ~= "\n" then
    refuse(400, "the request ends in the middle of a line")
  end
  line = line:gsub("\r?\n$", "")
  if #line > LINE_LIMIT then
    refuse(too_long, ("a line is longer than %d bytes"):format(LINE_LIMIT))
  end
  return line
end


local function read_headers(stream)
  local headers, count, size = {}, 0, 0
  while true do
    local line = read_line(stream, 431)
    if line == nil then refuse(400, "the request ends before its headers do") end
    if line == "" then return headers end
    count, size = count + 1, size + #line
    if count > HEADERS_LIMIT then
      refuse(431, ("there are more than %d headers"):format(HEADERS_LIMIT))
    end
    if size > HEAD_LIMIT then
      refuse(431, ("the headers are longer than %d bytes"):format(HEAD_LIMIT))
    end
    -- No blank before the colon and none at the start of a line: proxies
    -- disagree about both, and requests have been smuggled that way.
    local name, value = line:match("^([%w!#$%%&'*+.^_`|~-]+):[ \t]*(.-)[ \t]*$")
    if not name or value:find("[\0-\8\10-\31\127]") then
      refuse(400, "a header line is malformed")
    end
    name = name:lower()
    if headers[name] and (name == "content-length" or name == "host") then
      if name == "host" or headers[name] ~= value then
        refuse(400, ("header '%s' is given twice"):format(name))
      end
    elseif headers[name] then
      headers[name] = headers[name] .. ", " .. value
    else
      headers[name] = value
    end
  end
end


--- Read the head of the next request; nil when there is none.
local function read_request(stream)
  local line
  -- A blank line before the request line is what some clients send after a
  -- body; more than a few of them is somebody playing.
  for _ = 1, 4 do
    line = read_line(stream, 414)
    if line ~= "" then break end
  end
  if line == nil then return nil end

  local method, target, major, minor = line:match("^(%S+) (%S+) HTTP/(%d)%.(%d)$")
  if not method or target:find("[%c\127]") or method:find("[^%w!#$%%&'*+.^_`|~-]") then
    refuse(400, "the request line is malformed")
  end
  if major ~= "1" then refuse(505, "only HTTP/1.0 and 1.1 are spoken here") end

  local request = {
    method = method,
    target = target,
    minor = tonumber(minor),
    headers = read_headers(stream),
    keep_alive = false,
  }
  local connection = (request.headers.connection or ""):lower()
  if request.minor == 0 then
    request.keep_alive = connection:find("keep-alive", 1, true) ~= nil
  else
    if not request.headers.host then refuse(400, "there is no Host header") end
    request.keep_alive = not connection:find("close", 1, true)
  end
  return request
end


--- Skip the body of a request that needs none.
local function skip_body(stream, headers)
  if headers["transfer-encoding"] then
    refuse(501, "bodies with a Transfer-Encoding are not read here")
  end
  local length = headers["content-length"]
  if not length then return end
  if not length:match("^%d+$") then refuse(400, "Content-Length is not a number") end
  local left = tonumber(length)
  if left > BODY_LIMIT then
    refuse(413, ("a body of more than %d bytes is not read here"):format(BODY_LIMIT))
  end
  while left > 0 do
    local data = await(stream:read(left))
    if not data then refuse(400, "the request ends in the middle of its body") end
    left = left - #data
  end
end


--- The path that a request target names, relative to the root, as a list of
-- segments; the last one is "" for a directory.
local function parse_target(target)
  local path = target:gsub("^[Hh][Tt][Tt][Pp]://[^/?#]*", "", 1)
  path = path:gsub("[?#].*$", "")
  if path == "" then path = "/" end
  if path:sub(1, 1) ~= "/" then refuse(400, "the target is not a path") end
  if path:gsub("%%%x%x", ""):find("%", 1, true) then
    refuse(400, "a percent sign without two hexadecimal digits")
  end
  local segments = {}
  for raw in path:gmatch("/([^/]*)") do
    local segment = raw:gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
    if segment == ".." then refuse(400, "'..' is not followed") end
    -- An encoded slash would be a separator on disk but not in the URL.
    if segment:find("[/\0]") then refuse(400, "a name holds '/' or NUL") end
    if segments[#segments] == "" or segments[#segments] == "." then
      segments[#segments] = segment
    else
      segments[#segments + 1] = segment
    end
  end
  if segments[#segments] == "." then segments[#segments] = "" end
  return segments
end


--- Open a regular file: the file and its size, or nil. A directory can be
-- opened like a file, but not read.
local function open_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local _, message = file:read(0)
  local size = not message and file:seek("end")
  if not size or not file:seek("set") then
    file:close()
    return nil
  end
  return file, size
end


local function content_type(path)
  local extension = path:match("%.(%w+)$")
  return extension and TYPES[extension:lower()] or "application/octet-stream"
end


--- The head of a response, ready to be written.
local function response_head(status, headers, keep_alive)
  local lines = {
    ("HTTP/1.1 %d %s"):format(status, REASONS[status]),
    os.date("!Date: %a, %d %b %Y %H:%M:%S GMT"),
    "Server: casync",
  }
  for i = 1, #headers do lines[#lines + 1] = headers[i] end
  lines[#lines + 1] = "Connection: " .. (keep_alive and "keep-alive" or "close")
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end


--- Write, giving the peer a bounded time to take what it was sent.
local function write(stream, data, options)
  local _ <close> = casync.timeout(options.timeout)
  await(stream:write(data))
end


local function send_text(stream, status, text, request, options, extra)
  local body = text .. "\n"
  local headers = {"Content-Type: text/plain; charset=utf-8", "Content-Length: " .. #body, extra}
  local head = response_head(status, headers, request.keep_alive)
  if request.method == "HEAD" then body = "" end
  write(stream, head .. body, options)
end


local function send_file(stream, file, size, path, request, options)
  local headers = {
    "Content-Type: " .. content_type(path),
    "Content-Length: " .. size,
    "X-Content-Type-Options: nosniff",
  }
  write(stream, response_head(200, headers, request.keep_alive), options)
  if request.method == "HEAD" then return end
  local left = size
  while left > 0 do
    local piece = file:read(math.min(PIECE, left))
    -- The file grew shorter under our hands. The length is promised already,
    -- so the only way to tell the peer is to end the connection.
    if not piece then
      request.keep_alive = false
      return
    end
    left = left - #piece
    write(stream, piece, options)
  end
end


--- Answer one request; the status for the log.
local function respond(stream, root, request, options)
  if OTHER_METHODS[request.method] then
    refuse(405, "only GET and HEAD are allowed", "Allow: GET, HEAD")
  elseif request.method ~= "GET" and request.method ~= "HEAD" then
    refuse(501, "the method is not known")
  end
  await(casync.with_timeout(options.timeout, skip_body, stream, request.headers))

  local segments = parse_target(request.target)
  local path = root .. "/" .. table.concat(segments, "/")
  if segments[#segments] == "" then path = path .. "index.html" end
  local file <close>, size = open_file(path)
  if file then
    send_file(stream, file, size, path, request, options)
    return 200
  end

  local index <close> = open_file(path .. "/index.html")
  if index and segments[#segments] ~= "" then
    for i, segment in ipairs(segments) do
      segments[i] = segment:gsub("[^%w._~-]", function(c)
        return ("%%%02X"):format(c:byte())
      end)
    end
    send_text(stream, 301, "the directory is one '/' further", request, options,
      "Location: /" .. table.concat(segments, "/") .. "/")
    return 301
  end
  send_text(stream, 404, "there is no such file", request, options)
  return 404
end


--- Let the peer read our last answer. Closing with unread bytes resets the
-- connection, and the answer would be lost with it.
local function linger(stream)
  await(stream:write_eof())
  local skipped = 0
  while skipped < 1048576 do
    local data = await(stream:read(PIECE))
    if not data then break end
    skipped = skipped + #data
  end
end


--- Close a connection; one that the peer does not take the rest from is
-- aborted when its time is up.
local function close(stream, options)
  local _ <close> = casync.timeout(options.timeout)
  await(stream:close())
end


--- Serve one connection until one side has had enough.
local function serve_connection(stream, root, options)
  local log = options.log
  local answered = 0
  repeat
    local request
    local ok, failure = casync.pcall(function()
      request = await(casync.with_timeout(options.timeout, read_request, stream))
      if not request then return end
      local status = respond(stream, root, request, options)
      answered = answered + 1
      if log then log(status, request.method, request.target) end
    end)
    if not ok then
      local status
      if Refusal:is(failure) then
        status = failure.status
      elseif casync.TimeoutError:is(failure) and not request and answered == 0 then
        status = 408
      elseif casync.OSError:is(failure) or casync.TimeoutError:is(failure) then
        return  -- the peer went away, doesn't read, or has no more to ask
      else
        error(failure, 0)
      end
      local method = request and request.method
      if log then log(status, method or "-", request and request.target or "-") end
      send_text(stream, status, failure.message, {method = method}, options, failure.header)
      casync.move_on_after(1, linger, stream):await()
      return
    end
  until not request or not request.keep_alive
end


local KNOWN_OPTIONS = {host = true, port = true, timeout = true, log = true}

--- Serve the files under `root`; awaitable, gives the casync Server.
-- Options: `host` (127.0.0.1), `port` (0: a free one), `timeout` (seconds for
-- a request to arrive and for each piece of the answer to be taken, 30), and
-- `log(status, method, target)`, called after each answer.
static_server.serve = async(function(root, opts)
  opts = opts or {}
  if type(root) ~= "string" or root == "" then
    error("bad argument #1 to 'serve' (the root must be a path)", 2)
  end
  for name in pairs(opts) do
    if not KNOWN_OPTIONS[name] then
      error(("unknown option '%s' for 'serve'"):format(tostring(name)), 2)
    end
  end
  local options = {timeout = opts.timeout or 30, log = opts.log}
  root = root:gsub("/+$", "")

  local function handler(stream)
    local _ <close> = stream
    -- A peer that goes away in mid-sentence is no news to a server.
    local ok, failure = casync.pcall(serve_connection, stream, root, options)
    if not ok and not casync.OSError:is(failure) and not casync.TimeoutError:is(failure) then
      error(failure, 0)
    end
    -- It has a bounded time to take what is still queued, too.
    casync.pcall(close, stream, options)
  end

  return await(casync.start_server(handler, opts.host or "127.0.0.1", opts.port or 0,
    {limit = LINE_LIMIT}))
end)


local USAGE = [[
usage: static_server.lua [--host H] [--port N] [root]

Serves the files under root (default: the current directory) over HTTP.
  --host H    address to listen on (default 127.0.0.1: this machine only)
  --port N    port to listen on (default 8000; 0 takes a free one)
]]


local function usage_error(...)
  io.stderr:write("static_server.lua: ", string.format(...), "\n", USAGE)
  os.exit(2)
end


local function main(...)
  local args = {...}
  local host, port, root = "127.0.0.1", 8000, nil
  local i = 1
  while i <= #args do
    local name = args[i]
    if name == "--help" or name == "-h" then
      io.stdout:write(USAGE)
      return
    elseif name == "--host" or name == "--port" then
      i = i + 1
      local value = args[i] or usage_error("%s needs a value", name)
      if name == "--host" then
        host = value
      else
        port = math.tointeger(tonumber(value))
        if not port or port < 0 or port > 65535 then
          usage_error("--port must be a number from 0 to 65535, not '%s'", value)
        end
      end
    elseif name:sub(1, 1) == "-" then
      usage_error("unknown option '%s'", name)
    elseif root then
      usage_error("one root is enough: '%s' is a second one", name)
    else
      root = name
    end
    i = i + 1
  end

  casync.run(function()
    local server <close> = await(static_server.serve(root or ".", {
      host = host,
      port = port,
      log = function(status, method, target)
        print(("%s  %d  %s %s"):format(os.date("%H:%M:%S"), status, method, target))
      end,
    }))
    local address, bound = server:sockets()[1]:getsockname()
    if address:find(":", 1, true) then address = "[" .. address .. "]" end
    print(("serving %s at http://%s:%d/ (Ctrl-C ends it)"):format(root or ".", address, bound))
    io.stdout:flush()
    await(server:serve_forever())
  end)
end


if arg and arg[0] and arg[0]:match("static_server%.lua$") then main(...) end

return static_server
