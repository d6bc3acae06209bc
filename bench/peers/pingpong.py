"""Two tasks play ping-pong over two queues."""

import asyncio

from peer import argument, clock, report, run

count = argument(200000)


async def main():
    there, back = asyncio.Queue(1), asyncio.Queue(1)
    total = 0

    async def answer():
        for _ in range(count):
            await back.put(await there.get())

    start = clock()
    pong = asyncio.create_task(answer())
    for i in range(1, count + 1):
        await there.put(i)
        total += await back.get()
    await pong
    took = clock() - start
    assert total == count * (count + 1) // 2
    report(took, count)


run(main())
