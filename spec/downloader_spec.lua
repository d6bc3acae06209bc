local casync = require "casync"
local helper = require "spec.helper"
local process = require "spec.support.process"

local async, await = helper.async, casync.await

if not package.path:find("examples/?.lua", 1, true) then
  package.path = "examples/?.lua;" .. package.path
end
local static_server = require "static_server"

local quote = process.quote


local function write_file(path, data)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(data))
end


local function temporary_directory()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. quote(path)))
  return path
end


local function remove(path)
  os.execute("rm -rf " .. quote(path))
end


--- Run a script to its end: all it printed and its exit code.
local function run(script, ...)
  local result = process.run_lua(script, {...})
  return result.stdout .. result.stderr, result.status
end


local BINARY = {}
for i = 1, 4096 do
  local piece = {}
  for j = 1, 256 do piece[j] = string.char((i * j + j) % 256) end
  BINARY[i] = table.concat(piece)
end
BINARY = table.concat(BINARY)

-- What the tree holds: names that URLs must encode, and sizes at the edges.
local FILES = {
  ["empty"] = "",
  ["one"] = "1",
  ["binary.dat"] = BINARY,
  ["with space.txt"] = "space\n",
  ["100%.txt"] = "percent\n",
  ["%41.txt"] = "no A\n",
  ["a#b?c&d"] = "marks\n",
  ["sub/deeper/caf\xC3\xA9.md"] = "accent\n",
  ["sub/index.html"] = "<p>index\n",
  ["edge"] = ("e"):rep(65536),
  ["over"] = ("o"):rep(65537),
}

local function make_tree()
  local root = temporary_directory()
  assert(os.execute("mkdir -p " .. quote(root .. "/sub/deeper")))
  local count, bytes = 0, 0
  for name, data in pairs(FILES) do
    write_file(root .. "/" .. name, data)
    count, bytes = count + 1, bytes + #data
  end
  assert(os.execute("ln -s /nowhere/at/all " .. quote(root .. "/dangling")))
  return root, count, bytes
end


describe("downloader #slow", function()
  local root, count, bytes

  setup(function() root, count, bytes = make_tree() end)
  teardown(function() remove(root) end)

  it("fetches a tree and finds every byte the same", function()
    local output, code = run("examples/downloader.lua", "--root", root)

    assert.equal(0, code, output)
    assert.truthy(output:find(("%d files, "):format(count), 1, true), output)
    assert.truthy(output:find(("(%d bytes)"):format(bytes), 1, true), output)
    assert.truthy(output:find("every byte is the same as on disk", 1, true), output)
  end)

  it("fetches no more at the same time than it was told", function()
    local output, code = run("examples/downloader.lua", "--root", root, "--concurrency", 2)

    assert.equal(0, code, output)
    assert.truthy(output:find("at most 2 at the same time", 1, true), output)
  end)

  it("chooses small and large files when it may not fetch all", function()
    local output, code = run("examples/downloader.lua", "--root", root, "--files", 2)

    assert.equal(0, code, output)
    assert.truthy(output:find(("2 files, 1.0 MB (%d bytes)"):format(#BINARY), 1, true), output)
  end)

  it("saves what it fetched under --out", function()
    local out = temporary_directory()
    finally(function() remove(out) end)

    local output, code = run("examples/downloader.lua", "--root", root, "--out", out)

    assert.equal(0, code, output)
    for name, data in pairs(FILES) do
      assert.is_true(process.read_file(out .. "/" .. name) == data, name)
    end
    local left = io.popen("find " .. quote(out) .. " -name '*.casync-part'")
    assert.equal("", left:read("a"))
    left:close()
  end)

  it("counts and shows files that take too long", function()
    local output, code = run("examples/downloader.lua", "--root", root, "--timeout", "1e-7")

    assert.equal(1, code, output)
    assert.truthy(output:find("FAILED  one: took longer than 1e-07 s", 1, true), output)
    assert.truthy(output:find(("%d of %d failed or differ"):format(count, count), 1, true), output)
  end)

  it("tells which tree is missing", function()
    local output, code = run("examples/downloader.lua", "--root", root .. "/nothing")

    assert.equal(2, code)
    assert.truthy(output:find("there is no readable file under '" .. root .. "/nothing'", 1, true),
      output)
  end)

  it("explains itself, and what it was given wrong", function()
    local cases = {
      {{"--help"}, 0, "usage: downloader.lua"},
      {{"--concurrency", "0"}, 2, "--concurrency needs a whole number above zero, not '0'"},
      {{"--files", "many"}, 2, "--files needs a whole number above zero, not 'many'"},
      {{"--files"}, 2, "--files needs a whole number above zero, not ''"},
      {{"--timeout", "nan"}, 2, "--timeout needs seconds above zero, not 'nan'"},
      {{"--timeout", "-1"}, 2, "--timeout needs seconds above zero, not '-1'"},
      {{"--out"}, 2, "--out needs a directory"},
      {{"--fast"}, 2, "unknown option '--fast'"},
      {{"--root", "/", "http://localhost/"}, 2, "--root is for running without URLs"},
      {{"https://localhost/"}, 1, "needs TLS, which this program doesn't speak"},
      {{"ftp://localhost/"}, 1, "only http:// is spoken here, not ftp://"},
      {{"localhost"}, 1, "is no URL: it must begin with http://"},
      {{"http://"}, 1, "has no valid host"},
      {{"http://localhost:99999/"}, 1, "has no valid port"},
      {{"http://127.0.0.1:1/"}, 1, "FAILED  http://127.0.0.1:1/: OSError"},
    }
    for _, case in ipairs(cases) do
      local output, code = run("examples/downloader.lua", table.unpack(case[1]))

      assert.equal(case[2], code, output)
      assert.truthy(output:find(case[3], 1, true), output)
    end
  end)
end)


-- A server that answers each path with the very bytes written here.
local SCRIPTED = [[
local casync = require "casync"
local await = casync.await
local ANSWERS = {
  ["/chunked"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n",
  ["/until-close"] = "HTTP/1.0 200 OK\n\nhello world",
  ["/continue"] = "HTTP/1.1 100 Continue\r\n\r\n"
    .. "HTTP/1.1 200 OK\r\nContent-Length: 11, 11\r\n\r\nhello world",
  ["/moved"] = "HTTP/1.1 302 Found\r\nLocation: chunked\r\nContent-Length: 0\r\n\r\n",
  ["/moved-https"] = "HTTP/1.1 301 Moved\r\n"
    .. "Location: https://localhost/\r\nContent-Length: 0\r\n\r\n",
  ["/circle"] = "HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n",
  ["/gone"] = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
  ["/early"] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
  ["/early-chunk"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
  ["/bad-chunk"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
  ["/bad-length"] = "HTTP/1.1 200 OK\r\nContent-Length: 5, 55\r\n\r\nhello",
  ["/nonsense"] = "220 smtp ready\r\n",
  ["/nothing"] = "",
}
casync.run(function()
  local server <close> = await(casync.start_server(function(stream)
    local _ <close> = stream
    local path = await(stream:readline()):match(" ([^%s?]+)")
    repeat until await(stream:readline()) == "\r\n"
    if path == "/silent" then await(casync.sleep(3600)) end
    await(stream:write(ANSWERS[path]))
    await(stream:write_eof())
    await(stream:read())
  end, "127.0.0.1", 0))
  local _, port = server:sockets()[1]:getsockname()
  print("listening at http://127.0.0.1:" .. port .. "/")
  io.stdout:flush()
  await(server:serve_forever())
end)
]]


--- Start a server script; the URL it serves, and a function that ends it by
-- Ctrl-C and gives its exit code.
local function start(script, ...)
  local words = {
    "LUA_PATH=" .. quote(package.path), "LUA_CPATH=" .. quote(package.cpath),
    "exec", quote(process.lua), quote(script),
  }
  for _, word in ipairs {...} do words[#words + 1] = quote(word) end
  local pipe = assert(io.popen("echo $$; " .. table.concat(words, " ") .. " 2>&1"))
  local pid = assert(tonumber(pipe:read("l")))
  local line = pipe:read("l") or ""
  local url = line:match("http://[%d.:]+/")
  local function stop()
    os.execute("kill -INT " .. pid)
    local rest = pipe:read("a")
    local _, _, code = pipe:close()
    return code, rest
  end
  if not url then
    stop()
    error("the server did not start: " .. line)
  end
  return url, stop
end


describe("downloader of URLs #slow", function()
  local folder, url, stop

  setup(function()
    folder = temporary_directory()
    write_file(folder .. "/server.lua", SCRIPTED)
    url, stop = start(folder .. "/server.lua")
  end)

  teardown(function()
    stop()
    remove(folder)
  end)

  it("reads each kind of body", function()
    for _, path in ipairs {"chunked", "until-close", "continue", "moved"} do
      local output, code = run("examples/downloader.lua", url .. path, "--out", folder)

      assert.equal(0, code, output)
      assert.equal("hello world", process.read_file(folder .. "/" .. path))
    end
  end)

  it("says what is wrong with an answer", function()
    local cases = {
      ["moved-https"] = "needs TLS",
      ["circle"] = "more than 5 redirects",
      ["gone"] = "the server answered with status 410",
      ["early"] = "the body ends early: 5 of 100 bytes came",
      ["early-chunk"] = "the server closed the connection in the middle of its answer",
      ["bad-chunk"] = "a chunk size is malformed: 'xyz'",
      ["bad-length"] = "Content-Length '5, 55' is no number",
      ["nonsense"] = "the answer is not HTTP/1: '220 smtp ready'",
      ["nothing"] = "the server closed the connection in the middle of its answer",
    }
    local urls = {}
    for path in pairs(cases) do urls[#urls + 1] = url .. path end

    local output, code = run("examples/downloader.lua", "--out", folder, table.unpack(urls))

    assert.equal(1, code, output)
    for path, message in pairs(cases) do
      assert.is_nil(process.read_file(folder .. "/" .. path), path)
      local line = output:match("FAILED  %S+/" .. path:gsub("%-", "%%-") .. " [^\n]+")
      assert.truthy(line and line:find(message, 1, true), path .. ": " .. output)
    end
  end)

  it("goes on when one of them never answers", function()
    local output, code = run("examples/downloader.lua", "--timeout", 0.3, url .. "silent",
      url .. "chunked")

    assert.equal(1, code, output)
    assert.truthy(output:find("chunked  11 bytes", 1, true), output)
    assert.truthy(output:find("silent: took longer than 0.3 s", 1, true), output)
    assert.truthy(output:find("1 of 2 failed", 1, true), output)
  end)

  it("stops at Ctrl-C without a word about what it left", function()
    local words = {
      "LUA_PATH=" .. quote(package.path), "LUA_CPATH=" .. quote(package.cpath),
      "exec", quote(process.lua), "examples/downloader.lua",
    }
    for _ = 1, 5 do words[#words + 1] = quote(url .. "silent") end
    words[#words + 1] = quote(url .. "chunked") .. " 2>&1"
    local pipe = assert(io.popen("echo $$; " .. table.concat(words, " ")))
    local pid = assert(tonumber(pipe:read("l")))
    assert.equal(url .. "chunked  11 bytes", pipe:read("l"))

    os.execute("kill -INT " .. pid)
    local rest = pipe:read("a")
    local _, _, code = pipe:close()

    assert.equal(130, code, rest)
    assert.is_nil(rest:find("never retrieved", 1, true), rest)
  end)

  it("keeps files of one name apart", function()
    local output, code = run("examples/downloader.lua", "--out", folder .. "/twice",
      url .. "continue?1", url .. "continue?2")

    assert.equal(0, code, output)
    assert.equal("hello world", process.read_file(folder .. "/twice/continue"))
    assert.equal("hello world", process.read_file(folder .. "/twice/continue.1"))
  end)
end)


describe("downloader's comparison #slow", function()
  local cases = {
    {"a byte that differs", "hellO", nil, "differs from the file on disk at byte 5"},
    {"a file that is too short", "hell", nil, "is shorter than the file on disk: 4 bytes"},
    {"a file that is too long", "hello!", nil, "differs from the file on disk at byte 6"},
    {"a body that ends early", "hell", 5, "the body ends early: 4 of 5 bytes came"},
  }
  for _, case in ipairs(cases) do
    local what, body, length, message = table.unpack(case, 1, 4)

    it("finds " .. what, function()
      local folder = temporary_directory()
      finally(function() remove(folder) end)
      -- The downloader takes the server that lies beside it.
      write_file(folder .. "/downloader.lua", process.read_file("examples/downloader.lua"))
      write_file(folder .. "/static_server.lua", ([[
        local casync = require "casync"
        local await = casync.await
        return {serve = casync.async(function()
          return await(casync.start_server(function(stream)
            local _ <close> = stream
            repeat until await(stream:readline()) == "\r\n"
            await(stream:write("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"))
          end, "127.0.0.1", 0))
        end)}
      ]]):format(length or #body, body))
      assert(os.execute("mkdir " .. quote(folder .. "/tree")))
      write_file(folder .. "/tree/file", "hello")

      local output, code = run(folder .. "/downloader.lua", "--root", folder .. "/tree")

      assert.equal(1, code, output)
      assert.truthy(output:find(message, 1, true), output)
      assert.truthy(output:find("1 of 1 failed or differ", 1, true), output)
    end)
  end
end)


describe("static server", function()
  local root, server

  setup(function() root = make_tree() end)
  teardown(function() remove(root) end)

  --- A spec with a server under it.
  local function served(body, options)
    return async(function()
      server = await(static_server.serve(root, options))
      local _ <close> = server
      body()
    end)
  end

  local function connect()
    local host, port = server:sockets()[1]:getsockname()
    return await(casync.open_connection(host, port))
  end

  --- All that the server answers to these bytes until it closes.
  local function answer_to(bytes)
    local stream <close> = connect()
    await(stream:write(bytes))
    return await(stream:read())
  end

  local function get(target)
    return answer_to("GET " .. target .. " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
  end

  local function split(answer)
    local head, body = answer:match("^(.-\r\n)\r\n(.*)$")
    return tonumber(answer:match("^HTTP/1.1 (%d%d%d) ")), body, head
  end

  it("serves each file whole", served(function()
    for name, data in pairs(FILES) do
      local target = "/" .. name:gsub("[^%w/]", function(c) return ("%%%02x"):format(c:byte()) end)

      local status, body, head = split(get(target))

      assert.equal(200, status, name)
      assert.is_true(body == data, name)
      assert.equal(#data, tonumber(head:match("\r\nContent%-Length: (%d+)\r\n")))
    end
  end))

  it("names the type of a file", served(function()
    local _, _, head = split(get("/with%20space.txt"))
    assert.truthy(head:find("\r\nContent-Type: text/plain; charset=utf-8\r\n", 1, true))

    _, _, head = split(get("/one"))
    assert.truthy(head:find("\r\nContent-Type: application/octet-stream\r\n", 1, true))
  end))

  it("gives the head alone when asked for it", served(function()
    local status, body, head = split(answer_to(
      "HEAD /binary.dat HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))

    assert.equal(200, status)
    assert.equal("", body)
    assert.truthy(head:find("\r\nContent-Length: " .. #BINARY .. "\r\n", 1, true))
  end))

  it("serves many requests on one connection, sent at once too", served(function()
    local answer = answer_to("GET /one HTTP/1.1\r\nHost: h\r\n\r\n"
      .. "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"
      .. "GET /with%20space.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
      .. "GET /one HTTP/1.1\r\nHost: h\r\n\r\n")

    local statuses = {}
    for status in answer:gmatch("HTTP/1.1 (%d%d%d) ") do statuses[#statuses + 1] = status end
    assert.same({"200", "404", "200"}, statuses)
    assert.truthy(answer:find("\r\n\r\nspace\n$"))
  end))

  it("skips the body of a request", served(function()
    local answer = answer_to("GET /one HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
      .. "GET /one HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    local _, ok = answer:gsub("HTTP/1.1 200 OK\r\n", "")
    assert.equal(2, ok)
  end))

  it("closes after a request of HTTP/1.0", served(function()
    local status, body, head = split(answer_to("GET /one HTTP/1.0\r\n\r\n"))

    assert.equal(200, status)
    assert.equal("1", body)
    assert.truthy(head:find("\r\nConnection: close\r\n", 1, true))
  end))

  it("serves the index of a directory, and nothing for one without", served(function()
    assert.equal(FILES["sub/index.html"], select(2, split(get("/sub/"))))

    local status, _, head = split(get("/sub"))
    assert.equal(301, status)
    assert.truthy(head:find("\r\nLocation: /sub/\r\n", 1, true))

    assert.equal(404, (split(get("/"))))
    assert.equal(404, (split(get("/sub/deeper"))))
    assert.equal(404, (split(get("/dangling"))))
    assert.equal(404, (split(get("/one/"))))
  end))

  it("takes a whole URL, a query and needless dots and slashes", served(function()
    for _, target in ipairs {"http://h/one", "/one?x=1", "//one", "/./one", "/sub/./index.html",
      "/sub//index.html"} do
      assert.equal(200, (split(get(target))), target)
    end
  end))

  it("stays under its root", served(function()
    for _, target in ipairs {"/../etc/passwd", "/sub/../../etc/passwd", "/%2e%2e/etc/passwd",
      "/..%2fetc/passwd", "/sub/..", "/one%00.txt", "/%2fetc/passwd", "etc/passwd", "*"} do
      assert.equal(400, (split(get(target))), target)
    end
    assert.equal(404, (split(get("//etc/passwd"))))
  end))

  it("refuses what is malformed, too long or not for it", served(function()
    local host = "\r\nHost: h\r\n"
    local cases = {
      {400, "nonsense\r\n\r\n"},
      {400, "GET /one\r\n\r\n"},
      {400, "GET  /one HTTP/1.1" .. host .. "\r\n"},
      {400, "GET /o\1ne HTTP/1.1" .. host .. "\r\n"},
      {400, "G@T /one HTTP/1.1" .. host .. "\r\n"},
      {400, "GET /one HTTP/1.1\r\n\r\n"},
      {400, "GET /%zz HTTP/1.1" .. host .. "\r\n"},
      {400, "GET /% HTTP/1.1" .. host .. "\r\n"},
      {400, "GET /one HTTP/1.1" .. host .. "Host: i\r\n\r\n"},
      {400, "GET /one HTTP/1.1" .. host .. "no colon\r\n\r\n"},
      {400, "GET /one HTTP/1.1" .. host .. "Name : value\r\n\r\n"},
      {400, "GET /one HTTP/1.1" .. host .. " folded\r\n\r\n"},
      {400, "GET /one HTTP/1.1" .. host .. "A: \0\r\n\r\n"},
      {400, "GET /one HTTP/1.1" .. host .. "Content-Length: x\r\n\r\n"},
      {400, "GET /one HTTP/1.1" .. host .. "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"},
      {405, "POST /one HTTP/1.1" .. host .. "Content-Length: 3\r\n\r\nabc"},
      {405, "DELETE /one HTTP/1.1" .. host .. "\r\n"},
      {413, "GET /one HTTP/1.1" .. host .. "Content-Length: 99999999\r\n\r\n"},
      {414, "GET /" .. ("a"):rep(20000) .. " HTTP/1.1" .. host .. "\r\n"},
      {431, "GET /one HTTP/1.1" .. host .. "A: " .. ("a"):rep(20000) .. "\r\n\r\n"},
      {431, "GET /one HTTP/1.1" .. host .. ("A: a\r\n"):rep(200) .. "\r\n"},
      {431, "GET /one HTTP/1.1" .. host .. ("A: " .. ("a"):rep(4000) .. "\r\n"):rep(20) .. "\r\n"},
      {501, "BREW /one HTTP/1.1" .. host .. "\r\n"},
      {501, "GET /one HTTP/1.1" .. host .. "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {505, "GET /one HTTP/2.0" .. host .. "\r\n"},
    }
    for _, case in ipairs(cases) do
      local answer = answer_to(case[2])

      assert.equal(case[1], (split(answer)), case[2]:sub(1, 80))
      assert.truthy(answer:find("\r\nConnection: close\r\n", 1, true))
    end
    assert.truthy(answer_to("PUT / HTTP/1.1" .. host .. "\r\n")
      :find("\r\nAllow: GET, HEAD\r\n", 1, true))
  end))

  it("refuses a request that ends in the middle", served(function()
    for _, bytes in ipairs {"GET /one HT", "GET /one HTTP/1.1\r\n",
      "GET /one HTTP/1.1\r\nHost: h"} do
      local stream <close> = connect()
      await(stream:write(bytes))
      await(stream:write_eof())

      assert.equal(400, (split(await(stream:read()))), bytes)
    end
  end))

  it("lets a peer come and go without a word", served(function()
    connect():close()
    local stream <close> = connect()
    await(stream:write_eof())

    assert.equal("", await(stream:read()))
  end))

  it("gives up on a request that does not come", served(function()
    local stream <close> = connect()
    await(stream:write("GET /one HTTP/1.1\r\n"))

    assert.equal(408, (split(await(stream:read()))))
  end, {timeout = 0.05}))

  it("gives up on a peer that does not read", served(function()
    local idle = #casync.all_tasks()
    local stream <close> = connect()
    await(stream:write(("GET /binary.dat HTTP/1.1\r\nHost: h\r\n\r\n"):rep(50)))
    while #casync.all_tasks() == idle do await(casync.sleep(0)) end
    while #casync.all_tasks() > idle do await(casync.sleep(0.01)) end

    local ok, answer = pcall(await, stream:read())
    assert.is_true(not ok or #answer < 50 * #BINARY)
  end, {timeout = 0.05}))

  it("does not wait for such a peer when it closes", served(function()
    local stream <close> = connect()
    await(stream:write(("GET /binary.dat HTTP/1.1\r\nHost: h\r\n\r\n"):rep(1000)))
    await(casync.sleep(0.2))
    server:close()

    await(server:wait_closed())
    await(stream:abort())
  end, {timeout = 0.05}))

  it("tells each answer to its log", async(function()
    local lines = {}
    server = await(static_server.serve(root, {log = function(...)
      lines[#lines + 1] = table.concat({...}, " ")
    end}))
    local _ <close> = server

    get("/one")
    get("/nothing")
    answer_to("nonsense\r\n\r\n")

    assert.same({"200 GET /one", "404 GET /nothing", "400 - -"}, lines)
  end))

  it("refuses options and roots it does not know", async(function()
    assert.has_error(function() await(static_server.serve(nil)) end)
    local ok, message = pcall(function() await(static_server.serve(root, {prot = 1})) end)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("unknown option 'prot'", 1, true))
  end))
end)


describe("static server as a program #slow", function()
  it("serves until Ctrl-C ends it", function()
    local root = make_tree()
    finally(function() remove(root) end)

    local url, stop = start("examples/static_server.lua", "--port", 0, root)
    local output, code = run("examples/downloader.lua", url .. "one", url .. "binary.dat")
    local ended, log = stop()

    assert.equal(0, code, output)
    assert.truthy(output:find("2 files, ", 1, true), output)
    assert.equal(130, ended)
    assert.truthy(log:find("200  GET /one", 1, true), log)
  end)

  it("explains itself, and what it was given wrong", function()
    local cases = {
      {{"--help"}, 0, "usage: static_server.lua"},
      {{"--port"}, 2, "--port needs a value"},
      {{"--port", "70000"}, 2, "--port must be a number from 0 to 65535, not '70000'"},
      {{"--fast"}, 2, "unknown option '--fast'"},
      {{"a", "b"}, 2, "one root is enough: 'b' is a second one"},
    }
    for _, case in ipairs(cases) do
      local output, code = run("examples/static_server.lua", table.unpack(case[1]))

      assert.equal(case[2], code, output)
      assert.truthy(output:find(case[3], 1, true), output)
    end
  end)
end)
