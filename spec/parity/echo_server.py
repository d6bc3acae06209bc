"""A TCP echo server: three clients, serve_forever, closing the server."""
import asyncio


async def handle(reader, writer):
    while line := await reader.readline():
        text = line.decode().rstrip("\n")
        if text == "quit":
            break
        writer.write(f"echo {text}\n".encode())
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def client(port, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = []
    for i in range(3):
        writer.write(f"{name}{i}\n".encode())
        await writer.drain()
        lines.append((await reader.readline()).decode().rstrip("\n"))
    writer.write(b"quit\n")
    lines.append(f"end {str(await reader.readline() == b'').lower()}")
    writer.close()
    await writer.wait_closed()
    return ", ".join(lines)


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print("listening on", host)
    for line in await asyncio.gather(*[client(port, n) for n in "abc"]):
        print(line)

    server.close()
    await server.wait_closed()
    print("serving", str(server.is_serving()).lower())
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        print("refused after close")

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        print(await client(port, "d"))
        serving = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(0.01)
        print(await client(port, "e"))
        serving.cancel()
        try:
            await serving
        except asyncio.CancelledError:
            print("serve_forever cancelled")

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await asyncio.start_server(handle, "127.0.0.1", port)
    except OSError:
        print("address in use")
    server.close()
    await server.wait_closed()


asyncio.run(main())
