"""Ten tasks give up their turn: what one `await asyncio.sleep(0)` costs."""

import asyncio

from peer import argument, clock, report, run

TASKS = 10
turns = argument(2000000) // TASKS


async def work():
    for _ in range(turns):
        await asyncio.sleep(0)


async def main():
    start = clock()
    tasks = [asyncio.create_task(work()) for _ in range(TASKS)]
    for task in tasks:
        await task
    report(clock() - start, turns * TASKS)


run(main())
