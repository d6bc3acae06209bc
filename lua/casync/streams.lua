--- TCP connections and servers. Streams themselves are in C: see stream.c.

local core = require "casync.core"
local events = require "casync.events"
local exceptions = require "casync.exceptions"
local options = require "casync.options"
require "casync.tasks"          -- loop:create_task

local async, await = core.async, core.await
local CancelledError, OSError = exceptions.CancelledError, exceptions.OSError

local streams = {}

-- Seconds after which the next address is tried beside the first.
local HAPPY_EYEBALLS_DELAY = 0.25
-- How often a free port is looked for that is free on every interface.
local PORT_ATTEMPTS = 20

-- Checking arguments

local function badargument(arg, who, expected, value, level)
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(
    arg, who, expected, type(value)), level + 1)
end

local function checkhost(host, arg, who, level)
  if type(host) ~= "string" then
    badargument(arg, who, "host name or address", host, level + 1)
  elseif host == "" or #host > 253 or host:find("\0", 1, true) then
    error(("bad argument #%d to '%s' (a host has 1 to 253 bytes and no NUL)")
      :format(arg, who), level + 1)
  end
end

local function checkport(port, arg, who, level)
  if type(port) == "string" and port ~= "" then return end
  if math.type(port) == nil then
    badargument(arg, who, "port", port, level + 1)
  elseif not math.tointeger(port) or port < 0 or port > 65535 then
    error(("bad argument #%d to '%s' (a port is an integer from 0 to 65535, "
      .. "not %s)"):format(arg, who, port), level + 1)
  end
end

local function checkcount(opts, name, who, level)
  local value = opts[name]
  if value == nil then return end
  if type(value) ~= "number" or not math.tointeger(value) or value < 1 then
    error(("bad option '%s' for '%s' (positive integer expected, got %s)")
      :format(name, who, tostring(value)), level + 1)
  end
end

local function refusessl(opts, who, level)
  if opts.ssl == nil or opts.ssl == false then return end
  error(("option 'ssl' of '%s': casync.core has no TLS; it needs the package "
    .. "casync-tls, which is not installed"):format(who), level + 1)
end

-- Connecting

local connectoptions = {
  happy_eyeballs_delay = true,
  limit = true,
  local_addr = true,
  server_hostname = true,
  ssl = true,
}

--- The addresses with the families taking turns (RFC 8305, section 4).
local function interleave(infos)
  local byfamily, families, result = {}, {}, {}
  for _, info in ipairs(infos) do
    local list = byfamily[info.family]
    if not list then
      list = {}
      byfamily[info.family] = list
      families[#families + 1] = list
    end
    list[#list + 1] = info
  end
  for i = 1, #infos do
    for _, list in ipairs(families) do result[#result + 1] = list[i] end
  end
  return result
end

local connect = async(function(host, port, opts)
  local infos = await(core.getaddrinfo(host, port))
  local localhost, localport
  local addr = opts.local_addr
  if addr then
    local own = await(core.getaddrinfo(addr[1], addr[2] or 0))
    -- Of the names of this machine, one of the family that will be tried.
    local chosen = own[1]
    for _, info in ipairs(own) do
      if info.family == infos[1].family then
        chosen = info
        break
      end
    end
    localhost, localport = chosen.address, chosen.port
  end
  return await(core.tcp_connect(interleave(infos), opts.limit,
    opts.happy_eyeballs_delay or HAPPY_EYEBALLS_DELAY, localhost, localport))
end, "open_connection")

--- Connect to `host` and `port`: awaitable, gives a stream.
function streams.open_connection(host, port, opts)
  checkhost(host, 1, "open_connection", 2)
  checkport(port, 2, "open_connection", 2)
  opts = options.check(opts, connectoptions, "open_connection")
  refusessl(opts, "open_connection", 2)
  checkcount(opts, "limit", "open_connection", 2)
  options.seconds(opts.happy_eyeballs_delay, "option 'happy_eyeballs_delay'",
    "open_connection", true)
  if (opts.happy_eyeballs_delay or 0) < 0 then
    error("bad option 'happy_eyeballs_delay' for 'open_connection' (it is "
      .. "negative)", 2)
  end
  local addr = opts.local_addr
  if addr ~= nil and (type(addr) ~= "table" or type(addr[1]) ~= "string") then
    error("bad option 'local_addr' for 'open_connection' ({host, port} "
      .. "expected)", 2)
  end
  return connect(host, port, opts)
end

-- Servers

local Server = {__name = "casync.Server"}
Server.__index = Server
Server.__metatable = "casync.Server"

local serveroptions = {
  backlog = true,
  limit = true,
  reuse_port = true,
  ssl = true,
  start_serving = true,
}

--- What a server calls for each connection: run the handler in a task, and
-- close the stream when the handler fails.
local function acceptor(loop, handler)
  return function(stream)
    local ok, task = pcall(loop.create_task, loop, handler, stream)
    if not ok then
      stream:abort()
      error(task, 0)
    end
    task:add_done_callback(function()
      if task:cancelled() then
        stream:close()
        return
      end
      local err = task:exception()
      if err == nil then return end
      stream:close()
      loop:call_exception_handler {
        message = "Unhandled exception in client_connected_cb",
        exception = err,
        stream = stream,
        task = task,
      }
    end)
  end
end

--- The addresses to listen on, each once.
local function resolve(hosts, port)
  local list, seen = {}, {}
  for i = 1, #hosts do
    local host = hosts[i] or nil        -- false: all interfaces
    for _, info in ipairs(await(core.getaddrinfo(host, port,
        {passive = true}))) do
      if not seen[info.address] then
        seen[info.address] = true
        list[#list + 1] = info
      end
    end
  end
  return list
end

local function closeall(listeners)
  for _, listener in ipairs(listeners) do listener:close() end
end

-- What a machine without IPv6 (or IPv4) says.
local unsupported = {
  EADDRNOTAVAIL = true,
  EAFNOSUPPORT = true,
  EPROTONOSUPPORT = true,
}

--- Listen on each address. On a port that the system chooses for the first
-- one the others listen too; gives nil when it is in use there.
local function bindall(infos, everywhere, accept, opts)
  local listeners, port = {}, nil
  local failure
  for _, info in ipairs(infos) do
    local wanted = info.port == 0 and port or info.port
    local ok, listener = pcall(core.tcp_listen, accept, info.address, wanted,
      opts.backlog, opts.limit, opts.reuse_port)
    if ok then
      listeners[#listeners + 1] = listener
      if not port then
        local _
        _, port = listener:getsockname()
      end
    elseif everywhere and OSError:is(listener)
        and unsupported[listener.code] then
      failure = listener
    else
      closeall(listeners)
      local taken = OSError:is(listener) and listener.code == "EADDRINUSE"
      if taken and info.port == 0 and #listeners > 0 then
        return nil, listener
      end
      error(listener, 0)
    end
  end
  if #listeners == 0 then error(failure, 0) end
  return listeners
end

local function bind(infos, everywhere, accept, opts)
  local listeners, err
  for _ = 1, PORT_ATTEMPTS do
    listeners, err = bindall(infos, everywhere, accept, opts)
    if listeners then return listeners end
  end
  error(err, 0)
end

local start = async(function(handler, hosts, port, opts)
  local loop = events.get_running_loop()
  local everywhere = hosts[1] == false
  local infos = resolve(hosts, port)
  local server = setmetatable({
    loop = loop,
    listeners = bind(infos, everywhere, acceptor(loop, handler), opts),
    closed = false,
    forever = nil,      -- the future in which serve_forever waits
  }, Server)
  if opts.start_serving ~= false then
    local ok, err = pcall(server.listen, server)
    if not ok then
      closeall(server.listeners)
      error(err, 0)
    end
  end
  return server
end, "start_server")

--- Listen on `host` (nil: all interfaces; a list: each of them) and `port`
-- (0: a free one), and run `handler(stream)` in a task for each connection:
-- awaitable, gives a Server.
function streams.start_server(handler, host, port, opts)
  if type(handler) ~= "function" then
    badargument(1, "start_server", "function", handler, 2)
  end
  local hosts = {host}
  if host == nil or host == "" then
    hosts = {false}
  elseif type(host) == "table" then
    hosts = table.move(host, 1, #host, 1, {})
    if #hosts == 0 then
      error("bad argument #2 to 'start_server' (the list of hosts is empty)",
        2)
    end
  end
  for _, name in ipairs(hosts) do
    if name then checkhost(name, 2, "start_server", 2) end
  end
  if port == nil then port = 0 end
  checkport(port, 3, "start_server", 2)
  opts = options.check(opts, serveroptions, "start_server")
  refusessl(opts, "start_server", 2)
  checkcount(opts, "backlog", "start_server", 2)
  checkcount(opts, "limit", "start_server", 2)
  return start(handler, hosts, port, opts)
end

-- Begin to accept connections.
function Server:listen()
  for _, listener in ipairs(self.listeners) do listener:listen() end
end

--- Begin to accept connections, if the server does not yet: awaitable.
Server.start_serving = async(function(self)
  if self.closed then error("server is closed", 2) end
  self:listen()
end, "start_serving")

--- The sockets the server listens on: `getsockname()` gives host and port.
function Server:sockets()
  local list = {}
  for _, listener in ipairs(self.listeners) do
    if not self.closed and listener:getsockname() then
      list[#list + 1] = listener
    end
  end
  return list
end

--- Does the server accept connections?
function Server:is_serving()
  if self.closed then return false end
  for _, listener in ipairs(self.listeners) do
    if listener:is_serving() then return true end
  end
  return false
end

--- The loop it runs in.
function Server:get_loop()
  return self.loop
end

local Closed = {__name = "casync.Server.wait_closed"}
Closed.__index = Closed

function Closed:__await()
  for _, listener in ipairs(self.listeners) do
    await(listener:wait_closed())
  end
end

function Closed:await()
  return await(self)
end

--- Wait until the server is closed and all its connections are: awaitable.
function Server:wait_closed()
  return setmetatable({listeners = self.listeners}, Closed)
end

--- Accept no more connections; those that are there go on. What it gives can
-- be awaited, as `wait_closed()`.
function Server:close()
  if not self.closed then
    self.closed = true
    closeall(self.listeners)
    if self.forever and not self.forever:done() then self.forever:cancel() end
  end
  return self:wait_closed()
end

--- Close all connections; what is queued in them still goes out.
function Server:close_clients()
  for _, listener in ipairs(self.listeners) do listener:close_clients() end
end

--- Close all connections at once.
function Server:abort_clients()
  for _, listener in ipairs(self.listeners) do listener:abort_clients() end
end

--- Serve until cancelled, or until somebody closes the server; then close it
-- and its connections: awaitable.
Server.serve_forever = async(function(self)
  if self.forever then
    error("server is already being awaited on serve_forever()", 2)
  elseif self.closed then
    error("server is closed", 2)
  end
  self:listen()
  self.forever = self.loop:create_future()
  local _, err = pcall(await, self.forever)
  self.forever = nil
  self:close()
  self:close_clients()
  await(self:wait_closed())
  error(err, 0)
end, "serve_forever")

--- The end of a `<close>` scope waits for the connections, as wait_closed
-- does. An error on its way closes them, a cancellation aborts them.
function Server:__close(err)
  local closed = self:close()
  if CancelledError:is(err) then
    self:abort_clients()
  elseif err ~= nil then
    self:close_clients()
  end
  if core.running_loop() then await(closed) end
end

function Server:__tostring()
  local places = {}
  for i, socket in ipairs(self:sockets()) do
    local host, port = socket:getsockname()
    places[i] = host and ("%s port %d"):format(host, port) or "?"
  end
  return ("<Server %s%s>"):format(
    #places == 0 and "closed" or self:is_serving() and "serving" or "bound",
    places[1] and " " .. table.concat(places, ", ") or "")
end

--- The addresses of a name: awaitable, gives a list of tables with family,
-- type, protocol, address and port.
streams.getaddrinfo = core.getaddrinfo

return streams
