"""A task is made and awaited, then the next one."""

import asyncio

from peer import argument, clock, report, run

count = argument(500000)


async def work(i):
    return i


async def main():
    total = 0
    start = clock()
    for i in range(1, count + 1):
        total += await asyncio.create_task(work(i))
    took = clock() - start
    assert total == count * (count + 1) // 2
    report(took, count)


run(main())
