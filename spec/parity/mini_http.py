"""HTTP/1.1 with keep-alive: a hundred requests, pipelining, an idle time-out."""
import asyncio


async def read_head(reader):
    head = {}
    first = await reader.readline()
    while line := (await reader.readline()).decode().strip():
        key, value = line.split(": ", 1)
        head[key.lower()] = value
    return first.decode().strip(), head


async def handle(reader, writer, limit=5):
    try:
        while True:
            first, head = await asyncio.wait_for(read_head(reader), limit)
            if not first:
                break
            method, path, _ = first.split(" ")
            body = await reader.readexactly(int(head.get("content-length", 0)))
            if path.startswith("/echo"):
                status, text = "200 OK", body or f"{method} {path}".encode()
            else:
                status, text = "404 Not Found", b"nothing here"
            close = head.get("connection") == "close"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
            if close:
                break
    except TimeoutError:
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def read_response(reader):
    first, head = await read_head(reader)
    body = await reader.readexactly(int(head["content-length"]))
    return int(first.split(" ")[1]), body.decode()


async def session(port, name, requests):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    counts = {}
    for i in range(requests):
        body = f"{name}{i}".encode()
        path = "/echo" if i % 5 else "/missing"
        writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        status, text = await read_response(reader)
        counts[status] = counts.get(status, 0) + 1
        if status == 200 and text != f"{name}{i}":
            counts["wrong"] = counts.get("wrong", 0) + 1
    writer.close()
    return counts


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    results = await asyncio.gather(*[session(port, n, 25) for n in "abcd"])
    print("ok", sum(r[200] for r in results), "missing", sum(r[404] for r in results),
          "wrong", sum(r.get("wrong", 0) for r in results))

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for i in range(4):
        last = "Connection: close\r\n" if i == 3 else ""
        writer.write(f"GET /echo/{i} HTTP/1.1\r\n{last}\r\n".encode())
    for _ in range(4):
        status, text = await read_response(reader)
        print(f"pipelined {status} {text}")
    print("closed", str(await reader.read() == b"").lower())
    writer.close()

    server.close()
    await server.wait_closed()

    server = await asyncio.start_server(lambda r, w: handle(r, w, 0.05), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /echo HTTP/1.1\r\n")
    print("idle", (await read_response(reader))[0])
    print("closed", str(await reader.read() == b"").lower())
    writer.close()
    server.close()
    await server.wait_closed()


asyncio.run(main())
