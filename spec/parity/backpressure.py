"""A writer is held back until its slow reader reads; half close."""
import asyncio

SIZE = 16 * 1024 * 1024
log = []


async def main():
    go, connected = asyncio.Event(), asyncio.Event()
    finished = asyncio.get_running_loop().create_future()

    async def handle(reader, writer):
        log.append("connected")
        connected.set()
        await go.wait()
        log.append("reading")
        total = 0
        while data := await reader.read(65536):
            total += len(data)
        finished.set_result(total)
        writer.write(f"got {total}".encode())
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await connected.wait()
    writer.write(b"small")
    await writer.drain()
    log.append("small write does not wait")
    writer.write(b"x" * SIZE)

    async def drain():
        await writer.drain()
        log.append("drained")
    task = asyncio.create_task(drain())
    await asyncio.sleep(0.05)
    log.append(f"held back {str(not task.done()).lower()}")
    go.set()
    await task
    writer.write_eof()
    log.append("half closed")
    log.append(str(await finished - len("small") == SIZE).lower())
    log.append((await reader.read()).decode())
    writer.close()
    await writer.wait_closed()
    log.append(f"closing {str(writer.is_closing()).lower()}")
    server.close()
    for line in log:
        print(line)


asyncio.run(main())
