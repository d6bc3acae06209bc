"""Many tasks are made at once, then gathered."""

import asyncio

from peer import argument, clock, report, run

count = argument(200000)


async def work(i):
    return i


async def main():
    start = clock()
    tasks = [asyncio.create_task(work(i)) for i in range(1, count + 1)]
    results = await asyncio.gather(*tasks)
    took = clock() - start
    assert len(results) == count and results[-1] == count
    report(took, count)


run(main())
